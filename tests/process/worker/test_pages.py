"""Code on huge pages and pinned hot pages: in processes of their own, since they change the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from dspex.worker import hot_pages

ROOT = Path(__file__).parents[3]


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, cwd=ROOT,
        timeout=60, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def huge_pages_on_request() -> bool:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return setting.exists() and "[never]" not in setting.read_text()


@pytest.mark.skipif(not huge_pages_on_request(), reason="this kernel gives no huge pages")
def test_code_that_was_moved_still_runs_here_and_in_a_forked_process(tmp_path: Path) -> None:
    # A module of 8 MiB of code: enough for whole huge pages wherever it is mapped.
    said = run(f"""
        import os, wasmtime
        from dspex.wasm.engine import new_engine
        from dspex.worker import huge_code
        functions = "".join(
            f'(func (export "f{{i}}") (param i32) (result i32) (local.get 0)'
            + "(i32.const 7) (i32.rotl) (i32.const 12345) (i32.xor)" * 400 + ")"
            for i in range(2500)
        )
        engine, path = new_engine(), {str(tmp_path / "big.cwasm")!r}
        open(path, "wb").write(wasmtime.Module(engine, "(module " + functions + ")").serialize())
        store = wasmtime.Store(engine)
        module = wasmtime.Module.deserialize_file(engine, path)
        exports = wasmtime.Instance(store, module, []).exports(store)
        before = exports["f1234"](store, 5)
        moved = huge_code.use_huge_pages("big.cwasm")
        assert moved >= huge_code.HUGE_PAGE_BYTES, moved
        assert exports["f1234"](store, 5) == before
        if (pid := os.fork()) == 0:
            os._exit(0 if exports["f1234"](store, 5) == before else 1)
        print(os.waitpid(pid, 0)[1], huge_code.use_huge_pages("big.cwasm"))
    """)

    assert said.split() == ["0", "0"], "moved once, it is no file's mapping any more"


def test_a_file_that_is_not_mapped_has_no_code_to_move() -> None:
    assert run("from dspex.worker import huge_code; print(huge_code.use_huge_pages('.none'))") == "0\n"


def test_the_pages_that_a_child_writes_are_found_and_no_others() -> None:
    said = run("""
        import ctypes, mmap
        from dspex.worker import hot_pages
        area = mmap.mmap(-1, 64 * hot_pages.PAGE_BYTES, flags=mmap.MAP_PRIVATE)
        area[:] = bytes([1]) * len(area)
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))

        def start_one(tell):
            def live(_keep):
                for page in (3, 4, 40):
                    area[page * hot_pages.PAGE_BYTES] = 2

            children = hot_pages.rehearse(live, tell)
            area[50 * hot_pages.PAGE_BYTES] = 3  # by whom it is written counts
            return children

        found = set()
        for address, length in hot_pages.find(start_one):
            for at in range(address, address + length, hot_pages.PAGE_BYTES):
                if start <= at < start + len(area):
                    found.add((at - start) // hot_pages.PAGE_BYTES)
        print(sorted(found), area[3 * hot_pages.PAGE_BYTES])
    """)

    assert said == "[3, 4, 40] 1\n"


def test_a_rehearsal_that_fails_pins_nothing() -> None:
    said = run("""
        import os
        from dspex.worker import hot_pages
        print(hot_pages.find(lambda tell: hot_pages.rehearse(lambda _keep: os._exit(3), tell)), hot_pages.pin([]))
    """)

    assert said == "[] -1\n"


def test_a_rehearsal_that_cannot_begin_leaves_nobody_behind() -> None:
    said = run("""
        import os
        from dspex.worker import hot_pages

        def refuse(_tell):
            raise BlockingIOError("no more processes")

        try:
            hot_pages.find(refuse)
        except BlockingIOError as error:
            print(error)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("no child")
    """)

    assert said == "no more processes\nno child\n"


def test_heaps_are_named_that_no_worker_writes() -> None:
    said = run("""
        import ctypes, mmap
        from dspex.worker import hot_pages
        page = hot_pages.PAGE_BYTES
        areas = [mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE) for size in (1 << 22, 1 << 22, 1 << 12)]
        # Apart from each other, or the kernel makes one mapping of them.
        places = [ctypes.addressof(ctypes.c_char.from_buffer(area)) for area in areas]
        libc = ctypes.CDLL(None)
        for place in places:
            libc.mprotect(ctypes.c_void_p(place), page, 1)

        def named(hot, but=(0, 0)):
            found = hot_pages.untouched_heaps(hot, but)
            return [(place + page, (1 << 22) - page) in found for place in places[:2]]

        print(named([]), named([(places[0] + 5 * page, page)]), named([], (places[1] + 9 * page, page)))
        print(any(start <= places[2] < start + size for start, size in hot_pages.untouched_heaps([], (0, 0))))
    """)

    assert said == "[True, True] [False, True] [True, False]\nFalse\n"


def test_the_difference_of_ranges_is_taken_page_by_page() -> None:
    page = hot_pages.PAGE_BYTES
    ranges = [(10 * page, 4 * page), (20 * page, page), (30 * page, 2 * page)]
    others = [(11 * page, page), (20 * page, page), (40 * page, page)]

    left = hot_pages.difference(ranges, others)

    assert left == [(10 * page, page), (12 * page, 2 * page), (30 * page, 2 * page)]
    assert hot_pages.difference(ranges, []) == ranges
    assert hot_pages.difference([], ranges) == []


def test_pinned_pages_are_copied_by_a_fork_and_stay_apart() -> None:
    said = run("""
        import ctypes, mmap, os
        from dspex.worker import hot_pages
        area = mmap.mmap(-1, 16 * hot_pages.PAGE_BYTES, flags=mmap.MAP_PRIVATE)
        area[:] = bytes([1]) * len(area)
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        ring = hot_pages.pin([(start, len(area))])
        if (pid := os.fork()) == 0:
            area[0] = 2
            os._exit(area[0])
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(status, area[0], ring >= -1)
    """)

    assert said == "2 1 True\n"


HEAP = """
import ctypes, mmap, os, struct
from dspex.worker import hot_pages, huge_heap
size, page = 8 << 20, hot_pages.PAGE_BYTES
area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)
for at in range(0, size, page):
    area[at : at + 8] = struct.pack("=Q", at)
start = ctypes.addressof(ctypes.c_char.from_buffer(area))
hot = [(start + n * page, page) for n in range(700, 1300, 3)]
collapsed = huge_heap.use_huge_pages(hot)
"""


def test_heaps_on_huge_pages_hold_what_they_held() -> None:
    said = run(HEAP + dedent("""
        def held():
            return all(area[at : at + 8] == struct.pack("=Q", at) for at in range(0, size, page))

        before = held()
        if (pid := os.fork()) == 0:
            area[701 * page] = area[700 * page] = 255
            os._exit(0 if area[702 * page : 702 * page + 8] == struct.pack("=Q", 702 * page) else 1)
        print(before, os.waitpid(pid, 0)[1], held())
    """))

    assert said == "True 0 True\n"


def kernel_collapses_on_demand() -> bool:
    """Ask the kernel itself, so that a fault of ours is not taken for one of its."""
    said = run("""
        import ctypes, mmap
        area = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE)
        area[:] = bytes([1]) * len(area)
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        print(madvise(-(-start // (2 << 20)) * (2 << 20), 2 << 20, 25))
    """)
    return said == "0\n"


@pytest.mark.skipif(not kernel_collapses_on_demand(), reason="THIS KERNEL DOES NOT COLLAPSE MEMORY ON DEMAND")
@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: nobody else sees where pages lie")
def test_hot_pages_lie_apart_from_huge_ones() -> None:
    said = run(HEAP + dedent("""
        with open("/proc/self/pagemap", "rb") as pagemap:
            pagemap.seek(start // page * 8)
            entries = struct.unpack(f"={size // page}Q", pagemap.read(size // page * 8))
        where = [entry & (1 << 55) - 1 for entry in entries]
        apart = [n for n in range(700, 1298) if where[n] + 1 != where[n + 1]]
        print(collapsed >= 3 * huge_heap.HUGE_PAGE_BYTES, len(apart))
    """))

    collapsed, apart = said.split()
    assert collapsed == "True"
    assert 200 <= int(apart) <= 420, "each hot page lies elsewhere, the others in a row"
