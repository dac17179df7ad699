"""Which worker serves which job: warm workers of one runtime, kept in stock by a zygote.

A worker serves once (or `requests_per_worker` times) and is replaced in the background. Jobs that
find no worker wait in a bounded line. The pool keeps its zygote alive within a restart budget and
knows nothing about policies or outcomes.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import trio

from dspex.errors import EngineBusy, RestartsExhausted, SessionClosed, WorkerCrashed
from dspex.supervisor.restart import RestartBudget
from dspex.supervisor.zygote import Zygote, ZygoteFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dspex.supervisor.job import Job
    from dspex.supervisor.worker import Worker

SESSION = 0
"""`requests` of a worker that serves one session until it is told to stop."""

FORK_RETRIES_MAX = 5
FORK_RETRY_S = 0.2
_NUMBERS = itertools.count(1)


class SessionOrder(NamedTuple):
    """A session that waits for a worker of its own; exactly one of the two is called, once."""

    deliver: Callable[[Worker], None]
    refuse: Callable[[BaseException], None]


class PoolSettings:
    """How many workers there may be and who may wait."""

    __slots__ = ("idle_max", "requests_per_worker", "waiting_max", "workers_max")

    def __init__(
        self, workers_max: int, idle_max: int, requests_per_worker: int, waiting_max: int
    ) -> None:
        """Set the bounds; `idle_max` workers are kept warm when nothing is running."""
        self.workers_max = workers_max
        self.idle_max = min(idle_max, workers_max)
        self.requests_per_worker = requests_per_worker
        self.waiting_max = waiting_max


class Pool:
    """The workers of one runtime. All methods run in the supervisor's loop."""

    def __init__(
        self, language: str, runtime: Path, settings: PoolSettings, nursery: trio.Nursery
    ) -> None:
        """Make a pool without any process; `run` starts them."""
        self._language, self._runtime = language, runtime
        self.settings = settings
        self._nursery = nursery
        self._zygote: Zygote | None = None
        self._idle: deque[Worker] = deque()
        self._waiting: deque[Job] = deque()
        self._session_orders: dict[int, SessionOrder] = {}
        self._forking: set[int] = set()
        self._live: dict[int, Worker] = {}
        self._dead: BaseException | None = None
        self._fork_failures = 0
        self.closing = False
        self.isolation: tuple[str, ...] = ()

    # The caller's side.

    def submit(self, job: Job, *, wait: bool) -> None:
        """Serve a job as soon as a worker is free.

        A job that finds neither a worker nor room in the line is refused with `EngineBusy`.
        """
        if self._dead is not None or self.closing:
            job.refuse(self._dead or SessionClosed("engine"))
            return
        while self._idle:
            worker = self._idle.popleft()
            if not worker.gone:
                worker.begin(job)
                self._refill()
                return
        if not wait and self._at_capacity():
            job.refuse(EngineBusy(waiting=len(self._waiting), waiting_max=0))
        elif len(self._waiting) >= self.settings.waiting_max:
            job.refuse(self._busy())
        else:
            self._waiting.append(job)
            self._refill()

    def cancel(self, job: Job) -> None:
        """Give a job up: take it out of the line, or kill its worker."""
        if job.worker is not None:
            job.worker.kill()
            return
        try:
            self._waiting.remove(job)
        except ValueError:
            return

    def order_session(self, order: SessionOrder) -> None:
        """Fork a worker for one session only."""
        if self._dead is not None or self.closing:
            order.refuse(self._dead or SessionClosed("engine"))
            return
        if self._at_capacity():
            order.refuse(self._busy())
            return
        number = next(_NUMBERS)
        self._session_orders[number] = order
        self._fork(number, SESSION)

    @property
    def workers(self) -> list[Worker]:
        """Every worker there is, idle or busy."""
        return list(self._live.values())

    # What workers tell their owner.

    def worker_idle(self, worker: Worker) -> None:
        """Take a worker back that can serve again."""
        if self._waiting:
            worker.begin(self._waiting.popleft())
        else:
            self._idle.append(worker)

    def worker_gone(self, worker: Worker) -> None:
        """Forget a worker and make another if one is needed."""
        self._live.pop(worker.number, None)
        if self._zygote is not None:
            self._zygote.forget(worker)
        self._refill()

    # Keeping stock.

    def _at_capacity(self) -> bool:
        return len(self._live) + len(self._forking) >= self.settings.workers_max

    def _busy(self) -> EngineBusy:
        return EngineBusy(waiting=len(self._waiting), waiting_max=self.settings.waiting_max)

    def _refill(self) -> None:
        """Order as many workers as the line and the stock want, within the bounds."""
        if self._zygote is None or self.closing:
            return
        settings = self.settings
        ordered = len(self._forking) - len(self._session_orders)
        stock = len(self._idle) + ordered
        wanted = len(self._waiting) + settings.idle_max
        # Ordered in batches: a fork beside every single request would compete with it.
        if not self._waiting and stock * 2 > settings.idle_max:
            return
        room = settings.workers_max - len(self._live) - len(self._forking)
        for _ in range(min(wanted - stock, room)):
            self._fork(next(_NUMBERS), settings.requests_per_worker)

    def _fork(self, number: int, requests: int) -> None:
        self._forking.add(number)
        if self._zygote is not None:
            self._zygote.fork(number, requests)

    def _deliver(self, worker: Worker) -> None:
        self._forking.discard(worker.number)
        self._fork_failures = 0
        self._live[worker.number] = worker
        self._nursery.start_soon(worker.attend)
        order = self._session_orders.pop(worker.number, None)
        if order is not None:
            order.deliver(worker)
        else:
            worker.owner = self
            self.worker_idle(worker)

    def _fork_failed(self, number: int, errno: int) -> None:
        """Give up on one fork; the line keeps waiting as long as some worker still lives."""
        self._forking.discard(number)
        reason = WorkerCrashed(None, reason=f"the system refused to fork: {os.strerror(errno)}")
        order = self._session_orders.pop(number, None)
        if order is not None:
            order.refuse(reason)
        self._fork_failures += 1
        if self._live or self._forking:
            return
        if self._fork_failures > FORK_RETRIES_MAX:
            while self._waiting:
                self._waiting.popleft().refuse(reason)
            self._fork_failures = 0
        else:
            self._nursery.start_soon(self._refill_later)

    async def _refill_later(self) -> None:
        await trio.sleep(FORK_RETRY_S)
        self._refill()

    # The zygote's life.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a zygote alive until cancelled; started once the first one can fork.

        Raises:
            ZygoteFailed: if the first one cannot start.
        """
        budget = RestartBudget()
        zygote = await Zygote.start(self._language, self._runtime)
        self.isolation = zygote.isolation
        task_status.started()
        while True:
            self._zygote = zygote
            self._refill()
            try:
                reason = await zygote.attend(self._deliver, self._fork_failed)
            finally:
                self._zygote = None
                await zygote.stop()
            self._drop_orders(reason)
            while True:
                delay_s = budget.next_delay_s(trio.current_time())
                if delay_s is None:
                    self._give_up(budget, reason)
                    return
                await trio.sleep(delay_s)
                try:
                    zygote = await Zygote.start(self._language, self._runtime)
                except ZygoteFailed as error:
                    reason = str(error)
                    continue
                break

    def _drop_orders(self, reason: str) -> None:
        """Forget what a dead zygote was to deliver."""
        self._forking.clear()
        for order in self._session_orders.values():
            order.refuse(WorkerCrashed(None, reason=f"its zygote is gone: {reason}"))
        self._session_orders.clear()

    def _give_up(self, budget: RestartBudget, reason: str) -> None:
        self._dead = RestartsExhausted(
            f"the {self._language} zygote",
            restarts=budget.restarts_max,
            within_s=budget.within_s,
            last_reason=reason,
        )
        while self._waiting:
            self._waiting.popleft().refuse(self._dead)

    def close(self) -> None:
        """Refuse what waits and kill every worker; the processes end soon after."""
        self.closing = True
        while self._waiting:
            self._waiting.popleft().refuse(SessionClosed("engine"))
        for order in self._session_orders.values():
            order.refuse(SessionClosed("engine"))
        self._session_orders.clear()
        for worker in self.workers:
            worker.kill()
