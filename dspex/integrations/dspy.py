"""DSPy's code interpreter on a dspex session: `dspy.configure(interpreter_factory=Interpreter)`.

What DSPy expects is its own `CodeInterpreter` protocol and what its tests say of
`dspy.PythonInterpreter`; `docs/how-to/dspy.md` tells what is the same and what is better. Beside this file:
`dspy_values` (what crosses), `dspy_files` (the caller's files), and in the guest
`dspex/languages/guest/dspy_session.py` (SUBMIT, tools as functions).
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import copy
import functools
import inspect
import keyword
import logging
import os
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dspex import resources
from dspex.engine import Engine
from dspex.errors import DspexError, EngineBusy, LimitExceeded, RequestError, ValueNotTransferable
from dspex.integrations import dspy_values
from dspex.integrations.dspy_files import SharedFiles
from dspex.policy import Policy

try:
    from dspy.primitives.code_interpreter import (
        CodeExecutionError,
        CodeInterpreterError,
        FinalOutput,
    )
    from dspy.primitives.python_interpreter import PythonInterpreter
    from dspy.utils.callback import with_callbacks
except ImportError as error:
    raise ImportError(
        "dspex.integrations.dspy needs dspy 3.3 or 3.4: pip install 'dspex[dspy]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from dspex.limits import Limits
    from dspex.outcome import Outcome
    from dspex.running import RunningJob
    from dspex.session import Session

logger = logging.getLogger(__name__)

POLICY = "code_interpreter"
"""The shipped policy of the engine that interpreters share if they are given none."""

_GIVEN, _CHANNEL = "_dspex_given", "dspy_tools"
_GUEST = "_dspex_dspy"
_EXECUTE = f"__import__({_GUEST!r}).execute()"
_CHANGED = f"__import__({_GUEST!r}).changed_files(globals().pop({_GIVEN!r}))"
_SET_UP = f"""
def _dspex_set_up(program):
    import marshal, sys, types
    known = type(program) is bytes
    code = marshal.loads(program) if known else compile(program, "<dspex>", "exec")
    module = sys.modules[{_GUEST!r}] = types.ModuleType({_GUEST!r})
    exec(code, module.__dict__)
    return None if known else marshal.dumps(code)
globals().pop("_dspex_set_up")(globals().pop({_GIVEN!r}))
"""
"""Makes our module in a guest, from its source or compiled, and leaves nothing else behind."""
_HTTP_PORTS = (80, 443)
_Function = TypeVar("_Function", bound="Callable[..., Any]")


def _observed(function: _Function) -> _Function:
    """Report calls of a method to DSPy's callbacks; its decorator has no types."""
    return cast("_Function", with_callbacks(function))


class Interpreter:
    """A `dspy.CodeInterpreter` whose every session is a jailed process of a dspex engine.

    Making one costs nothing; the session starts with `start` or the first `execute`, and the engine
    behind it, which all interpreters share, with the first session of the process.

    Example:
        >>> import dspy
        >>> dspy.configure(interpreter_factory=Interpreter)
        >>> with Interpreter(tools={"twice": lambda x: 2 * x}) as interpreter:
        ...     interpreter("twice(x=21)")
        42
    """

    execution_instructions: str = PythonInterpreter.execution_instructions
    """What a model is told: DSPy's own text, which holds here too, so that prompts stay the same."""

    def __init__(
        self,
        *,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        output_fields: list[dict[str, Any]] | None = None,
        enable_read_paths: Sequence[os.PathLike[str] | str] | None = None,
        enable_write_paths: Sequence[os.PathLike[str] | str] | None = None,
        enable_env_vars: Sequence[str] | None = None,
        enable_network_access: Sequence[str] | None = None,
        sync_files: bool = True,
        callbacks: Sequence[Any] | None = None,
        engine: Engine | None = None,
        policy: str | Path | Policy | None = None,
        image: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Remember what is wanted; nothing starts. All but the last four are `PythonInterpreter`'s.

        Args:
            tools: Functions of the caller that executed code can call, by name. They run in the
                thread that calls `execute`. The dictionary is copied; `tools` may be changed.
            output_fields: Parameters of a typed `SUBMIT`: dictionaries with `name`, maybe `type`.
            enable_read_paths: Files or directories that appear as `/sandbox/<basename>`.
            enable_write_paths: The same, with changes carried back after each successful execution.
            enable_env_vars: Names of environment variables that the guest gets, with their values.
            enable_network_access: Hosts, or `host:port`, that the guest may reach by HTTP.
            sync_files: Whether changes of files are carried back.
            callbacks: DSPy callback handlers of this interpreter.
            engine: Whose sessions are used; by default an engine shared by all interpreters, under
                the policy `code_interpreter`.
            policy: Tightens the engine's policy.
            image: Named environment image.
            timeout_s: Longest time of one execution, waiting for tools not counted, if that is
                shorter than the policy's.

        Raises:
            CodeInterpreterError: Two paths have the same basename.
        """
        self.tools: dict[str, Callable[..., Any]] = dict(tools or {})
        self.output_fields = output_fields
        self.callbacks = list(callbacks or [])
        self.sync_files = sync_files
        self.enable_read_paths = list(enable_read_paths or [])
        self.enable_write_paths = list(enable_write_paths or [])
        self.enable_env_vars = [str(name).strip() for name in enable_env_vars or []]
        self.enable_network_access = list(enable_network_access or [])
        try:
            self._files = SharedFiles(self.enable_read_paths, self.enable_write_paths)
        except ValueError as error:
            raise CodeInterpreterError(str(error)) from None
        self._engine, self._policy, self._image = engine, policy, image
        self._timeout_s = timeout_s
        self._session: Session | None = None
        self._ended = False
        self._set_up = self._files_given = False
        self._owner: int | None = None
        self._in_tool = False
        self._tools_registered = False
        """DSPy's modules set this to False when they have changed `tools` or `output_fields`."""
        self._registered_tools: dict[str, Callable[..., Any]] = {}
        self._registered_fields: list[dict[str, Any]] | None = None

    @classmethod
    def factory(cls, **options: Any) -> InterpreterFactory:
        """Return a factory of interpreters with options, for `interpreter_factory=`.

        Args:
            options: The parameters of `Interpreter`.

        Example:
            >>> factory = Interpreter.factory(timeout_s=5)
            >>> with factory() as interpreter:
            ...     interpreter("1 + 1")
            2
        """
        return InterpreterFactory(cls, options)

    @_observed
    def start(self) -> None:
        """Start the session now; starting twice is starting once.

        Raises:
            CodeInterpreterError: The session has ended, or cannot be had.
        """
        self._check_active()
        if self._session is not None:
            if self._session.closed:
                raise self._end("The session is lost")
            return
        try:
            engine = self._engine or _shared_engine(frozenset(self.enable_network_access))
            if self._engine is not None and self.enable_network_access:
                engine.policy.require("network", _places(self.enable_network_access))
            self._session = engine.session(image=self._image, policy=self._policy)
        except (DspexError, TypeError) as error:
            raise CodeInterpreterError(f"The session cannot be started: {error}") from error

    @_observed
    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run code in the session's state.

        Args:
            code: What to run.
            variables: Values that it finds as globals, afterwards as well.

        Returns:
            `FinalOutput` if it called `SUBMIT`; else the value of its last expression, if there
            is one and it is not None; else what it printed.

        Raises:
            SyntaxError: It is not Python.
            CodeExecutionError: It raised, or used up a limit; the session goes on.
            CodeInterpreterError: It could not be run, or the session is lost.
            RuntimeError: Another thread has used this interpreter.
        """
        if self._in_tool:
            raise CodeInterpreterError(
                "The interpreter cannot execute recursively from one of its tools."
            )
        self._check_active()
        self._check_owner()
        given: dict[str, Any] = {"code": code, "variables": _checked_variables(variables or {})}
        registration = self._registration()
        given |= registration
        if self._session is None:
            self.start()
        if not self._set_up:
            self._set_guest_up()
        if self._files and not self._files_given:
            given["files"] = self._read_files()
        outcome = self._run(_EXECUTE, given)
        if outcome.ok:
            self._files_given = True
            if registration:
                self._registered_tools = dict(self.tools)
                self._registered_fields = copy.deepcopy(self.output_fields)
                self._tools_registered = True
        return self._result(outcome)

    def __call__(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run code; the same as `execute`."""
        return self.execute(code, variables)

    @_observed
    def invoke_tool(self, tool_name: str, kwargs: dict[str, Any]) -> Any:
        """Call a tool on behalf of executed code; what it raises goes to that code.

        Raises:
            CodeInterpreterError: There is no such tool.
        """
        if tool_name not in self.tools:
            raise CodeInterpreterError(f"Unknown tool: {tool_name}")
        positional = getattr(kwargs, "positional", ())
        result = self.tools[tool_name](*positional, **kwargs)
        return _finished(result) if inspect.isawaitable(result) else result

    @_observed
    def shutdown(self) -> None:
        """End the session; the interpreter cannot be used again."""
        self._ended = True
        session, self._session = self._session, None
        self._owner = None
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        """Return the interpreter, without starting it."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Shut down."""
        self.shutdown()

    def _check_active(self) -> None:
        if self._ended:
            raise CodeInterpreterError(
                "The interpreter's session has ended; create a new interpreter for a fresh session."
            )

    def _check_owner(self) -> None:
        here = threading.get_ident()
        if self._owner is None:
            self._owner = here
        elif self._owner != here:
            raise RuntimeError(
                "The interpreter is not thread-safe and cannot be shared across threads. "
                "Create a separate interpreter instance for each thread."
            )

    def _end(self, reason: str) -> CodeInterpreterError:
        """Give the session up and return what says so."""
        self._ended = True
        session, self._session = self._session, None
        if session is not None:
            session.close()
        return CodeInterpreterError(
            f"{reason}; interpreter state was lost. Create a new interpreter for a fresh session."
        )

    def _registration(self) -> dict[str, Any]:
        """Return what the guest must be told of tools and output fields, if anything has changed."""
        known = self._registered_tools
        if (
            self._tools_registered
            and self.output_fields == self._registered_fields
            and self.tools.keys() == known.keys()
            and all(tool is known[name] for name, tool in self.tools.items())
        ):
            return {}
        for name, tool in self.tools.items():
            _check_name("tool", name)
            if not callable(tool):
                raise CodeInterpreterError(f"Tool '{name}' is not callable")
        outputs = []
        for field in self.output_fields or []:
            _check_name("output field", field["name"])
            outputs.append({key: str(field[key]) for key in ("name", "type") if key in field})
        described = {name: dspy_values.describe_tool(tool) for name, tool in self.tools.items()}
        return {"tools": described, "outputs": outputs}

    def _set_guest_up(self) -> None:
        """Put our module into the guest, and the environment that the caller has granted."""
        env = {name: os.environ[name] for name in self.enable_env_vars if name in os.environ}
        outcome = self._run(_SET_UP, _guest_code.get(self._image) or _guest_source(), env)
        if not outcome.ok:
            raise self._end(f"The session could not be set up: {outcome.error}")
        if isinstance(outcome.value, bytes):
            _guest_code[self._image] = outcome.value
        self._set_up = True

    def _read_files(self) -> dict[str, bytes | None]:
        limits = self._limits()
        try:
            return self._files.read(bytes_max=limits.file_bytes, count_max=limits.file_count)
        except (RequestError, LimitExceeded) as error:
            raise CodeInterpreterError(f"Failed to mount file: {error}") from error

    def _sync_files(self) -> None:
        outcome = self._run(_CHANGED, self._files.written)
        if not outcome.ok or not isinstance(outcome.value, dict):
            logger.warning("files are not written back: %s", outcome.error)
            return
        bytes_max = self._limits().file_bytes
        for note in self._files.write_back(outcome.value, bytes_max=bytes_max):
            logger.warning("%s", note)

    def _limits(self) -> Limits:
        session = self._session
        assert session is not None
        return session.policy.limits

    def _run(self, program: str, given: Any, env: Mapping[str, str] | None = None) -> Outcome:
        """Run a program of ours, answering calls of tools meanwhile, in this thread."""
        session = self._session
        assert session is not None
        desk = _Desk()
        tools = {_CHANNEL: desk.call} if self.tools else None
        try:
            job = session.submit(
                program, variables={_GIVEN: given}, tools=tools, env=env, timeout_s=self._timeout_s
            )
        except (RequestError, ValueNotTransferable, TypeError) as error:
            raise CodeInterpreterError(str(error)) from error
        except (DspexError, OSError) as error:
            raise self._end(str(error)) from error
        if job.settled is None:  # it was turned down before it was sent
            raise CodeInterpreterError(f"The request cannot be used: {job.outcome().error}")
        try:
            self._answer_calls(job, desk)
            return job.outcome()
        except EngineBusy as error:
            raise CodeInterpreterError(str(error)) from error
        except DspexError as error:
            raise self._end(str(error)) from error
        except BaseException:
            job.cancel()
            raise
        finally:
            desk.close()

    def _answer_calls(self, job: RunningJob, desk: _Desk) -> None:
        settled = job.settled
        assert settled is not None
        settled.add_done_callback(lambda _done: desk.waiting.put(None))
        while (call := desk.waiting.get()) is not None:
            self._in_tool = True
            try:
                call.answer.set_result(self._answer(call))
            finally:
                self._in_tool = False

    def _answer(self, call: _Call) -> tuple[str, Any]:
        """Call a tool; an exception that is not for the guest goes on to the caller."""
        try:
            named = _Arguments(dspy_values.from_guest(call.named))
            named.positional = tuple(dspy_values.from_guest(call.positional))
            try:
                return "value", dspy_values.tool_result(self.invoke_tool(call.name, named))
            except dspy_values.Unserializable as error:
                raise CodeInterpreterError(str(error)) from error
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is the guest's to handle
            return "error", f"{type(error).__name__}: {error}"

    def _result(self, outcome: Outcome) -> Any:
        """Return or raise what an execution led to."""
        error = outcome.error
        if not outcome.ok:
            assert error is not None
            if outcome.session_usable:
                raise CodeExecutionError(f"{error.type}: {[error.message]}")
            raise self._end(f"{error.type}: {error.message}")
        if self._files and self.sync_files and self._files.written and _succeeded(outcome.value):
            self._sync_files()
        match outcome.value:
            case ("value", None):
                return outcome.stdout
            case ("value", value):
                return dspy_values.from_guest(value)
            case ("final", dict() as output):
                return FinalOutput(dspy_values.from_guest(output))
            case ("error", str() as kind, list() as arguments, str() as shown):
                raise CodeExecutionError(
                    f"{kind}: {dspy_values.from_guest(arguments) or shown}"
                )
            case ("syntax", str() as kind, str() as message, int() as line, int() as column):
                # The text is what DSPy's tests pin; what is wrong, and where, is in a note.
                invalid = SyntaxError("Invalid Python syntax. message: ")
                invalid.add_note(f"{kind}: {message} (line {line}, column {column})")
                raise invalid
            case _:
                raise self._end("The guest gave an answer that cannot be read")


class InterpreterFactory:
    """Makes interpreters with the same options; give it as `interpreter_factory=`."""

    def __init__(self, kind: type[Interpreter], options: Mapping[str, Any]) -> None:
        """Remember class and options; `Interpreter.factory` makes it."""
        self._kind, self._options = kind, dict(options)

    @property
    def execution_instructions(self) -> str:
        """What a model is told of the environment; DSPy asks the factory for it."""
        return self._kind.execution_instructions

    def __call__(self) -> Interpreter:
        """Return a fresh interpreter."""
        return self._kind(**self._options)

    def __deepcopy__(self, _memo: object) -> Self:
        """Return itself: DSPy copies modules, and engines are not for copying."""
        return self


class _Arguments(dict[str, Any]):
    """Named arguments of a call, with those that can only be given by position."""

    positional: tuple[Any, ...] = ()


class _Call:
    """A call that waits for its answer."""

    def __init__(self, name: str, positional: list[Any], named: dict[str, Any]) -> None:
        self.name, self.positional, self.named = name, positional, named
        self.answer: Future[tuple[str, Any]] = Future()


class _Desk:
    """Where calls from the engine's threads wait for the thread that executes."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: list[_Call] | None = []

    def call(self, name, positional, named):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - annotations would be validated against
        """Hand a call on and wait for its answer: what a guest calls."""
        call = _Call(str(name), list(positional), dict(named))
        with self._lock:
            if self._open is None:
                raise RuntimeError("the execution has ended")
            self._open.append(call)
        self.waiting.put(call)
        return call.answer.result()

    def close(self) -> None:
        """Let nobody wait for an answer that will not come."""
        with self._lock:
            calls, self._open = self._open, None
        for call in calls or []:
            if not call.answer.done():
                call.answer.set_exception(RuntimeError("the execution has ended"))


def _checked_variables(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return variables as the guest gets them; the messages are those of DSPy's interpreter."""
    for name in variables:
        if not name.isidentifier() or keyword.iskeyword(name) or name == "json":
            raise CodeInterpreterError(f"Invalid variable name: '{name}'")
    try:
        return {name: dspy_values.variable(value) for name, value in variables.items()}
    except dspy_values.Unserializable as error:
        raise CodeInterpreterError(str(error)) from error


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise CodeInterpreterError(f"Invalid {what} name: '{name}'")


def _succeeded(value: object) -> bool:
    return isinstance(value, tuple) and value[:1] in (("value",), ("final",))


def _finished(awaitable: Awaitable[Any]) -> Any:
    """Wait for an asynchronous tool, beside the event loop if this thread runs one."""

    async def wait() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="dspex-dspy-tool") as executor:
        return executor.submit(context.run, asyncio.run, wait()).result()


@functools.cache
def _guest_source() -> str:
    """Return the program that a session begins with."""
    folder = resources.package_folder() / "languages" / "guest"
    return (folder / "dspy_session.py").read_text(encoding="utf-8")


_guest_code: dict[str | None, bytes] = {}
"""That program as compiled by the first guest of each image, before anything else ran in it."""

_engines_lock = threading.Lock()
_engines: dict[tuple[int, frozenset[str]], Engine] = {}


def _shared_engine(network: frozenset[str]) -> Engine:
    """Return the engine of all interpreters with this network access, started at the first call."""
    key = os.getpid(), network  # a fork has no engines yet
    with _engines_lock:
        engine = _engines.get(key)
        if engine is None:
            policy = Policy.load(POLICY)
            if network:
                policy = Policy.model_validate(
                    {**dict(policy), "network": frozenset(_places(network))}
                )
            engine = _engines[key] = Engine(policy)
            atexit.register(engine.close)
        return engine


def _places(hosts: Sequence[str] | frozenset[str]) -> list[str]:
    """Return `host:port` for each host, both ports of HTTP for one that is given without."""
    places = []
    for host in hosts:
        name = str(host).strip().lower()
        bare = ":" not in name.rpartition("]")[2]
        places += [f"{name}:{port}" for port in _HTTP_PORTS] if bare else [name]
    return places
