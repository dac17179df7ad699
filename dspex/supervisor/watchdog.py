"""The outer guard of processor time and memory: looks at busy workers from outside, with psutil.

The inner guards report better and normally come first; this one works whatever runs inside. The
deadline on the clock needs no looking and is kept by `dspex.supervisor.worker`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil
import trio

from dspex.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Collection

    from dspex.supervisor.job import Job
    from dspex.supervisor.pool import Pool
    from dspex.supervisor.worker import Worker

LOOK_EVERY_S = 0.05
"""Also the age from which a run is looked at: most have ended by then and cost nothing."""
MEMORY_SLACK_BYTES = 48 << 20
"""What a worker may hold beyond its guest's memory: its own heap and the guest's files' index."""


class Watchdog:
    """Looks at every busy worker at a fixed pace and kills those that are over their budget."""

    async def run(self, pools: Collection[Pool]) -> None:
        """Look until cancelled, and see to it that workers which have left are gone.

        Args:
            pools: Whose workers to look at; more may come.
        """
        while True:
            await trio.sleep(LOOK_EVERY_S)
            for pool in pools:
                self.look(pool.workers, time.monotonic())
                pool.tidy()
                pool.see_off(LOOK_EVERY_S)
                pool.park_rested()

    def look(self, workers: list[Worker], now_s: float) -> None:
        """Look once at each worker."""
        for worker in workers:
            job = worker.job
            worker.note_answers()
            worker.kill_if_late()
            if job is None or now_s - job.began_s < LOOK_EVERY_S:
                continue
            try:
                verdict = self.verdict(worker, job)
            except (psutil.Error, OSError):
                # It ended between two calls, which its socket tells as well; or this process has no
                # free descriptor to look with, and looks again in a moment.
                continue
            if verdict is not None:
                worker.kill(verdict)

    def verdict(self, worker: Worker, job: Job) -> LimitExceeded | None:
        """Return the budget that a worker has used up, if it has.

        Raises:
            psutil.Error, OSError: The process is gone, or cannot be looked at now.
        """
        budget = job.budget
        spent_s = worker.cpu_s()
        if spent_s > budget.cpu_s + job.grace_s:
            return LimitExceeded("cpu_s", budget.cpu_s, spent_s, "outer")
        held = psutil.Process(worker.pid).memory_info()
        own = held.rss - held.shared
        # Files leave as copies, one at a time; the largest one can be all of them.
        if own > budget.memory_bytes + 2 * budget.file_bytes + MEMORY_SLACK_BYTES:
            return LimitExceeded("memory_bytes", budget.memory_bytes, own, "outer")
        return None
