"""A caller's thread that waits for its run speaks to a warm worker itself, which saves two wake-ups.

Through the supervisor's loop a run takes four: loop, worker, loop, caller. Most runs need no loop: one message out,
some in, the end. So the thread takes a worker from stock, sends, waits and reads by the same rules; the loop
buries the worker later, with others. Whatever is unusual goes back to the loop, which knows what to do: a worker that
dies, breaks the rules, or is still at it when its time is over. Guards that need no reading (the watchdog, closing, the
kernel's bounds) work as ever, and the watchdog keeps the deadline too: a signal handler may hold up the thread.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from dspex.protocol.turn import TurnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.supervisor.job import Job
    from dspex.supervisor.stock import Stock
    from dspex.supervisor.worker import Worker

WAIT_MAX_S = 1000.0
"""`poll` takes no number as large as some time limits."""


def serve(stock: Stock, job: Job, in_loop: Callable[[Callable[[], None]], object]) -> bool:
    """Serve a job in this thread, as far as nothing unusual happens.

    Args:
        stock: Where workers are.
        job: What is to be run; only its future tells how it ended.
        in_loop: Runs a function in the supervisor's thread, soon.

    Returns:
        False if no worker could be had, so that nothing has happened; otherwise the job's future is settled, or the loop
        sees to it.
    """
    while (worker := stock.lend(job)) is not None:
        if not worker.begin_lent(job):
            job.worker = None
            in_loop(worker.take_back)
            continue
        if not _listen(worker, job):
            in_loop(worker.take_back)
        return True
    return False


def _listen(worker: Worker, job: Job) -> bool:
    """Handle what a worker says; False if the run has not ended by the rules and in time."""
    if worker.unsent:
        return False  # a request that the socket does not take at once
    poll = select.poll()
    poll.register(worker.fileno(), select.POLLIN)
    while (left_s := worker.until_s(job) - time.monotonic()) > 0:
        if not poll.poll(min(left_s, WAIT_MAX_S) * 1000):
            continue
        try:
            messages = worker.read_now()
            if messages is None:
                return False
            worker.handle_lent(messages)
        except TurnError as error:
            worker.broken = error
            return False
        if worker.job is None:
            return True
    return False
