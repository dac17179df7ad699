"""One request on its way through the supervisor, and the raw facts of how it ended.

The supervisor only collects: turning facts into an `Outcome` (decoding a hostile value may take a
while) is `dspex.supervisor.ending`'s work, in the caller's thread.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.protocol.messages import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.errors import DspexError
    from dspex.policy import Mount
    from dspex.protocol.messages import Answer, Call, Ended, Run
    from dspex.streaming import Flow
    from dspex.supervisor.worker import Worker


@dataclass(slots=True)
class Facts:
    """What was seen of one run."""

    language: str
    isolation: tuple[str, ...] = ()
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    files: dict[str, bytes] = field(default_factory=dict)
    mounted: dict[tuple[int, str], bytes] = field(default_factory=dict)
    """What the guest wrote below mounts, by number of the mount and name."""
    removed: list[tuple[int, str]] = field(default_factory=list)
    ended: Ended | None = None
    """The worker's own account; None if it never gave one."""
    verdict: DspexError | None = None
    """The supervisor's, which overrules it: a limit that the outer guard saw, or a lost worker."""
    wall_s: float = 0.0
    host_calls: int = 0


class Job:
    """A run that was asked for; `result` gives its `Facts`, or raises what kept it from running.

    Event loops wait for the future. A thread waits for the lock: it may be interrupted at any moment, and must not
    leave a future's own lock locked, on which the supervisor would then wait for ever.
    """

    __slots__ = (
        "_error", "_underway", "began_s", "budget", "facts", "flow", "frame", "future", "grace_s", "mounts", "on_call",
        "on_output", "over", "run", "worker",
    )

    def __init__(
        self,
        message: Run,
        language: str,
        grace_s: float,
        *,
        on_output: Callable[[int, bytes], None] | None = None,
        on_call: Callable[[Job, Call], Callable[[], Answer] | None] | None = None,
        mounts: tuple[Mount, ...] = (),
        flow: Flow | None = None,
    ) -> None:
        """Encode a request, here in the caller's thread, so that no other run waits for it.

        Args:
            message: What the worker gets.
            language: What it is written in.
            grace_s: Time between the soft interrupt and the kill.
            on_output: Called in the supervisor's thread; it must return soon.
            on_call: Called with each host call, in the supervisor's thread or that of a tool; it
                must return soon: what is to be run in a thread and gives the answer, or None if it
                will see to it itself that `Supervisor.answer` is called.
            flow: Where its output goes, if that can be full.
            mounts: What the guest sees of the host, in the order of their numbers.

        Raises:
            FrameError: It is larger than any receiver takes.
        """
        self.frame = encode(message)
        self.run = message.run
        self.budget = message.budget
        self.facts = Facts(language)
        self.future: Future[Facts] = Future()
        self.over = False
        """Whether `result` would return at once."""
        self._error: BaseException | None = None
        self._underway = threading.Lock()
        """Locked until it is over."""
        self._underway.acquire()
        self.grace_s = grace_s
        self.on_output = on_output
        self.on_call = on_call
        self.mounts = mounts
        self.flow = flow
        self.worker: Worker | None = None
        self.began_s = 0.0

    @property
    def only_ends(self) -> bool:
        """Whether nobody is to be told of anything before its end."""
        return self.on_call is None and self.on_output is None and self.flow is None

    def settle(self) -> None:
        """Give the facts to whoever waits; settling twice is settling once."""
        self.facts.wall_s = time.monotonic() - self.began_s if self.began_s else 0.0
        if not self.over:
            self._end()
            self.future.set_result(self.facts)

    def refuse(self, error: BaseException) -> None:
        """Raise `error` at whoever waits, because the run never began or nobody can hear of it."""
        if not self.over:
            self._error = error
            self._end()
            self.future.set_exception(error)

    def cancel(self) -> None:
        """Raise `CancelledError` at whoever waits, because it never began and will not."""
        if not self.over:
            self._error = CancelledError()
            self._end()
            self.future.cancel()

    def _end(self) -> None:
        self.over = True
        self._underway.release()

    def result(self, timeout_s: float | None = None) -> Facts:
        """Wait for the end.

        Raises:
            TimeoutError: It has not ended after `timeout_s` seconds.
            concurrent.futures.CancelledError: It was cancelled before it began.
            Exception: What kept it from running.
        """
        if not self.over:
            if not self._underway.acquire(timeout=-1 if timeout_s is None else timeout_s):
                raise TimeoutError
            self._underway.release()
        if self._error is not None:
            raise self._error
        return self.facts
