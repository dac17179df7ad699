"""The door for callers in any thread: `Engine` and `run`. Its sessions are `dspex.session`'s.

`dspex.async_engine` is the same door for trio and asyncio. An engine has requests checked (`dspex.submission`), hands
them to its supervisor and gives out what stands for them (`dspex.running`). It decides nothing about processes; the
supervisor decides nothing about policies.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
import warnings
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.errors import (
    LanguageUnavailable,
    RequestError,
    SessionClosed,
    SnapshotUnusable,
)
from dspex.languages import table
from dspex.outcome import Outcome
from dspex.parameters import function_like, method_like
from dspex.policy import Policy
from dspex.recordings import Recording, Replay
from dspex.request import OutputCallback, Request
from dspex.running import PreparingJob, RunningJob
from dspex.runtimes.progress import Terminal
from dspex.runtimes.store import cache_folder
from dspex.saves import SavedSession, checked_key
from dspex.session import Session
from dspex.streaming import Stream
from dspex.submission import (
    check_given,
    check_language,
    flow_of,
    make_job,
    repeatable,
    replaying_job,
    state_terms,
    tightened,
)
from dspex.supervisor.pool import Pool, PoolSettings
from dspex.supervisor.states import SealedState, sealed_copy
from dspex.supervisor.tree import Supervisor
from dspex.supervisor.workshop import NotPrepared, Results, Workshop
from dspex.supervisor.zygote import Served, ZygoteFailed
from dspex.tools import ToolRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from dspex.languages.base import LanguageSpec

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

    def _order(
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
    ) -> Callable[[Callable[..., None]], RunningJob]:
        """Check a request; return what begins the run, by `Supervisor.submit` or `Supervisor.serve`."""
        supervisor = self._running()
        effective = self._tightened(policy)
        check_language(effective, language, image)
        pool = self._pool(language, image)
        if effective is not self._policy:
            check_given(effective, pool.isolation)
        request = Request(code, variables, files, stdin, args, env, timeout_s, tools)
        workshop = Workshop(
            supervisor, pool, self._results, language=language, grace_s=effective.limits.grace_s
        )

        def begin(send: Callable[..., None]) -> RunningJob:
            made = make_job(
                request, effective, table.spec(language, image), on_output=on_output,
                supervisor=supervisor,
                tool_runner=self._tool_runner, run_number=1, single=True, workshop=workshop,
                record=record, image=image,
            )
            job = RunningJob(made, supervisor, pool, self, record)
            if not isinstance(made, Outcome):
                send(supervisor, pool, made, wait=wait)
            return job

        def begin_or_prepare(send: Callable[..., None]) -> RunningJob:
            with contextlib.suppress(NotPrepared):
                return begin(send)
            return PreparingJob(lambda: begin(Supervisor.submit), workshop, supervisor, pool, self)

        return begin_or_prepare

    @method_like(_order)
    def submit(self, *args: Any, **kwargs: Any) -> RunningJob:
        """Begin a run and return at once; the parameters are those of `run`.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The engine is closed.
        """
        return self._order(*args, **kwargs)(Supervisor.submit)

    @method_like(_order)
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
        return self._order(*args, **kwargs)(Supervisor.serve).outcome_or_cancel()

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
        effective = repeatable(self._tightened(policy), asked)
        check_language(effective, asked.language, asked.image)
        pool, spec = self._pool(asked.language, asked.image), table.spec(asked.language, asked.image)
        check_given(effective, pool.isolation)
        replayed = Replay(recording, supervisor.answer)
        made = replaying_job(asked, effective, spec, replayed, run_number=1, single=True)
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
        flow = flow_of(kwargs)
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
        check_language(effective, language, image)
        if not table.spec(language).sessions:
            msg = f"language: {language} has no sessions, as no state of it outlives a run"
            raise RequestError(msg)
        supervisor.check_may_wait()
        pool = self._pool(language, image)
        check_given(effective, pool.isolation)
        seat = supervisor.order_seat(pool, state_terms(effective))
        return Session(
            self, supervisor, pool, seat, policy=effective, spec=table.spec(language, image),
            image=image, tools=kwargs.get("tools"), tool_runner=self._tool_runner,
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
        effective, key = self._tightened(kwargs.get("policy")), checked_key(kwargs.get("key"))
        with SavedSession(Path(path)) as saved:
            header = saved.header
            check_language(effective, header.language, header.image)
            supervisor.check_may_wait()
            pool = self._pool(header.language, header.image)
            check_given(effective, pool.isolation)
            terms = state_terms(effective)
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
            tools=kwargs.get("tools"), tool_runner=self._tool_runner, runs=header.runs,
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
            check_language(self._policy, name, None)
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
        return tightened(self._policy, policy)

    def _running(self) -> Supervisor:
        supervisor = self._supervisor
        if supervisor is None:
            raise SessionClosed("engine")
        if self._pid != os.getpid():
            raise supervisor.ending()
        return supervisor


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
