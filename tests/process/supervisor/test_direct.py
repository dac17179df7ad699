"""A caller's thread serves its own run, and what is unusual about it still ends as it should."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import dspex
from dspex.supervisor import direct
from dspex.supervisor.worker import Worker
from dspex.testing.fake_engine import FakeEngine
from tests.process.supervisor.moments import (
    WAIT_S,
    blocked_loop,
    interrupt_often,
    interrupted_at,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.supervisor.pool import Pool

IDLE_MAX = 4
INTERRUPTS = 150


@pytest.fixture(scope="module")
def engine() -> Iterator[dspex.Engine]:
    with dspex.Engine(idle_max=IDLE_MAX) as engine:
        yield engine


def pool_of(engine: dspex.Engine) -> Pool:
    return engine._pools["python", None]


def sent_in_threads(engine: dspex.Engine) -> list[Worker]:
    """Return the workers to which threads have sent a run."""
    lent = list(pool_of(engine).stock._lent)
    return [worker for worker in lent if worker._lent is not None and worker._lent.sent]


def wait_full(engine: dspex.Engine) -> None:
    """Wait until nothing is under way and workers are in stock."""
    pool = pool_of(engine)
    wait_for(lambda: len(pool.stock) > IDLE_MAX // 2 and not pool._forking and len(pool._live) == len(pool.stock))


@contextlib.contextmanager
def running(function: Any) -> Iterator[list[Any]]:
    """Run a function in a thread; what it returns or raises is in the list when it has ended."""
    ends: list[Any] = []

    def run() -> None:
        try:
            ends.append(function())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ends
    finally:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_a_run_needs_no_loop_when_a_worker_is_warm(engine: dspex.Engine) -> None:
    wait_full(engine)

    with blocked_loop(engine):
        outcome = engine.run("print('out'); open('f', 'w').write('x'); 6 * 7")

    assert (outcome.status, outcome.value, outcome.stdout, outcome.files) == ("ok", 42, "out\n", {"f": b"x"})
    assert outcome.isolation == engine.isolation


def test_a_process_that_serves_again_needs_no_loop_either() -> None:
    with dspex.Engine(idle_max=1, workers_max=1, requests_per_worker=20) as engine:
        wait_for(lambda: len(pool_of(engine).stock) == 1)
        with blocked_loop(engine):
            values = [engine.run(f"made = globals().get('made', 0) + {n}\nmade").value for n in range(15)]

        assert values == list(range(15))
        (worker,) = pool_of(engine).workers
        assert worker.requests_left == 5
        assert engine.submit("'through the loop'").outcome().value == "through the loop"
        assert [engine.run("1").value for _ in range(10)] == [1] * 10


@pytest.mark.parametrize(
    "options", [{"on_output": lambda *_: None}, {"tools": {"tool": lambda: 1}}], ids=["on_output", "tools"]
)
def test_a_run_whose_caller_is_told_of_something_meanwhile_is_the_loops(
    engine: dspex.Engine, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "serve", lambda *_: pytest.fail("it was served in the caller's thread"))

    assert engine.run("print('x'); 1", **options).value == 1


def test_an_endless_program_is_interrupted_without_the_loop(engine: dspex.Engine) -> None:
    wait_full(engine)

    with blocked_loop(engine):
        outcome = engine.run("while True: pass", timeout_s=0.1)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.error.noticed_by) == ("limit", "wall_s", "inner")


def test_a_worker_that_does_not_end_goes_back_to_the_loop_which_kills_it() -> None:
    with FakeEngine(idle_max=IDLE_MAX) as fakes:
        wait_full(fakes)
        outcome = fakes.run("silence", timeout_s=0.1)

        assert outcome.error is not None
        assert (outcome.status, outcome.error.noticed_by) == ("limit", "outer")
        wait_full(fakes)


def test_a_thread_that_is_held_up_does_not_delay_the_kill() -> None:
    with FakeEngine(idle_max=IDLE_MAX) as fakes:
        wait_full(fakes)
        ended_meanwhile = []

        def hold_up(_number: int, _frame: object) -> None:
            (worker,) = pool_of(fakes).stock._lent
            wait_for(lambda: worker.exit_status is not None)
            ended_meanwhile.append(worker.exit_status)

        before = signal.signal(signal.SIGALRM, hold_up)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            outcome = fakes.run("silence", timeout_s=0.2)
        finally:
            signal.signal(signal.SIGALRM, before)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.error.noticed_by) == ("limit", "wall_s", "outer")
    assert ended_meanwhile == [-signal.SIGKILL]


def kill_stock(engine: dspex.Engine, *, leave: int) -> None:
    """Kill the workers that wait for a job, and do not tell the loop."""
    workers = list(pool_of(engine).stock._workers)
    for worker in workers[: len(workers) - leave]:
        worker._signal(signal.SIGKILL)
    time.sleep(0.2)


def test_workers_that_died_in_stock_are_passed_over(engine: dspex.Engine) -> None:
    wait_full(engine)

    with blocked_loop(engine):
        kill_stock(engine, leave=1)
        outcome = engine.run("6 * 7")

    assert outcome.value == 42
    wait_full(engine)


def test_a_run_that_finds_only_dead_workers_waits_for_a_live_one(engine: dspex.Engine) -> None:
    wait_full(engine)

    with contextlib.ExitStack() as stack, blocked_loop(engine):
        kill_stock(engine, leave=0)
        ends = stack.enter_context(running(lambda: engine.run("6 * 7").value))
        time.sleep(0.2)
        ended_before = list(ends)

    assert (ended_before, ends) == ([], [42])
    wait_full(engine)


def test_a_worker_that_is_killed_meanwhile_is_lost_with_its_status(engine: dspex.Engine) -> None:
    wait_full(engine)

    with running(lambda: engine.run("while True: pass")) as ends:
        wait_for(lambda: len(sent_in_threads(engine)) == 1)
        (worker,) = sent_in_threads(engine)
        looked: Future[bool] = Future()
        engine._running()._call(lambda: looked.set_result((worker.stir(), worker._attended)[1]))
        assert not looked.result(WAIT_S), "two read from one worker"
        worker._signal(signal.SIGKILL)

    assert (ends[0].status, ends[0].error.exit_status) == ("lost", -signal.SIGKILL)
    wait_full(engine)


def test_a_request_that_no_socket_takes_at_once_goes_through_the_loop(engine: dspex.Engine) -> None:
    wait_full(engine)

    outcome = engine.run(f"x = {'y' * 5_000_000!r}; len(x)")

    assert outcome.value == 5_000_000


def test_an_engine_that_closes_ends_the_runs_that_threads_serve() -> None:
    with dspex.Engine(idle_max=IDLE_MAX) as engine, contextlib.ExitStack() as stack:
        wait_full(engine)
        ends = [stack.enter_context(running(lambda: engine.run("while True: pass"))) for _ in range(2)]
        wait_for(lambda: len(sent_in_threads(engine)) == 2)
        began = time.monotonic()
        engine.close()

    assert time.monotonic() - began < WAIT_S / 4
    assert [one.status for (one,) in ends] == ["lost", "lost"]


def test_a_run_that_ends_while_the_engine_closes_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, at_its_end = Worker.handle_lent, threading.Event()

    def handle_late(worker: Worker, messages: list[Any]) -> None:
        at_its_end.set()
        wait_for(lambda: pool_of(engine).closing)
        time.sleep(0.2)
        handle(worker, messages)

    monkeypatch.setattr(Worker, "handle_lent", handle_late)
    with dspex.Engine(idle_max=IDLE_MAX) as engine, contextlib.ExitStack() as stack:
        wait_full(engine)
        ends = stack.enter_context(running(lambda: engine.run("6 * 7").value))
        assert at_its_end.wait(WAIT_S)
        began = time.monotonic()
        engine.close()

    assert time.monotonic() - began < WAIT_S / 4
    assert ends == [42]


@pytest.fixture(scope="module", params=[1, 100])
def reused_or_not(request: pytest.FixtureRequest) -> Iterator[dspex.Engine]:
    with dspex.Engine(idle_max=IDLE_MAX, requests_per_worker=request.param) as engine:
        yield engine


def test_interrupts_at_any_moment_leave_no_worker_behind(reused_or_not: dspex.Engine) -> None:
    engine = reused_or_not
    wait_full(engine)
    descriptors = psutil.Process().num_fds()

    interrupt_often(
        lambda: engine.run("sum(range(10_000))"), INTERRUPTS, latest_s=3e-3,
        before_each=lambda: pool_of(engine).stock or wait_full(engine),
    )

    wait_full(engine)
    assert not pool_of(engine).stock._lent
    assert engine.run("6 * 7").value == 42
    wait_full(engine)
    wait_for(lambda: not pool_of(engine)._leaving)
    assert psutil.Process().num_fds() <= descriptors + 2 * IDLE_MAX


def test_an_interrupt_between_any_two_lines_leaves_no_worker_behind(reused_or_not: dspex.Engine) -> None:
    pool = pool_of(reused_or_not)
    line = 0
    while True:
        line += 1
        wait_for(lambda: pool.stock)
        wait_for(lambda: not pool.stock._workers[0]._attended or reused_or_not.run("0") is None)
        if not interrupted_at(line, lambda: reused_or_not.run("1")):
            break

    assert line > 50
    wait_for(lambda: not pool.stock._lent and len(pool._live) == len(pool.stock) and not pool._forking)
    assert reused_or_not.run("6 * 7").value == 42


def test_a_worker_that_breaks_the_rules_is_killed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    served_here = []

    def serve(*args: Any) -> bool:
        done = original(*args)
        served_here.append(done)
        return done

    original = direct.serve
    monkeypatch.setattr(direct, "serve", serve)
    with FakeEngine(idle_max=IDLE_MAX) as fakes:
        wait_full(fakes)
        outcome = fakes.run("garbage")
        assert fakes.run("honest").value == "honest"

    assert served_here[0]
    with pytest.raises(dspex.ProtocolViolation):
        outcome.value_or_raise()
