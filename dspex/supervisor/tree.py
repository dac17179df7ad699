"""The root of everything that runs in the supervisor's thread, and the only way into it.

`Supervisor` starts the thread, hands it work from any thread, and takes it down without leaving a
process, a file or a socket behind. A death below is absorbed below.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING

import trio

from dspex.errors import InternalError, SessionClosed
from dspex.supervisor import direct
from dspex.supervisor.pool import Pool, SessionOrder
from dspex.supervisor.seat import ForkWish, Seat, StateWish
from dspex.supervisor.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.protocol.messages import Answer
    from dspex.supervisor.job import Job
    from dspex.supervisor.pool import PoolSettings
    from dspex.supervisor.states import SealedState, StateTerms
    from dspex.supervisor.zygote import Served

CLOSE_TIMEOUT_S = 10.0


class Supervisor:
    """One trio loop in one thread, with a pool per runtime; safe to call from any other thread."""

    def __init__(self) -> None:
        """Start the thread; `open_pool` starts processes."""
        self._ready: Future[None] = Future()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery
        self._workers_nursery: trio.Nursery
        self._starting: set[trio.CancelScope] = set()
        self._closing = trio.Event()
        self._failure: BaseException | None = None
        self._pools: dict[str, Pool] = {}
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="dspex-supervisor", daemon=True)
        self._thread.start()
        _running.add(self)
        self._ready.result()

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            if not self._ready.done():
                self._ready.set_exception(self.ending())

    async def _main(self) -> None:
        try:
            await self._serve_all()
        finally:  # by now nobody is writing there any more
            for pool in self._pools.values():
                pool.lot.close()

    async def _serve_all(self) -> None:
        async with trio.open_nursery() as workers:
            self._workers_nursery = workers
            try:
                await self._serve()
            finally:
                for pool in self._pools.values():
                    pool.close()
                    pool.see_off(-math.inf)
            workers.cancel_scope.cancel()

    async def _serve(self) -> None:
        """Keep everything going until the engine is closed."""
        async with trio.open_nursery() as nursery, trio.open_nursery() as watching:
            self._nursery = nursery
            watching.start_soon(Watchdog().run, self._pools.values())
            self._token = trio.lowlevel.current_trio_token()
            self._ready.set_result(None)
            await self._closing.wait()
            watching.cancel_scope.cancel()
            with trio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                pools = list(self._pools.values())
                for pool in pools:
                    pool.close()
                for pool in pools:
                    await pool.wait_empty()
            nursery.cancel_scope.cancel()

    def open_pool(self, served: Served, settings: PoolSettings) -> Future[Pool]:
        """Start the processes of one more runtime.

        Returns:
            Settled when workers can be had. Raises `ZygoteFailed` if they cannot, `IsolationMissing`
            if a layer is missing that the settings require, `SessionClosed` if the engine is closed.
        """
        opened: Future[Pool] = Future()

        def begin() -> None:
            if self._closing.is_set():
                opened.set_exception(self.ending())
            else:
                self._nursery.start_soon(self._start, served, settings, opened)

        if not self._call(begin):
            opened.set_exception(self.ending())
        return opened

    async def _start(self, served: Served, settings: PoolSettings, opened: Future[Pool]) -> None:
        pool = self._pools[served.name] = Pool(served, settings, self._workers_nursery)
        with trio.CancelScope() as starting:
            self._starting.add(starting)
            try:
                await self._nursery.start(pool.run)
            except Exception as error:  # noqa: BLE001 - raised in the thread that waits for it
                del self._pools[served.name]
                opened.set_exception(error)
            else:
                opened.set_result(pool)
            finally:
                self._starting.discard(starting)
        if not opened.done():
            opened.set_exception(SessionClosed("engine"))

    def submit(self, pool: Pool, job: Job, *, wait: bool = True) -> None:
        """Serve a job; its future is settled whatever happens."""
        self._call(lambda: pool.submit(job, wait=wait), job)

    def serve(self, pool: Pool, job: Job, *, wait: bool = True) -> None:
        """Serve a job whose caller waits for it in this thread, without the loop if that is possible.

        Its future is settled whatever happens, but maybe later.

        Raises:
            RuntimeError, SessionClosed: Nobody may wait here; see `check_may_wait`.
        """
        if not self._served_here(pool, job):
            self.submit(pool, job, wait=wait)

    def serve_in(self, seat: Seat, job: Job) -> None:
        """Run a job in a session, as `serve` does."""
        if not self._served_here(seat, job):
            self.submit_to(seat, job)

    def _served_here(self, place: Pool | Seat, job: Job) -> bool:
        self.check_may_wait()
        try:
            return job.only_ends and direct.serve(place, job, lambda act: self._call(act, job))
        except BaseException:
            self._call(lambda: place.give_up(job))
            raise

    def cancel(self, pool: Pool, job: Job) -> None:
        """Give a job up and kill its worker, if it has one."""
        self._call(lambda: pool.cancel(job))

    def answer(self, job: Job, answer: Answer) -> None:
        """Send the answer to a job's host call, if it still waits for it."""
        worker = job.worker
        if worker is None:
            return
        try:
            if not worker.answer(job, answer):
                self._call(worker.push)
        except OSError:
            return  # the worker is dead, which its own task finds out

    def order_seat(
        self,
        pool: Pool,
        terms: StateTerms | None = None,
        *,
        origin: Future[SealedState | None] | None = None,
        mounted: bool = True,
    ) -> Seat:
        """Return a session's seat; it has a worker once its `ready` is settled.

        Args:
            pool: Where its workers come from.
            terms: What its guest may have.
            origin: The state that it begins with; None for a fresh guest.
            mounted: Whether what is mounted in that state goes on being mounted.
        """
        seat = Seat(pool, terms, origin=origin, mounted=mounted)
        order = SessionOrder(seat.take, seat.refuse)
        if not self._call(lambda: pool.order_session(order)):
            seat.refuse(self.ending())
        return seat

    def fork_seat(self, pool: Pool, seat: Seat, terms: StateTerms | None) -> Seat:
        """Return the seat of a session that begins where another one is after the runs before.

        Args:
            pool: Where the workers of both come from.
            seat: The other one's.
            terms: What its guest may have.
        """
        state = StateWish(parking=False)
        twin = Seat(pool, terms, origin=state.future)
        if not self._ask(seat, lambda: seat.fork(ForkWish(twin, state))):
            twin.refuse(self.ending())
        return twin

    def state_of(self, seat: Seat, *, parking: bool = False) -> Future[SealedState | None]:
        """Return a session's state as it is after the runs before; with `parking`, park it and give none."""
        wish = StateWish(parking=parking)
        if not self._ask(seat, lambda: seat.wish(wish)):
            wish.refuse(self.ending())
        return wish.future

    def submit_to(self, seat: Seat, job: Job) -> None:
        """Run a job in a session."""
        self._ask(seat, lambda: seat.submit(job), job)

    def cancel_in(self, seat: Seat, job: Job) -> None:
        """Interrupt a session's job, keeping its state."""
        self._call(lambda: seat.cancel(job))

    def close_seat(self, seat: Seat) -> None:
        """Close a session."""
        self._ask(seat, seat.close)

    def worker_pids(self) -> list[int]:
        """Return the processes of all workers, for diagnosis and tests."""
        self.check_may_wait()
        found: Future[list[int]] = Future()

        def look() -> None:
            pools = self._pools.values()
            for pool in pools:
                pool.tidy()
            found.set_result([worker.pid for pool in pools for worker in pool.workers])

        return found.result() if self._call(look) else []

    def check_may_wait(self) -> None:
        """Refuse to wait where nobody could ever end the waiting.

        Raises:
            RuntimeError: This is the supervisor's own thread: a caller's `on_output` runs there.
            SessionClosed: This is a forked process.
        """
        if self._thread is threading.current_thread():
            msg = "on_output runs in the engine's thread, which cannot wait for another run"
            raise RuntimeError(msg)
        if self._pid != os.getpid():
            raise self.ending()

    def _call(self, function: Callable[[], None], job: Job | None = None) -> bool:
        """Run `function` in the supervisor's thread; False if that has ended."""
        try:
            if self._pid == os.getpid() and self._token is not None:
                self._token.run_sync_soon(function)
                return True
        except trio.RunFinishedError:
            pass
        if job is not None:
            job.refuse(self.ending())
        return False

    def _ask(self, seat: Seat, function: Callable[[], None], job: Job | None = None) -> bool:
        """Ask something of a session that nothing may overtake which is asked later."""

        def act() -> None:
            seat.asked.pop()
            function()

        seat.asked.append(None)
        return self._call(act, job)

    @property
    def ended(self) -> bool:
        """Whether it is closed, or closing, or another process' own."""
        return self._closing.is_set() or not self._thread.is_alive() or self._pid != os.getpid()

    def ending(self) -> Exception:
        """Say why nothing can be done any more."""
        if self._pid != os.getpid():
            reason = f"it belongs to process {self._pid}; a forked process needs its own"
            return SessionClosed("engine", reason=reason)
        if self._failure is not None:
            return InternalError(f"the supervisor ended: {self._failure!r}")
        return SessionClosed("engine")

    def close(self, *, wait: bool = True) -> None:
        """End every process and the thread; closing twice is closing once.

        Args:
            wait: Whether to return only when all is gone. Never in the supervisor's own thread.
        """
        if self._pid != os.getpid():
            return
        self._call(self._begin_closing)
        if wait and self._thread is not threading.current_thread():
            self._thread.join()

    def _begin_closing(self) -> None:
        self._closing.set()
        for scope in self._starting:
            scope.cancel()

    def forget_processes(self) -> None:
        """Close a forked process' copies of the sockets, so that their ends are noticed."""
        for pool in self._pools.values():
            pool.forget_processes()


_running: weakref.WeakSet[Supervisor] = weakref.WeakSet()
"""Those that a process which ends, or forks, has to think of."""


def _close_all() -> None:
    for supervisor in list(_running):
        supervisor.close()


def _after_fork_in_child() -> None:
    for supervisor in list(_running):
        supervisor.forget_processes()
    _running.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork_in_child)
