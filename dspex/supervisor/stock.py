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
        with self._lock:
            if not worker.lent:
                self._lent.discard(worker)
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
                    return None  # the loop reads from it
                self._workers.popleft()
        return None

    def give_back(self, worker: Worker) -> bool:
        """Take one back from its thread that will serve again; False if the loop is to see to it, as `left` tells.

        Wherever an interrupt comes between, it is among those that are left, or in stock.
        """
        with self._lock:
            if worker.give_back():
                return False
            self._workers.append(worker)
            self._lent.discard(worker)
        return True

    def left(self) -> list[Worker]:
        """Return, once, those that no thread speaks to any more and that are not in stock, though they live."""
        with self._lock:
            found = [worker for worker in self._lent if not worker.lent and not worker.gone]
            self._lent.difference_update(found)
            return [worker for worker in found if worker not in self._workers]

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
