"""A session's place in the supervisor: one worker for as long as it lives, one run at a time.

The caller's face of a session is `dspex.engine.Session`.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING

from dspex.errors import EngineBusy, SessionClosed

if TYPE_CHECKING:
    from dspex.supervisor.job import Job
    from dspex.supervisor.pool import Pool
    from dspex.supervisor.worker import Worker


class Seat:
    """Owns one worker; runs asked for while one is under way follow it in order."""

    def __init__(self, pool: Pool) -> None:
        """Wait for a worker."""
        self._pool = pool
        self._worker: Worker | None = None
        self._waiting: deque[Job] = deque()
        self.ready: Future[None] = Future()
        """Settled when the worker is there, or cannot be had."""
        self.closed_because = ""

    def take(self, worker: Worker) -> None:
        """Take the worker that was ordered, or let it go if nobody wants it any more."""
        self._worker = worker
        worker.owner = self
        if self.closed_because or not self.ready.set_running_or_notify_cancel():
            worker.kill()
            return
        self.ready.set_result(None)

    def refuse(self, error: BaseException) -> None:
        """Learn that no worker can be had."""
        self.closed_because = self.closed_because or str(error)
        if self.ready.set_running_or_notify_cancel():
            self.ready.set_exception(error)

    def submit(self, job: Job) -> None:
        """Run a job in the session, after those before it."""
        worker = self._worker
        if worker is None or worker.gone or self.closed_because:
            self._refuse(job)
        elif worker.job is None:
            if not worker.begin(job):
                self._refuse(job)
        elif len(self._waiting) >= self._pool.settings.waiting_max:
            waiting = len(self._waiting)
            job.refuse(EngineBusy(waiting=waiting, waiting_max=waiting))
        else:
            self._waiting.append(job)

    def cancel(self, job: Job) -> None:
        """Give a job up. One that runs is interrupted, so that the session's state is kept."""
        if job.worker is not None:
            job.worker.interrupt(job)
        elif job in self._waiting:
            self._waiting.remove(job)
            job.future.cancel()

    def close(self, reason: str = "") -> None:
        """Kill the worker; closing twice is closing once."""
        self.closed_because = self.closed_because or reason or "it was closed"
        if self._worker is not None:
            self._worker.kill()

    def worker_idle(self, worker: Worker) -> None:
        """Give the worker its next job, if there is one."""
        if self._waiting and not self.closed_because:
            job = self._waiting.popleft()
            if not worker.begin(job):
                self._refuse(job)

    def worker_gone(self, worker: Worker) -> None:
        """Close: the state is gone with the process."""
        self.closed_because = self.closed_because or "its worker is gone"
        while self._waiting:
            self._refuse(self._waiting.popleft())
        self._pool.worker_gone(worker)

    def _refuse(self, job: Job) -> None:
        job.refuse(SessionClosed(reason=self.closed_because or "its worker is gone"))
