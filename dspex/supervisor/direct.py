"""A caller's thread that waits for its run speaks to the worker itself, which saves two wake-ups.

Through the supervisor's loop a run takes four: loop, worker, loop, caller. Most runs need no loop: one message out,
some in, the end. So the thread takes a worker from stock, or its session's, sends, waits and reads by the same rules; the loop
buries single workers later, with others. Whatever is unusual goes back to the loop, which knows what to do: a worker that
dies, breaks the rules, or is still at it when its time is over. Guards that need no reading (the watchdog, closing, the
kernel's bounds) work as ever, and the watchdog keeps the deadline too: a signal handler may hold up the thread.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dspex.protocol.turn import TurnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.supervisor.job import Job
    from dspex.supervisor.worker import Worker

WAIT_MAX_S = 1000.0
"""`poll` takes no number as large as some time limits."""


@dataclass(slots=True)
class Lending:
    """One job that a thread serves, and what of it has surely happened, wherever an interrupt cuts the thread short.

    What must not be lost is noted by the very call that sends or receives: Python handles signals between two calls.
    """

    job: Job
    begun: bool = False
    """Whether the worker's side of this process knows the job; before, nothing was sent."""
    frame: bytes = b""
    sent: list[int] = field(default_factory=list)
    """How much of the frame the socket has taken."""
    heard: list[bytes] = field(default_factory=list)

    @property
    def unsent(self) -> memoryview:
        """What the socket has not taken."""
        return memoryview(self.frame)[sum(self.sent) :]


class Place(Protocol):
    """Where workers are that can be lent: a pool's stock, or a session. Called from any thread."""

    def lend(self, job: Job) -> Worker | None:
        """Let the calling thread speak to a worker, which the job then knows; None if there is none to lend."""

    def done(self, worker: Worker) -> Callable[[], None] | None:
        """Take a worker back whose run has ended by the rules; return what the loop is to do at once, if anything."""


def serve(place: Place, job: Job, in_loop: Callable[[Callable[[], None]], object]) -> bool:
    """Serve a job in this thread, as far as nothing unusual happens.

    Args:
        place: Where it is to run.
        job: What is to be run; only its future tells how it ended.
        in_loop: Runs a function in the supervisor's thread, soon.

    Returns:
        False if no worker could be had, so that nothing has happened; otherwise the job's future is settled, or the loop
        sees to it.
    """
    while (worker := place.lend(job)) is not None:
        if not worker.begin_lent(job):
            job.worker = None
            in_loop(worker.take_back)
            continue
        what_is_left = place.done(worker) if _listen(worker, job) else worker.take_back
        if what_is_left is not None:
            in_loop(what_is_left)
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
            messages = worker.hear_lent()
            if messages is None:
                return False
            worker.handle_lent(messages)
        except TurnError as error:
            worker.broken = error
            return False
        if worker.job is None:
            return True
    return False
