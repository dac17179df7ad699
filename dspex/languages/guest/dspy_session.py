"""What a session for DSPy adds to a Python guest: SUBMIT, tools as functions, results as data.

It runs inside the sandbox (CPython 3.14), sent by `dspex.integrations.dspy` as the first program of
a session and kept as a module of its own. The host believes nothing that it says. Each later program of
the session is a call of `execute`, which finds its work in a variable.
"""

import ast
import json
import linecache
import os
import sys
import textwrap
import traceback

GIVEN = "_dspex_given"
CHANNEL = "dspy_tools"
REPR_CHARS_MAX = 10_000
TRACEBACK_CHARS_MAX = 20_000
SIMPLE_TYPES = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict,
    "NoneType": type(None),
}
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_AWAITS = 0x80  # inspect.CO_COROUTINE, without the time that importing it takes

_main = sys.modules["__main__"].__dict__
_stdout, _stderr = sys.stdout, sys.stderr
_tools = {}
_channel = None
_loop = None
_runs = 0
_seen = {}


class FinalOutput(BaseException):
    """Carries what SUBMIT was called with to the end of the program, past every `except Exception`."""


class _HostDefault:
    """A default value that only the host has; it looks as it does there."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text


def execute():
    """Run the program that the host gives, and describe how it ended."""
    global _channel, _runs
    given = _main.pop(GIVEN)
    _channel = _main.pop(CHANNEL, None)
    for path, content in given.get("files", {}).items():
        _write_file(path, content)
    if "tools" in given:
        _set_tools(given["tools"])
        _main["SUBMIT"] = _submit_function(given["outputs"])
    elif "SUBMIT" not in _main:
        _main["SUBMIT"] = _submit_function(None)
    _main.update(given["variables"])
    _runs += 1
    filename = f"<program {_runs}>"
    source = textwrap.dedent(given["code"])
    given = None
    try:
        body, last = _compiled(source, filename)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        line, column = getattr(error, "lineno", None) or 0, getattr(error, "offset", None) or 0
        return ("syntax", type(error).__name__, str(getattr(error, "msg", error)), line, column)
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    try:
        if body is not None:
            _run(body)
        return ("value", None if last is None else _run(last))
    except FinalOutput as final:
        return ("final", final.args[0])
    except BaseException as error:
        return _described(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:  # a program's own stream may do anything; it lost its text
                continue
        sys.stdout, sys.stderr = _stdout, _stderr


def changed_files(paths):
    """Return the content of the files at or below these paths that has changed since the last call."""
    found = {}
    for top in paths:
        for path in _files_below(top):
            try:
                with open(path, "rb") as file:
                    content = file.read()
            except OSError:  # removed, or not a file any more
                continue
            mark = (len(content), hash(content))
            if _seen.get(path) != mark:
                _seen[path] = mark
                found[path] = content
    return found


def _files_below(top):
    if not os.path.isdir(top):
        return [top]
    return [
        os.path.join(folder, name) for folder, _, names in os.walk(top) for name in sorted(names)
    ]


def _write_file(path, content):
    if content is None:  # a directory
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    _seen[path] = (len(content), hash(content))


def _compiled(source, filename):
    """Return the code of all statements, and that of a last expression whose value is wanted."""
    tree = compile(source, filename, "exec", _FLAGS | ast.PyCF_ONLY_AST)
    body, last = tree.body, None
    if body and type(body[-1]) is ast.Expr and not _is_silenced(source, body[-1]):
        last = compile(ast.Expression(body.pop().value), filename, "eval", _FLAGS)
    return compile(tree, filename, "exec", _FLAGS) if body else None, last


def _is_silenced(source, expression):
    """Tell whether a semicolon follows an expression."""
    lines = source.encode().splitlines()
    rest = lines[expression.end_lineno - 1][expression.end_col_offset :]
    return rest.lstrip().startswith(b";")


def _run(code):
    global _loop
    result = eval(code, _main)
    if code.co_flags & _AWAITS:
        import asyncio
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
        return _loop.run_until_complete(result)
    return result


def _set_tools(descriptions):
    """Define the tools as functions; take away those that are no more, if they are still ours."""
    for name, function in _tools.items():
        if name not in descriptions and _main.get(name) is function:
            del _main[name]
    _tools.clear()
    for name, parameters_and_doc in descriptions.items():
        _tools[name] = _main[name] = _tool_function(name, *parameters_and_doc)


def _tool_function(name, doc, parameters):
    """Make a function with a tool's signature, whose calls the host answers."""
    names, defaults, annotations = {}, {}, {}
    written, positional, by_order, named = [], [], [], []
    more, named_more = "()", "{}"
    kinds = [one["kind"] for one in parameters]
    for at, one in enumerate(parameters):
        kind, label = one["kind"], one["name"]
        text = label
        if "value" in one or "default" in one:
            defaults[label] = one["value"] if "value" in one else _HostDefault(one["default"])
            names[f"__dspex_default_{at}"] = defaults[label]
            text = f"{label}=__dspex_default_{at}"
        if "annotation" in one:
            annotations[label] = SIMPLE_TYPES.get(one["annotation"], one["annotation"])
        if kind == "rest":
            more, text = label, f"*{label}"
        elif kind == "named_rest":
            named_more, text = label, f"**{label}"
        elif kind == "named" and not {"rest", "named"} & set(kinds[:at]):
            written.append("*")
        written.append(text)
        pair = f"({label!r}, {label})"
        if kind == "positional":
            positional.append(pair)
            if "positional" not in kinds[at + 1 :]:
                written.append("/")
        elif kind == "any":
            by_order.append(pair)
        elif kind == "named":
            named.append(pair)
    names["__dspex_call"], names["__dspex_defaults"] = _call, defaults
    groups = ", ".join(f"[{', '.join(pairs)}]" for pairs in (positional, by_order, named))
    exec(
        f"def {name}({', '.join(written)}):\n"
        f"    return __dspex_call({name!r}, {groups}, {more}, {named_more}, __dspex_defaults)\n",
        names,
    )
    function = names[name]
    function.__doc__ = doc
    function.__module__ = "__main__"
    function.__annotations__ = annotations
    return function


def _call(name, positional, by_order, named, more, named_more, defaults):
    """Have the host call a tool; what was left to its default is left out, for the host to fill in."""
    if more:  # then what precedes it must go by position, too
        positional, by_order = positional + by_order, []

    def is_left_out(label, value):
        return label in defaults and value is defaults[label]

    while positional and not more and is_left_out(*positional[-1]):
        positional.pop()
    for label, value in positional:
        if type(value) is _HostDefault:
            raise TypeError(f"{name}(): {label} must be given, as only the host knows its default")
    arguments = {
        label: value for label, value in by_order + named if not is_left_out(label, value)
    }
    if _channel is None:
        raise RuntimeError(f"CodeInterpreterError: Unknown tool: {name}")
    values = [value for _, value in positional]
    kind, value = _channel(name, [*values, *more], {**arguments, **named_more})
    if kind == "error":
        raise RuntimeError(value)
    return value


def _submit_function(outputs):
    """Make SUBMIT with one parameter for each output field, or with one for the output."""
    names = {"__dspex_final": FinalOutput}
    fields = [one["name"] for one in outputs] if outputs else ["output"]
    pairs = ", ".join(f"{name!r}: {name}" for name in fields)
    exec(f"def SUBMIT({', '.join(fields)}):\n    raise __dspex_final({{{pairs}}})\n", names)
    function = names["SUBMIT"]
    function.__module__ = "__main__"
    function.__annotations__ = {
        one["name"]: SIMPLE_TYPES.get(one["type"], one["type"])
        for one in outputs or () if "type" in one
    }
    return function


def _described(error):
    """Describe an exception: the name of its class, its arguments as JSON has them, its traceback."""
    kind = type(error)
    try:
        name = str(kind.__name__)
    except BaseException:  # a metaclass may do anything
        name = "Exception"
    try:
        arguments = [_plain(one) for one in BaseException.args.__get__(error)]
    except BaseException:
        arguments = []
    try:
        frames = BaseException.__traceback__.__get__(error)
        while frames is not None and frames.tb_frame.f_globals is globals():
            frames = frames.tb_next
        shown = "".join(traceback.format_exception(kind, error, frames)).strip()
    except BaseException:  # the exception's own class is broken; its name must do
        shown = name
    return ("error", name, arguments, shown[-TRACEBACK_CHARS_MAX:])


def _plain(value):
    """Return an exception's argument as JSON has it, or else its text."""
    try:
        text = json.dumps(value)
        return json.loads(text) if len(text) <= REPR_CHARS_MAX else repr(value)[:REPR_CHARS_MAX]
    except BaseException:
        try:
            return repr(value)[:REPR_CHARS_MAX]
        except BaseException:
            return f"<{type(value).__name__}>"
