"""The only door for callers: `Engine` (any thread), `open_engine` (trio and asyncio), `run`.

An engine checks requests, hands them to its supervisor and gives outcomes back. It decides nothing
about processes; the supervisor decides nothing about policies.
"""

from __future__ import annotations

import atexit
import codecs
import os
import threading
from typing import TYPE_CHECKING, Any

from dspex.errors import GuestRefused, LanguageUnavailable, LimitExceeded, RequestError, SessionClosed
from dspex.languages import table
from dspex.outcome import Outcome
from dspex.policy import Policy
from dspex.request import OutputCallback, Request, to_message
from dspex.runtimes import locate
from dspex.runtimes.progress import Terminal
from dspex.supervisor.ending import to_outcome
from dspex.supervisor.job import Job
from dspex.supervisor.pool import PoolSettings
from dspex.supervisor.tree import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from dspex.limits import Limits
    from dspex.supervisor.seat import Seat

_STREAM_NAMES = {1: "stdout", 2: "stderr"}
WAITING_MAX = 10_000


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
    ) -> None:
        """Start the processes; the first time on a machine also compile the runtime, visibly.

        Args:
            policy: The loosest policy that any run of this engine can have.
            requests_per_worker: Runs that one process serves before it is replaced. Each run gets a
                fresh guest all the same; more than 1 is for programs that trust each other.
            workers_max: Most processes at once; by default 64, or 16 per processor if that is more.
            idle_max: Warm processes kept ready; by default four per processor.
            waiting_max: Most runs that may wait for a process; one more raises `EngineBusy`.

        Raises:
            PolicyInvalid: The policy cannot be used.
            LanguageUnavailable: The runtime is missing here and could not be made.
        """
        self._policy = Policy.load(policy)
        cores = os.cpu_count() or 1
        settings = PoolSettings(
            workers_max=_count("workers_max", workers_max or max(64, 16 * cores)),
            idle_max=_count("idle_max", 4 * cores if idle_max is None else idle_max),
            requests_per_worker=_count("requests_per_worker", requests_per_worker),
            waiting_max=_count("waiting_max", waiting_max, least=0),
        )
        self._settings = settings
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None
        self._closed = False
        self._pid = os.getpid()
        self._supervisor = Supervisor("python", _find_runtime(), settings)

    @property
    def policy(self) -> Policy:
        """The loosest policy that a run can have."""
        return self._policy

    @property
    def isolation(self) -> tuple[str, ...]:
        """Names of the layers that stand around each worker."""
        return self._running().isolation

    def run(  # noqa: PLR0913 - the parameters are the public interface
        self,
        code: str | bytes,
        *,
        language: str = "python",
        image: str | None = None,
        variables: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        stdin: str | bytes = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        policy: str | Path | Policy | None = None,
        timeout_s: float | None = None,
        on_output: OutputCallback | None = None,
        wait: bool = True,
    ) -> Outcome:
        """Run a program in a fresh sandbox and wait for its end.

        Args:
            code: The program.
            language: One of the languages that the policy grants.
            image: Named environment image; None for the language's default.
            variables: Values that the program finds as globals.
            files: Content by path relative to the program's working directory.
            stdin: What the program reads from standard input.
            args: What the program sees as `sys.argv[1:]`.
            env: Environment variables; the policy must grant their names.
            policy: Tightens the engine's policy for this run; it can never loosen it.
            timeout_s: Tightens the limit `wall_s`.
            on_output: Called with "stdout" or "stderr" and text while the program runs, from the
                engine's thread; it must return soon.
            wait: Whether to wait for a process if all are taken; if not, `EngineBusy` is raised.

        Returns:
            How it ended, whatever the program did.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            EngineBusy: All processes are taken.
            SessionClosed: The engine is closed.
        """
        job = self.submit(
            code, language=language, image=image, variables=variables, files=files, stdin=stdin,
            args=args, env=env, policy=policy, timeout_s=timeout_s, on_output=on_output, wait=wait,
        )
        try:
            return job.outcome()
        except BaseException:
            job.cancel()
            raise

    def submit(  # noqa: PLR0913 - the parameters are the public interface
        self,
        code: str | bytes,
        *,
        language: str = "python",
        image: str | None = None,
        variables: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        stdin: str | bytes = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        policy: str | Path | Policy | None = None,
        timeout_s: float | None = None,
        on_output: OutputCallback | None = None,
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
        request = Request(code, variables, files, stdin, args, env, timeout_s)
        made = _make_job(request, effective, language, on_output, "main.py", single=True)
        if isinstance(made, Outcome):
            return RunningJob.ended(made)
        supervisor.submit(made, wait=wait)
        return RunningJob(made, lambda: supervisor.cancel(made), session=False)

    def session(
        self,
        *,
        language: str = "python",
        image: str | None = None,
        policy: str | Path | Policy | None = None,
    ) -> Session:
        """Open a session: a sandbox whose state lives from run to run.

        Raises:
            RequestError: The language, image or policy cannot be used.
            EngineBusy: All processes are taken.
            SessionClosed: The engine is closed.
        """
        effective = self._tightened(policy)
        _check_language(effective, language, image)
        supervisor = self._running()
        return Session(supervisor, supervisor.open_seat(), effective, language)

    def close(self) -> None:
        """End every process of this engine; closing twice is closing once."""
        with self._lock:
            supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None and self._pid == os.getpid():
            supervisor.close()

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()

    def _tightened(self, policy: str | Path | Policy | None) -> Policy:
        return self._policy if policy is None else self._policy.tightened(Policy.load(policy))

    def _running(self) -> Supervisor:
        supervisor = self._supervisor
        if supervisor is None:
            raise SessionClosed("engine")
        if self._pid != os.getpid():
            reason = f"it belongs to process {self._pid}; a forked process needs its own"
            raise SessionClosed("engine", reason=reason)
        return supervisor


class RunningJob:
    """A run under way, or ended: `outcome` waits for its end, `cancel` gives it up."""

    def __init__(self, job: Job, cancel: Callable[[], None], *, session: bool) -> None:
        """Wrap a job of the supervisor."""
        self._job: Job | None = job
        self._cancel = cancel
        self._session = session
        self._outcome: Outcome | None = None

    @classmethod
    def ended(cls, outcome: Outcome) -> RunningJob:
        """Return a job that has ended before it began."""
        made = cls.__new__(cls)
        made._job, made._outcome = None, outcome
        made._session = False
        made._cancel = lambda: None
        return made

    @property
    def done(self) -> bool:
        """Whether `outcome` would return at once."""
        return self._job is None or self._job.future.done()

    def outcome(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end and return it.

        Raises:
            TimeoutError: It has not ended after `timeout_s` seconds; it goes on.
            concurrent.futures.CancelledError: It was cancelled before it began.
            EngineBusy, SessionClosed: It never began.
        """
        if self._outcome is None:
            assert self._job is not None
            facts = self._job.future.result(timeout_s)
            self._outcome = to_outcome(self._job, facts, session=self._session)
        return self._outcome

    def cancel(self) -> None:
        """Give the run up: its process is killed (in a session: it is interrupted)."""
        if not self.done:
            self._cancel()


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
        self, supervisor: Supervisor, seat: Seat, policy: Policy, language: str
    ) -> None:
        """Take a seat of the supervisor; `Engine.session` does that."""
        self._supervisor = supervisor
        self._seat = seat
        self._policy = policy
        self._language = language
        self._runs = 0

    @property
    def closed(self) -> bool:
        """Whether no further run is possible."""
        return bool(self._seat.closed_because)

    def run(  # noqa: PLR0913 - the parameters are the public interface
        self,
        code: str | bytes,
        *,
        variables: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        stdin: str | bytes = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        policy: str | Path | Policy | None = None,
        timeout_s: float | None = None,
        on_output: OutputCallback | None = None,
    ) -> Outcome:
        """Run a program in the session's state; the parameters are those of `Engine.run`.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The session is closed.
        """
        job = self.submit(
            code, variables=variables, files=files, stdin=stdin, args=args, env=env,
            policy=policy, timeout_s=timeout_s, on_output=on_output,
        )
        try:
            return job.outcome()
        except BaseException:
            job.cancel()
            raise

    def submit(  # noqa: PLR0913 - the parameters are the public interface
        self,
        code: str | bytes,
        *,
        variables: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        stdin: str | bytes = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        policy: str | Path | Policy | None = None,
        timeout_s: float | None = None,
        on_output: OutputCallback | None = None,
    ) -> RunningJob:
        """Begin a run in the session and return at once."""
        effective = self._policy
        if policy is not None:
            effective = effective.tightened(Policy.load(policy))
        self._runs += 1
        filename = "main.py" if self._runs == 1 else f"main-{self._runs}.py"
        request = Request(code, variables, files, stdin, args, env, timeout_s)
        made = _make_job(request, effective, self._language, on_output, filename, single=False)
        if isinstance(made, Outcome):
            return RunningJob.ended(made)
        supervisor, seat = self._supervisor, self._seat
        supervisor.submit_to(seat, made)
        return RunningJob(made, lambda: supervisor.cancel_in(seat, made), session=True)

    def close(self) -> None:
        """End the session's process; closing twice is closing once."""
        self._supervisor.close_seat(self._seat)

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()


def _make_job(  # noqa: PLR0913 - what a job is made of
    request: Request,
    policy: Policy,
    language: str,
    on_output: OutputCallback | None,
    filename: str,
    *,
    single: bool,
) -> Job | Outcome:
    """Check a request; what is wrong with the program itself is an outcome, not an error."""
    if on_output is not None and not callable(on_output):
        msg = f"on_output: a callable wanted, {type(on_output).__name__} given"
        raise TypeError(msg)
    try:
        message, limits = to_message(
            request, policy, filename=filename, stream=on_output is not None, single=single
        )
    except (GuestRefused, LimitExceeded) as error:
        return Outcome.of_error(error, language=language, session_usable=not single)
    listener = None if on_output is None else _decoded(on_output)
    return Job(message, language, limits.grace_s, listener)


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


def _check_language(policy: Policy, language: object, image: object) -> None:
    if not isinstance(language, str):
        msg = f"language: str wanted, {type(language).__name__} given"
        raise TypeError(msg)
    if language not in table.NAMES:
        raise LanguageUnavailable(
            language, "there is no such language", remedy=f"use one of {', '.join(table.NAMES)}"
        )
    policy.require("language", [language])
    if image is not None:
        if not isinstance(image, str):
            msg = f"image: str wanted, {type(image).__name__} given"
            raise TypeError(msg)
        policy.require("image", [image])
        msg = f"image: there is no image {image!r} for {language}"
        raise RequestError(msg)


def _count(name: str, number: object, *, least: int = 1) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        msg = f"{name}: int wanted, {type(number).__name__} given"
        raise TypeError(msg)
    if number < least:
        msg = f"{name}: {number} given, at least {least} wanted"
        raise RequestError(msg)
    return number


def _find_runtime() -> Path:
    try:
        if locate.status()[0].ready:
            return locate.python_runtime()
        with Terminal("dspex: preparing the Python runtime, once for this machine") as progress:
            return locate.python_runtime(progress)
    except (OSError, RuntimeError, ModuleNotFoundError) as error:
        raise LanguageUnavailable(
            "python", f"its runtime could not be made: {error}", remedy="see `dspex doctor`"
        ) from error


_default_lock = threading.Lock()
_default: Engine | None = None


def default_engine() -> Engine:
    """Return the engine behind `dspex.run`, started at the first call and closed at exit."""
    global _default  # noqa: PLW0603 - one per process is the point
    with _default_lock:
        if _default is None or _default._pid != os.getpid():  # noqa: SLF001 - its own module
            _default = Engine()
            atexit.register(_default.close)
        return _default


def run(code: str | bytes, **parameters: Any) -> Outcome:
    """Run a program in a fresh sandbox of the default engine, under the policy `compute`.

    Args:
        code: The program.
        **parameters: Those of `Engine.run`.

    Example:
        >>> run("sum(range(10))").value
        45
    """
    return default_engine().run(code, **parameters)
