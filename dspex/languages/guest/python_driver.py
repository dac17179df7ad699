"""The guest's half of a turn: read one request, run the program, report how it ended.

It runs inside the sandbox (CPython 3.14), is imported before the snapshot is taken, and shares its
interpreter with the program, so a program can break it; the host believes nothing that it says.
To survive the ordinary accidents (`del builtins.print`, a replaced `sys.stdout`) it holds on to
everything it needs. Limits are the host's; the codec of values is in `python_values`.

Messages of both directions are a line of JSON, then the raw parts whose sizes that line gives.
"""

import ast
import atexit
import builtins
import gc
import io
import json
import linecache
import os
import posix
import random
import sys
import time
import traceback

REQUEST_FD = 1 << 20
REPLY_FD = REQUEST_FD + 1
"""Descriptors that only the host's side of this conversation answers; no program can close them."""

MESSAGE_CHARS_MAX = 64 * 1024
"""Longest text of an exception or of a traceback that is reported; the rest is cut with a mark."""

NAME_CHARS_MAX = 1000
"""Longest name of an exception's type that is reported."""

CHUNK_BYTES = 1 << 16

_encode_value = _decode_values = _to_json = None  # set by `install`: the codec is frozen in beside this file
_begin_tools = _tools_file = None
_ValueOverLimit = None
_main = sys.modules["__main__"].__dict__
_clean_main = {}
_stdout, _stderr = sys.stdout, sys.stderr
_repr = repr
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_base_exit_functions = 0
_session_loop = None
generators = []
"""What an image's packages drew their randomness from before the snapshot: reseeded as `random` is."""


def install(values, tools, net):
    """Remember the state of a started interpreter, to which every single run returns."""
    global _encode_value, _decode_values, _ValueOverLimit, _clean_main, _base_exit_functions
    global _to_json, _begin_tools, _tools_file
    tools.install(values, net)
    _begin_tools, _tools_file = tools.begin, tools.begin.__code__.co_filename
    _encode_value, _decode_values, _to_json = values.encode, values.decode, values.to_json
    _ValueOverLimit = values.ValueOverLimit
    _main.clear()
    _main.update(
        __name__="__main__", __doc__=None, __package__=None, __loader__=None, __spec__=None,
        __builtins__=builtins, __annotations__={},
    )
    del _main["__annotations__"]
    _clean_main = dict(_main)
    _base_exit_functions = atexit._ncallbacks()


def turn():
    """Serve one request; the host calls this function and nothing else."""
    reply = None
    while True:  # an interrupt may come anywhere, until the host is back; there are a few in a run at most
        try:
            if reply is None:
                reply = _served()
            posix.write(REPLY_FD, reply)  # whole; of several the last counts
            return
        except KeyboardInterrupt as error:  # before the program began, or after its end
            reply = reply or _to_json(_fitting(_failure(error))).encode() + b"\n"


def _served():
    head, parts = _receive()
    kind = head["kind"]
    if kind == "collect":
        gc.collect()
        return b""
    if kind == "warm":
        head, parts = {**head, "kind": "run", "single": True, "filename": "warm.py", "reseed": True, "tools": None}, [b"0", b""]
    report, value = _run(head, *parts)
    return _to_json(_fitting(report)).encode() + b"\n" + value


def _receive():
    data = posix.read(REQUEST_FD, CHUNK_BYTES)
    if len(data) == CHUNK_BYTES:
        pieces = [data]
        while piece := posix.read(REQUEST_FD, 16 * CHUNK_BYTES):
            pieces.append(piece)
        data = b"".join(pieces)
    line, _, rest = data.partition(b"\n")
    head = json.loads(line)
    cut = head["source_bytes"]
    return head, (rest[:cut], rest[cut:])


def _run(head, source, variables):
    single, filename = head["single"], head["filename"]
    _prepare(head)
    try:
        source = source.decode("utf-8-sig")
        lines = source.splitlines(True)
        linecache.cache[filename] = (len(source), None, lines, filename)
        tree = compile(source, filename, "exec", _FLAGS | ast.PyCF_ONLY_AST)
        body, last = tree.body, None
        if body and type(body[-1]) is ast.Expr:
            last = compile(ast.Expression(body.pop().value), filename, "eval", _FLAGS)
        code = compile(tree, filename, "exec", _FLAGS) if body else None
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        return _refusal(error), b""
    _main.update(_begin_tools(head["tools"], head))
    if variables:
        try:
            _main.update(_decode_values(variables))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return {"status": "refused", "findings": [
                {"line": 0, "column": 0, "message": f"variables: {_name(error)}: {error}"}]}, b""
    value, report, data = None, None, b""
    try:
        if code is not None:
            _execute(code)
        if last is not None:
            value = _execute(last)
        _repr(0)  # raises what has come in and the interpreter, which asks now and then, not yet noticed
        data, notes = _encode_value(
            value, head["value_bytes"], head["value_depth"], arrays=head.get("arrays", False))
        report = {"status": "ok", "notes": notes}
    except BaseException as error:
        report = _failure(error)
        error = None
    value = None
    sys.settrace(None)
    sys.setprofile(None)
    if single:
        late = _leave()
        if late is not None and report["status"] == "ok":
            report, data = late, b""
    for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None), _stdout, _stderr):
        try:
            stream.flush()
        except KeyboardInterrupt:
            raise
        except BaseException:  # a program's own stream object may do anything; it lost its text
            continue
    return report, data


def _prepare(head):
    """Set what the request gives: arguments, environment, and how eagerly output is written."""
    if head["reseed"]:
        random.seed(os.urandom(32))
        for one in generators:
            one.seed(os.urandom(32))
    sys.argv = [head["filename"], *head["args"]]
    if head["env"]:
        os.environ.update(head["env"])
        if "TZ" in head["env"]:
            time.tzset()
    if head["stream"]:
        _stdout.reconfigure(line_buffering=True)


def _execute(code):
    result = eval(code, _main)
    if code.co_flags & 0x80:  # CO_COROUTINE: the program awaits at top level
        global _session_loop
        import asyncio
        if _session_loop is None or _session_loop.is_closed():
            _session_loop = asyncio.new_event_loop()
        return _session_loop.run_until_complete(result)
    return result


def _leave():
    """End a single run as the end of a process would: exit functions, then the program's names."""
    late = None
    try:
        if atexit._ncallbacks() != _base_exit_functions:
            atexit._run_exitfuncs()
        names = [name for name in _main if name not in _clean_main]
        for name in names:
            _main[name] = None
        _main.clear()
        _main.update(_clean_main)
    except BaseException as error:
        late = _failure(error)
    return late


def _refusal(error):
    """Describe why a program does not compile."""
    if isinstance(error, SyntaxError):
        line, column, message = error.lineno or 0, error.offset or 0, str(error.msg)
    else:
        line, column, message = 0, 0, f"{_name(error)}: {error}"
    shown = "".join(traceback.format_exception_only(error)).rstrip()
    return {
        "status": "refused",
        "type": _name(error),
        "message": message,
        "traceback": _cut(shown),
        "findings": [{"line": line, "column": column, "message": _cut(message)}],
    }


def _failure(error):
    """Describe an exception that left the program, with only the program's frames."""
    # Asked of the type: a program's exception may lie about its class, or raise when it is asked.
    if issubclass(type(error), _ValueOverLimit):
        return {
            "status": "limit", "limit": error.limit, "allowed": error.allowed,
            "spent": error.spent,
        }
    if issubclass(type(error), SystemExit):
        code = SystemExit.__dict__["code"].__get__(error)
        if code is None or (type(code) in (int, bool) and code == 0):
            return {"status": "ok", "notes": []}
        message = _text(code)
        if type(code) is not int:
            _stderr.write(message + "\n")
        return {"status": "raised", "type": "SystemExit", "message": _cut(message),
                "traceback": ""}
    try:
        frames = BaseException.__dict__["__traceback__"].__get__(error)
        while frames is not None and frames.tb_frame.f_globals is globals():
            frames = frames.tb_next
        described = traceback.TracebackException(type(error), error, frames, compact=True)
        _leave_out_tools(described, set())
        shown = "".join(described.format())
    except BaseException:  # the exception's own class is broken; its name must do
        shown = ""
    return {"status": "raised", "type": _name(error), "message": _cut(_text(error)),
            "traceback": _cut(shown)}


def _leave_out_tools(described, seen):
    """Take the frames of `python_tools` out of a traceback: to a program, a tool is one call."""
    if described is None or id(described) in seen:
        return
    seen.add(id(described))
    described.stack[:] = [one for one in described.stack if one.filename != _tools_file]
    for other in (described.__cause__, described.__context__, *(described.exceptions or ())):
        _leave_out_tools(other, seen)


def _text(thing):
    try:
        return str(thing)
    except BaseException:
        return "<exception str() failed>"


def _name(error):
    kind = type(error)
    try:
        name, module = kind.__qualname__, kind.__module__
    except BaseException:  # a metaclass may do anything
        return "Exception"
    if type(name) is not str:
        return "Exception"
    whole = name if module in ("builtins", "__main__") or type(module) is not str \
        else f"{module}.{name}"
    return whole if len(whole) <= NAME_CHARS_MAX else f"{whole[:NAME_CHARS_MAX]}..."


def _fitting(told):
    """Return a report whose texts the host can take, whatever the program put into them."""
    if isinstance(told, dict):
        return {key: _fitting(one) for key, one in told.items()}
    if isinstance(told, list):
        return [_fitting(one) for one in told]
    return _cut(told) if isinstance(told, str) else told


def _cut(text):
    # Surrogates have no place in UTF-8; they are shown as what they are.
    text = str.encode(text, "utf-8", "backslashreplace").decode()
    if len(text) <= MESSAGE_CHARS_MAX:
        return text
    half = MESSAGE_CHARS_MAX // 2
    left = len(text) - 2 * half
    return f"{text[:half]}\n[... {left} characters left out ...]\n{text[-half:]}"
