"""The door for callers in any thread: `Engine` and its sessions, and `run`.

`dspex.async_engine` is the same door for trio and asyncio. An engine checks requests, hands them to its supervisor and gives outcomes back. It decides nothing
about processes; the supervisor decides nothing about policies.
"""

from __future__ import annotations

import atexit
import codecs
import contextlib
import contextvars
import inspect
import math
import os
import threading
import warnings
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dspex import __version__, mounts, saves
from dspex.errors import (
    GuestRefused,
    IsolationMissing,
    LanguageUnavailable,
    LimitExceeded,
    RequestError,
    SessionClosed,
    SnapshotUnusable,
)
from dspex.isolation.advice import missing
from dspex.languages import table
from dspex.outcome import Outcome
from dspex.parameters import function_like, method_like
from dspex.policy import Deterministic, Policy
from dspex.protocol.framing import FrameError
from dspex.recordings import InOrder, RecordedRequest, Recording, Replay
from dspex.request import OutputCallback, Request, to_message, tools_of
from dspex.runtimes.progress import Terminal
from dspex.runtimes.store import cache_folder
from dspex.saves import Header, SavedSession
from dspex.streaming import Flow, Stream
from dspex.supervisor.ending import to_outcome
from dspex.supervisor.job import Job
from dspex.supervisor.pool import Pool, PoolSettings
from dspex.supervisor.states import SealedState, StateTerms, sealed_copy
from dspex.supervisor.tree import Supervisor
from dspex.supervisor.workshop import NotPrepared, PreparationEnded, Results, Workshop
from dspex.supervisor.zygote import Served, ZygoteFailed
from dspex.tools import ToolRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from dspex.languages.base import LanguageSpec
    from dspex.supervisor.job import Facts
    from dspex.supervisor.seat import Seat

_STREAM_NAMES = {1: "stdout", 2: "stderr"}
WAITING_MAX = 10_000
CPU_SLACK_S = 2
"""What the kernel's bound on processor time leaves to the guards that report better."""
WORKER_OWN_BYTES = 128 << 20
"""What a worker may need beside its guest's memory, its files and a copy of them: its own heap."""


class Engine:
    """Runs programs nobody trusts, each in a fresh sandbox in a process of its own.

    Use it as a context manager, from as many threads as you like.

    Example:
        >>> with Engine() as engine:
        ...     engine.run("print('hi'); 6 * 7").value
        42
    """

    def __init__(
        self,
        policy: str | Path | Policy = "compute",
        *,
        requests_per_worker: int = 1,
        workers_max: int | None = None,
        idle_max: int | None = None,
        waiting_max: int = WAITING_MAX,
        languages: Sequence[str] | None = None,
        park_after_s: float | None = None,
        parked_dir: str | Path | None = None,
    ) -> None:
        """Start the processes; the first time on a machine also compile the runtime, visibly.

        Args:
            policy: The loosest policy that any run of this engine can have.
            requests_per_worker: Runs that one process serves before it is replaced. Each run gets a
                fresh guest all the same; more than 1 is for programs that trust each other.
            workers_max: Most processes at once; by default 64, or 16 per processor if that is more.
            idle_max: Warm processes kept ready; by default four per processor.
            waiting_max: Most runs that may wait for a process; one more raises `EngineBusy`.
            languages: Which to start now, by default Python if the policy grants it; the others
                start when they are first asked for. The bounds above are each language's.
            park_after_s: How long a session rests before its process is ended and its state is kept
                on a disk, to come back when it is asked for something; None: only when all
                processes are taken and somebody needs one.
            parked_dir: Where those states lie, in a file without a name; by default the user's
                cache folder.

        Raises:
            PolicyInvalid: The policy cannot be used.
            LanguageUnavailable: The runtime is missing here and could not be made.
        """
        self._policy = Policy.load(policy)
        cores, limits = os.cpu_count() or 1, self._policy.limits
        settings = PoolSettings(
            workers_max=_count(
                "workers_max", max(64, 16 * cores) if workers_max is None else workers_max
            ),
            idle_max=_count("idle_max", 4 * cores if idle_max is None else idle_max, least=0),
            requests_per_worker=_count("requests_per_worker", requests_per_worker),
            waiting_max=_count("waiting_max", waiting_max, least=0),
            cpu_s=math.ceil(limits.cpu_s + limits.grace_s) + CPU_SLACK_S,
            data_bytes=limits.memory_bytes + 2 * limits.file_bytes + WORKER_OWN_BYTES,
            require_layers=self._policy.require_layers,
            park_after_s=math.inf if park_after_s is None else _seconds("park_after_s", park_after_s),
            parked_folder=Path(parked_dir) if parked_dir is not None else cache_folder(),
        )
        self._settings = settings
        self._tool_runner = ToolRunner()
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._pools: dict[tuple[str, str | None], Pool] = {}
        self._results = Results()
        self._pid = os.getpid()
        self._supervisor: Supervisor | None = Supervisor()
        supervisor = self._supervisor
        try:
            for language in self._first_languages(languages):
                self._pool(language, None)
        except BaseException:
            self._supervisor = None
            supervisor.close(wait=False)
            raise

    @property
    def policy(self) -> Policy:
        """The loosest policy that a run can have."""
        return self._policy

    @property
    def isolation(self) -> tuple[str, ...]:
        """Names of the layers that stand around each worker of the languages that have started."""
        self._running()
        armed = [set(pool.isolation) for pool in list(self._pools.values())]
        common = set.intersection(*armed) if armed else set()
        return tuple(name for pool in self._pools.values() for name in pool.isolation
                     if name in common)[: len(common)]

    def submit(
        self,
        code: str | bytes,
        *,
        language: str = "python",
        image: str | None = None,
        variables: Mapping[str, Any] | None = None,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        stdin: str | bytes = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        policy: str | Path | Policy | None = None,
        timeout_s: float | None = None,
        on_output: OutputCallback | None = None,
        record: Recording | None = None,
        wait: bool = True,
    ) -> RunningJob:
        """Begin a run and return at once; the parameters are those of `run`.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The engine is closed.
        """
        supervisor = self._running()
        effective = self._tightened(policy)
        _check_language(effective, language, image)
        pool = self._pool(language, image)
        if effective is not self._policy:
            _check_given(effective, pool.isolation)
        request = Request(code, variables, files, stdin, args, env, timeout_s, tools)
        workshop = Workshop(
            supervisor, pool, self._results, language=language, grace_s=effective.limits.grace_s
        )

        def begin() -> RunningJob:
            made = _make_job(
                request, effective, table.spec(language, image), on_output=on_output,
                supervisor=supervisor,
                tool_runner=self._tool_runner, run_number=1, single=True, workshop=workshop,
                record=record, image=image,
            )
            job = RunningJob(made, supervisor, pool, self, record)
            if not isinstance(made, Outcome):
                supervisor.submit(pool, made, wait=wait)
            return job

        with contextlib.suppress(NotPrepared):
            return begin()
        return PreparingJob(begin, workshop, supervisor, pool, self)

    @method_like(submit)
    def run(self, *args: Any, **kwargs: Any) -> Outcome:
        """Run a program in a fresh sandbox and wait for its end.

        Args:
            code: The program.
            language: One of the languages that the policy grants.
            image: Named environment image; None for the language's default.
            variables: Values that the program finds as globals.
            tools: Functions of the caller, by the name under which the program can call them.
            files: Content by path relative to the program's working directory.
            stdin: What the program reads from standard input.
            args: What the program sees as `sys.argv[1:]`.
            env: Environment variables; the policy must grant their names.
            policy: Tightens the engine's policy for this run; it can never loosen it.
            timeout_s: Tightens the limit `wall_s`.
            on_output: Called with "stdout" or "stderr" and text while the program runs, from the
                engine's thread; it must return soon. If it raises, the run is given up and
                the exception is raised here.
            record: Where to write down what the program is told, so that `replay` can repeat the run.
            wait: Whether to wait for a process if all are taken; if not, `EngineBusy` is raised.
            kwargs: These parameters.

        Returns:
            How it ended, whatever the program did.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            EngineBusy: All processes are taken.
            SessionClosed: The engine is closed.
        """
        return self.submit(*args, **kwargs).outcome_or_cancel()

    def replay(self, recording: Recording, *, policy: str | Path | Policy | None = None) -> Outcome:
        """Repeat a recorded run: its host calls are answered as they were, and no tool is called.

        Args:
            recording: What `run(..., record=...)` has filled.
            policy: Tightens the engine's policy for this run.

        Raises:
            ReplayDiffers: The program made another host call than the one recorded, or fewer.
            RequestError: There is no run in the recording, or the policy does not allow it.
            EngineBusy: All processes are taken.
            SessionClosed: The engine is closed.
        """
        supervisor, asked = self._running(), recording.asked()
        effective = _repeatable(self._tightened(policy), asked)
        _check_language(effective, asked.language, asked.image)
        pool, spec = self._pool(asked.language, asked.image), table.spec(asked.language, asked.image)
        _check_given(effective, pool.isolation)
        replayed = Replay(recording, supervisor.answer)
        made = _replaying_job(asked, effective, spec, replayed, run_number=1, single=True)
        if not isinstance(made, Outcome):
            supervisor.submit(pool, made, wait=True)
        outcome = RunningJob(made, supervisor, pool, self).outcome_or_cancel()
        replayed.check()
        return outcome

    @method_like(submit)
    def stream(self, *args: Any, **kwargs: Any) -> Stream:
        """Begin a run whose output is read while it is written; the parameters are those of `run`.

        A reader that is slow slows the program down, whose time runs on.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The engine is closed.
        """
        flow = _flow(kwargs)
        return Stream(self.submit(*args, **{**kwargs, "on_output": flow}), flow)

    def session(
        self,
        *,
        language: str = "python",
        image: str | None = None,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        policy: str | Path | Policy | None = None,
    ) -> Session:
        """Open a session: a sandbox whose state lives from run to run.

        Args:
            language: One of the languages that the policy grants.
            image: Named environment image; None for the language's default.
            tools: Functions that each run can call, beside those that come with the run.
            policy: Tightens the engine's policy for the session.

        Raises:
            RequestError: The language, image or policy cannot be used.
            EngineBusy: All processes are taken.
            SessionClosed: The engine is closed.
        """
        session = self.order_session(
            language=language, image=image, tools=tools, policy=policy
        )
        try:
            session.ready.result()
        except BaseException:
            session.close()
            raise
        return session

    @method_like(session)
    def order_session(self, **kwargs: Any) -> Session:
        """Return a session at once; it can be used when its `ready` is settled."""
        language, image = kwargs.get("language", "python"), kwargs.get("image")
        supervisor = self._running()
        effective = self._tightened(kwargs.get("policy"))
        _check_language(effective, language, image)
        if not table.spec(language).sessions:
            msg = f"language: {language} has no sessions, as no state of it outlives a run"
            raise RequestError(msg)
        supervisor.check_may_wait()
        pool = self._pool(language, image)
        _check_given(effective, pool.isolation)
        seat = supervisor.order_seat(pool, _state_terms(effective))
        return Session(
            self, supervisor, pool, seat, policy=effective, spec=table.spec(language, image),
            image=image, tools=kwargs.get("tools"),
        )

    def resume(
        self,
        path: str | Path,
        *,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        policy: str | Path | Policy | None = None,
        key: bytes | None = None,
    ) -> Session:
        """Open a session that goes on where a saved one was; see `Session.save`.

        The file stays as it is, and can be resumed as often as one likes.

        Args:
            path: The file.
            tools: Functions that each run can call; they are bound anew.
            policy: Tightens the engine's policy for the session; what was saved must fit it.
            key: The key that it was saved with, if any.

        Raises:
            SnapshotUnusable: The file is damaged, was changed, is of another runtime or format, or
                holds more than the policy allows.
            RequestError: The language, image or policy cannot be used.
            OSError: The file cannot be read.
            EngineBusy: All processes are taken.
            SessionClosed: The engine is closed.
        """
        session = self.order_resumed(path, tools=tools, policy=policy, key=key)
        try:
            session.ready.result()
        except SnapshotUnusable as error:
            session.close()
            raise SnapshotUnusable(str(path), error.reason) from None
        except BaseException:
            session.close()
            raise
        return session

    @method_like(resume)
    def order_resumed(self, path: str | Path, **kwargs: Any) -> Session:
        """Return a resumed session at once; it can be used when its `ready` is settled."""
        supervisor = self._running()
        effective, key = self._tightened(kwargs.get("policy")), _key(kwargs.get("key"))
        with SavedSession(Path(path)) as saved:
            header = saved.header
            _check_language(effective, header.language, header.image)
            supervisor.check_may_wait()
            pool = self._pool(header.language, header.image)
            _check_given(effective, pool.isolation)
            terms = _state_terms(effective)
            if header.runtime != pool.runtime_key:
                reason = f"it was saved under another {header.language} runtime: {header.runtime[:16]}"
                raise SnapshotUnusable(str(path), reason)
            if header.state_bytes > terms.state_bytes_max:
                reason = (
                    f"its state has {header.state_bytes} bytes, {terms.state_bytes_max} are allowed"
                )
                raise SnapshotUnusable(str(path), reason)
            state = sealed_copy(header.state_bytes, lambda view: saved.read_state(view, key))
        origin: Future[SealedState | None] = Future()
        origin.set_result(state)
        seat = supervisor.order_seat(pool, terms, origin=origin, mounted=False)
        return Session(
            self, supervisor, pool, seat, policy=effective,
            spec=table.spec(header.language, header.image), image=header.image,
            tools=kwargs.get("tools"), runs=header.runs,
        )

    def close(self) -> None:
        """End every process of this engine; closing twice is closing once."""
        with self._lock:
            supervisor, self._supervisor = self._supervisor, None
        self._tool_runner.close()
        if supervisor is not None:
            supervisor.close()

    def __del__(self) -> None:
        """End what nobody closed, without waiting for it, and say so as files do."""
        supervisor = getattr(self, "_supervisor", None)
        if supervisor is not None and not supervisor.ended:
            supervisor.close(wait=False)
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()

    def _first_languages(self, wanted: Sequence[str] | None) -> Sequence[str]:
        if wanted is None:
            return [name for name in ("python",) if name in self._policy.languages]
        for name in wanted:
            _check_language(self._policy, name, None)
        return wanted

    def _pool(self, language: str, image: str | None) -> Pool:
        """Return the workers of a language and image, started at the first call."""
        found = self._pools.get((language, image))
        if found is not None:
            return found
        supervisor = self._running()
        supervisor.check_may_wait()
        with self._opening:
            found = self._pools.get((language, image))
            if found is None:
                spec = table.spec(language, image)
                served = self._served(spec, image)
                settings = self._pool_settings(spec)
                try:
                    found = supervisor.open_pool(served, settings).result()
                except ZygoteFailed as error:
                    raise LanguageUnavailable(
                        language, f"its processes cannot start: {error}", remedy="see `dspex doctor`"
                    ) from error
                self._pools[language, image] = found
        return found

    def _pool_settings(self, spec: LanguageSpec) -> PoolSettings:
        required = self._settings.require_layers | spec.require_layers
        if spec.loads_code or spec.single_use:
            # A worker that has sealed itself can load no second program, nor can one be made fresh
            # that keeps nothing apart from its own interpreter.
            return replace(self._settings, require_layers=required, requests_per_worker=1)
        return replace(self._settings, require_layers=required, parks=spec.saves)

    def _served(self, spec: LanguageSpec, image: str | None) -> Served:
        """Find a runtime, or make it, telling a person about what takes long."""
        name = spec.name if image is None else f"{spec.name}/{image}"
        title = f"dspex: preparing the {name} runtime, once for this machine"
        try:
            with Terminal(title, lazy=True) as progress:
                runtime = spec.runtime(image, progress)
        except (OSError, RuntimeError, ModuleNotFoundError) as error:
            raise LanguageUnavailable(
                spec.name, f"its runtime could not be made: {error}", remedy="see `dspex doctor`"
            ) from error
        return Served(name, spec.guest, runtime, spec.packages, spec.loads_code)

    def _tightened(self, policy: str | Path | Policy | None) -> Policy:
        return _tightened(self._policy, policy)

    def _running(self) -> Supervisor:
        supervisor = self._supervisor
        if supervisor is None:
            raise SessionClosed("engine")
        if self._pid != os.getpid():
            raise supervisor.ending()
        return supervisor


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
        return self._job is None or self._job.future.done()

    @property
    def settled(self) -> Future[Facts] | None:
        """The future behind `done`, for those who wait in an event loop; None if there is none."""
        return None if self._job is None else self._job.future

    @property
    def decoding_bytes(self) -> int:
        """How much `outcome` has to decode, once the run has ended."""
        job = self._job
        if self._outcome is not None or job is None or not job.future.done():
            return 0
        facts = job.facts
        value_bytes = len(facts.ended.value) if facts.ended is not None else 0
        return value_bytes + len(facts.stdout) + len(facts.stderr)

    @property
    def writes_back(self) -> bool:
        """Whether `outcome` has files of the host to write, once the run has ended."""
        job = self._job
        if self._outcome is not None or job is None or not job.future.done():
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
            if not self._job.future.done():
                self._supervisor.check_may_wait()
            facts = self._job.future.result(timeout_s)
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
        if job is None or job.future.done():
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


class Session:
    """A sandbox that stays: names, modules and files of one run are there in the next.

    Runs follow one another in the order in which they were asked for, from whatever thread.

    Example:
        >>> with Engine() as engine, engine.session() as session:
        ...     _ = session.run("x = 41")
        ...     session.run("x + 1").value
        42
    """

    def __init__(
        self,
        engine: Engine,
        supervisor: Supervisor,
        pool: Pool,
        seat: Seat,
        *,
        policy: Policy,
        spec: LanguageSpec,
        image: str | None,
        tools: Mapping[str, Callable[..., Any]] | None,
        runs: int = 0,
        mounted: bool = False,
    ) -> None:
        """Give a seat of the supervisor its face; `Engine.session` orders one, and waits for it.

        Args:
            engine: Whose session it is.
            supervisor: The engine's.
            pool: Where its processes come from.
            seat: The seat.
            policy: What it may do.
            spec: What it speaks.
            image: The environment that it lives in.
            tools: Functions that each run can call.
            runs: Runs that it has had before.
            mounted: Whether the policy's mounts are in its guest already.
        """
        self._engine = engine
        self._supervisor = supervisor
        self._pool = pool
        self._policy = policy
        self._spec = spec
        self._image = image
        self._tools = dict(tools or {})
        self._runs = runs
        self._mounted = mounted
        self._seat = seat
        self._closed = False

    @property
    def ready(self) -> Future[None]:
        """Settled when the session can be used, or cannot be had."""
        return self._seat.ready

    @property
    def policy(self) -> Policy:
        """The loosest policy that a run of the session can have."""
        return self._policy

    @property
    def closed(self) -> bool:
        """Whether no further run is possible."""
        return self._closed or bool(self._seat.closed_because) or self._supervisor.ended

    def submit(
        self,
        code: str | bytes,
        *,
        variables: Mapping[str, Any] | None = None,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        stdin: str | bytes = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        policy: str | Path | Policy | None = None,
        timeout_s: float | None = None,
        on_output: OutputCallback | None = None,
        record: Recording | None = None,
    ) -> RunningJob:
        """Begin a run in the session and return at once; the parameters are those of `run`."""
        effective = _tightened(self._policy, policy)
        self._runs += 1
        every = self._tools if tools is None else {**self._tools, **tools}
        request = Request(code, variables, files, stdin, args, env, timeout_s, every)
        made = _make_job(
            request, effective, self._spec, on_output=on_output, supervisor=self._supervisor,
            tool_runner=self._engine._tool_runner, run_number=self._runs, single=False,
            mounted=self._mounted, record=record, image=self._image,
        )
        self._mounted = True
        return self._begun(made, record)

    def _begun(self, made: Job | Outcome, record: Recording | None = None) -> RunningJob:
        job = RunningJob(made, self._supervisor, self._seat, self, record)
        if not isinstance(made, Outcome):
            self._supervisor.submit_to(self._seat, made)
        return job

    def replay(self, recording: Recording) -> Outcome:
        """Repeat a recorded run in the session's state, which should be what it was then.

        Such as that of a copy that was forked, or of a session that was saved, before the run.

        Raises:
            ReplayDiffers: The program made another host call than the one recorded, or fewer.
            RequestError: There is no run in the recording, or it is of another language.
            SessionClosed: The session is closed.
        """
        asked = recording.asked()
        if (asked.language, asked.image) != (self._spec.name, self._image):
            msg = f"recording: a run of {asked.language}, in a session of {self._spec.name}"
            raise RequestError(msg)
        replayed = Replay(recording, self._supervisor.answer)
        self._runs += 1
        made = _replaying_job(
            asked, _repeatable(self._policy, asked), self._spec, replayed,
            run_number=self._runs, single=False, mounted=self._mounted,
        )
        self._mounted = True
        outcome = self._begun(made).outcome_or_cancel()
        replayed.check()
        return outcome

    @method_like(submit)
    def run(self, *args: Any, **kwargs: Any) -> Outcome:
        """Run a program in the session's state; the parameters mean what they do in `Engine.run`.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The session is closed.
        """
        return self.submit(*args, **kwargs).outcome_or_cancel()

    @method_like(submit)
    def stream(self, *args: Any, **kwargs: Any) -> Stream:
        """Begin a run whose output is read while it is written; the parameters are those of `run`.

        A reader that is slow slows the program down, whose time runs on.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The session is closed.
        """
        flow = _flow(kwargs)
        return Stream(self.submit(*args, **{**kwargs, "on_output": flow}), flow)

    @property
    def parked(self) -> bool:
        """Whether the session has no process now; it gets one when it is asked for something."""
        return self._seat.parked

    def fork(self) -> Session:
        """Return an independent copy: a session that goes on from this one's state.

        Names, modules, files, open files and all else are those of this session after the runs
        that were asked for before; afterwards neither sees anything of the other. The copy draws
        fresh randomness (`random` is seeded anew there, as `os.fork` does it), unless the policy is
        deterministic.

        Raises:
            RequestError: Sessions of this language cannot be copied.
            SessionClosed: The session is closed.
            SnapshotUnusable: The state is larger than the limits allow.
            EngineBusy: All processes are taken.
        """
        twin = self.order_fork()
        try:
            twin.ready.result()
        except BaseException:
            twin.close()
            raise
        return twin

    def order_fork(self) -> Session:
        """Return a copy at once; it can be used when its `ready` is settled."""
        self._check_saves()
        seat = self._supervisor.fork_seat(self._pool, self._seat, _state_terms(self._policy))
        return Session(
            self._engine, self._supervisor, self._pool, seat, policy=self._policy,
            spec=self._spec, image=self._image, tools=self._tools, runs=self._runs,
            mounted=self._mounted,
        )

    def save(self, path: str | Path, *, key: bytes | None = None) -> None:
        """Write the session to a file, as it is after the runs that were asked for before.

        It goes on meanwhile, and `Engine.resume` opens one like it: in this process or another,
        as long as the runtime is the same. The file holds what is in the sandbox, and nothing of
        the host beside it; it is readable for this user alone. An older file is replaced at once
        when the new one is complete.

        Args:
            path: Where.
            key: Proves to `resume`, which then needs it, that nobody else made or changed the file.

        Raises:
            RequestError: Sessions of this language cannot be saved.
            SessionClosed: The session is closed.
            SnapshotUnusable: The state is larger than the limits allow.
            OSError: The file cannot be written.
        """
        self.write_state(path, self.order_state(), key=key)

    def order_state(self) -> Future[SealedState | None]:
        """Return the session's state, once the runs before have ended."""
        self._check_saves()
        return self._supervisor.state_of(self._seat)

    def write_state(
        self, path: str | Path, ordered: Future[SealedState | None], *, key: bytes | None = None
    ) -> None:
        """Wait for a state that was ordered, and write it to a file; see `save`."""
        key = _key(key)
        runs = self._runs
        state = ordered.result()
        assert state is not None
        header = Header(
            language=self._spec.name, image=self._image, runtime=self._pool.runtime_key,
            dspex=__version__, created=saves.now(),
            runs=runs, state_bytes=state.size, keyed=key is not None,
        )
        with state.content() as content:
            saves.write(Path(path), header, content, key)

    def park(self) -> None:
        """End the session's process now and keep its state on a disk, until it is asked for something.

        Raises:
            RequestError: Sessions of this language cannot be parked.
            SessionClosed: The session is closed.
            WorkerCrashed: The state cannot be written; the session goes on.
        """
        self.order_parking().result()

    def order_parking(self) -> Future[SealedState | None]:
        """Begin to park the session; done when the result is there."""
        self._check_saves()
        return self._supervisor.state_of(self._seat, parking=True)

    def _check_saves(self) -> None:
        self._supervisor.check_may_wait()
        if self._closed:
            raise SessionClosed(reason="it was closed")
        if not self._spec.saves:
            what = self._spec.name if self._image is None else f"{self._spec.name} ({self._image})"
            msg = f"language: sessions of {what} cannot be saved, forked or parked"
            raise RequestError(msg)

    def close(self) -> None:
        """End the session's process; closing twice is closing once."""
        self._closed = True
        self.ready.cancel()
        self._supervisor.close_seat(self._seat)

    def __del__(self) -> None:
        """End what nobody closed, and say so as files do."""
        if not getattr(self, "_closed", True) and not self.closed and not self._supervisor.ended:
            self.close()
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()


def _tightened(loosest: Policy, policy: object) -> Policy:
    if policy is None:
        return loosest
    if not isinstance(policy, str | Path | Policy):
        msg = f"policy: a name, a path or a Policy wanted, {type(policy).__name__} given"
        raise TypeError(msg)
    return loosest.tightened(Policy.load(policy))


def _make_job(
    request: Request,
    policy: Policy,
    spec: LanguageSpec,
    *,
    on_output: OutputCallback | None,
    supervisor: Supervisor,
    tool_runner: ToolRunner,
    run_number: int,
    single: bool,
    workshop: Workshop | None = None,
    mounted: bool = False,
    record: Recording | None = None,
    image: str | None = None,
) -> Job | Outcome:
    """Check a request; what is wrong with the program itself is an outcome, not an error.

    Raises:
        NotPrepared: The workshop is not patient, and it would have to be.
    """
    _check_listener(on_output)
    _check_record(record)
    language = spec.name
    try:
        message, limits = to_message(
            request, policy, spec, run_number=run_number, stream=on_output is not None,
            single=single, mounted=mounted,
        )
        if spec.prepare is not None and workshop is not None:
            message = spec.prepare(message, workshop)
    except PreparationEnded as ended:
        return ended.outcome
    except (GuestRefused, LimitExceeded) as error:
        return Outcome.of_error(error, language=language, session_usable=not single)
    listener = None if on_output is None else _decoded(on_output)
    if record is not None:
        record.begin(message, language, image)
    on_call = None
    if message.tools:
        tools = tools_of(request, policy, spec)
        if record is None and policy.deterministic is None:
            on_call = tool_runner.bind(tools, limits, supervisor.answer)
        else:
            order = InOrder(supervisor.answer, record)
            on_call = order.around(tool_runner.bind(tools, limits, order.answer))
    try:
        return Job(
            message, language, limits.grace_s, on_output=listener, on_call=on_call,
            mounts=policy.mounts, flow=on_output if isinstance(on_output, Flow) else None,
        )
    except FrameError as error:
        msg = f"code, variables, files and stdin together: {error}"
        raise RequestError(msg) from None


def _replaying_job(
    asked: RecordedRequest,
    policy: Policy,
    spec: LanguageSpec,
    replayed: Replay,
    *,
    run_number: int,
    single: bool,
    mounted: bool = False,
) -> Job | Outcome:
    """Check a recorded request, as if it were made now, and ask for it again.

    Raises:
        RequestError: The policy does not allow it, or its program would have to be prepared.
    """
    if spec.prepare is not None:
        msg = f"language: runs of {spec.name} make no host calls; run the program again"
        raise RequestError(msg)
    request = Request(
        asked.source, files=asked.files, stdin=asked.stdin, args=asked.args, env=asked.env
    )
    try:
        message, limits = to_message(
            request, policy, spec, run_number=run_number, stream=False, single=single,
            mounted=mounted,
        )
    except (GuestRefused, LimitExceeded) as error:
        return Outcome.of_error(error, language=spec.name, session_usable=not single)
    if len(asked.variables) > limits.value_bytes:
        size = len(asked.variables)
        too_large = LimitExceeded("value_bytes", limits.value_bytes, size, "outer")
        return Outcome.of_error(too_large, language=spec.name, session_usable=not single)
    message = msgspec.structs.replace(message, variables=asked.variables, tools=asked.tools)
    try:
        return Job(message, spec.name, limits.grace_s, on_call=replayed.take, mounts=policy.mounts)
    except FrameError as error:
        raise RequestError(f"recording: {error}") from None


def _repeatable(policy: Policy, asked: RecordedRequest) -> Policy:
    """Fix clock and seed as they were."""
    if asked.clock_ns is None or asked.seed is None:
        return policy
    fixed = Deterministic(clock_ns=asked.clock_ns, seed=asked.seed)
    if policy.deterministic not in (None, fixed):
        msg = "recording: it was made with another clock and seed than the policy fixes"
        raise RequestError(msg)
    return policy.model_copy(update={"deterministic": fixed})


def _flow(kwargs: Mapping[str, Any]) -> Flow:
    if kwargs.get("on_output") is not None:
        msg = "on_output: a stream has no use for it; iterate over the stream"
        raise TypeError(msg)
    return Flow()


def _check_listener(on_output: object) -> None:
    if on_output is None:
        return
    if not callable(on_output):
        msg = f"on_output: a callable wanted, {type(on_output).__name__} given"
        raise TypeError(msg)
    if inspect.iscoroutinefunction(on_output):
        msg = "on_output: an ordinary function wanted, a coroutine function given"
        raise TypeError(msg)


def _check_record(record: object) -> None:
    if record is not None and not isinstance(record, Recording):
        msg = f"record: a Recording wanted, {type(record).__name__} given"
        raise TypeError(msg)


def _decoded(on_output: OutputCallback) -> Callable[[int, bytes], None]:
    """Turn bytes into text, without cutting a character that arrives in two pieces."""
    decoders = {
        stream: codecs.getincrementaldecoder("utf-8")("backslashreplace") for stream in (1, 2)
    }

    def listen(stream: int, data: bytes) -> None:
        text = decoders[stream].decode(data)
        if text:
            on_output(_STREAM_NAMES[stream], text)

    return listen


def _check_given(policy: Policy, isolation: tuple[str, ...]) -> None:
    """Refuse a policy that requires a layer which this engine's workers lack.

    Raises:
        IsolationMissing: The message says which, and what to change.
    """
    reason = missing(policy.require_layers, isolation)
    if reason is not None:
        raise IsolationMissing(reason)


def _check_language(policy: Policy, language: object, image: object) -> None:
    if not isinstance(language, str):
        msg = f"language: str wanted, {type(language).__name__} given"
        raise TypeError(msg)
    spec = table.spec(language)
    policy.require("language", [language])
    if image is None:
        return
    if not isinstance(image, str):
        msg = f"image: str wanted, {type(image).__name__} given"
        raise TypeError(msg)
    policy.require("image", [image])
    if image not in spec.images():
        there = ", ".join(spec.images()) or "none"
        msg = f"image: there is no image {image!r} for {language} (there are: {there})"
        raise RequestError(msg)


def _state_terms(policy: Policy) -> StateTerms:
    limits = policy.limits
    return StateTerms(
        limits.memory_bytes, limits.file_bytes, limits.file_count, limits.open_files
    )


def _key(key: object) -> bytes | None:
    if key is None or (isinstance(key, bytes) and key):
        return key
    msg = f"key: some bytes wanted, {type(key).__name__} given"
    raise TypeError(msg)


def _seconds(name: str, number: object) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        msg = f"{name}: a number of seconds wanted, {type(number).__name__} given"
        raise TypeError(msg)
    if not number >= 0:
        msg = f"{name}: {number} given, at least 0 wanted"
        raise RequestError(msg)
    return float(number)


def _count(name: str, number: object, *, least: int = 1) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        msg = f"{name}: int wanted, {type(number).__name__} given"
        raise TypeError(msg)
    if number < least:
        msg = f"{name}: {number} given, at least {least} wanted"
        raise RequestError(msg)
    return number


_default_lock = threading.Lock()
_default: Engine | None = None


def default_engine() -> Engine:
    """Return the engine behind `dspex.run`, started at the first call and closed at exit."""
    global _default  # noqa: PLW0603 - one per process is the point
    with _default_lock:
        if _default is None or _default._pid != os.getpid():
            _default = Engine()
            atexit.register(_default.close)
        return _default


@function_like(Engine.run)
def run(*args: Any, **kwargs: Any) -> Outcome:
    """Run a program in a fresh sandbox of the default engine, under the policy `compute`.

    The parameters are those of `Engine.run`.

    Example:
        >>> run("sum(range(10))").value
        45
    """
    return default_engine().run(*args, **kwargs)
