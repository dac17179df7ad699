"""A session is forked by copying its process: what the two share, what they must not, and how they end."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import dspex
from dspex.supervisor.seat import ForkWish, Seat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.supervisor.worker import Worker

LARGE = "big = bytearray(b'dspex' * (10 << 20))"


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT ROOT: nobody else can see the memory of a worker, which is not dumpable"
)


def worker_of(session: dspex.Session) -> Worker:
    worker = session._seat._worker
    assert worker is not None
    return worker


@pytest.fixture
def session(engine: dspex.Engine) -> Iterator[dspex.Session]:
    with engine.session() as made:
        made.run("x = 1")
        if worker_of(made).gate is None:
            pytest.skip("THIS KERNEL LETS NO WORKER BE COPIED: sessions are forked by their states here")
        yield made


@pytest.fixture(autouse=True)
def no_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no fork of this file write a state down."""
    honest = Seat._fork_by_state

    def watched(seat: Seat, wish: ForkWish) -> None:
        assert seat._pool.closing, "a state was written down"
        honest(seat, wish)

    monkeypatch.setattr(Seat, "_fork_by_state", watched)


@needs_root
def test_a_large_session_is_shared_with_its_copy_until_one_of_them_writes(
    session: dspex.Session,
) -> None:
    session.run(LARGE)
    with session.fork() as twin:
        assert twin.run("len(big), x").value == (50 << 20, 1)
        own = psutil.Process(worker_of(twin).pid).memory_full_info().uss
        assert own < 20 << 20
        twin.run("big[:] = bytes(len(big))")
        assert psutil.Process(worker_of(twin).pid).memory_full_info().uss > 50 << 20
        assert session.run("bytes(big[:5])").value == b"dspex"


def test_the_copy_is_the_zygotes_child_and_has_its_layers(session: dspex.Session) -> None:
    with session.fork() as twin:
        original, copy = psutil.Process(worker_of(session).pid), psutil.Process(worker_of(twin).pid)
        assert copy.ppid() == original.ppid()
        assert original.children() == []
        assert twin.run("1").isolation == session.run("1").isolation


def test_an_interrupt_reaches_only_the_one_that_it_is_for(session: dspex.Session) -> None:
    with session.fork() as twin:
        slow = twin.submit("import time\nuntil = time.time() + 1\nwhile time.time() < until: x += 1\n'whole'")
        assert session.run("while True: pass", timeout_s=0.1).status == "limit"
        assert slow.outcome().value == "whole"
        assert twin.run("while True: pass", timeout_s=0.1).status == "limit"
        assert session.run("x").value == 1
        assert twin.run("x > 1").value is True


@needs_root
def test_an_interrupt_page_is_not_shared(session: dspex.Session) -> None:
    with session.fork() as twin, twin.fork() as grandchild:
        found = set()
        for one in (session, twin, grandchild):
            maps = [m for m in psutil.Process(worker_of(one).pid).memory_maps(grouped=False)
                    if "memfd" in m.path and "s" in m.perms]
            inodes = {Path(f"/proc/{worker_of(one).pid}/map_files/{m.addr}").stat().st_ino for m in maps}
            assert len(inodes) == 1
            found |= inodes
        assert len(found) == 3


def test_processor_time_and_clocks_do_not_go_back(session: dspex.Session) -> None:
    look = "import time\n(time.process_time(), time.monotonic())"
    session.run("import time\nuntil = time.process_time() + 0.2\nwhile time.process_time() < until: pass")
    before = session.run(look).value
    with session.fork() as twin, twin.fork() as grandchild:
        for one in (twin, grandchild):
            assert all(later >= earlier for later, earlier in zip(one.run(look).value, before, strict=True))
        assert twin.run("1").usage.cpu_s < 0.15


def test_either_of_them_dies_alone_and_it_is_known_how(session: dspex.Session) -> None:
    with session.fork() as twin, twin.fork() as grandchild:
        killed = twin.submit("while True: pass")
        time.sleep(0.1)
        os.kill(worker_of(twin).pid, signal.SIGKILL)
        outcome = killed.outcome()
        assert outcome.status == "lost"
        assert outcome.error is not None
        assert outcome.error.exit_status == -signal.SIGKILL
        assert grandchild.run("x").value == session.run("x").value == 1
        session.close()
        assert grandchild.run("x").value == 1


def test_copies_made_at_the_same_moment_are_as_many_as_were_asked_for(
    session: dspex.Session, engine: dspex.Engine
) -> None:
    with engine.session() as other, session.fork() as twin:
        other.run("x = 2")
        with ThreadPoolExecutor(12) as threads:
            ordered = [threads.submit(one.fork) for one in (session, other, twin) * 4]
            forked = [one.result() for one in ordered]
        try:
            assert [one.run("x").value for one in forked] == [1, 2, 1] * 4
            assert len({worker_of(one).pid for one in forked}) == 12
        finally:
            for one in forked:
                one.close()


def test_a_copy_can_be_saved_parked_and_copied(session: dspex.Session) -> None:
    with session.fork() as twin:
        twin.run("x = 5")
        twin.park()
        assert twin.parked
        assert twin.run("x").value == 5
        assert worker_of(twin).gate is not worker_of(session).gate
        with twin.fork() as grandchild:
            assert grandchild.run("x").value == 5


def test_tools_of_a_copy_answer_it(engine: dspex.Engine) -> None:
    with engine.session(tools={"double": lambda n: 2 * n}) as session:
        session.run("x = double(2)")
        with session.fork() as twin:
            assert twin.run("double(x)").value == 8
            assert session.run("double(x + 1)").value == 10


def test_nothing_is_left_of_copies(engine: dspex.Engine) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with engine.session() as session:
        session.run("x = 1")
        session.fork().close()
        time.sleep(0.5)
        before = descriptors()
        pids = []
        for _ in range(20):
            with session.fork() as twin:
                pids.append(worker_of(twin).pid)
        until_s = time.monotonic() + 10
        while (
            any(map(psutil.pid_exists, pids)) or descriptors() > before
        ) and time.monotonic() < until_s:
            time.sleep(0.05)
        assert not any(map(psutil.pid_exists, pids))
        assert descriptors() <= before


def test_copying_is_given_up_when_the_engine_is_closed() -> None:
    engine = dspex.Engine(idle_max=1)
    session = engine.session()
    session.run("x = 1")
    stop = threading.Event()
    seen: list[BaseException] = []

    def fork_on() -> None:
        while not stop.is_set():
            try:
                session.fork().close()
            except dspex.DspexError as error:
                seen.append(error)
                return

    threads = [threading.Thread(target=fork_on) for _ in range(4)]
    for one in threads:
        one.start()
    time.sleep(0.2)
    engine.close()
    for one in threads:
        one.join(10)
        assert not one.is_alive()
    stop.set()
    assert len(seen) == 4
