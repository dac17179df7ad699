"""The caller's functions as guests see them: described for the guest, checked and called here.

A tool runs in the caller's process, with all its rights, on arguments that a guest made up: they are
validated against the annotations before anything runs. Plain functions run in threads of the
engine; coroutine functions in the caller's event loop, or in one of the engine's own if the caller
has none. How calls travel is `dspex.protocol`'s; how they look in a guest, the language's.
"""

from __future__ import annotations

import contextvars
import inspect
import json
import keyword
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import pydantic

from dspex import values
from dspex.errors import RequestError, ValueNotTransferable
from dspex.protocol.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Future

    from dspex.asyncio_loops import OwnLoop
    from dspex.limits import Limits
    from dspex.protocol.messages import Call

NAME_CHARS_MAX = 200
DOC_CHARS_MAX = 64 * 1024
ERROR_CHARS_MAX = 64 * 1024
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "any",
    inspect.Parameter.VAR_POSITIONAL: "rest",
    inspect.Parameter.KEYWORD_ONLY: "named",
    inspect.Parameter.VAR_KEYWORD: "named_rest",
}


class GuestArgumentsInvalid(ValueError):
    """The guest's arguments do not fit the tool's signature or annotations."""


class CallingRun(Protocol):
    """The run that calls: a job of the supervisor, of which only the end matters here."""

    future: Future[Any]


Run = TypeVar("Run", bound=CallingRun)


class Spawn(Protocol):
    """Runs a coroutine in some event loop, from any thread; returns a function that cancels it."""

    def __call__(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> Callable[[], None]:
        """Begin; the coroutine raises nothing but its cancellation."""


caller_loop: contextvars.ContextVar[Spawn | None] = contextvars.ContextVar(
    "dspex_caller_loop", default=None
)
"""Where coroutine functions run: the loop of the caller who submits; None if that has none."""


def describe_tools(tools: Mapping[Any, Any]) -> bytes:
    """Write down what a guest has to know of its tools.

    Returns:
        A JSON list of objects: `name`, `doc`, `is_async`, `parameters` (objects: `name`, `kind`,
        `annotation` as text; and where there is a default, it as `value` if it is simple, or else
        its text as `default`).

    Raises:
        TypeError: A tool is not callable, or its name not a str.
        RequestError: A name cannot be that of a function.
    """
    return json.dumps([_description(name, tool) for name, tool in tools.items()]).encode()


def _description(name: object, tool: Any) -> dict[str, object]:
    if not isinstance(name, str):
        msg = f"tools: names of type str wanted, {type(name).__name__} given"
        raise TypeError(msg)
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > NAME_CHARS_MAX:
        msg = f"tools: {name[:NAME_CHARS_MAX]!r} is not a name of a function"
        raise RequestError(msg)
    if name.startswith("__") and name.endswith("__"):
        msg = f"tools: {name!r} belongs to the language itself"
        raise RequestError(msg)
    if not callable(tool):
        msg = f"tools[{name!r}]: a callable wanted, {type(tool).__name__} given"
        raise TypeError(msg)
    role = {"role": tool.role} if hasattr(tool, "role") else {}
    return {
        **role,
        "name": name,
        "doc": (inspect.getdoc(tool) or "")[:DOC_CHARS_MAX],
        "is_async": is_async(tool),
        "parameters": [_parameter(one) for one in _signature(tool).parameters.values()],
    }


def is_async(tool: object) -> bool:
    """Tell whether calling a tool gives something to await."""
    call = getattr(type(tool), "__call__", None)  # noqa: B004 - an object's own is looked at as well
    return inspect.iscoroutinefunction(tool) or inspect.iscoroutinefunction(call)


def _signature(tool: Any) -> inspect.Signature:
    try:
        return inspect.signature(tool)
    except (TypeError, ValueError):  # some built-in functions do not tell
        rest = inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)
        named = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
        return inspect.Signature([rest, named])


def _parameter(one: inspect.Parameter) -> dict[str, object]:
    described: dict[str, object] = {"name": one.name, "kind": _KINDS[one.kind]}
    if one.annotation is not one.empty:
        written = one.annotation
        text = written if isinstance(written, str) else inspect.formatannotation(written)
        described["annotation"] = text[:NAME_CHARS_MAX]
    if one.default is not one.empty:
        if one.default is None or type(one.default) in (bool, int, str):
            described["value"] = one.default
        else:
            described["default"] = repr(one.default)[:NAME_CHARS_MAX]
    return described


class _Tool(NamedTuple):
    """A tool made ready to be called with what a guest sends."""

    function: Callable[..., Any]
    is_async: bool
    validated: bool
    names: tuple[str, ...]
    """Of the parameters that can be given by position."""


def _made_ready(tool: Callable[..., Any]) -> _Tool:
    """Put validation in front of a tool, if it has annotations to validate against."""
    parameters = _signature(tool).parameters.values()
    names = tuple(one.name for one in parameters if one.kind in _BY_POSITION)
    if all(one.annotation is one.empty for one in parameters):
        return _Tool(tool, is_async(tool), validated=False, names=names)
    try:
        checked = pydantic.validate_call(config={"arbitrary_types_allowed": True})(
            tool if inspect.isroutine(tool) else _as_function(tool)
        )
    except (pydantic.errors.PydanticUserError, NameError, TypeError) as error:
        name = getattr(tool, "__name__", repr(tool))
        msg = f"tools: the annotations of {name} cannot be validated against: {error}"
        raise RequestError(msg) from error
    return _Tool(checked, is_async(tool), validated=True, names=names)


def _as_function(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind a callable object, which pydantic does not take as it is."""
    bound: Callable[..., Any] = type(tool).__call__.__get__(tool)
    return bound


class ToolRunner:
    """Runs the tools of one engine's runs, in threads and in event loops."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._loop: OwnLoop | None = None

    def bind(
        self,
        tools: Mapping[str, Callable[..., Any]],
        limits: Limits,
        answer: Callable[[Run, Answer], None],
    ) -> Callable[[Run, Call], Callable[[], Answer] | None]:
        """Return what takes the host calls of one run: plain tools it returns, to be run in a thread.

        Args:
            tools: The caller's functions.
            limits: Bounds of the values on both ways.
            answer: Told how each call ended, from any thread.

        Raises:
            RequestError: Annotations of a tool cannot be validated against.
        """
        ready = {name: _made_ready(tool) for name, tool in tools.items()}
        context, spawn = contextvars.copy_context(), caller_loop.get()

        def on_call(job: Run, call: Call) -> Callable[[], Answer] | None:
            tool = ready.get(call.tool)
            if tool is None:
                error = f"there is no tool {call.tool[:NAME_CHARS_MAX]!r}"
                missing = Answer(call.run, call.call, b"", "NameError", error)
                return lambda: missing
            if tool.is_async:
                work = self._answer_async(tool, call, limits, lambda one: answer(job, one))
                cancel = (spawn or self._own_loop())(work, context.copy())
                job.future.add_done_callback(lambda _done: cancel())
                return None
            return lambda: context.copy().run(_answer_plain, tool, call, limits)

        return on_call

    async def _answer_async(
        self, tool: _Tool, call: Call, limits: Limits, answer: Callable[[Answer], None]
    ) -> None:
        try:
            positional, named = _arguments(call, limits)
            result = await _called(tool, positional, named)
            answer(_success(call, result, limits))
        except Exception as error:  # noqa: BLE001 - it is the guest's to handle
            answer(_failure(call, error))

    def _own_loop(self) -> Spawn:
        with self._lock:
            if self._loop is None:
                from dspex.asyncio_loops import OwnLoop  # noqa: PLC0415 - loading asyncio takes its time

                self._loop = OwnLoop()
            return self._loop.spawn

    def close(self) -> None:
        """Cancel the coroutines that still run; plain functions go on in their threads."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()


def _answer_plain(tool: _Tool, call: Call, limits: Limits) -> Answer:
    try:
        positional, named = _arguments(call, limits)
        result = _call_plain(tool, positional, named)
        return _success(call, result, limits)
    except BaseException as error:  # noqa: BLE001 - it is the guest's to handle
        return _failure(call, error)


def _arguments(call: Call, limits: Limits) -> tuple[list[Any], dict[str, Any]]:
    try:
        decoded = values.decode(
            call.arguments, bytes_max=limits.value_bytes, depth_max=limits.value_depth + 2
        )
    except (values.ValueOverLimit, values.ValueUndecodable) as error:
        msg = f"arguments: {error}"
        raise GuestArgumentsInvalid(msg) from error
    match decoded:
        case [list() as positional, dict() as named] if all(isinstance(n, str) for n in named):
            return positional, named
    msg = "arguments: not a list of a list and a dict"
    raise GuestArgumentsInvalid(msg)


def _call_plain(tool: _Tool, positional: list[Any], named: dict[str, Any]) -> Any:
    try:
        return tool.function(*positional, **named)
    except pydantic.ValidationError as error:
        if not tool.validated:
            raise
        raise GuestArgumentsInvalid(_told(error, tool.names)) from error


async def _called(tool: _Tool, positional: list[Any], named: dict[str, Any]) -> Any:
    try:
        return await tool.function(*positional, **named)
    except pydantic.ValidationError as error:
        if not tool.validated:
            raise
        raise GuestArgumentsInvalid(_told(error, tool.names)) from error


def _told(error: pydantic.ValidationError, names: tuple[str, ...]) -> str:
    """Say what is wrong with arguments, one clause for each."""
    clauses = []
    for one in error.errors(include_url=False, include_context=False):
        first, *inner = one["loc"] or ("",)
        if isinstance(first, int) and first < len(names):
            first = names[first]
        place = ".".join(str(part) for part in (first, *inner))
        clauses.append(f"{place}: {one['msg']}" if place else one["msg"])
    return "; ".join(clauses)


def _success(call: Call, result: Any, limits: Limits) -> Answer:
    try:
        encoded = values.encode(
            result, bytes_max=limits.value_bytes, depth_max=limits.value_depth, name="result"
        )
    except ValueNotTransferable as error:
        return _failure(call, TypeError(f"the tool's result cannot cross: {error}"))
    except values.ValueOverLimit as error:
        return _failure(call, ValueError(f"the tool's result is too large: {error}"))
    return Answer(call.run, call.call, encoded)


def _failure(call: Call, error: BaseException) -> Answer:
    kind = "TypeError" if isinstance(error, GuestArgumentsInvalid) else type(error).__name__
    said = error.args[0] if isinstance(error, KeyError) and len(error.args) == 1 else error
    message = str(said)[:ERROR_CHARS_MAX].encode("utf-8", "backslashreplace").decode()
    return Answer(call.run, call.call, b"", kind[:NAME_CHARS_MAX], message)
