"""`inspect`, `ast`, `string.Formatter`, `help`, `gc`, `codecs`, `platform` and `timeit`: what looks at a program.

The library's follow attributes that a text names and run annotations and signatures that are texts. Ours
ask the guards for attributes and run nothing. Frames and code are out of reach here too.
"""

from __future__ import annotations

import ast
import codecs
import functools
import gc
import inspect
import linecache
import platform
import sys
import time
import types
import weakref
from _string import formatter_field_name_split, formatter_parser  # type: ignore[import-not-found]
from typing import TYPE_CHECKING, Any

from dspex.languages.restricted.context import present
from dspex.languages.restricted.exports import Module
from dspex.languages.restricted.guards import plain_name
from dspex.languages.restricted.names import is_dunder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dspex.languages.restricted.context import Context, Offer

_ASKED = (
    "isclass isfunction ismethod isbuiltin isroutine isgenerator isgeneratorfunction iscoroutine iscoroutinefunction "
    "isasyncgen isasyncgenfunction isawaitable isabstract cleandoc Signature Parameter BoundArguments"
).split()
_OF_TREES = "AST parse unparse dump get_docstring copy_location fix_missing_locations".split()
_PLAIN_DEFAULTS = (type(None), bool, int, float, str, bytes)
_WRAPPED_MAX = 100
_NESTED_MAX = 2
_BY_NAME = frozenset({"__setattr__", "__delattr__", "__getattribute__"})
"""Methods that the guards give as functions, which they are not."""
_CONVERSIONS: dict[str, Any] = {"s": str, "r": repr, "a": ascii}
_BYTE_ORDER_MARKS = "BOM_UTF8 BOM_UTF16 BOM_UTF16_LE BOM_UTF16_BE BOM_UTF32 BOM_UTF32_LE BOM_UTF32_BE".split()


def harden() -> None:
    """Have nodes of syntax trees take plain names only; before classes are frozen."""
    start: Any = ast.AST.__init__

    def __init__(self: Any, *args: Any, **named: Any) -> None:
        for name in named:
            if is_dunder(name):
                raise TypeError(f"a node has no field {name!r}")
        start(self, *args, **named)

    ast.AST.__init__ = __init__  # type: ignore[method-assign]


def string_module(context: Context) -> Offer:
    """Return `string.Formatter`, whose fields follow what a program may follow."""

    class Formatter:
        """Formats texts by methods that a subclass may replace."""

        def format(self, format_string: str, /, *args: Any, **kwargs: Any) -> str:
            return self.vformat(format_string, args, kwargs)

        def vformat(self, format_string: str, args: Any, kwargs: Any) -> str:
            used: set[Any] = set()
            result = self._formatter_run(format_string, args, kwargs, used, [0], _NESTED_MAX)
            self.check_unused_args(used, args, kwargs)
            return result

        def _formatter_run(
            self, text: str, args: Any, kwargs: Any, used: set[Any], numbers: list[int], depth: int
        ) -> str:
            if depth < 0:
                raise ValueError("Max string recursion exceeded")
            parts: list[str] = []
            for literal, field, spec, conversion in self.parse(text):
                parts.append(literal)
                if field is None:
                    continue
                name = field
                if not field or field[0] in ".[":
                    name = f"{numbers[0]}{field}"
                    numbers[0] += 1
                thing, first = self.get_field(name, args, kwargs)
                used.add(first)
                thing = self.convert_field(thing, conversion)
                inner = self._formatter_run(spec or "", args, kwargs, used, numbers, depth - 1)
                parts.append(self.format_field(thing, inner))
            return "".join(parts)

        def parse(self, format_string: str) -> Iterator[Any]:
            return iter(list(formatter_parser(plain_name(format_string))))

        def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
            first, rest = formatter_field_name_split(plain_name(field_name))
            thing = self.get_value(first, args, kwargs)
            for is_attribute, one in rest:
                thing = context.guard.getattr(thing, one) if is_attribute else thing[one]
            return thing, first

        def get_value(self, key: Any, args: Any, kwargs: Any) -> Any:
            return args[key] if isinstance(key, int) else kwargs[key]

        def check_unused_args(self, used_args: Any, args: Any, kwargs: Any) -> None:
            """Nothing is asked for by default."""

        def format_field(self, value: Any, format_spec: str) -> str:
            return format(value, format_spec)

        def convert_field(self, value: Any, conversion: str | None) -> Any:
            if conversion is None:
                return value
            if conversion not in _CONVERSIONS:
                raise ValueError(f"Unknown conversion specifier {conversion!s}")
            return _CONVERSIONS[conversion](value)

    present(Formatter, "string")
    return {"string": {"Formatter": Formatter}}, [Formatter]


def ast_module(context: Context) -> Offer:
    """Return the names of `ast`: trees are data here, since nothing compiles them."""

    def iter_fields(node: Any) -> Iterator[tuple[str, Any]]:
        for name in node._fields:
            try:
                yield name, context.guard.getattr(node, name)
            except AttributeError:
                continue

    def iter_child_nodes(node: Any) -> Iterator[Any]:
        for _, value in iter_fields(node):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, ast.AST):
                    yield one

    def walk(node: Any) -> Iterator[Any]:
        pending = [node]
        while pending:
            one = pending.pop(0)
            pending.extend(iter_child_nodes(one))
            yield one

    class NodeVisitor:
        """Calls a method for each node, by the name of its class."""

        def visit(self, node: Any) -> Any:
            name = f"visit_{type(node).__name__}"
            return context.guard.getattr(self, name, self.generic_visit)(node)

        def generic_visit(self, node: Any) -> Any:
            for one in iter_child_nodes(node):
                self.visit(one)

    class NodeTransformer(NodeVisitor):
        """Puts what the methods return in the place of nodes."""

        def generic_visit(self, node: Any) -> Any:
            for name, old in iter_fields(node):
                if isinstance(old, list):
                    made: list[Any] = []
                    for one in old:
                        new = self.visit(one) if isinstance(one, ast.AST) else one
                        if isinstance(new, list) and isinstance(one, ast.AST):
                            made += new
                        elif new is not None:
                            made.append(new)
                    old[:] = made
                elif isinstance(old, ast.AST):
                    new = self.visit(old)
                    if new is None:
                        context.guard.delattr(node, name)
                    else:
                        context.guard.setattr(node, name, new)
            return node

    for kind in (NodeVisitor, NodeTransformer):
        present(kind, "ast")
    nodes = {name: kind for name, kind in vars(ast).items() if isinstance(kind, type) and issubclass(kind, ast.AST)}
    names: dict[str, Any] = {name: getattr(ast, name) for name in _OF_TREES}

    def parse(source: Any, filename: str = "<unknown>", mode: str = "exec", *, type_comments: bool = False) -> Any:
        if mode not in ("exec", "eval", "single"):
            raise ValueError("compile() mode must be 'exec', 'eval' or 'single'")
        return ast.parse(source, "<unknown>", mode, type_comments=type_comments)

    functions = {one.__name__: one for one in (parse, iter_fields, iter_child_nodes, walk)}
    visitors = {"NodeVisitor": NodeVisitor, "NodeTransformer": NodeTransformer}
    return {"ast": {**nodes, **names, **functions, **visitors}}, [NodeVisitor, NodeTransformer]


def inspect_module(context: Context) -> Offer:
    """Return the names of `inspect`, and the built-in function `help`."""

    def is_own_function(thing: Any) -> bool:
        return type(thing) is types.FunctionType and getattr(thing, "__builtins__", None) is context.guard.builtins

    def of_function(function: Any, *, own: bool) -> inspect.Signature:
        found: inspect.Signature = inspect._signature_from_function(inspect.Signature, function)  # type: ignore[attr-defined]
        if own or is_own_function(function):
            return found
        # What a function of the host holds as defaults and annotations is its own affair.
        shown = [
            one.replace(
                annotation=one.empty,
                default=one.default if one.default is one.empty or type(one.default) in _PLAIN_DEFAULTS else ...,
            )
            for one in found.parameters.values()
        ]
        return found.replace(parameters=shown, return_annotation=found.empty)

    def without_first(found: inspect.Signature) -> inspect.Signature:
        parameters = list(found.parameters.values())
        if parameters and parameters[0].kind in (parameters[0].POSITIONAL_ONLY, parameters[0].POSITIONAL_OR_KEYWORD):
            del parameters[0]
        return found.replace(parameters=parameters)

    def method_of(kind: Any, name: str) -> Any:
        for base in type.__dict__["__mro__"].__get__(kind):
            found = type.__dict__["__dict__"].__get__(base).get(name)
            if type(found) is types.FunctionType:
                return found
        return None

    def signature(obj: Any, *, follow_wrapped: bool = True) -> inspect.Signature:
        for _ in range(_WRAPPED_MAX):
            if not follow_wrapped or type(obj) is not types.FunctionType or "__wrapped__" not in obj.__dict__:
                break
            obj = obj.__dict__["__wrapped__"]
        kind = type(obj)
        if kind is types.FunctionType:
            return of_function(obj, own=False)
        if kind is types.MethodType:
            return without_first(signature(obj.__func__))
        if kind is functools.partial:
            return inspect._signature_get_partial(signature(obj.func), obj)  # type: ignore[attr-defined, no-any-return]
        if kind is functools._lru_cache_wrapper:
            return signature(obj.__wrapped__)
        if issubclass(kind, type):
            function = method_of(obj, "__init__") or method_of(obj, "__new__")
            if function is not None:
                return without_first(of_function(function, own=context.is_own(obj)))
            if context.is_own(obj):
                return inspect.Signature()
        elif context.is_own(kind) and (function := method_of(kind, "__call__")) is not None:
            return without_first(of_function(function, own=True))
        elif not callable(obj):
            raise TypeError(f"{obj!r} is not a callable object")
        raise ValueError(f"no signature found for builtin {obj!r}")

    def getdoc(thing: Any) -> str | None:
        text = context.guard.getattr(thing, "__doc__", None)
        return inspect.cleandoc(text) if isinstance(text, str) else None

    def getmembers(thing: Any, predicate: Any = None) -> list[tuple[str, Any]]:
        found = []
        for name in sorted(set(context.guard.dir(thing)) - _BY_NAME):
            try:
                value = context.guard.getattr(thing, name)
            except AttributeError:
                continue
            if predicate is None or predicate(value):
                found.append((name, value))
        return found

    def get_annotations(thing: Any) -> dict[str, Any]:
        return dict(context.guard.getattr(thing, "__annotations__", None) or {})

    def getmro(cls: Any) -> Any:
        return context.guard.getattr(cls, "__mro__")

    def unwrap(func: Any) -> Any:
        for _ in range(_WRAPPED_MAX):
            if not context.guard.hasattr(func, "__wrapped__"):
                break
            func = context.guard.getattr(func, "__wrapped__")
        return func

    def getsource(thing: Any) -> str:
        thing = thing.__func__ if type(thing) is types.MethodType else thing
        if not is_own_function(thing) or thing.__code__.co_filename not in context.around.filenames:
            raise OSError("could not get source code")
        lines = linecache.getlines(thing.__code__.co_filename)
        return "".join(inspect.getblock(lines[thing.__code__.co_firstlineno - 1 :]))

    def help(thing: Any) -> None:
        text = getdoc(thing) or ""
        name = context.guard.getattr(thing, "__name__", type(thing).__name__)
        kind = "function" if inspect.isroutine(thing) else "class" if isinstance(thing, type) else "object"
        try:
            shown = f"{name}{signature(thing)}"
        except (TypeError, ValueError):
            shown = str(name)
        where = context.guard.getattr(thing, "__module__", None)
        place = f" in module {where}" if isinstance(where, str) else ""
        below = "".join(f"    {line}\n" for line in text.splitlines())
        sys.stdout.write(f"Help on {kind} {name}{place}:\n\n{shown}\n{below}\n")

    functions = {
        one.__name__: one
        for one in (signature, getdoc, getmembers, get_annotations, getmro, unwrap, getsource)
    }
    asked = {name: getattr(inspect, name) for name in _ASKED}
    offered = {**asked, **functions, "ismodule": lambda thing: type(thing) is Module}
    return {"inspect": offered, "builtins": {"help": help}}, []


def weakref_module(context: Context) -> Offer:
    """Return `weakref.finalize`; the library's keeps its state in its class, which is frozen here."""
    pending: dict[Any, Any] = {}

    class finalize:
        """Calls a function when an object is gone, or at the end."""

        __slots__ = ("__weakref__", "atexit")

        def __init__(self, obj: Any, func: Any, /, *args: Any, **kwargs: Any) -> None:
            if not pending:
                context.around.at_exit(at_the_end)
            self.atexit = True
            pending[self] = (weakref.ref(obj, self), func, args, kwargs)

        def __call__(self, _gone: Any = None) -> Any:
            found = pending.pop(self, None)
            return None if found is None else found[1](*found[2], **found[3])

        def detach(self) -> Any:
            found = self.peek()
            pending.pop(self, None)
            return found

        def peek(self) -> Any:
            reference, *rest = pending.get(self, (lambda: None,))
            thing = reference()
            return None if thing is None else (thing, *rest)

        @property
        def alive(self) -> bool:
            return self in pending

    def at_the_end() -> None:
        for one in reversed(list(pending)):
            if one.atexit:
                one()
        pending.clear()

    present(finalize, "weakref")
    return {"weakref": {"finalize": finalize}}, []


def small_modules(context: Context) -> Offer:
    """Return the names of `gc`, `codecs`, `platform` and `timeit`."""

    def timeit(stmt: Any, setup: Any = None, timer: Any = None, number: int = 1_000_000, globals: Any = None) -> float:
        clock: Callable[[], float] = timer or vars(context.offered("time"))["perf_counter"]
        for one in (stmt, setup):
            if one is not None and not callable(one):
                raise TypeError("timeit takes functions here, no texts")
        if setup is not None:
            setup()
        start = clock()
        for _ in range(number):
            stmt()
        return clock() - start

    def repeat(stmt: Any, setup: Any = None, timer: Any = None, repeat: int = 5, number: int = 1_000_000) -> list[float]:
        return [timeit(stmt, setup, timer, number) for _ in range(repeat)]

    def codecs_open(filename: Any, mode: str = "r", encoding: str | None = None, errors: str = "strict",
                    buffering: int = -1) -> Any:  # fmt: skip
        if encoding is None:
            return context.files.open(filename, mode, buffering)
        return context.files.open(filename, mode.replace("b", ""), buffering, encoding, errors, "")

    def collect(generation: int = 2) -> int:
        return gc.collect(generation)

    texts = {"python_version": platform.python_version(), "system": "Linux", "machine": "", "node": "", "release": "",
             "processor": "", "python_implementation": platform.python_implementation()}  # fmt: skip

    def told(text: str) -> Callable[[], str]:
        return lambda: text

    about: dict[str, Any] = {name: told(text) for name, text in texts.items()}
    about["platform"] = told(f"Linux-{texts['python_implementation']}-{texts['python_version']}")
    return {
        "gc": {
            "collect": collect, "enable": gc.enable, "disable": gc.disable, "isenabled": gc.isenabled,
            "get_count": gc.get_count, "get_threshold": gc.get_threshold,
        },
        "codecs": {
            "open": codecs_open, "encode": codecs.encode, "decode": codecs.decode,
            **{name: getattr(codecs, name) for name in _BYTE_ORDER_MARKS},
        },
        "platform": about,
        "timeit": {"timeit": timeit, "repeat": repeat, "default_timer": time.perf_counter},
    }, []  # fmt: skip
