"""Where the processor time of one fresh worker goes, step by step: `python -m benchmarks.anatomy`.

It plays zygote and worker without jail and supervisor, in a process that imports what a zygote
imports, and forks the same life again and again with one step more each time. What the whole
engine achieves is `benchmarks`' own business.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.languages.python import PythonGuest
    from dspex.wasm.fast_path import FastPath

FORKS, BATCH = 300, 20
_INSIDE = (
    "import sys; sys.path[:0] = sys.argv[2:]; "
    "from benchmarks.anatomy import dissect; dissect(sys.argv[1])"
)


def _cpu_ms(who: int) -> float:
    used = resource.getrusage(who)
    return (used.ru_utime + used.ru_stime) * 1000


def _measure(live: Callable[[], object]) -> dict[str, float]:
    """Fork `FORKS` children that live this life; return milliseconds and faults of one."""

    def start() -> int:
        pid = os.fork()
        if pid == 0:
            live()
            os._exit(0)
        return pid

    return _measure_started(start)


def _measure_started(start: Callable[[], int]) -> dict[str, float]:
    """Do the same with children that are forked in another way.

    What other processes do meanwhile only ever adds, so the cheapest batch is the one that counts.
    """
    batches = [_batch(start) for _ in range(FORKS // BATCH)]
    return min(batches, key=lambda one: one["zygote_ms"] + one["worker_ms"])


def _batch(start: Callable[[], int]) -> dict[str, float]:
    own, children = _cpu_ms(resource.RUSAGE_SELF), _cpu_ms(resource.RUSAGE_CHILDREN)
    faults = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    began = time.perf_counter()
    for _ in range(BATCH):
        os.waitpid(start(), 0)
    wall = time.perf_counter() - began
    return {
        "zygote_ms": (_cpu_ms(resource.RUSAGE_SELF) - own) / BATCH,
        "worker_ms": (_cpu_ms(resource.RUSAGE_CHILDREN) - children) / BATCH,
        "faults": (resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - faults) / BATCH,
        "wall_ms": wall * 1000 / BATCH,
    }


class _Led:
    """Workers that are led by the fast path."""

    def __init__(self, language: PythonGuest, fast: FastPath, request: bytes) -> None:
        self._fast, self._request = fast, request
        self._kept: list[socket.socket] = []
        language.offer_turns(fast)
        fast.confine(
            wakeup_fd=language.enter_worker()[0], zygote_pid=None, landlock_fd=None, limits=False, may_multiply=True,
            filter_program=None, filter_bytes=None, filter_places=(), kept=(),
        )  # fmt: skip

    def start(self) -> int:
        """Fork one that serves the request and ends; return its number."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(self._request)
            pid = self._fast.fork(theirs.fileno(), cpu_s=-1, data_bytes=-1, warm=False)
            theirs.close()
            ours.recv(1 << 16)
        return pid

    def rehearse(self, tell: int) -> tuple[int, int]:
        """Fork one that serves the request and waits."""
        ours, theirs = socket.socketpair()
        self._kept += (ours, theirs)
        ours.sendall(self._request)
        return self._fast.rehearse(theirs.fileno(), tell, cpu_s=-1, warm=False)


def dissect(runtime: str) -> None:
    """Print one JSON object per step; run in a process of its own."""
    rows = [("a Python process with nothing loaded: fork and exit", _measure(lambda: None))]

    from dspex.languages.python import PythonGuest  # noqa: PLC0415 - loading is what is measured
    from dspex.protocol.messages import Budget, Run, encode  # noqa: PLC0415 - see above
    from dspex.worker import hot_pages, huge_code, huge_heap, zygote  # noqa: PLC0415 - see above

    language = PythonGuest(Path(runtime))
    budget = Budget(5.0, 5.0, 1 << 28, 1 << 20, 1 << 20, 50, 1 << 20, 100, 64)

    message = Run(
        run=1, source=b"1 + 1", filename="main.py", variables=b"", files={}, stdin=b"",
        args=[], env={}, budget=budget, stream=False, single=True,
    )

    def serve() -> None:
        language.serve(message, zygote._Nowhere())

    def warm() -> None:
        language.enter_worker()
        language.warm()

    def live() -> None:
        warm()
        serve()

    for _ in range(12):
        language.boot()
        live()
    language.boot()
    gc.collect()
    gc.freeze()
    gc.disable()
    rows += [
        ("a zygote with a guest: fork and exit", _measure(lambda: None)),
        ("... and its own interrupt page", _measure(language.enter_worker)),
        ("... and the warming run", _measure(warm)),
        ("... and the run", _measure(live)),
    ]
    for _ in range(3):
        warm()
    rows.append(("the guest warmed before the fork", _measure(live)))
    moved = huge_code.use_huge_pages(".cwasm")
    rows.append(("and code on huge pages", _measure(live)))
    hot = hot_pages.find(lambda tell: hot_pages.rehearse(lambda _keep: live(), tell))
    led = None if language.fast is None else _Led(language, language.fast, encode(message))
    alone = [] if led is None else hot_pages.find(led.rehearse)
    collapsed = huge_heap.use_huge_pages(hot)
    rows.append(("and heaps on huge pages", _measure(live)))
    if led is not None:
        ring = hot_pages.pin(alone)
        rows.append(("without the host's Python, what it writes copied", _measure_started(led.start)))
        os.close(ring)
    ring = hot_pages.pin(hot)
    rows += [
        ("with it, and what it writes copied by the fork", _measure(live)),
        ("the same zygote: fork and exit alone", _measure(lambda: None)),
    ]
    for step, numbers in rows:
        print(json.dumps({"step": step, **numbers}))
    if ring < 0 or not moved or not collapsed:
        print(json.dumps({"step": f"(pinned: {ring >= 0}, bytes moved: {moved}, collapsed: {collapsed})"}))
    print(json.dumps({"step": _inventory()}))


def _inventory() -> str:
    """Say what a fork of this process has to copy."""
    mappings = Path("/proc/self/maps").read_text(encoding="utf-8").count("\n")
    sizes = dict.fromkeys(("Rss", "Anonymous", "AnonHugePages"), 0)
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines():
        name, _, amount = line.partition(":")
        if name in sizes:
            sizes[name] = int(amount.split()[0])
    small = (sizes["Anonymous"] - sizes["AnonHugePages"]) // 4
    huge = sizes["AnonHugePages"] // 2048
    return f"({mappings} mappings, {small} small and {huge} huge pages of its own)"


def main() -> None:
    """Dissect in a fresh process and print a table."""
    import subprocess  # noqa: PLC0415 - it would bring threading, and so handlers for each fork

    from rich.console import Console  # noqa: PLC0415 - the process within must stay small
    from rich.table import Table  # noqa: PLC0415 - see above

    from dspex.runtimes import locate  # noqa: PLC0415 - see above
    from dspex.supervisor.zygote import _import_paths  # noqa: PLC0415 - see above

    paths = [str(Path(__file__).parents[1]), *_import_paths(("wasmtime", "msgspec"))]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _INSIDE, str(locate.runtime("python")), *paths],
        stdout=subprocess.PIPE, text=True, check=True, timeout=300,
    )
    table = Table(title=f"Processor time of one fresh worker, best {BATCH} of {FORKS}")
    for column in ("step", "zygote ms", "worker ms", "faults", "wall ms"):
        step = column == "step"
        table.add_column(column, justify="left" if step else "right", no_wrap=True)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        numbers = [row.get(name) for name in ("zygote_ms", "worker_ms", "faults", "wall_ms")]
        shown = ["" if n is None else f"{n:.0f}" if i == 2 else f"{n:.2f}" for i, n in enumerate(numbers)]
        table.add_row(row["step"], *shown)
    Console(width=max(100, Console().width)).print(table)


if __name__ == "__main__":
    main()
