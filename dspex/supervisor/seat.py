"""A session's place in the supervisor: one worker for as long as it lives, one run at a time.

The caller's face of a session is `dspex.engine.Session`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from dspex.errors import SessionClosed

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dspex.supervisor.job import Job
    from dspex.supervisor.pool import Pool
    from dspex.supervisor.worker import Worker


class Seat:
    """Owns one worker; runs asked for while one is under way follow it in order."""

    def __init__(self, pool: Pool, ready: Future[None]) -> None:
        """Wait for a worker; `ready` is settled when it is there, or cannot be had."""
        self._pool = pool
        self._ready = ready
        self._worker: Worker | None = None
        self._waiting: deque[Job] = deque()
        self.closed_because = ""

    def take(self, worker: Worker) -> None:
        """Take the worker that was ordered, or let it go if nobody wants it any more."""
        self._worker = worker
        worker.owner = self
        if self.closed_because or not self._ready.set_running_or_notify_cancel():
            worker.kill()
            return
        self._ready.set_result(None)

    def refuse(self, error: BaseException) -> None:
        """Learn that no worker can be had."""
        self.closed_because = str(error)
        if self._ready.set_running_or_notify_cancel():
            self._ready.set_exception(error)

    def submit(self, job: Job) -> None:
        """Run a job in the session, after those before it."""
        if self._worker is None or self.closed_because:
            job.refuse(SessionClosed(reason=self.closed_because))
        elif self._worker.job is not None:
            self._waiting.append(job)
        else:
            self._worker.begin(job)

    def cancel(self, job: Job) -> None:
        """Give a job up. One that runs is interrupted, so that the session's state is kept."""
        if job.worker is not None:
            job.worker.interrupt()
        elif job in self._waiting:
            self._waiting.remove(job)

    def close(self, reason: str = "") -> None:
        """Kill the worker; closing twice is closing once."""
        self.closed_because = self.closed_because or reason or "it was closed"
        if self._worker is not None:
            self._worker.kill()

    def worker_idle(self, worker: Worker) -> None:
        """Give the worker its next job, if there is one."""
        if self._waiting:
            worker.begin(self._waiting.popleft())

    def worker_gone(self, worker: Worker) -> None:
        """Close: the state is gone with the process."""
        self.closed_because = self.closed_because or "its worker is gone"
        while self._waiting:
            self._waiting.popleft().refuse(SessionClosed(reason=self.closed_because))
        self._pool.worker_gone(worker)
