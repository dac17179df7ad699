"""A session's place: runs in order, closed with its worker, whoever ended it."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any

import pytest

from dspex.errors import EngineBusy, SessionClosed
from dspex.supervisor.seat import Seat


class FakeJob:
    """A job that only remembers what happened to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.worker: FakeWorker | None = None
        self.ended: object = None

    def refuse(self, error: BaseException) -> None:
        self.ended = error

    def cancel(self) -> None:
        self.ended = "cancelled"


class FakeWorker:
    """A worker that begins what it is given, unless it is dead."""

    def __init__(self) -> None:
        self.owner: Any = None
        self.job: FakeJob | None = None
        self.gone = self.dead = self.killed = False
        self.lent = self.wanted = False
        self.asked_for_by: list[str] = []
        self.begun: list[str] = []
        self.interrupted: list[FakeJob] = []

    def begin(self, job: FakeJob) -> bool:
        assert self.job is None
        if self.dead:
            self.gone = True
            return False
        self.job, job.worker = job, self
        self.begun.append(job.name)
        return True

    def end(self) -> None:
        """End the run under way."""
        assert self.job is not None
        self.job.ended = "ended"
        self.job.worker = None
        self.job = None
        self.owner.worker_idle(self)

    def stir(self) -> bool:
        return not self.lent

    def lend(self, job: FakeJob) -> bool:
        self.asked_for_by.append(job.name)
        self.lent = not self.lent
        return self.lent

    def give_back(self) -> bool:
        self.lent = False
        return self.wanted

    def take_back(self, _job: object = None) -> None:
        self.lent = False

    def interrupt(self, job: FakeJob) -> None:
        self.interrupted.append(job)

    def kill(self) -> None:
        self.killed = True


class FakePool:
    """What a seat asks of its pool."""

    class settings:  # noqa: N801 - stands for an attribute
        waiting_max = 3

    def __init__(self) -> None:
        self.gone: list[FakeWorker] = []
        self.resting: list[Seat] = []

    def knows_rest(self, seat: Seat) -> bool:
        return seat in self.resting

    def note_rest(self, seat: Seat) -> None:
        self.resting = [seat]

    def note_work(self, seat: Seat) -> None:
        assert self.resting in ([], [seat])
        self.resting = []

    def worker_gone(self, worker: FakeWorker) -> None:
        self.gone.append(worker)


class Scene:
    """A seat with its worker, and jobs by name."""

    def __init__(self, *, taken: bool = True) -> None:
        self.pool, self.worker = FakePool(), FakeWorker()
        self.seat = Seat(self.pool)  # type: ignore[arg-type]
        if taken:
            self.take()

    def take(self) -> None:
        self.seat.take(self.worker)  # type: ignore[arg-type]

    def submit(self, name: str) -> FakeJob:
        job = FakeJob(name)
        self.seat.submit(job)  # type: ignore[arg-type]
        return job

    def lose_worker(self) -> None:
        self.worker.gone = True
        self.seat.worker_gone(self.worker)  # type: ignore[arg-type]


def test_runs_follow_one_another_in_the_order_of_their_asking() -> None:
    scene = Scene()
    jobs = [scene.submit(name) for name in "abc"]

    assert scene.worker.begun == ["a"]
    for _ in jobs:
        scene.worker.end()
    assert scene.worker.begun == ["a", "b", "c"]
    assert [job.ended for job in jobs] == ["ended"] * 3


def test_a_run_that_waits_can_leave_the_line() -> None:
    scene = Scene()
    jobs = [scene.submit(name) for name in "abc"]
    scene.seat.cancel(jobs[1])  # type: ignore[arg-type]
    scene.worker.end()

    assert jobs[1].ended == "cancelled"
    assert scene.worker.begun == ["a", "c"]


def test_a_run_under_way_is_interrupted_and_its_worker_kept() -> None:
    scene = Scene()
    job = scene.submit("a")
    scene.seat.cancel(job)  # type: ignore[arg-type]

    assert scene.worker.interrupted == [job]
    assert not scene.worker.killed


def test_cancelling_what_has_ended_does_nothing() -> None:
    scene = Scene()
    job = scene.submit("a")
    scene.worker.end()
    scene.seat.cancel(job)  # type: ignore[arg-type]

    assert (job.ended, scene.worker.interrupted) == ("ended", [])


def test_the_line_is_bounded() -> None:
    scene = Scene()
    jobs = [scene.submit(name) for name in "abcde"]

    assert [job.ended is None for job in jobs] == [True] * 4 + [False]
    assert isinstance(jobs[4].ended, EngineBusy)


def test_all_who_wait_are_told_when_the_worker_is_gone() -> None:
    scene = Scene()
    jobs = [scene.submit(name) for name in "abc"]
    scene.lose_worker()
    late = scene.submit("d")

    assert [str(job.ended) for job in (*jobs[1:], late)] == [
        "session is closed: its worker is gone"
    ] * 3
    assert scene.pool.gone == [scene.worker]


def test_a_closed_seat_begins_nothing_more() -> None:
    scene = Scene()
    waiting = [scene.submit(name) for name in "ab"][1]
    scene.seat.close()
    scene.seat.close("another reason")
    late = scene.submit("c")
    scene.worker.end()

    assert scene.worker.killed
    assert scene.worker.begun == ["a"]
    assert str(late.ended) == "session is closed: it was closed"
    scene.lose_worker()
    assert str(waiting.ended) == "session is closed: it was closed"


@pytest.mark.parametrize("waiting", [False, True])
def test_a_worker_that_is_dead_already_refuses_the_run(waiting: bool) -> None:  # noqa: FBT001
    scene = Scene()
    if waiting:
        scene.submit("first")
        job = scene.submit("a")
        scene.worker.dead = True
        scene.worker.end()
    else:
        scene.worker.dead = True
        job = scene.submit("a")

    assert isinstance(job.ended, SessionClosed)


def test_a_worker_that_leaves_takes_no_run_even_before_it_is_gone() -> None:
    scene = Scene()
    scene.worker.gone = True

    assert isinstance(scene.submit("a").ended, SessionClosed)
    assert scene.worker.begun == []


def test_readiness_is_told_once_the_worker_is_there() -> None:
    scene = Scene(taken=False)
    assert not scene.seat.ready.done()
    assert isinstance(scene.submit("too early").ended, SessionClosed)

    scene.take()

    assert scene.seat.ready.result(0) is None
    assert scene.submit("a").ended is None


def test_a_worker_that_nobody_waits_for_any_more_is_let_go() -> None:
    scene = Scene(taken=False)
    assert scene.seat.ready.cancel()
    scene.take()

    assert scene.worker.killed
    with pytest.raises(CancelledError):
        scene.seat.ready.result(0)


def test_a_worker_that_comes_after_the_closing_is_let_go() -> None:
    scene = Scene(taken=False)
    scene.seat.close()
    scene.take()

    assert scene.worker.killed


def test_why_there_is_no_worker_is_raised_where_it_is_waited_for() -> None:
    scene = Scene(taken=False)
    scene.seat.refuse(EngineBusy(waiting=1, waiting_max=1))

    with pytest.raises(EngineBusy):
        scene.seat.ready.result(0)
    assert scene.seat.closed_because != ""


def test_a_refusal_that_nobody_waits_for_is_no_error() -> None:
    scene = Scene(taken=False)
    scene.seat.ready.cancel()
    scene.seat.refuse(SessionClosed("engine"))

    assert scene.seat.closed_because == "engine is closed"


def test_a_session_rests_when_it_has_nothing_to_do_and_only_then() -> None:
    scene = Scene(taken=False)
    assert scene.pool.resting == []
    scene.take()
    assert scene.pool.resting == [scene.seat]
    scene.submit("a")
    scene.submit("b")
    assert scene.pool.resting == []
    scene.worker.end()
    assert scene.pool.resting == []
    scene.worker.end()
    assert scene.pool.resting == [scene.seat]
    scene.seat.close()
    assert scene.pool.resting == []


def lend(scene: Scene, name: str = "direct") -> object:
    return scene.seat.lend(FakeJob(name))  # type: ignore[arg-type]


def test_a_thread_gets_the_worker_of_a_session_that_has_nothing_to_do() -> None:
    scene = Scene()

    assert lend(scene) is scene.worker
    assert lend(scene) is None


@pytest.mark.parametrize("state", ["no worker", "something asked", "a line", "occupied", "closed"])
def test_a_thread_gets_no_worker_if_something_comes_first(state: str) -> None:
    scene = Scene(taken=state != "no worker")
    if state == "something asked":
        scene.seat.asked.append(None)
    elif state == "a line":
        scene.submit("a")
        scene.submit("b")
    elif state == "occupied":
        scene.seat._occupied = True
    elif state == "closed":
        scene.seat.close()

    assert lend(scene) is None
    assert scene.worker.asked_for_by == []


def test_what_is_asked_while_a_thread_has_the_worker_begins_when_it_is_back() -> None:
    scene = Scene()
    lend(scene)
    job = scene.submit("a")
    assert scene.worker.begun == []

    left = scene.seat.done(scene.worker)  # type: ignore[arg-type]
    assert left is not None
    left()

    assert (scene.worker.begun, job.ended) == (["a"], None)


def test_the_loop_is_left_alone_after_a_run_unless_it_has_something_to_do() -> None:
    scene = Scene()
    lend(scene)
    assert scene.seat.done(scene.worker) is None  # type: ignore[arg-type]

    for change in ({"wanted": True}, {"gone": True}):
        scene = Scene()
        lend(scene)
        vars(scene.worker).update(change)
        assert scene.seat.done(scene.worker) is not None  # type: ignore[arg-type]

    scene = Scene()
    lend(scene)
    scene.pool.resting = []  # somebody else wanted its place meanwhile
    left = scene.seat.done(scene.worker)  # type: ignore[arg-type]
    assert left is not None
    left()
    assert scene.pool.resting == [scene.seat]


def test_a_state_that_was_kept_is_forgotten_when_a_thread_runs_something() -> None:
    scene = Scene()
    scene.seat._state = object()  # type: ignore[assignment]
    lend(scene)

    assert scene.seat._state is None
    assert scene.seat.used_s > 0
