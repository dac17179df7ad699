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
from dspex.supervisor.pool import Pool, PoolSettings, SessionOrder
from dspex.supervisor.seat import Seat
from dspex.supervisor.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dspex.supervisor.job import Job

CLOSE_TIMEOUT_S = 10.0


class Supervisor:
    """One trio loop in one thread, with one pool; safe to call from any other thread."""

    def __init__(self, language: str, runtime: Path, settings: PoolSettings) -> None:
        """Start the thread and wait until the first zygote can fork.

        Raises:
            ZygoteFailed: It cannot.
            IsolationMissing: It lacks a layer that the settings require.
        """
        self._language, self._runtime, self._settings = language, runtime, settings
        self._ready: Future[None] = Future()
        self._token: trio.lowlevel.TrioToken | None = None
        self._starting = trio.CancelScope()
        self._closing = trio.Event()
        self._given_up = False
        self._failure: BaseException | None = None
        self._pool: Pool
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="dspex-supervisor", daemon=True)
        self._thread.start()
        _running.add(self)
        try:
            self._ready.result()
        except BaseException:
            self._given_up = True
            self.close(wait=False)
            raise

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
        async with trio.open_nursery() as workers:
            self._pool = pool = Pool(self._language, self._runtime, self._settings, workers)
            self._token = trio.lowlevel.current_trio_token()
            if self._given_up:
                return
            try:
                await self._serve(pool)
            finally:
                pool.close()
                pool.see_off(-math.inf)
            workers.cancel_scope.cancel()

    async def _serve(self, pool: Pool) -> None:
        """Keep everything going until the engine is closed."""
        async with trio.open_nursery() as nursery, trio.open_nursery() as watching:
            try:
                with self._starting:
                    await nursery.start(pool.run)
                if self._starting.cancelled_caught:
                    raise SessionClosed("engine")  # noqa: TRY301 - caught right here, as the others
            except Exception as error:  # noqa: BLE001 - raised in the thread that waits for it
                self._ready.set_exception(error)
                return
            watching.start_soon(Watchdog().run, pool)
            self._ready.set_result(None)
            await self._closing.wait()
            watching.cancel_scope.cancel()
            pool.close()
            with trio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                await pool.wait_empty()
            nursery.cancel_scope.cancel()

    @property
    def isolation(self) -> tuple[str, ...]:
        """The layers that each worker has."""
        return self._pool.isolation

    def submit(self, job: Job, *, wait: bool = True) -> None:
        """Serve a job; its future is settled whatever happens."""
        self._call(lambda: self._pool.submit(job, wait=wait), job)

    def cancel(self, job: Job) -> None:
        """Give a job up and kill its worker, if it has one."""
        self._call(lambda: self._pool.cancel(job))

    def order_seat(self) -> Seat:
        """Return a session's seat; it has a worker once its `ready` is settled."""
        seat = Seat(self._pool)
        order = SessionOrder(seat.take, seat.refuse)
        if not self._call(lambda: self._pool.order_session(order)):
            seat.refuse(self.ending())
        return seat

    def submit_to(self, seat: Seat, job: Job) -> None:
        """Run a job in a session."""
        self._call(lambda: seat.submit(job), job)

    def cancel_in(self, seat: Seat, job: Job) -> None:
        """Interrupt a session's job, keeping its state."""
        self._call(lambda: seat.cancel(job))

    def close_seat(self, seat: Seat) -> None:
        """Close a session."""
        self._call(seat.close)

    def worker_pids(self) -> list[int]:
        """Return the processes of all workers, for diagnosis and tests."""
        found: Future[list[int]] = Future()
        if not self._call(lambda: found.set_result([one.pid for one in self._pool.workers])):
            return []
        return found.result()

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
        self._starting.cancel()

    def forget_processes(self) -> None:
        """Close a forked process' copies of the sockets, so that their ends are noticed."""
        if self._token is not None:
            self._pool.forget_processes()


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
