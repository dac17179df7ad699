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
    from dspex.supervisor.pool import Pool
    from dspex.supervisor.worker import Worker

LOOK_EVERY_S = 0.05
"""Also the age from which a run is looked at: most have ended by then and cost nothing."""
MEMORY_SLACK_BYTES = 48 << 20
"""What a worker may hold beyond its guest's memory: its own heap and the guest's files' index."""


class Watchdog:
    """Looks at every busy worker at a fixed pace and kills those that are over their budget."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._seen: dict[int, tuple[psutil.Process, int, float]] = {}

    async def run(self, pool: Pool) -> None:
        """Look until cancelled, and see to it that workers which have left are gone."""
        while True:
            await trio.sleep(LOOK_EVERY_S)
            self.look(pool.workers, time.monotonic())
            pool.see_off(LOOK_EVERY_S)

    def look(self, workers: list[Worker], now_s: float) -> None:
        """Look once at each worker."""
        known = {worker.number for worker in workers}
        for number in self._seen.keys() - known:
            del self._seen[number]
        for worker in workers:
            job = worker.job
            if job is None or now_s - job.began_s < LOOK_EVERY_S:
                continue
            try:
                self._check(worker, now_s)
            except psutil.Error:
                continue  # it ended between two calls, which its socket tells as well

    def _check(self, worker: Worker, now_s: float) -> None:
        job = worker.job
        if job is None:
            return
        seen = self._seen.get(worker.number)
        if seen is None or seen[1] != job.run:
            process = psutil.Process(max(worker.pid, 0)) if seen is None else seen[0]
            # What it had used before this run is not this run's. A worker has one thread, so the
            # run cannot have used more by now than the time that has passed on the clock.
            spent_before = max(0.0, _cpu_s(process) - (now_s - job.began_s))
            seen = self._seen[worker.number] = (process, job.run, spent_before)
        process, _, spent_before = seen
        budget = job.budget
        spent = _cpu_s(process) - spent_before
        if spent > budget.cpu_s + job.grace_s:
            worker.kill(LimitExceeded("cpu_s", budget.cpu_s, spent, "outer"))
            return
        held = process.memory_info()
        own = held.rss - held.shared
        if own > budget.memory_bytes + budget.file_bytes + MEMORY_SLACK_BYTES:
            worker.kill(LimitExceeded("memory_bytes", budget.memory_bytes, own, "outer"))


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
