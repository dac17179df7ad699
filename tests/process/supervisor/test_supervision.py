"""The supervisor keeps its promises with real workers: deaths, stops, cancellation, load, closing."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

import dspex
from dspex.supervisor import zygote as zygote_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLEEP = "import time\nprint('began', flush=True)\ntime.sleep({})\n'slept'"
FOREVER = "while True: pass"


@pytest.fixture
def engine() -> Iterator[dspex.Engine]:
    with dspex.Engine(idle_max=2) as engine:
        yield engine


def wait_until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def begun(engine: dspex.Engine, code: str, **options: object) -> tuple[dspex.RunningJob, int]:
    """Begin a run and return it with the process that serves it."""
    heard = threading.Event()
    job = engine.submit(code, on_output=lambda *_: heard.set(), **options)  # type: ignore[arg-type]
    assert heard.wait(10)
    assert job._job is not None
    assert job._job.worker is not None
    return job, job._job.worker.pid


def zygote_pid(engine: dspex.Engine) -> int:
    zygote = engine._pools["python", None]._zygote
    assert zygote is not None
    return zygote.pid


def descendants() -> set[int]:
    """Return all processes below this one that are not dead."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


# Deaths.


def test_a_killed_worker_loses_its_own_run_and_no_other(engine: dspex.Engine) -> None:
    siblings = [engine.submit(SLEEP.format(0.5)) for _ in range(3)]
    job, pid = begun(engine, SLEEP.format(5))

    os.kill(pid, signal.SIGKILL)
    outcome = job.outcome(timeout_s=5)

    assert (outcome.status, outcome.stdout) == ("lost", "began\n")
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.exit_status) == ("WorkerCrashed", -9)
    assert outcome.error.message == "the worker was killed by signal 9"
    assert [one.outcome().value for one in siblings] == ["slept"] * 3
    assert engine.run("1").value == 1


def test_killed_idle_workers_are_replaced_and_cost_no_run(engine: dspex.Engine) -> None:
    supervisor = engine._running()
    wait_until(lambda: len(supervisor.worker_pids()) == 2)
    killed = set(supervisor.worker_pids())
    for pid in killed:
        os.kill(pid, signal.SIGKILL)

    wait_until(lambda: len(supervisor.worker_pids()) == 2 and not killed & {*supervisor.worker_pids()})
    assert engine.run("1").value == 1


def test_runs_that_are_asked_for_while_workers_die_are_all_answered(engine: dspex.Engine) -> None:
    supervisor = engine._running()
    stop = threading.Event()
    killed = []

    def kill() -> None:
        while not stop.wait(0.02):
            for pid in supervisor.worker_pids()[:1]:
                with contextlib.suppress(ProcessLookupError):
                    if pid > 0:
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(4) as threads:
            code = "import time\ntime.sleep(0.02)\n{}"
            outcomes = list(threads.map(lambda n: engine.run(code.format(n)), range(100)))
    finally:
        stop.set()
        killer.join()

    assert len(killed) > 3
    assert {outcome.status for outcome in outcomes} <= {"ok", "lost"}
    assert [o.value for o in outcomes if o.ok] == [n for n, o in enumerate(outcomes) if o.ok]
    wait_until(lambda: engine.run("1").value == 1)  # the last one killed may yet be given one more


def test_a_killed_zygote_is_started_again_and_those_who_wait_are_served() -> None:
    with dspex.Engine(workers_max=2, idle_max=1) as engine:
        first = zygote_pid(engine)
        running, _ = begun(engine, SLEEP.format(0.6))
        waiting = [engine.submit("'served'") for _ in range(3)]

        os.kill(first, signal.SIGKILL)

        # One that is begun in the moment in which the zygote dies goes with it, and is told so.
        ends = [job.outcome(timeout_s=20).status for job in waiting]
        assert ends[2] == "ok"
        assert set(ends) <= {"ok", "lost"}
        assert running.outcome(timeout_s=5).status in {"ok", "lost"}
        assert engine.run("1").value == 1
        assert zygote_pid(engine) != first


def test_a_session_that_is_ordered_while_the_zygote_is_away_gets_its_worker() -> None:
    with dspex.Engine(idle_max=0) as engine:
        first = zygote_pid(engine)
        os.kill(first, signal.SIGKILL)
        with engine.session() as session:
            lost = session.run("1").status == "lost"  # the dying one had just forked it a worker
        pool = engine._pools["python", None]
        if lost:  # by the next one: the dying one may still fork until its end is noticed
            wait_until(lambda: pool._zygote is not None and pool._zygote.pid != first)
        with engine.session() as session:
            assert session.run("1").value == 1
        assert zygote_pid(engine) != first or not lost


def test_a_zygote_that_dies_too_often_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from dspex.supervisor import restart

    monkeypatch.setattr(restart, "DELAY_FIRST_S", 0.01)
    with dspex.Engine(idle_max=1) as engine:
        pool = engine._pools["python", None]
        deadline = time.monotonic() + 30
        while pool._dead_because is None:
            assert time.monotonic() < deadline
            zygote = pool._zygote
            if zygote is not None:
                zygote._process.kill()
            time.sleep(0.02)

        with pytest.raises(dspex.RestartsExhausted, match="the python zygote: given up after 5 "):
            engine.run("1")
        with pytest.raises(dspex.RestartsExhausted):
            engine.session()


def test_a_zygote_that_has_stopped_forking_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote_module, "FORK_TIMEOUT_S", 0.5)
    with dspex.Engine(idle_max=0) as engine:
        first = zygote_pid(engine)
        stopped = psutil.Process(first).children() or [psutil.Process(first)]
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)

        assert engine.submit("1").outcome(timeout_s=20).value == 1
        assert zygote_pid(engine) != first


def test_a_stopped_worker_is_killed_at_its_deadline(engine: dspex.Engine) -> None:
    job, pid = begun(engine, SLEEP.format(0.2), timeout_s=0.5)
    os.kill(pid, signal.SIGSTOP)

    outcome = job.outcome(timeout_s=5)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.error.noticed_by) == (
        "limit", "wall_s", "outer",
    )
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


# Cancellation.


def test_a_cancelled_run_leaves_no_process(engine: dspex.Engine) -> None:
    job, pid = begun(engine, f"print('began', flush=True)\n{FOREVER}")
    job.cancel()

    assert job.outcome(timeout_s=5).status == "lost"
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    assert engine.run("1").value == 1


def test_ctrl_c_in_a_waiting_caller_kills_the_run() -> None:
    program = """
import os, signal, sys, threading, time
import dspex
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
engine = dspex.Engine(idle_max=1)
def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)
try:
    engine.run("print('x', flush=True)\\nwhile True: pass", on_output=interrupt)
except KeyboardInterrupt:
    pool = engine._pools["python", None]
    deadline = time.monotonic() + 5
    while any(w.job for w in pool.workers) and time.monotonic() < deadline:
        time.sleep(0.01)
    print("interrupted", any(w.job for w in pool.workers), engine.run("1 + 1").value)
engine.close()
print(threading.active_count())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("interrupted False 2\n1\n", "", 0)


# Load.


def test_a_run_that_will_not_wait_is_told_that_the_engine_is_busy() -> None:
    with dspex.Engine(workers_max=2, idle_max=2) as engine:
        jobs = [begun(engine, SLEEP.format(0.5))[0] for _ in range(2)]

        with pytest.raises(dspex.EngineBusy):
            engine.run("1", wait=False)

        assert [job.outcome().value for job in jobs] == ["slept"] * 2
        assert engine.run("1").value == 1


def test_the_line_of_those_who_wait_is_bounded() -> None:
    with dspex.Engine(workers_max=1, idle_max=1, waiting_max=2) as engine:
        running, _ = begun(engine, SLEEP.format(0.5))
        waiting = [engine.submit("'waited'") for _ in range(2)]

        with pytest.raises(dspex.EngineBusy, match="2 requests waiting of 2 allowed"):
            engine.run("'turned away'")

        assert running.outcome().value == "slept"
        assert [job.outcome().value for job in waiting] == ["waited"] * 2
        assert engine.run("1").value == 1


def test_the_line_of_a_session_is_bounded_too() -> None:
    with dspex.Engine(idle_max=1, waiting_max=2) as engine, engine.session() as session:
        running = session.submit("import time\ntime.sleep(0.4)")
        waiting = [session.submit("'waited'") for _ in range(2)]
        time.sleep(0.1)

        with pytest.raises(dspex.EngineBusy):
            session.run("'turned away'")

        assert running.outcome().ok
        assert [job.outcome().value for job in waiting] == ["waited"] * 2


def test_there_are_never_more_workers_than_allowed() -> None:
    with dspex.Engine(workers_max=3, idle_max=8) as engine:
        jobs = [engine.submit("import time\ntime.sleep(0.05)\n1") for _ in range(20)]
        most = 0
        while not all(job.done for job in jobs):
            most = max(most, len(engine._running().worker_pids()))

        assert all(job.outcome().ok for job in jobs)
        assert 1 <= most <= 3


def test_several_hundred_workers_can_be_asked_for_at_once() -> None:
    with dspex.Engine(workers_max=400, idle_max=1) as engine:
        first = zygote_pid(engine)
        jobs = [engine.submit("1") for _ in range(350)]

        assert [job.outcome(timeout_s=60).value for job in jobs] == [1] * 350
        assert zygote_pid(engine) == first


# Closing.


def test_closing_ends_runs_waiting_runs_and_sessions() -> None:
    before = descendants()
    with dspex.Engine(workers_max=2, idle_max=1) as other:
        running, _ = begun(other, f"print('began', flush=True)\n{FOREVER}")
        session = other.session()
        in_session = session.submit(f"print('x')\n{FOREVER}")
        waiting = other.submit("'never'")
        began = time.monotonic()
        other.close()
        took_s = time.monotonic() - began

        assert took_s < 2
        assert running.outcome(timeout_s=1).status == "lost"
        assert in_session.outcome(timeout_s=1).status == "lost"
        with pytest.raises(dspex.SessionClosed, match="engine is closed"):
            waiting.outcome(timeout_s=1)
        with pytest.raises(dspex.SessionClosed):
            session.run("1")
        session.close()
    assert descendants() <= before


def test_closing_at_once_is_quick_and_leaves_nothing() -> None:
    before = descendants()
    for _ in range(3):
        engine = dspex.Engine()
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < 2
    assert descendants() <= before


def test_closing_twice_and_from_several_threads_is_closing_once() -> None:
    engine = dspex.Engine(idle_max=1)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: engine.close(), range(8)))
    engine.close()


def test_a_closed_engine_says_so() -> None:
    with dspex.Engine(idle_max=1) as engine:
        pass

    for use in (
        lambda: engine.run("1"),
        lambda: engine.submit("1"),
        engine.session,
        lambda: engine.isolation,
    ):
        with pytest.raises(dspex.SessionClosed, match="engine is closed"):
            use()


def test_an_engine_that_nobody_holds_any_more_is_closed_with_a_warning() -> None:
    before = descendants()
    threads = threading.active_count()
    engine = dspex.Engine(idle_max=1)
    assert engine.run("1").value == 1

    held = [engine]
    del engine
    with pytest.warns(ResourceWarning, match="unclosed <dspex.engine.Engine object"):
        held.clear()

    wait_until(lambda: descendants() <= before)
    wait_until(lambda: threading.active_count() == threads)


def test_a_session_that_nobody_holds_any_more_is_closed_with_a_warning(
    engine: dspex.Engine,
) -> None:
    session = engine.session()
    pid = session._seat._worker.pid  # type: ignore[union-attr]

    held = [session]
    del session
    with pytest.warns(ResourceWarning, match="unclosed <dspex.session.Session object"):
        held.clear()

    wait_until(lambda: pid not in engine._running().worker_pids())


def test_a_run_keeps_its_engine_alive() -> None:
    held = [dspex.Engine(idle_max=1).submit("import time\ntime.sleep(0.2)\n'kept'")]
    gc.collect()
    assert held[0].outcome().value == "kept"
    with pytest.warns(ResourceWarning, match="unclosed <dspex.engine.Engine object"):
        held.clear()


def test_a_process_that_ends_without_closing_leaves_nothing_behind() -> None:
    program = """
import dspex
engine = dspex.Engine(idle_max=2)
job = engine.submit("while True:\\n    try:\\n        while True: pass\\n    except BaseException: pass")
session = engine.session()
import psutil
print(*(p.pid for p in psutil.Process().children(recursive=True)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )

    assert (done.stderr, done.returncode) == ("", 0)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) >= 3
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_a_process_that_is_killed_leaves_nothing_behind() -> None:
    program = """
import dspex, psutil, time
engine = dspex.Engine(idle_max=2)
job = engine.submit("while True:\\n    try:\\n        while True: pass\\n    except BaseException: pass")
time.sleep(0.3)
print(*(p.pid for p in psutil.Process().children(recursive=True)), flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout is not None
        pids = [int(pid) for pid in caller.stdout.readline().split()]
        caller.kill()

    assert len(pids) >= 3
    wait_until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Forks of the caller.


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_told_that_the_engine_is_not_its_own(engine: dspex.Engine) -> None:
    with engine.session() as session:
        job = engine.submit(SLEEP.format(0.5))
        answers = in_a_fork(
            lambda: engine.run("1"),
            engine.session,
            lambda: session.run("1"),
            job.outcome,
            engine.close,
            lambda: engine.run("1"),
        )

        refused = f"SessionClosed: engine is closed: it belongs to process {os.getpid()}; a forked"
        assert [answer[: len(refused)] for answer in answers[:4]] == [refused] * 4
        assert answers[4] == "None"
        assert answers[5].startswith("SessionClosed: engine is closed")
        assert job.outcome().value == "slept"
        assert session.run("'still here'").value == "still here"
    assert engine.run("2").value == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_something_is_sent_to_a_worker_does_not_hang(engine: dspex.Engine) -> None:
    with engine.session() as session:
        worker = session._seat._worker
        assert worker is not None
        with worker._lock:  # as by the supervisor's thread
            assert in_a_fork(lambda: 6 * 7) == ["42"]
        assert session.run("1").value == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_can_have_an_engine_of_its_own(engine: dspex.Engine) -> None:
    def own() -> object:
        with dspex.Engine(idle_max=1) as another:
            return another.run("40 + 2").value

    assert in_a_fork(own, lambda: dspex.run("1 + 2").value) == ["42", "3"]
    assert engine.run("1").value == 1


def in_a_fork(*questions: Callable[[], object]) -> list[str]:
    """Ask in a forked process and return the answers, exceptions as text."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            with os.fdopen(write, "w") as answers:
                for ask in questions:
                    try:
                        answer = str(ask())
                    except dspex.DspexError as error:
                        answer = f"{type(error).__name__}: {error}"
                    answers.write(answer + "\n")
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as answers:
        said = answers.read().splitlines()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return said
