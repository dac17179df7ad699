"""A run under way, as whoever asked for it holds it; it may have to be prepared first.

What becomes of it is the supervisor's business; here is only how one waits for it, and gives it up.
"""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dspex import mounts
from dspex.outcome import Outcome
from dspex.supervisor.ending import to_outcome
from dspex.supervisor.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.recordings import Recording
    from dspex.supervisor.job import Facts, Job
    from dspex.supervisor.seat import Seat
    from dspex.supervisor.tree import Supervisor
    from dspex.supervisor.workshop import Workshop


class RunningJob:
    """A run under way, or ended: `outcome` waits for its end, `cancel` gives it up."""

    __slots__ = ("_job", "_outcome", "_owner", "_place", "_record", "_settling", "_supervisor")

    def __init__(
        self,
        made: Job | Outcome,
        supervisor: Supervisor,
        place: Pool | Seat,
        owner: object,
        record: Recording | None = None,
    ) -> None:
        """Wrap a job of the supervisor, or an outcome that was there before anything ran.

        Args:
            made: The job or outcome.
            supervisor: Whose job it is.
            place: The pool or the session that it runs in.
            owner: Engine or session, which must not be collected before the job has ended.
            record: Told how it ended.
        """
        self._job = None if isinstance(made, Outcome) else made
        self._outcome = made if isinstance(made, Outcome) else None
        self._supervisor = supervisor
        self._place = place
        self._owner = owner
        self._record = record
        self._settling = threading.Lock()

    @property
    def done(self) -> bool:
        """Whether `outcome` would return at once."""
        return self._job is None or self._job.over

    @property
    def settled(self) -> Future[Facts] | None:
        """The future behind `done`, for those who wait in an event loop; None if there is none."""
        return None if self._job is None else self._job.future

    @property
    def decoding_bytes(self) -> int:
        """How much `outcome` has to decode, once the run has ended."""
        job = self._job
        if self._outcome is not None or job is None or not job.over:
            return 0
        facts = job.facts
        value_bytes = len(facts.ended.value) if facts.ended is not None else 0
        return value_bytes + len(facts.stdout) + len(facts.stderr)

    @property
    def writes_back(self) -> bool:
        """Whether `outcome` has files of the host to write, once the run has ended."""
        job = self._job
        if self._outcome is not None or job is None or not job.over:
            return False
        return bool(job.facts.mounted or job.facts.removed)

    def outcome(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end and return it.

        What the program changed below a writable mount is written back here, by whoever asks first.

        Raises:
            TimeoutError: It has not ended after `timeout_s` seconds; it goes on.
            concurrent.futures.CancelledError: It was cancelled before it began.
            EngineBusy, SessionClosed: It never began.
            Exception: What `on_output` raised.
        """
        if self._outcome is None:
            assert self._job is not None
            if not self._job.over:
                self._supervisor.check_may_wait()
            facts = self._job.result(timeout_s)
            with self._settling:
                if self._outcome is None:
                    self._outcome = self._settle(self._job, facts)
        return self._outcome

    def _settle(self, job: Job, facts: Facts) -> Outcome:
        outcome = to_outcome(job, facts, session=not isinstance(self._place, Pool))
        for mount, changes in mounts.changes_by_mount(job.mounts, facts.mounted, facts.removed):
            notes = (*outcome.notes, *mounts.write_back(mount, changes))
            outcome = replace(outcome, notes=notes)
        if self._record is not None:
            self._record.finish(outcome.status, outcome.stdout, outcome.stderr)
        return outcome

    def outcome_or_cancel(self) -> Outcome:
        """Wait for the end and return it; if the waiting is interrupted, give the run up."""
        try:
            return self.outcome()
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Give the run up: its process is killed.

        In a session it is interrupted, so that the state is kept; if it does not end within the
        limit `grace_s`, the process is killed all the same.
        """
        job = self._job
        if job is None or job.over:
            return
        if isinstance(self._place, Pool):
            self._supervisor.cancel(self._place, job)
        else:
            self._supervisor.cancel_in(self._place, job)


class PreparingJob(RunningJob):
    """A run whose program has to be prepared first, which takes a thread of its own."""

    __slots__ = ("_begun", "_lock", "_ready", "_wanted", "_workshop")

    def __init__(
        self,
        begin: Callable[[], RunningJob],
        workshop: Workshop,
        supervisor: Supervisor,
        place: Pool,
        owner: object,
    ) -> None:
        """Start preparing.

        Args:
            begin: Prepares the program and begins the run.
            workshop: What it prepares with.
            supervisor: Whose job it will be.
            place: The pool that it will run in.
            owner: The engine, which must not be collected before.
        """
        self._job = self._outcome = None
        self._supervisor, self._place, self._owner = supervisor, place, owner
        self._workshop = workshop
        self._lock = threading.Lock()
        self._wanted = True
        self._begun: RunningJob | None = None
        self._ready: Future[Any] = Future()
        workshop.patient = True
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._prepare, begin),
            name="dspex-prepare", daemon=True,
        )
        thread.start()

    def _prepare(self, begin: Callable[[], RunningJob]) -> None:
        try:
            begun = begin()
        except BaseException as error:  # noqa: BLE001 - raised at whoever waits for the outcome
            self._ready.set_exception(error)
            return
        with self._lock:
            self._begun = begun
            wanted = self._wanted
        if not wanted:
            begun.cancel()
        settled = begun.settled
        if settled is None:
            self._ready.set_result(None)
        else:
            settled.add_done_callback(lambda _settled: self._ready.set_result(None))

    @property
    def done(self) -> bool:
        """Whether `outcome` would return at once."""
        return self._ready.done()

    @property
    def settled(self) -> Future[Any]:
        """The future behind `done`, for those who wait in an event loop."""
        return self._ready

    @property
    def decoding_bytes(self) -> int:
        """How much `outcome` has to decode, once the run has ended."""
        return self._begun.decoding_bytes if self._begun is not None else 0

    def outcome(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end and return it; raises what `RunningJob.outcome` does."""
        if not self._ready.done():
            self._supervisor.check_may_wait()
        self._ready.result(timeout_s)
        assert self._begun is not None
        return self._begun.outcome()

    def cancel(self) -> None:
        """Give the run up, or its preparation."""
        with self._lock:
            self._wanted, begun = False, self._begun
        if begun is not None:
            begun.cancel()
        else:
            self._workshop.cancel()


