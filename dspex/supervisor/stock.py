"""Warm workers that wait for a job: the supervisor's loop takes them, and so may any caller's thread.

A worker that a thread has taken is lent: that thread speaks to it (`dspex.supervisor.direct`), and the loop keeps
its hands off until the thread is done with it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dspex.supervisor.job import Job
    from dspex.supervisor.worker import Worker


class Stock:
    """The idle workers of one pool, the oldest first. All methods may be called from any thread."""

    def __init__(self) -> None:
        """Begin with none."""
        self._workers: deque[Worker] = deque()
        self._lent: set[Worker] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many there are to take."""
        return len(self._workers)

    def put(self, worker: Worker) -> None:
        """Add one."""
        self._workers.append(worker)

    def take(self, *, newest: bool = False) -> Worker | None:
        """Take one, for the supervisor's loop; None if there is none."""
        with self._lock:
            while self._workers:
                worker = self._workers.pop() if newest else self._workers.popleft()
                if worker not in self._lent:
                    return worker
        return None

    def lend(self, job: Job) -> Worker | None:
        """Take one for the calling thread, noted in the job; None if there is none to lend.

        Wherever an interrupt comes between, the job knows its worker before the stock has forgotten it.
        """
        with self._lock:
            while self._workers:
                worker = self._workers[0]
                if worker.lend(job):
                    self._lent.add(worker)
                    self._workers.popleft()
                    return worker
                if not worker.gone:
                    return None  # the loop reads from it, as it will serve again
                self._workers.popleft()
        return None

    def discard(self, worker: Worker) -> None:
        """Forget one, wherever it is."""
        with self._lock:
            self._lent.discard(worker)
            if worker in self._workers:
                self._workers.remove(worker)

    def lent_for(self, job: Job) -> Worker | None:
        """Return the worker that is lent for a job, though the job, or the stock, may not know it."""
        with self._lock:
            candidates = list(self._lent)
        if job.worker is not None:
            candidates.append(job.worker)
        return next((worker for worker in candidates if worker.is_lent_for(job)), None)

    def ended(self) -> list[Worker]:
        """Return those whose thread is done with them, as they have served."""
        with self._lock:
            return [worker for worker in self._lent if worker.gone]
