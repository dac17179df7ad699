"""The pool answers every job exactly once and keeps its bounds, in whatever order things happen."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dspex.errors import EngineBusy, RestartsExhausted, SessionClosed, WorkerCrashed
from dspex.supervisor.pool import FORKS_AT_ONCE_MAX, HURRY_S, Pool, PoolSettings, SessionOrder
from dspex.supervisor.zygote import Served

EAGAIN = 11


class FakeJob:
    """A job that remembers its one end."""

    def __init__(self) -> None:
        self.worker: FakeWorker | None = None
        self.ends: list[object] = []

    def refuse(self, error: BaseException) -> None:
        self.ends.append(error)

    def cancel(self) -> None:
        self.ends.append("cancelled")


class FakeWorker:
    """A worker whose life the test decides."""

    def __init__(self, number: int, requests: int) -> None:
        self.number, self.requests_left = number, requests or -1
        self.owner: Any = None
        self.job: FakeJob | None = None
        self.gone = self.dead = self.killed = self.lent = False
        self.quiet = True

    def lend(self, job: FakeJob) -> bool:
        assert not self.lent
        if self.gone:
            return False
        self.lent, job.worker = True, self
        return True

    def end_lent(self) -> None:
        """End a run as a thread sees it; the pool is not told."""
        job = self.job
        assert job is not None
        self.job = job.worker = None
        job.ends.append("ended")
        self.gone = self.requests_left == 0

    def take_back(self) -> None:
        """Go on in the loop, or be buried."""
        self.lent = False
        if self.gone:
            self.killed = True
            self.owner.worker_gone(self)

    def give_back(self) -> bool:
        self.lent = False
        return self.killed

    @property
    def serves_again(self) -> bool:
        return not self.gone and not self.killed and self.job is None and self.requests_left > 0

    def begin_quiet(self, job: FakeJob) -> bool:
        if not self.quiet:
            self.kill()
        return self.quiet and self.begin(job)

    def begin(self, job: FakeJob) -> bool:
        assert self.job is None
        assert not self.gone
        assert self.quiet
        if self.dead:
            self.gone = True
            return False
        self.job, job.worker = job, self
        self.requests_left -= 1
        return True

    def kill(self, _verdict: object = None) -> None:
        self.killed = True

    def forget(self) -> int:
        return -1

    def note_exit_status(self, _status: object) -> None:
        """Nobody waits for it here."""

    def rest(self, _nursery: object) -> None:
        """The test attends."""

    def stir(self) -> bool:
        """The test attends."""
        return not self.gone

    def end(self) -> None:
        """End a turn as the real one does."""
        job = self.job
        assert job is not None
        self.job = job.worker = None
        job.ends.append("ended")
        if self.requests_left == 0:
            self.gone = True
            self.owner.worker_gone(self)
        else:
            self.owner.worker_idle(self)

    def die(self) -> None:
        """Lose the turn under way, if any, and be gone."""
        self.gone = True
        job, self.job = self.job, None
        if job is not None:
            job.worker = None
            job.ends.append("lost")
        self.owner.worker_gone(self)


class FakeZygote:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.ordered: dict[int, int] = {}
        self.warm: dict[int, bool] = {}

    def fork(self, number: int, requests: int, *, cpu_s: int, data_bytes: int, warm: bool) -> None:
        assert number not in self.ordered
        self.warm[number] = warm
        assert cpu_s == 3 * requests
        self.ordered[number] = requests

    def forget(self, _worker: object) -> None:
        """Nothing was noted."""


class FakeNursery:
    """Starts nothing; what should be started can be looked at."""

    def __init__(self) -> None:
        self.started: list[Any] = []

    def start_soon(self, function: Any, *_arguments: object) -> None:
        self.started.append(function)


class FakeSession:
    """Owns a session's worker, as a seat does."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.worker: FakeWorker | None = None
        self.refused: BaseException | None = None

    def deliver(self, worker: Any) -> None:
        assert self.worker is None
        assert self.refused is None
        self.worker, worker.owner = worker, self

    def refuse(self, error: BaseException) -> None:
        assert self.worker is None
        assert self.refused is None
        self.refused = error

    def worker_gone(self, worker: Any) -> None:
        self._pool.worker_gone(worker)


def pool_of(**changed: int) -> Pool:
    chosen: dict[str, Any] = {"workers_max": 4, "idle_max": 2, "requests_per_worker": 1, "waiting_max": 3}
    made = PoolSettings(**{**chosen, **changed}, cpu_s=3, data_bytes=1)
    served = Served("python", "dspex.languages.python:PythonGuest", Path(), ("msgspec",))
    return Pool(served, made, FakeNursery())  # type: ignore[arg-type]


def with_zygote(pool: Pool) -> FakeZygote:
    zygote = FakeZygote()
    pool._zygote = zygote  # type: ignore[assignment]
    pool._refill()
    return zygote


def deliver(pool: Pool, zygote: FakeZygote, number: int | None = None) -> FakeWorker:
    chosen = next(iter(zygote.ordered)) if number is None else number
    worker = FakeWorker(chosen, zygote.ordered.pop(chosen))
    pool._deliver(worker)  # type: ignore[arg-type]
    return worker


def submit(pool: Pool, *, wait: bool = True) -> FakeJob:
    job = FakeJob()
    pool.submit(job, wait=wait)  # type: ignore[arg-type]
    return job


def order(pool: Pool) -> FakeSession:
    session = FakeSession(pool)
    pool.order_session(SessionOrder(session.deliver, session.refuse))
    return session


def lend(pool: Pool) -> tuple[FakeJob, Any]:
    """Have a thread begin a job; there may be no worker for it."""
    job = FakeJob()
    worker = pool.lend(job)  # type: ignore[arg-type]
    if worker is not None and not worker.begin(job):  # type: ignore[arg-type]
        job.worker = None
        worker.take_back()
        worker = None
    return job, worker


def give_back(pool: Pool, worker: Any) -> None:
    """End a thread's run and do what the loop is left to do."""
    worker.end_lent()
    rest = pool.done(worker)
    if rest is not None:
        rest()


def test_stock_is_ordered_when_half_of_it_is_gone() -> None:
    pool = pool_of(workers_max=20, idle_max=4)
    zygote = with_zygote(pool)
    assert len(zygote.ordered) == 4
    for _ in range(4):
        deliver(pool, zygote)

    ordered_after = [(submit(pool), len(zygote.ordered))[1] for _ in range(3)]

    assert ordered_after == [0, 2, 2]


def test_a_job_takes_an_idle_worker_or_waits_for_one() -> None:
    pool = pool_of()
    zygote = with_zygote(pool)
    idle = deliver(pool, zygote)

    first, second = submit(pool), submit(pool)
    assert (idle.job, second.worker) == (first, None)

    assert deliver(pool, zygote).job is second


def test_jobs_are_served_in_the_order_of_their_asking() -> None:
    pool = pool_of(workers_max=1)
    zygote = with_zygote(pool)
    jobs = [submit(pool) for _ in range(3)]
    served = []
    while any(not job.ends for job in jobs):
        worker = deliver(pool, zygote)
        served.append(worker.job)
        worker.end()

    assert served == jobs


def test_who_will_not_wait_is_refused_when_no_worker_can_be_had() -> None:
    pool = pool_of(workers_max=2, idle_max=1)
    zygote = with_zygote(pool)
    waiting = submit(pool, wait=False)
    deliver(pool, zygote)
    assert waiting.ends == []
    assert waiting.worker is not None

    second, third = submit(pool, wait=False), submit(pool, wait=False)

    assert second.ends == []
    assert [type(end) for end in third.ends] == [EngineBusy]


def test_the_line_is_bounded() -> None:
    pool = pool_of(workers_max=1, waiting_max=2)
    jobs = [submit(pool) for _ in range(3)]

    assert [[type(end) for end in job.ends] for job in jobs] == [[], [], [EngineBusy]]


def test_an_idle_worker_that_is_dead_costs_no_job() -> None:
    pool = pool_of()
    zygote = with_zygote(pool)
    dead, alive = deliver(pool, zygote), deliver(pool, zygote)
    dead.dead = True

    job = submit(pool)

    assert (job.worker, dead.job, job.ends) == (alive, None, [])


def test_an_idle_worker_that_dies_is_replaced() -> None:
    pool = pool_of(idle_max=1)
    zygote = with_zygote(pool)
    deliver(pool, zygote).die()

    assert len(zygote.ordered) == 1
    assert pool.workers == []


@pytest.mark.parametrize(("apart_s", "warm"), [(2 * HURRY_S, True), (HURRY_S / 2, False)])
def test_workers_are_warmed_unless_they_are_used_up_too_fast(
    monkeypatch: pytest.MonkeyPatch, apart_s: float, *, warm: bool
) -> None:
    now_s = 1000.0
    monkeypatch.setattr("dspex.supervisor.pool.time", SimpleNamespace(monotonic=lambda: now_s))
    pool = pool_of(workers_max=9, idle_max=1)
    zygote = with_zygote(pool)
    assert list(zygote.warm.values()) == [True]
    for _ in range(4):
        worker = deliver(pool, zygote)
        now_s += apart_s
        submit(pool)
        assert worker.job

    assert list(zygote.warm.values()) == [True, *[warm] * 4]


def test_workers_for_those_who_wait_are_not_warmed() -> None:
    pool = pool_of(workers_max=9, idle_max=2, waiting_max=9)
    for _ in range(3):
        submit(pool)

    assert list(with_zygote(pool).warm.values()) == [False, False, False, True, True]


def test_sessions_are_warmed() -> None:
    pool = pool_of(idle_max=0)
    zygote = with_zygote(pool)
    order(pool)

    assert list(zygote.warm.values()) == [True]


def test_what_a_thread_gives_back_serves_who_waits() -> None:
    pool = pool_of(workers_max=1, requests_per_worker=3)
    deliver(pool, with_zygote(pool))
    _, worker = lend(pool)
    waiting = submit(pool)

    give_back(pool, worker)

    assert waiting.worker is worker
    worker.end()
    assert lend(pool)[1] is worker


def test_what_a_thread_gives_back_while_a_job_joins_the_line_serves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(workers_max=1, idle_max=1, requests_per_worker=3)
    deliver(pool, with_zygote(pool))
    _, worker = lend(pool)
    take = pool.stock.take

    def take_and_then_give_back() -> Any:
        monkeypatch.undo()
        found = take()
        worker.end_lent()
        assert pool.done(worker) is None  # as far as that thread sees, nobody waits
        return found

    monkeypatch.setattr(pool.stock, "take", take_and_then_give_back)

    assert submit(pool).worker is worker


def test_a_worker_that_has_said_something_unasked_serves_nobody() -> None:
    pool = pool_of(workers_max=2, idle_max=2, requests_per_worker=3)
    zygote = with_zygote(pool)
    first, second = deliver(pool, zygote), deliver(pool, zygote)
    first.quiet = False

    _, lent = lend(pool)
    give_back(pool, second)
    second.quiet = False
    waiting = submit(pool)

    assert lent is second
    assert (first.gone, second.killed, waiting.worker) == (True, True, None)


def test_a_session_gets_a_worker_of_its_own_and_an_idle_one_gives_way() -> None:
    pool = pool_of(workers_max=2, idle_max=2)
    zygote = with_zygote(pool)
    idle = [deliver(pool, zygote), deliver(pool, zygote)]

    session = order(pool)

    assert [worker.killed for worker in idle] == [False, True]
    assert list(zygote.ordered.values()) == [0]
    worker = deliver(pool, zygote)
    assert (session.worker, worker.requests_left) == (worker, -1)


def test_a_session_is_refused_when_all_workers_serve() -> None:
    pool = pool_of(workers_max=1)
    zygote = with_zygote(pool)
    submit(pool)
    deliver(pool, zygote)

    assert isinstance(order(pool).refused, EngineBusy)


def test_sessions_that_a_dead_zygote_owed_are_ordered_from_the_next() -> None:
    pool = pool_of(workers_max=8)
    first = with_zygote(pool)
    session = order(pool)
    assert 0 in first.ordered.values()

    pool._zygote = None
    pool._drop_orders()
    meanwhile = order(pool)
    second = with_zygote(pool)

    assert list(second.ordered.values())[:2] == [0, 0]
    for _ in range(2):
        deliver(pool, second)
    assert session.worker is not None
    assert meanwhile.worker is not None


def test_no_more_forks_are_asked_for_at_once_than_a_zygote_hears() -> None:
    pool = pool_of(workers_max=1000, idle_max=5, waiting_max=1000)
    zygote = with_zygote(pool)
    jobs = [submit(pool) for _ in range(300)]
    most = 0
    while any(job.worker is None for job in jobs):
        most = max(most, len(zygote.ordered))
        deliver(pool, zygote)

    assert most == FORKS_AT_ONCE_MAX


def test_those_who_wait_are_refused_after_some_rounds_without_a_fork() -> None:
    pool = pool_of(workers_max=4, idle_max=2)
    zygote = with_zygote(pool)
    job, rounds = submit(pool), 0
    while not job.ends:
        for number in list(zygote.ordered):
            del zygote.ordered[number]
            pool._fork_failed(number, EAGAIN)
        pool._retrying = False
        pool._refill()
        rounds += 1

    assert rounds == 6
    assert [str(end) for end in job.ends] == [
        "the worker ended, exit status unknown: the system refused to fork: "
        + os.strerror(EAGAIN)
    ]
    assert isinstance(job.ends[0], WorkerCrashed)


def test_sessions_that_hold_all_workers_keep_nobody_waiting_when_no_fork_succeeds() -> None:
    pool = pool_of(workers_max=4, idle_max=0)
    zygote = with_zygote(pool)
    session = order(pool)
    deliver(pool, zygote)
    assert session.worker is not None
    job, rounds = submit(pool), 0
    while not job.ends:
        assert rounds < 10
        for number in list(zygote.ordered):
            del zygote.ordered[number]
            pool._fork_failed(number, EAGAIN)
        pool._retrying = False
        pool._refill()
        rounds += 1

    assert isinstance(job.ends[0], WorkerCrashed)
    assert session.refused is None


def test_after_giving_up_everybody_is_told_why() -> None:
    pool = pool_of()
    waiting, session = submit(pool), order(pool)
    pool._give_up("the last reason")
    late, late_session = submit(pool), order(pool)

    told = [*waiting.ends, *late.ends, session.refused, late_session.refused]
    assert [type(error) for error in told] == [RestartsExhausted] * 4
    assert len(set(map(id, told))) == 4
    assert all("the last reason" in str(error) for error in told)


class AnyOrder(RuleBasedStateMachine):
    """Everything that can happen to a pool, in any order; sessions and zygotes' deaths included."""

    REQUESTS, WORKERS, IDLE, WAITING = 2, 3, 2, 4

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool_of(
            requests_per_worker=self.REQUESTS, workers_max=self.WORKERS, idle_max=self.IDLE,
            waiting_max=self.WAITING,
        )
        self.zygote: FakeZygote | None = None
        self.jobs: list[FakeJob] = []
        self.sessions: list[FakeSession] = []
        self.alive: list[FakeWorker] = []

    @precondition(lambda self: not self.zygote)
    @rule()
    def start_a_zygote(self) -> None:
        self.zygote = with_zygote(self.pool)

    @precondition(lambda self: self.zygote)
    @rule()
    def kill_the_zygote(self) -> None:
        self.pool._zygote = self.zygote = None
        self.pool._drop_orders()

    @rule(wait=st.booleans())
    def submit(self, *, wait: bool) -> None:
        self.jobs.append(submit(self.pool, wait=wait))

    @rule()
    def order_a_session(self) -> None:
        self.sessions.append(order(self.pool))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.pool.cancel(data.draw(st.sampled_from(self.jobs)))  # type: ignore[arg-type]

    @precondition(lambda self: self.zygote and self.zygote.ordered)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        assert self.zygote is not None
        number = data.draw(st.sampled_from(sorted(self.zygote.ordered)))
        self.alive.append(deliver(self.pool, self.zygote, number))

    @precondition(lambda self: self.zygote and self.zygote.ordered)
    @rule(data=st.data())
    def fail_to_fork(self, data: st.DataObject) -> None:
        assert self.zygote is not None
        number = data.draw(st.sampled_from(sorted(self.zygote.ordered)))
        del self.zygote.ordered[number]
        self.pool._fork_failed(number, EAGAIN)

    @rule()
    def retry_to_fork(self) -> None:
        self.pool._retrying = False
        self.pool._refill()

    @precondition(lambda self: any(worker.job and not worker.lent for worker in self.alive))
    @rule(data=st.data())
    def end_a_run(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([one for one in self.alive if one.job and not one.lent]))
        worker.end()
        if worker.gone:
            self.alive.remove(worker)

    @rule()
    def begin_in_a_thread(self) -> None:
        job, worker = lend(self.pool)
        if worker is not None:  # otherwise the loop would be asked
            self.jobs.append(job)
        buried = [one for one in self.alive if one.gone and one.number not in self.pool._live]
        self.alive = [one for one in self.alive if one not in buried]

    @precondition(lambda self: any(worker.job and worker.lent for worker in self.alive))
    @rule(data=st.data(), interrupted_after=st.sampled_from([0, 1, 2]))
    def end_in_a_thread(self, data: st.DataObject, interrupted_after: int) -> None:
        worker: Any = data.draw(st.sampled_from([one for one in self.alive if one.job and one.lent]))
        if interrupted_after == 0 or worker.requests_left == 0:
            give_back(self.pool, worker)
        else:
            worker.end_lent()
            if not worker.give_back() and interrupted_after == 2:
                self.pool.stock._workers.append(worker)
            self.pool.tidy()  # as is done after each interrupt
        if worker.gone:
            self.pool.tidy()
            self.alive.remove(worker)

    @precondition(lambda self: any(not worker.job and not worker.gone for worker in self.alive))
    @rule(data=st.data())
    def say_something_unasked(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([one for one in self.alive if not one.job and not one.gone])).quiet = False

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def lose_a_worker(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.alive))
        self.alive.remove(worker)
        worker.die()

    @precondition(lambda self: any(not worker.job for worker in self.alive))
    @rule(data=st.data())
    def kill_an_idle_worker_unnoticed(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([one for one in self.alive if not one.job])).dead = True

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        assert all(len(job.ends) <= 1 for job in self.jobs)

    @invariant()
    def nobody_waits_who_could_be_served(self) -> None:
        idle = [one for one in self.alive if not one.job and one.owner is self.pool]
        able = [one for one in idle if not one.dead and not one.gone and not one.killed and one.quiet]
        assert not (able and self.pool._waiting)

    @invariant()
    def the_bounds_hold(self) -> None:
        staying = [one for one in self.alive if not one.killed]
        assert len(staying) <= self.WORKERS
        assert len(self.pool._waiting) <= self.WAITING

    def teardown(self) -> None:
        self.pool.close()
        assert all(worker.killed for worker in self.alive)
        for worker in list(self.alive):
            worker.die()
        assert all(len(job.ends) == 1 for job in self.jobs)
        assert all(session.worker or session.refused for session in self.sessions)
        assert self.pool.workers == []
        late, refused = submit(self.pool), order(self.pool).refused
        assert [type(end) for end in (*late.ends, refused)] == [SessionClosed] * 2


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_numbers_of_workers_never_repeat() -> None:
    pools = [pool_of(), pool_of()]
    zygotes = [with_zygote(pool) for pool in pools]

    numbers = list(itertools.chain.from_iterable(zygote.ordered for zygote in zygotes))

    assert len(numbers) == len(set(numbers)) == 4


@pytest.mark.parametrize("name", ["workers_max", "idle_max"])
def test_settings_do_not_change(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(pool_of().settings, name, 5)
