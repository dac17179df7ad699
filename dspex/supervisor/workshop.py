"""Where a request is prepared that needs a worker before it can be run: `LanguageSpec.prepare`'s tools.

Results are kept as bytes and never looked into here: what made them may have been hostile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from dspex.errors import Finding, GuestRefused
from dspex.outcome import Outcome
from dspex.supervisor.ending import to_outcome
from dspex.supervisor.job import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dspex.protocol.messages import Run
    from dspex.supervisor.pool import Pool
    from dspex.supervisor.tree import Supervisor

KEPT_BYTES_MAX = 128 << 20
KEPT_COUNT_MAX = 1000


class NotPrepared(Exception):
    """Preparing it takes longer than its caller may be kept waiting."""


class PreparationEnded(Exception):
    """The request ended while it was prepared.

    Args:
        outcome: How.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.status)
        self.outcome = outcome


class Results:
    """Results of one engine's workers, by key; the least recently used ones go first.

    Example:
        >>> results = Results(bytes_max=3)
        >>> results.keep(b"a", b"12")
        >>> results.keep(b"b", b"34")
        >>> results.recall(b"a"), results.recall(b"b")
        (None, b'34')
    """

    def __init__(
        self, *, bytes_max: int = KEPT_BYTES_MAX, count_max: int = KEPT_COUNT_MAX
    ) -> None:
        """Hold none yet."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0
        self._bytes_max, self._count_max = bytes_max, count_max

    def recall(self, key: bytes) -> bytes | None:
        """Return a result, which is then the most recently used."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: bytes, data: bytes) -> None:
        """Keep a result, unless it is larger than everything may be together."""
        if len(data) > self._bytes_max:
            return
        with self._lock:
            self._bytes += len(data) - len(self._kept.pop(key, b""))
            self._kept[key] = data
            while self._bytes > self._bytes_max or len(self._kept) > self._count_max:
                self._bytes -= len(self._kept.popitem(last=False)[1])


class Workshop:
    """A `dspex.languages.base.Workshop` over the workers of one pool."""

    def __init__(
        self,
        supervisor: Supervisor,
        pool: Pool,
        results: Results,
        *,
        language: str,
        grace_s: float,
    ) -> None:
        """Work for one request, at first without waiting for anything.

        Args:
            supervisor: Whose workers they are.
            pool: Those of the language.
            results: Kept from earlier requests.
            language: Its name.
            grace_s: Time between the soft interrupt and the kill.
        """
        self._supervisor, self._pool, self._results = supervisor, pool, results
        self._language, self._grace_s = language, grace_s
        self._prefix = language.encode() + b"\0"
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._cancelled = False
        self.patient = False
        """Whether its caller has all the time: it is a thread made for that."""

    def recall(self, key: bytes) -> bytes | None:
        """Return what was kept under a key, if it is still there."""
        return self._results.recall(self._prefix + key)

    def keep(self, key: bytes, data: bytes) -> None:
        """Keep a result as long as there is room."""
        self._results.keep(self._prefix + key, data)

    def enter(self) -> None:
        """Go on only where waiting is no harm.

        Raises:
            NotPrepared: This is a caller's thread.
        """
        if not self.patient:
            raise NotPrepared

    def make(self, run: Run) -> Mapping[str, bytes]:
        """Run a program in a worker of its own and return the files that it wrote.

        Raises:
            PreparationEnded: It did not end well.
            GuestRefused: The worker died of it.
            concurrent.futures.CancelledError: The request was given up.
            EngineBusy, SessionClosed: There is no worker.
        """
        self._supervisor.check_may_wait()
        job = Job(run, self._language, self._grace_s)
        with self._lock:
            self._job = job
            cancelled = self._cancelled
        if not cancelled:
            self._supervisor.submit(self._pool, job)
        else:
            job.cancel()
        outcome = to_outcome(job, job.result(), session=False)
        if outcome.status == "lost" and outcome.error is not None and not self._cancelled:
            text = f"preparing it ended the worker that did so: {outcome.error.message}"
            raise GuestRefused([Finding(0, 0, text)])
        if not outcome.ok:
            raise PreparationEnded(outcome)
        return outcome.files

    def cancel(self) -> None:
        """Give the request up, also while a worker prepares it."""
        with self._lock:
            self._cancelled = True
            job = self._job
        if job is not None:
            self._supervisor.cancel(self._pool, job)
