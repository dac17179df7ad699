"""Which worker serves which job: warm workers of one runtime, kept in stock by a zygote.

A worker serves once (or `requests_per_worker` times) and is replaced in the background. Jobs that
find no worker wait in a bounded line. The pool keeps its zygote alive within a restart budget and
knows nothing about policies or outcomes.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import os
import signal
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trio

from dspex.errors import (
    EngineBusy,
    IsolationMissing,
    RestartsExhausted,
    SessionClosed,
    WorkerCrashed,
)
from dspex.isolation.advice import missing
from dspex.supervisor.parking import ParkingLot, Place
from dspex.supervisor.restart import RESTARTS_MAX, WITHIN_S, RestartBudget
from dspex.supervisor.stock import Stock
from dspex.supervisor.twins import STRAY_S, strays_of
from dspex.supervisor.worker import KILLED, Worker
from dspex.supervisor.zygote import PROGRAM, Zygote, ZygoteFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.errors import DspexError
    from dspex.supervisor.job import Job
    from dspex.supervisor.seat import Seat
    from dspex.supervisor.twins import Made
    from dspex.supervisor.zygote import Served

SESSION = 0
"""`requests` of a worker that serves one session until it is told to stop."""

FORK_RETRIES_MAX = 5
FORK_RETRY_S = 0.2
FORKS_AT_ONCE_MAX = 64
"""More orders than this wait with the pool; the zygote's socket does not hold many hundreds."""
HURRY_S = 0.008 / (os.cpu_count() or 1)
"""If workers are used up faster, making them takes more than half of the machine, and they are not warmed."""
_NUMBERS = itertools.count(1)


class SessionOrder(NamedTuple):
    """A session that waits for a worker of its own; exactly one of the two is called, once."""

    deliver: Callable[[Worker], None]
    refuse: Callable[[BaseException], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How many workers there may be, who may wait, and what each worker may ever use."""

    workers_max: int
    idle_max: int
    """Workers kept warm when nothing is running."""
    requests_per_worker: int
    waiting_max: int
    cpu_s: int
    """Processor seconds per run, rounded up, after which the kernel kills the worker."""
    data_bytes: int
    """Writable memory that a worker may add to its zygote's, as the kernel counts it."""
    require_layers: frozenset[str] = frozenset()
    """Isolation layers without which no zygote is kept."""
    program: str = PROGRAM
    """What a zygote runs."""
    parks: bool = False
    """Whether sessions that rest give way to others: their language can save them."""
    park_after_s: float = math.inf
    """How long a session rests before it is parked though nobody needs its place."""
    parked_folder: Path = Path(tempfile.gettempdir())
    """Where the states of parked sessions lie."""


class Pool:
    """The workers of one runtime. All methods run in the supervisor's loop."""

    def __init__(
        self, served: Served, settings: PoolSettings, nursery: trio.Nursery
    ) -> None:
        """Make a pool without any process; `run` starts them."""
        self._served = served
        self.settings = settings
        self.nursery = nursery
        self.lot = ParkingLot(settings.parked_folder)
        """Where sessions are parked."""
        self._resting: dict[Seat, float] = {}
        self._giving_way: set[Seat] = set()
        self._zygote: Zygote | None = None
        self.stock = Stock()
        self._waiting: deque[Job] = deque()
        self._session_orders: dict[int, SessionOrder] = {}
        self._session_line: deque[SessionOrder] = deque()
        self._forking: set[int] = set()
        self._copying: set[int] = set()
        """Numbers of copies of sessions' workers that are being made."""
        self._live: dict[int, Worker] = {}
        self._dismissed: set[int] = set()
        self._leaving: deque[tuple[float, int]] = deque()
        self._dead_because: str | None = None
        self._fork_failures = 0
        self._ordered_s = 0.0
        """When workers were last ordered for the stock and the line, by the monotonic clock."""
        self._retrying = False
        self._emptied = trio.Event()
        self.closing = False
        self.isolation: tuple[str, ...] = ()

    # The caller's side.

    def submit(self, job: Job, *, wait: bool) -> None:
        """Serve a job as soon as a worker is free.

        A job that finds neither a worker nor room in the line is refused with `EngineBusy`.
        """
        if self.closing or self._dead_because is not None:
            job.refuse(self._refusal())
            return
        self.tidy()
        while (worker := self.stock.take()) is not None:
            if worker.begin_quiet(job):
                self._refill()
                return
        if not wait and self._taken() >= self.settings.workers_max:
            job.refuse(EngineBusy(waiting=len(self._waiting), waiting_max=0))
        elif len(self._waiting) >= self.settings.waiting_max:
            job.refuse(self.busy())
        else:
            self._waiting.append(job)
            self._serve_line()  # a thread may have brought a worker back meanwhile
            self._refill()

    def _serve_line(self) -> None:
        """Serve those who wait with what is in stock."""
        while self._waiting and (worker := self.stock.take()) is not None:
            if worker.begin_quiet(self._waiting[0]):
                self._waiting.popleft()

    def cancel(self, job: Job) -> None:
        """Give a job up: take it out of the line, or kill its worker."""
        if job.worker is not None:
            job.worker.kill(WorkerCrashed(KILLED, reason="its run was cancelled"))
        elif job in self._waiting:
            self._waiting.remove(job)
            job.cancel()

    def lend(self, job: Job) -> Worker | None:
        """Let the calling thread speak to a warm worker; None if there is none."""
        while (worker := self.stock.lend(job)) is not None:
            if worker.quiet:
                return worker
            job.worker = None
            worker.gone = True
        return None

    def done(self, worker: Worker) -> Callable[[], None] | None:
        """Take note, in that thread, that a worker has served; return what the loop is to do at once, if anything."""
        if not worker.gone and not self.stock.give_back(worker):
            return self.tidy
        return self.tidy if self._waiting or self.closing or self._stock_low else None

    def give_up(self, job: Job) -> None:
        """Give a job up that a caller's thread has begun, or was about to begin, and does not wait for any more."""
        worker = self.stock.lent_for(job)
        if worker is not None:
            worker.kill(WorkerCrashed(KILLED, reason="its run was cancelled"))
            worker.take_back()
        self.tidy()

    def may_rest(self) -> bool:
        """Tell whether a worker that has served may be left unread: before it serves again, it must be `quiet`."""
        return True

    def order_session(self, order: SessionOrder) -> None:
        """Fork a worker for one session only; an idle one gives way to it if need be."""
        if self.closing or self._dead_because is not None:
            order.refuse(self._refusal())
        elif self._taken() >= self.settings.workers_max and not self._may_wait():
            order.refuse(self.busy())
        else:
            self._session_line.append(order)
            self._refill()

    def order_worker(
        self, deliver: Callable[[Worker], None], refuse: Callable[[BaseException], None]
    ) -> None:
        """Fork a worker for a session that was parked."""
        self.order_session(SessionOrder(deliver, refuse))

    def begin_copy(self) -> int | None:
        """Keep a place for the copy of a session's worker; None if there is none without waiting."""
        if self.closing or self._zygote is None or self._serving() >= self.settings.workers_max:
            return None
        if self._session_line:  # who has waited for long comes first
            return None
        if self._room() <= 0:
            idle = self.stock.take(newest=True)
            if idle is None:
                return None
            self._dismiss(idle)
        number = next(_NUMBERS)
        self._copying.add(number)
        return number

    def give_up_copy(self, number: int) -> None:
        """Give back the place of a copy that was not made."""
        self._copying.discard(number)
        self._refill()

    def end_copy(self, number: int, original: Worker, made: Made) -> Worker | None:
        """Take in a copy that was made; None if its zygote is gone, and the copy with it."""
        self._copying.discard(number)
        zygote = self._zygote
        worker = Worker(
            number, made.connection, made.handle, SESSION, original.isolation, gate=original.gate
        )
        if zygote is None or self.closing or original.number not in self._live:
            worker.kill()
            os.close(worker.forget())
            return None
        zygote.adopt(worker, made.inner_pid)
        self._live[number] = worker
        worker.rest(self.nursery)
        worker.stir()
        return worker

    async def kill_strays(self) -> None:
        """Kill what workers may have made of themselves and nobody here knows."""
        seen = await self._unknown()
        if seen:
            await trio.sleep(STRAY_S)  # a worker that was just forked is known by then
            for pid in seen & await self._unknown():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def _unknown(self) -> set[int]:
        known = {pid for worker in self.workers if (pid := worker.pid) > 0}
        return await trio.to_thread.run_sync(strays_of, known)

    def _may_wait(self) -> bool:
        """Tell whether a session may wait until another one gives way."""
        return self.settings.parks and len(self._session_line) < self.settings.waiting_max

    @functools.cached_property
    def runtime_key(self) -> str:
        """What a saved session is bound to: the runtime and all that it was made of."""
        folder = self._served.runtime
        try:
            return str(json.loads((folder / "manifest.json").read_bytes())["key"])
        except (OSError, ValueError, KeyError):
            return folder.name

    @property
    def workers(self) -> list[Worker]:
        """Every worker there is, idle or busy."""
        return list(self._live.values())

    # What workers tell their owner.

    def worker_idle(self, worker: Worker) -> None:
        """Take a worker back that can serve again."""
        if not self._waiting:
            self.stock.put(worker)
        elif worker.begin_quiet(self._waiting[0]):
            self._waiting.popleft()

    def note_rest(self, seat: Seat) -> None:
        """Take note that a session has nothing to do, so that it can give way."""
        if self.settings.parks and not self.closing:
            self._resting.pop(seat, None)
            self._resting[seat] = time.monotonic()
            if self._session_line or self._waiting:
                self._make_room()

    def note_work(self, seat: Seat) -> None:
        """Take note that a session has something to do, or is closed."""
        self._resting.pop(seat, None)

    def knows_rest(self, seat: Seat) -> bool:
        """Tell, to any thread, whether a session is known as one that can give way."""
        return not self.settings.parks or seat in self._resting

    def note_unparkable(self) -> None:
        """Take note that a session that was to give way cannot, so that one who waits need not."""
        if self._session_line:
            self._session_line.popleft().refuse(self.busy())

    def free(self, place: Place) -> None:
        """Give up the place of a session that is not parked any more."""
        self.nursery.start_soon(trio.to_thread.run_sync, self.lot.free, place)

    def park_rested(self) -> None:
        """Park the sessions that have rested for long."""
        latest = time.monotonic() - self.settings.park_after_s
        while self._resting:
            seat, since = next(iter(self._resting.items()))
            if since > latest:
                return
            self.note_work(seat)
            if seat.used_s > since:
                self._resting[seat] = seat.used_s
            else:
                seat.park()

    def dismiss(self, worker: Worker) -> None:
        """Kill a worker that nobody uses and give its place to who waits."""
        self._dismiss(worker)
        self._refill()

    def worker_gone(self, worker: Worker) -> None:
        """Forget a worker and make another if one is needed."""
        self._live.pop(worker.number, None)
        self._dismissed.discard(worker.number)
        if self.closing and not self._live:
            self._emptied.set()
        self.stock.discard(worker)
        if self._zygote is not None:
            self._zygote.forget(worker)
        handle = worker.forget()
        if handle >= 0:
            self._leaving.append((time.monotonic(), handle))
        self._refill()

    def see_off(self, after_s: float) -> None:
        """Kill what should have ended by itself `after_s` seconds ago; it is gone if it has."""
        latest = time.monotonic() - after_s
        while self._leaving and self._leaving[0][0] <= latest:
            _, handle = self._leaving.popleft()
            _kill(handle)
            os.close(handle)

    async def wait_empty(self) -> None:
        """Wait until every process that was a worker has ended."""
        if self._live:
            await self._emptied.wait()
        while self._leaving:
            handle = self._leaving[0][1]
            _kill(handle)
            await trio.lowlevel.wait_readable(handle)
            self._leaving.popleft()
            os.close(handle)

    # Keeping stock.

    def _taken(self) -> int:
        """Return how many workers serve somebody, or will, once they are there."""
        promised = len(self._session_orders) + len(self._session_line) + len(self._waiting) + len(self._copying)
        return len(self._live) - len(self._dismissed) - len(self.stock) + promised

    def _serving(self) -> int:
        """Return how many workers serve a run or belong to a session, or will."""
        promised = len(self._session_orders) + len(self._copying)
        return len(self._live) - len(self._dismissed) - len(self.stock) + promised

    def _room(self) -> int:
        staying = len(self._live) - len(self._dismissed)
        return self.settings.workers_max - staying - len(self._forking) - len(self._copying)

    def _dismiss(self, worker: Worker) -> None:
        """Kill a worker that nobody uses; its place is free at once."""
        self._dismissed.add(worker.number)
        worker.kill()

    def busy(self) -> EngineBusy:
        """Return that there are too many processes."""
        return EngineBusy(waiting=len(self._waiting), waiting_max=self.settings.waiting_max)

    def _refusal(self) -> DspexError:
        """Return a new error each time: one that is raised in two threads would mix them up."""
        if self._dead_because is None:
            return SessionClosed("engine")
        return RestartsExhausted(
            f"the {self._served.name} zygote", restarts=RESTARTS_MAX, within_s=WITHIN_S,
            last_reason=self._dead_because,
        )

    def _refill(self) -> None:
        """Order as many workers as sessions, the line and the stock want, within the bounds."""
        if self._zygote is None or self.closing:
            return
        settings = self.settings
        while self._session_line and len(self._forking) < FORKS_AT_ONCE_MAX:
            if self._serving() >= settings.workers_max:
                break
            if self._room() <= 0 and (idle := self.stock.take(newest=True)) is not None:
                self._dismiss(idle)
            number = next(_NUMBERS)
            self._session_orders[number] = self._session_line.popleft()
            self._fork(self._zygote, number, SESSION, warm=True)
        if self._resting and (self._session_line or (self._waiting and self._room() <= 0)):
            self._make_room()
        if not self._waiting and not self._stock_low:
            return
        wanted = len(self._waiting) + settings.idle_max - self._stock_soon()
        room = min(self._room(), FORKS_AT_ONCE_MAX - len(self._forking))
        wanted = min(wanted, room)
        hurried = wanted if wanted > 0 and self._hurried(wanted) else len(self._waiting)
        for position in range(wanted):
            self._fork(
                self._zygote, next(_NUMBERS), settings.requests_per_worker, warm=position >= hurried
            )

    def _hurried(self, wanted: int) -> bool:
        """Tell whether workers are used up so fast that warming each, with a run for nothing, would slow the others down."""
        before_s, self._ordered_s = self._ordered_s, time.monotonic()
        return self._ordered_s - before_s < wanted * HURRY_S

    @property
    def _stock_low(self) -> bool:
        """Whether workers should be ordered: in batches, as a fork beside every single request would compete with it."""
        return self._stock_soon() * 2 <= self.settings.idle_max

    def _stock_soon(self) -> int:
        """Return how many idle workers there are, or will be, once those are there that were ordered."""
        return len(self.stock) + len(self._forking) - len(self._session_orders)

    def tidy(self) -> None:
        """See to the workers that callers' threads are done with: bury them, or have them serve again; fill places."""
        for worker in self.stock.ended():
            worker.take_back()
        for worker in self.stock.left():
            if worker.stir() and worker.serves_again:
                self.worker_idle(worker)
        self._serve_line()
        if not self._retrying:
            self._refill()

    def _make_room(self) -> None:
        """Park the sessions that have rested longest, one for each who waits."""
        self._giving_way = {seat for seat in self._giving_way if seat.parking}
        wanted = len(self._session_line) + len(self._waiting) - len(self._giving_way)
        while wanted > 0 and self._resting:
            seat = next(iter(self._resting))
            self.note_work(seat)
            self._giving_way.add(seat)
            wanted -= 1
            seat.park()

    def _fork(self, zygote: Zygote, number: int, requests: int, *, warm: bool) -> None:
        self._forking.add(number)
        settings = self.settings
        zygote.fork(
            number, requests, cpu_s=settings.cpu_s * requests, data_bytes=settings.data_bytes, warm=warm
        )

    def _deliver(self, worker: Worker) -> None:
        self._forking.discard(worker.number)
        self._fork_failures = 0
        self._live[worker.number] = worker
        worker.rest(self.nursery)
        order = self._session_orders.pop(worker.number, None)
        if order is not None:
            worker.stir()
            order.deliver(worker)
        else:
            worker.owner = self
            if self.closing or self._room() < 0:
                self._dismiss(worker)
            else:
                self.worker_idle(worker)
        if self._waiting or self._session_line:
            self._refill()

    def _fork_failed(self, number: int, errno: int) -> None:
        """Give up on one fork; those who wait are served later, or refused after some rounds."""
        self._forking.discard(number)
        reason = f"the system refused to fork: {os.strerror(errno)}"
        order = self._session_orders.pop(number, None)
        if order is not None:
            order.refuse(WorkerCrashed(None, reason=reason))
        if self._retrying or self._forking:
            return
        self._fork_failures += 1
        # A session's worker never serves the line, so nobody waits for it.
        serving = any(worker.owner is self for worker in self._live.values())
        if self._fork_failures > FORK_RETRIES_MAX and not serving:
            while self._waiting:
                self._waiting.popleft().refuse(WorkerCrashed(None, reason=reason))
            self._fork_failures = 0
        self._retrying = True
        self.nursery.start_soon(self._refill_later)

    async def _refill_later(self) -> None:
        await trio.sleep(FORK_RETRY_S)
        self._retrying = False
        self._refill()

    # The zygote's life.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a zygote alive until cancelled; started once the first one can fork.

        Raises:
            ZygoteFailed: if the first one cannot start.
        """
        budget = RestartBudget()
        zygote = await self._start_zygote()
        self.isolation = zygote.isolation
        task_status.started()
        while True:
            self._zygote = zygote
            self._refill()
            try:
                reason = await zygote.attend(self._deliver, self._fork_failed)
            finally:
                self._zygote = None
                for worker in self.workers:
                    worker.note_exit_status(None)  # nobody else would tell
                await zygote.stop()
            self._drop_orders()
            while True:
                delay_s = budget.next_delay_s(trio.current_time())
                if delay_s is None:
                    self._give_up(reason)
                    return
                await trio.sleep(delay_s)
                try:
                    zygote = await self._start_zygote()
                except (ZygoteFailed, IsolationMissing) as error:
                    reason = str(error)
                    continue
                break

    async def _start_zygote(self) -> Zygote:
        """Start a zygote and refuse it if it lacks a required layer.

        Raises:
            ZygoteFailed: It cannot start.
            IsolationMissing: It lacks a layer; the message says what to change.
        """
        zygote = await Zygote.start(self._served, self.settings.program)
        reason = missing(self.settings.require_layers, zygote.isolation, zygote.absent)
        if reason is not None:
            zygote.kill()
            await zygote.stop()
            raise IsolationMissing(reason)
        return zygote

    def _drop_orders(self) -> None:
        """Take back what a dead zygote was to deliver; the next one gets the sessions' orders."""
        self._forking.clear()
        self._session_line.extend(self._session_orders.values())
        self._session_orders.clear()

    def _give_up(self, reason: str) -> None:
        self._dead_because = reason
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        self._drop_orders()
        while self._waiting:
            self._waiting.popleft().refuse(self._refusal())
        while self._session_line:
            self._session_line.popleft().refuse(self._refusal())

    def close(self) -> None:
        """Refuse what waits and kill every worker; the processes end soon after."""
        self.closing = True
        self._refuse_waiting()
        self.tidy()
        for worker in self.workers:
            worker.kill()

    def forget_processes(self) -> None:
        """Let go of every process without touching it: this is a copy in a forked process."""
        for worker in self.workers:
            worker.forget_process()
        if self._zygote is not None:
            self._zygote.forget_process()


def _kill(handle: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)
