"""The thread that runs a tool also reads what the guest says next: a call costs one wake-up less.

A guest that calls a plain tool waits for the answer, and often calls again at once. So the thread
that ran the tool gets the reading of the worker's socket lent to it for a moment. While it has it, the
supervisor's loop only watches whether the process is alive. What is not another call goes back.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Protocol

from dspex.protocol.messages import Call
from dspex.protocol.turn import TurnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.protocol.messages import Answer, FromWorker
    from dspex.supervisor.job import Job

LINGER_MS = 2
"""How long the thread waits for the guest's next word before it gives the reading back."""


class Lender(Protocol):
    """What a lease needs of its worker; each method may be called from any thread."""

    def answer(self, job: Job, answer: Answer) -> bool:
        """Send an answer; False if the socket did not take all of it."""

    def read_now(self) -> list[FromWorker] | None:
        """Return the messages that have arrived, None at the end of the connection.

        Raises:
            TurnError: The worker broke the rules.
        """

    def fileno(self) -> int:
        """Return the socket's descriptor, or -1."""


class Lease:
    """One lending; `run` is the thread's part, the fields are what it leaves."""

    __slots__ = ("_job", "_lender", "_work", "answers_unsent", "broken", "ended", "messages",
                 "working")

    def __init__(self, lender: Lender, job: Job, work: Callable[[], Answer]) -> None:
        """Lend the reading of a worker's socket to whoever runs `work`."""
        self._lender, self._job, self._work = lender, job, work
        self.messages: list[FromWorker] = []
        """What the loop has to handle, already checked by the conversation."""
        self.broken: TurnError | None = None
        self.ended = False
        """Whether the worker has hung up."""
        self.answers_unsent = False
        """Whether the socket did not take all of the last answer."""
        self.working = True
        """Whether a tool runs, so that nobody reads and the guest can say nothing."""

    def run(self) -> None:
        """Run tools and answer, until the guest does something else than to call the next."""
        lender, job = self._lender, self._job
        work: Callable[[], Answer] | None = self._work
        poll = select.poll()
        poll.register(lender.fileno(), select.POLLIN)
        while work is not None:
            self.working = True
            answer = work()
            self.working = False
            if not lender.answer(job, answer):
                self.answers_unsent = True
                return
            if job.worker is None or not poll.poll(LINGER_MS):
                return
            try:
                messages = lender.read_now()
            except TurnError as error:
                self.broken = error
                return
            if messages is None:
                self.ended = True
                return
            work = None
            if len(messages) == 1 and isinstance(messages[0], Call) and job.on_call is not None:
                work = job.on_call(job, messages[0])
                if work is not None:
                    continue
                return  # begun elsewhere: a coroutine
            self.messages = messages
