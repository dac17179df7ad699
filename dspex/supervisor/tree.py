"""The root of everything that runs in the supervisor's thread, and the only way into it.

`Supervisor` starts the thread, hands it work from any thread, and takes it down without leaving a
process, a file or a socket behind. A death below is absorbed below.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import trio

from dspex.errors import SessionClosed
from dspex.supervisor.pool import Pool, PoolSettings, SessionOrder
from dspex.supervisor.seat import Seat
from dspex.supervisor.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dspex.supervisor.job import Job
    from dspex.supervisor.worker import Worker

CLOSE_TIMEOUT_S = 10.0


class Supervisor:
    """One trio loop in one thread, with one pool; safe to call from any other thread."""

    def __init__(self, language: str, runtime: Path, settings: PoolSettings) -> None:
        """Start the thread and wait until the first zygote can fork.

        Raises:
            ZygoteFailed: if it cannot.
        """
        self._language, self._runtime, self._settings = language, runtime, settings
        self._ready: Future[None] = Future()
        self._token: trio.lowlevel.TrioToken
        self._pool: Pool
        self._seats: set[Seat] = set()
        self._thread = threading.Thread(
            target=trio.run, args=(self._main,), name="dspex-supervisor", daemon=True
        )
        self._thread.start()
        self._ready.result()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._closing = trio.Event()
        try:
            async with trio.open_nursery() as nursery, trio.open_nursery() as workers:
                self._pool = Pool(self._language, self._runtime, self._settings, workers)
                try:
                    await nursery.start(self._pool.run)
                except Exception as error:  # noqa: BLE001 - raised in the thread that waits for it
                    self._ready.set_exception(error)
                    return
                nursery.start_soon(Watchdog().run, _Workers(self._pool))
                self._ready.set_result(None)
                await self._closing.wait()
                self._pool.close()
                with trio.move_on_after(CLOSE_TIMEOUT_S):
                    while self._pool.workers:
                        await trio.sleep(0.001)
                nursery.cancel_scope.cancel()
                workers.cancel_scope.cancel()
        finally:
            if not self._ready.done():
                self._ready.set_exception(SessionClosed("engine"))

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

    def open_seat(self) -> Seat:
        """Return a session's seat once it has a worker.

        Raises:
            EngineBusy, WorkerLost, SessionClosed: if it cannot have one.
        """
        ready: Future[None] = Future()
        seat = Seat(self._pool, ready)
        order = SessionOrder(seat.take, seat.refuse)
        if not self._call(lambda: self._pool.order_session(order)):
            raise SessionClosed("engine")
        try:
            ready.result()
        except BaseException:
            ready.cancel()
            self._call(seat.close)
            raise
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

    def _call(self, function: Callable[[], None], job: Job | None = None) -> bool:
        """Run `function` in the supervisor's thread; False if that has ended."""
        try:
            self._token.run_sync_soon(function)
        except trio.RunFinishedError:
            if job is not None:
                job.refuse(SessionClosed("engine"))
            return False
        return True

    def close(self) -> None:
        """End every process and the thread; closing twice is closing once."""
        self._call(self._closing.set)
        if self._thread is not threading.current_thread():
            self._thread.join()


class _Workers:
    """The pool's workers, read anew at each iteration."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._pool.workers)
