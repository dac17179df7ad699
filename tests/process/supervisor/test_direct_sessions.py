"""A caller's thread serves the runs of its session, in their order, and the session stays what it was."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dspex
from tests.process.supervisor.moments import (
    WAIT_S,
    blocked_loop,
    interrupt_often,
    interrupted_at,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.supervisor.worker import Worker

INTERRUPTS = 120
THREADS, EACH = 4, 40


@pytest.fixture(scope="module")
def engine() -> Iterator[dspex.Engine]:
    with dspex.Engine(idle_max=1) as engine:
        yield engine


@pytest.fixture
def session(engine: dspex.Engine) -> Iterator[dspex.Session]:
    with engine.session() as session:
        rested(session)
        yield session


def worker_of(session: dspex.Session) -> Worker:
    worker = session._seat._worker
    assert worker is not None
    return worker


def in_thread(session: dspex.Session) -> bool:
    """Tell whether a thread has sent a run to the session's worker."""
    lending = worker_of(session)._lent
    return lending is not None and bool(lending.sent)


def rested(session: dspex.Session) -> dspex.Session:
    """Bring a session to where a thread can speak to its worker."""
    session.run("n = 0")
    wait_for(lambda: not worker_of(session)._attended)
    return session


def test_runs_of_a_session_need_no_loop(engine: dspex.Engine, session: dspex.Session) -> None:
    with blocked_loop(engine):
        outcomes = [session.run("n += 1; n") for _ in range(3)]

    assert [one.value for one in outcomes] == [1, 2, 3]
    assert all(one.session_usable for one in outcomes)


def test_a_run_never_overtakes_one_that_was_asked_for_before(session: dspex.Session) -> None:
    for number in range(100):
        session.submit(f"n = {number}")
        assert session.run("n").value == number


def test_runs_of_many_threads_follow_one_another(session: dspex.Session) -> None:
    def work() -> None:
        for _ in range(EACH):
            assert session.run("before = n; n = before + 1").status == "ok"

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert session.run("n").value == THREADS * EACH


def test_a_guest_that_ends_itself_closes_the_session(engine: dspex.Engine, session: dspex.Session) -> None:
    pool = engine._pools["python", None]
    number = worker_of(session).number

    assert session.run("import os; os._exit(3)").status == "lost"

    wait_for(lambda: number not in pool._live)
    assert session.closed
    with pytest.raises(dspex.SessionClosed):
        session.run("1")


@pytest.mark.parametrize("when", ["resting", "busy"])
def test_a_session_whose_process_is_killed_is_closed(session: dspex.Session, when: str) -> None:
    worker = worker_of(session)
    ends: list[dspex.Outcome] = []
    thread = threading.Thread(target=lambda: ends.append(session.run("while True: pass")))
    if when == "busy":
        thread.start()
        wait_for(lambda: in_thread(session))
    worker._signal(signal.SIGKILL)
    if when == "busy":
        thread.join(WAIT_S)
        assert [one.status for one in ends] == ["lost"]

    wait_for(lambda: session.closed)
    with pytest.raises(dspex.SessionClosed):
        session.run("1")


def test_what_is_saved_is_what_the_last_run_left(
    engine: dspex.Engine, session: dspex.Session, tmp_path: Path
) -> None:
    found = []
    for number in (1, 2):
        session.run(f"n = {number}")
        session.save(tmp_path / "state")
        session.run(f"n = {-number}")
        with engine.resume(tmp_path / "state") as resumed:
            found.append(resumed.run("n").value)

    assert found == [1, 2]


def test_a_fork_is_what_the_last_run_left(session: dspex.Session) -> None:
    for number in range(3):
        session.run(f"n = {number}")
        with session.fork() as twin:
            assert twin.run("n").value == number
            assert rested(twin).run("n = -1; n").value == -1
        assert session.run("n").value == number


def test_a_session_that_threads_have_used_gives_way_and_comes_back() -> None:
    with dspex.Engine(workers_max=1, idle_max=0) as engine, rested(engine.session()) as first:
        for _ in range(3):
            first.run("n += 1")
        with engine.session() as second:
            assert first._seat.parked
            assert second.run("6 * 7").value == 42
            assert first.run("n").value == 3
            assert second._seat.parked
            assert rested(first).run("n += 1; n").value == 1
            assert second.run("1").value == 1


def test_a_session_in_use_does_not_rest_and_is_parked_when_it_does() -> None:
    with dspex.Engine(idle_max=0, park_after_s=0.4) as engine, rested(engine.session()) as session:
        parked = []
        ends_s = time.monotonic() + 1.5
        while time.monotonic() < ends_s:
            parked.append(session._seat.parked)
            session.run("n += 1")
            time.sleep(0.02)

        assert not any(parked)
        wait_for(lambda: session._seat.parked)
        assert session.run("n").value == len(parked)


def test_interrupts_at_any_moment_keep_the_state(session: dspex.Session) -> None:
    session.run("n = 1")

    interrupt_often(lambda: session.run("sum(range(20_000))"), INTERRUPTS, latest_s=2e-3)
    assert session.run("n").value == 1
    assert worker_of(session)._lent is None


def test_an_interrupt_between_any_two_lines_keeps_the_state(session: dspex.Session) -> None:
    session.run("n = 0")
    line = 0
    while True:
        line += 1
        wait_for(lambda: not worker_of(session)._attended or session.run("0") is None)
        if not interrupted_at(line, lambda: session.run("n += 1")):
            break
        assert session.run("n = 0; 'alive'").value == "alive", f"line {line}"

    assert line > 50
    assert session.run("n").value == 1




def test_an_engine_that_closes_ends_the_runs_of_sessions_too() -> None:
    with dspex.Engine(idle_max=1) as engine:
        session = rested(engine.session())
        ends: list[dspex.Outcome] = []
        thread = threading.Thread(target=lambda: ends.append(session.run("while True: pass")))
        thread.start()
        wait_for(lambda: in_thread(session))
        began = time.monotonic()
        engine.close()
        thread.join(WAIT_S)

    assert time.monotonic() - began < WAIT_S / 4
    assert [one.status for one in ends] == ["lost"]
