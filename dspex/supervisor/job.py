"""One request on its way through the supervisor, and the raw facts of how it ended.

The supervisor only collects: turning facts into an `Outcome` (decoding a hostile value may take a
while) is `dspex.supervisor.ending`'s work, in the caller's thread.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.errors import DspexError
    from dspex.protocol.messages import Ended, Run
    from dspex.supervisor.worker import Worker


@dataclass(slots=True)
class Facts:
    """What was seen of one run."""

    language: str
    isolation: tuple[str, ...] = ()
    output: list[tuple[int, bytes]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    ended: Ended | None = None
    """The worker's own account; None if it never gave one."""
    verdict: DspexError | None = None
    """The supervisor's, which overrules it: a limit that the outer guard saw, or a lost worker."""
    wall_s: float = 0.0


class Job:
    """A run that was asked for; its future gives `Facts`, or raises what kept it from running."""

    __slots__ = ("began_s", "facts", "future", "grace_s", "message", "on_output", "waiting_since_s", "worker")

    def __init__(
        self,
        message: Run,
        language: str,
        grace_s: float,
        on_output: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """Wrap a request; `on_output` is called in the supervisor's thread and must return soon."""
        self.message = message
        self.facts = Facts(language)
        self.future: Future[Facts] = Future()
        self.grace_s = grace_s
        self.on_output = on_output
        self.worker: Worker | None = None
        self.began_s = 0.0
        self.waiting_since_s = time.monotonic()

    def settle(self) -> None:
        """Give the facts to whoever waits; settling twice is settling once."""
        self.facts.wall_s = time.monotonic() - self.began_s if self.began_s else 0.0
        if not self.future.done():
            self.future.set_result(self.facts)

    def refuse(self, error: BaseException) -> None:
        """Raise `error` at whoever waits: the run never began."""
        if not self.future.done():
            self.future.set_exception(error)
