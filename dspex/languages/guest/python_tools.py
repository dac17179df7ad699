"""The caller's tools inside the sandbox: functions whose calls the host answers.

It runs inside the sandbox (CPython 3.14) and talks to the host through one descriptor. A write
begins a call, or says how long the next read may wait; a read waits for answers. The two sides count
the calls of a run alike, from 1. What a tool does and whether its arguments fit is the host's.
"""

import asyncio
import builtins
import inspect
import json
import posix
import struct

CALLS_FD = (1 << 20) + 2
"""Only the host's side of this conversation answers it; no program can close it."""

READ_BYTES = 1 << 16
_HEAD = struct.Struct("<QIII")  # number of the call; bytes of its value, error type, error message
_KINDS = {
    "positional": inspect.Parameter.POSITIONAL_ONLY,
    "any": inspect.Parameter.POSITIONAL_OR_KEYWORD,
    "rest": inspect.Parameter.VAR_POSITIONAL,
    "named": inspect.Parameter.KEYWORD_ONLY,
    "named_rest": inspect.Parameter.VAR_KEYWORD,
}
_EXCEPTIONS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
}

_encode = _decode = _install_net = None  # set by `install`
_begun = _allowed = 0
_value_bytes = _value_depth = 0
_buffer = b""
_answers = {}
_futures = {}


class ToolError(RuntimeError):
    """A tool failed with an exception that this interpreter does not know."""


class _AsText:
    """A default value or annotation that only the host has; it looks as it does there."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text


def install(values, net):
    """Take the codec of values, and the module that builds HTTP on a tool."""
    global _encode, _decode, _install_net
    _encode, _decode, _install_net = values.encode, values.decode, net.install


def begin(descriptions, head):
    """Start a run: forget the last one's calls and return its tools by name.

    Without descriptions, functions that are left from another run can only fail.
    """
    global _begun, _allowed, _value_bytes, _value_depth, _buffer
    if descriptions is None:
        _allowed = None
        return {}
    _begun, _allowed, _buffer = 0, head["host_calls"], b""
    _value_bytes, _value_depth = head["value_bytes"], head["value_depth"]
    _answers.clear()
    _futures.clear()
    found = {one["name"]: _function(one) for one in descriptions}
    for one in descriptions:
        if one.get("role") == "http":
            _install_net(found[one["name"]])
    return found


def waiting():
    """Tell whether a task waits for an answer."""
    return bool(_futures)


def wait(timeout_s):
    """Wait for an answer to a task's call, at most `timeout_s` seconds (None: as long as it takes)."""
    if not _deliver():
        _receive(timeout_s)
        _deliver()


def _deliver():
    """Give tasks the answers that have arrived; tell whether there was one."""
    arrived = [number for number in _futures if number in _answers]
    for number in arrived:
        future = _futures.pop(number)
        if not future.done():
            future.set_result(_answers.pop(number))
    return bool(arrived)


def _function(description):
    name = description["name"]
    if description["is_async"]:

        async def tool(*args, **kwargs):
            number = _start(name, args, kwargs)
            future = _futures[number] = asyncio.get_running_loop().create_future()
            try:
                answer = await future
            finally:
                _futures.pop(number, None)
            return _result(answer)
    else:

        def tool(*args, **kwargs):
            number = _start(name, args, kwargs)
            while number not in _answers:
                _receive(None)
            return _result(_answers.pop(number))

    tool.__name__ = tool.__qualname__ = name
    tool.__module__ = "__main__"
    tool.__doc__ = description["doc"] or None
    tool.__signature__ = _signature(description["parameters"])
    return tool


def _signature(parameters):
    made = []
    for one in parameters:
        default = inspect.Parameter.empty
        if "value" in one:
            default = one["value"]
        elif "default" in one:
            default = _AsText(one["default"])
        annotation = inspect.Parameter.empty
        if "annotation" in one:
            annotation = _AsText(one["annotation"])
        made.append(
            inspect.Parameter(
                one["name"], _KINDS[one["kind"]], default=default, annotation=annotation
            )
        )
    return inspect.Signature(made)


def _start(name, args, kwargs):
    """Begin a call and return its number."""
    global _begun
    if _allowed is None:
        raise RuntimeError(f"{name}: this run has no tools")
    if _begun >= _allowed:
        raise RuntimeError(f"host_calls: all {_allowed} calls of this run are made")
    try:
        encoded, notes = _encode([list(args), kwargs], _value_bytes, _value_depth + 2)
    except ValueError as error:  # too large or too deep
        raise ValueError(f"the arguments of {name} cannot cross: {error}") from None
    if notes:
        raise TypeError(f"an argument of {name} cannot cross: {notes[0]}")
    posix.write(CALLS_FD, b"C%b\n%b" % (name.encode(), encoded))
    _begun += 1
    return _begun


def _receive(timeout_s):
    """Read what has been answered, waiting for a first answer."""
    global _buffer
    if timeout_s is not None:
        posix.write(CALLS_FD, b"W%r" % max(timeout_s, 0.0))
    data = posix.read(CALLS_FD, READ_BYTES)
    if not data:
        return  # the time is over
    _buffer += data
    while len(_buffer) >= _HEAD.size:
        number, value, kind, message = _HEAD.unpack_from(_buffer)
        end = _HEAD.size + value + kind + message
        if len(_buffer) < end:
            rest = [_buffer]
            missing = end - len(_buffer)
            while missing > 0:
                rest.append(posix.read(CALLS_FD, missing))
                missing -= len(rest[-1])
            _buffer = b"".join(rest)
        at = _HEAD.size
        _answers[number] = (
            _buffer[at : at + value],
            _buffer[at + value : at + value + kind].decode(),
            _buffer[at + value + kind : end].decode(),
        )
        _buffer = _buffer[end:]


def _result(answer):
    value, kind, message = answer
    if not kind:
        return _decode(value)
    known = _EXCEPTIONS.get(kind)
    error = None
    if known is not None:
        try:
            error = known(message)
        except TypeError:  # it wants more than a message
            error = None
    raise error if error is not None else ToolError(f"{kind}: {message}")
