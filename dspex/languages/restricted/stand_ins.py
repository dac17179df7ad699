"""Our own versions of library functions that follow or set attributes named by a text.

The library's would do it with the host's rights: `operator.attrgetter("__globals__")`,
`functools.update_wrapper(f, g, assigned=...)`, `dataclasses.asdict`, `copy.copy` through `__reduce__`.
These ask the guards instead. What also needs the run (files, time, output) is in `surroundings`.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import enum
import functools
import importlib
import keyword
import sys
import types
import typing
from typing import TYPE_CHECKING, Any, NoReturn

from dspex.languages.restricted.guards import AbstractMeta, EnumMeta, Type, plain_name
from dspex.languages.restricted.names import is_dunder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dspex.languages.restricted.guards import Guards

_COPIED_AS_THEY_ARE = (
    type(None), bool, int, float, complex, str, bytes, range, type, types.FunctionType, types.MethodType,
    types.BuiltinFunctionType, type(Ellipsis), type(NotImplemented), property, types.GeneratorType,
)  # fmt: skip
_BUILT_IN_BASES = (list, dict, set, tuple, frozenset, str, bytes, int, float)
_WRAPPED = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__")
_UPDATED = ("__dict__",)


def harden() -> None:
    """Change what of the library runs text made from names, so that only names get in.

    For processes that run nothing but restricted programs; call it before classes are frozen.
    """
    slot = dataclasses.Field.__dict__["name"]

    def set_name(field: object, name: object) -> None:
        if name is not None:
            checked_field(name)
        slot.__set__(field, name)

    dataclasses.Field.name = property(slot.__get__, set_name)  # type: ignore[assignment, misc]
    dataclasses.exec = _exec_of_dataclasses  # type: ignore[attr-defined]
    create = enum.EnumMeta.__dict__["_create_"]

    def create_checked(cls: Any, class_name: str, names: Any, **options: Any) -> Any:
        if type(names) is str:
            names = names.replace(",", " ").split()
        members = list(names.items()) if isinstance(names, dict) else list(names)
        members = [one if isinstance(one, str) else tuple(one) for one in members]
        for one in members:
            name = one if isinstance(one, str) else one[0]
            if type(name) is not str or is_dunder(name):
                raise ValueError(f"invalid enum member name: {name!r}")
        return create(cls, class_name, members, **options)

    enum.EnumMeta._create_ = create_checked  # type: ignore[attr-defined]


def shadow(names: Mapping[str, Any]) -> None:
    """Have modules that set and follow attributes named by a text, or open files, ask ours instead.

    Args:
        names: Built-in functions of ours; a global of that name comes before the built-in one.
    """
    for module in ("argparse", "configparser"):
        vars(importlib.import_module(module)).update(names)

    def getattr_of_argparse(owner: Any, name: str, *default: Any) -> Any:
        # It looks its own method up by the name of a way to settle conflicts.
        own = type(name) is str and name.startswith("_handle_conflict_")
        return (getattr if own else names["getattr"])(owner, name, *default)

    vars(importlib.import_module("argparse"))["getattr"] = getattr_of_argparse


def checked_field(name: object) -> str:
    """Return a field's name if it can be written into code.

    Raises:
        TypeError: It cannot.
    """
    if type(name) is not str or not name.isidentifier() or keyword.iskeyword(name) or is_dunder(name):
        raise TypeError(f"Field names must be valid identifiers: {name!r}")
    return name


def _exec_of_dataclasses(text: str, names: dict[str, Any], into: dict[str, Any] | None = None) -> None:
    """Run what `dataclasses` wrote; the text is ours, so anything unusual in it is an attack."""
    for node in ast.walk(ast.parse(text)):
        reached = node.attr if isinstance(node, ast.Attribute) else ""
        if isinstance(node, ast.Name):
            reached = node.id
            if reached.startswith(_LOCAL_OF_DATACLASSES):
                continue
        if (is_dunder(reached) and reached not in _OF_DATACLASSES) or reached in ("eval", "exec", "open"):
            raise TypeError(f"a dataclass with {reached!r} cannot be made")
    exec(text, names, into)


_LOCAL_OF_DATACLASSES = "__dataclass_"
"""How CPython 3.13 begins the names of what it gives to that text: types, defaults, and `object`."""
_OF_DATACLASSES = frozenset(
    f"__{name}__"
    for name in (
        "create_fn class qualname setattr delattr dataclass_builtins_object init repr eq lt le gt ge hash "
        "getstate setstate post_init dataclass_self annotations annotate replace match_args"
    ).split()
)


class StandIns:
    """The functions, bound to the guards of one process."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    def modules(self) -> dict[str, dict[str, Any]]:
        """Return names by module."""
        return {
            "abc": {"ABCMeta": AbstractMeta},
            "ast": {"literal_eval": ast.literal_eval},
            "copy": {"copy": self._copy(), "deepcopy": self._deepcopy(), "Error": copy.Error},
            "dataclasses": self._dataclasses(),
            "enum": {"EnumMeta": EnumMeta, "EnumType": EnumMeta},
            "functools": self._functools(),
            "operator": self._operator(),
            "types": {"SimpleNamespace": self._namespace()},
            "typing": self._typing(),
        }

    # functools

    def _functools(self) -> dict[str, Any]:
        def update_wrapper(wrapper: Any, wrapped: Any, assigned: Any = _WRAPPED, updated: Any = _UPDATED) -> Any:
            for name in _WRAPPED:
                if name not in assigned:
                    continue
                value = getattr(wrapped, name, None)
                kind = type(wrapper)
                if value is not None and (kind is types.FunctionType or kind not in self._guards.host):
                    setattr(wrapper, name, value)
            if type(wrapper) is types.FunctionType:
                if type(wrapped) is types.FunctionType and "__dict__" in updated:
                    wrapper.__dict__.update(wrapped.__dict__)
                wrapper.__wrapped__ = wrapped  # type: ignore[attr-defined]
            return wrapper

        def wraps(wrapped: Any, assigned: Any = _WRAPPED, updated: Any = _UPDATED) -> Callable[[Any], Any]:
            return lambda wrapper: update_wrapper(wrapper, wrapped, assigned, updated)

        singledispatch = self._singledispatch(update_wrapper)
        return {
            "wraps": wraps,
            "update_wrapper": update_wrapper,
            "singledispatch": singledispatch,
            "singledispatchmethod": lambda default: MethodDispatcher(singledispatch(default)),
            "WRAPPER_ASSIGNMENTS": _WRAPPED,
            "WRAPPER_UPDATES": _UPDATED,
        }

    def _singledispatch(self, update_wrapper: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
        def singledispatch(default: Any) -> Any:
            inner = functools.singledispatch(lambda *_args, **_kwargs: None)

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                if not args:
                    raise TypeError(f"{wrapper.__name__} requires at least 1 positional argument")
                found = inner.dispatch(type(args[0]))
                return (implementations.get(found) or default)(*args, **kwargs)

            implementations: dict[Any, Any] = {}

            def register(kind: Any, function: Any = None) -> Any:
                if function is None and type(kind) is types.FunctionType:
                    annotations = [value for name, value in kind.__annotations__.items() if name != "return"]
                    if not annotations or type(annotations[0]) is str:
                        raise TypeError(f"register() needs a class for {kind.__name__}: register(int)")
                    function, kind = kind, annotations[0]
                if function is None:
                    return lambda given: register(kind, given)
                marker = lambda *_args, **_kwargs: None
                kinds = kind.__args__ if type(kind) is types.UnionType else (kind,)
                for one in kinds:
                    inner.register(one, marker)
                implementations[marker] = function
                return function

            update_wrapper(wrapper, default)
            wrapper.register = register  # type: ignore[attr-defined]
            wrapper.dispatch = lambda kind: implementations.get(inner.dispatch(kind)) or default  # type: ignore[attr-defined]
            return wrapper

        return singledispatch

    # typing

    def _typing(self) -> dict[str, Any]:
        def get_origin(kind: Any) -> Any:
            found = typing.get_origin(kind)
            return Type if isinstance(found, type) and issubclass(found, type) else found

        def get_args(kind: Any) -> tuple[Any, ...]:
            return tuple(
                one if not isinstance(one, type) or not issubclass(one, type) else Type
                for one in typing.get_args(kind)
            )

        def get_type_hints(thing: Any, *, include_extras: bool = False) -> dict[str, Any]:
            """Return annotations as they stand: none is read as code here."""
            if not isinstance(thing, type):
                return dict(getattr(thing, "__annotations__", {}))
            found: dict[str, Any] = {}
            for kind in reversed(type.__dict__["__mro__"].__get__(thing)):
                found |= type.__dict__["__dict__"].__get__(kind).get("__annotations__", {})
            return found

        return {
            "Type": Type, "get_origin": get_origin, "get_args": get_args, "get_type_hints": get_type_hints
        }  # fmt: skip

    # operator

    def _operator(self) -> dict[str, Any]:
        guards = self._guards

        def follow(thing: Any, path: str) -> Any:
            for name in path.split("."):
                thing = guards.getattr(thing, name)
            return thing

        def attrgetter(*paths: str) -> Callable[[Any], Any]:
            plain = [plain_name(path) for path in paths]
            if not plain:
                raise TypeError("attrgetter expected at least 1 argument, got 0")
            if len(plain) == 1:
                return lambda thing: follow(thing, plain[0])
            return lambda thing: tuple(follow(thing, path) for path in plain)

        def methodcaller(name: str, /, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
            plain = plain_name(name)
            return lambda thing: guards.getattr(thing, plain)(*args, **kwargs)

        def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return {"attrgetter": attrgetter, "methodcaller": methodcaller, "call": call}

    # types

    def _namespace(self) -> Any:
        guards = self._guards

        class SimpleNamespace:
            """A namespace whose attributes are names that may be attributes."""

            def __init__(self, *given: Any, **attributes: Any) -> None:
                if given:
                    attributes = {**dict(given[0]), **attributes}
                for name in attributes:
                    guards.check_write(self, plain_name(name))
                self.__dict__.update(attributes)

            def __repr__(self) -> str:
                inside = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
                return f"namespace({inside})"

            def __eq__(self, other: object) -> bool:
                return type(other) is type(self) and self.__dict__ == other.__dict__

            __hash__ = None  # type: ignore[assignment]

        SimpleNamespace.__module__, SimpleNamespace.__qualname__ = "types", "SimpleNamespace"
        return SimpleNamespace

    # dataclasses

    def _dataclasses(self) -> dict[str, Any]:
        guards = self._guards

        def own(thing: Any) -> tuple[dataclasses.Field[Any], ...]:
            kind = thing if isinstance(thing, type) else type(thing)
            if not dataclasses.is_dataclass(kind):
                raise TypeError("must be called with a dataclass type or instance")
            return dataclasses.fields(kind)

        def as_plain(thing: Any, make: Callable[[list[tuple[str, Any]]], Any]) -> Any:
            if dataclasses.is_dataclass(type(thing)):
                pairs = [(one.name, as_plain(guards.getattr(thing, one.name), make)) for one in own(thing)]
                return make(pairs)
            kind = type(thing)
            if isinstance(thing, tuple) and hasattr(kind, "_fields"):
                return kind(*(as_plain(one, make) for one in thing))
            if isinstance(thing, list | tuple):
                return kind(as_plain(one, make) for one in thing)
            if isinstance(thing, dict):
                pairs = [(as_plain(key, make), as_plain(value, make)) for key, value in thing.items()]
                return dict(pairs) if kind.__init__ is not dict.__init__ else kind(pairs)
            return self._deep(thing, {})

        def instance(thing: Any, what: str) -> Any:
            if isinstance(thing, type) or not dataclasses.is_dataclass(type(thing)):
                raise TypeError(f"{what}() should be called on dataclass instances")
            return thing

        def asdict(thing: Any, *, dict_factory: Callable[[Any], Any] = dict) -> Any:
            return as_plain(instance(thing, "asdict"), dict_factory)

        def astuple(thing: Any, *, tuple_factory: Callable[[Any], Any] = tuple) -> Any:
            return as_plain(
                instance(thing, "astuple"), lambda pairs: tuple_factory([value for _, value in pairs])
            )

        def replace(thing: Any, /, **changes: Any) -> Any:
            for one in own(instance(thing, "replace")):
                if not one.init:
                    if one.name in changes:
                        raise ValueError(
                            f"field {one.name} is declared with init=False, it cannot be specified with replace()"
                        )
                elif one.name not in changes:
                    changes[one.name] = guards.getattr(thing, one.name)
            return type(thing)(**changes)

        def dataclass(kind: Any = None, /, **options: Any) -> Any:
            if kind is None:
                return lambda later: dataclass(later, **options)
            if not isinstance(kind, type) or kind in guards.host:
                raise TypeError("dataclass() is for classes of the program's own")
            return dataclasses.dataclass(kind, **options)

        return {
            "dataclass": dataclass,
            "asdict": asdict,
            "astuple": astuple,
            "replace": replace,
            "fields": own,
            "is_dataclass": lambda thing: bool(dataclasses.is_dataclass(thing)),
            "field": dataclasses.field,
            "Field": dataclasses.Field,
            "FrozenInstanceError": dataclasses.FrozenInstanceError,
            "InitVar": dataclasses.InitVar,
            "KW_ONLY": dataclasses.KW_ONLY,
            "MISSING": dataclasses.MISSING,
        }

    # copy

    def _copy(self) -> Callable[[Any], Any]:
        def shallow(thing: Any, /) -> Any:
            kind = type(thing)
            if kind in _COPIED_AS_THEY_ARE or isinstance(thing, type):
                return thing
            method = getattr(kind, "__copy__", None)
            if method is not None:
                return method(thing)
            if kind in (list, dict, set, bytearray):
                return thing.copy()
            if kind in (tuple, frozenset):
                return thing
            return self._rebuilt(thing, lambda value: value)

        return shallow

    def _deepcopy(self) -> Callable[..., Any]:
        def deepcopy(thing: Any, memo: dict[Any, Any] | None = None, /) -> Any:
            return self._deep(thing, {} if memo is None else memo)

        return deepcopy

    def _deep(self, thing: Any, memo: dict[Any, Any]) -> Any:
        kind = type(thing)
        if kind in _COPIED_AS_THEY_ARE or isinstance(thing, type):
            return thing
        if id(thing) in memo:
            return memo[id(thing)]
        memo.setdefault(id(memo), []).append(thing)  # it must live as long as its id is used
        method = getattr(kind, "__deepcopy__", None)
        if method is not None:
            made = memo[id(thing)] = method(thing, memo)
            return made
        if kind is list:
            made = memo[id(thing)] = []
            made.extend(self._deep(one, memo) for one in thing)
            return made
        if kind is dict:
            made = memo[id(thing)] = {}
            for key, value in thing.items():
                made[self._deep(key, memo)] = self._deep(value, memo)
            return made
        if kind in (tuple, set, frozenset):
            made = kind(self._deep(one, memo) for one in thing)
            if kind is tuple and all(a is b for a, b in zip(made, thing, strict=True)):
                made = thing
            return memo.setdefault(id(thing), made)
        if kind is bytearray:
            return thing.copy()
        return self._rebuilt(thing, lambda value: self._deep(value, memo), memo)

    def _rebuilt(
        self, thing: Any, each: Callable[[Any], Any], memo: dict[Any, Any] | None = None
    ) -> Any:
        """Make an object anew without its constructor, as pickling would, but from its parts alone."""
        kind = type(thing)
        if kind in self._guards.host and kind not in self._guards.bases:
            plain = getattr(kind, "__copy__", None) or getattr(kind, "copy", None)
            if isinstance(thing, BaseException):
                return self._with_state(kind.__new__(kind, *thing.args), thing, each)
            if plain is None or not type(thing).__module__.startswith("collections"):
                return thing if kind.__hash__ is not None else self._cannot(kind)
            return plain(thing)
        base: Any = next((one for one in _BUILT_IN_BASES if issubclass(kind, one)), None)
        made: Any
        if base in (tuple, frozenset, str, bytes, int, float):
            parts = tuple(map(each, thing)) if base in (tuple, frozenset) else base.__getnewargs__(thing)[0]
            made = base.__new__(kind, parts)
        elif issubclass(kind, BaseException):
            made = kind.__new__(kind, *each(thing.args))
        else:
            make: Any = kind
            made = make.__new__(kind)
        if memo is not None:
            memo[id(thing)] = made
        if base is list:
            list.extend(made, map(each, list.__iter__(thing)))
        elif base is set:
            set.update(made, map(each, set.__iter__(thing)))
        elif base is dict:
            if callable(getattr(thing, "default_factory", None)):
                made.default_factory = thing.default_factory
            for key, value in dict.items(thing):
                dict.__setitem__(made, each(key), each(value))
        return self._with_state(made, thing, each)

    def _with_state(self, made: Any, thing: Any, each: Callable[[Any], Any]) -> Any:
        state = getattr(thing, "__dict__", None)
        if type(state) is dict:
            made.__dict__.update({name: each(value) for name, value in state.items()})
        for kind in type.__dict__["__mro__"].__get__(type(thing)):
            for descriptor in vars(kind).values():
                if type(descriptor) is types.MemberDescriptorType and kind not in self._guards.host:
                    try:
                        descriptor.__set__(made, each(descriptor.__get__(thing)))
                    except AttributeError:
                        continue
        return made

    def _cannot(self, kind: type) -> NoReturn:
        raise copy.Error(f"un(deep)copyable object of type {kind}")


class MethodDispatcher:
    """`functools.singledispatchmethod`: dispatches on the class of the first argument."""

    __slots__ = ("_method_dispatcher",)

    def __init__(self, dispatcher: Any) -> None:
        self._method_dispatcher = dispatcher

    def register(self, kind: Any, method: Any = None) -> Any:
        """Take a method for a class."""
        return self._method_dispatcher.register(kind, method)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        def call(first: Any, /, *args: Any, **kwargs: Any) -> Any:
            chosen = self._method_dispatcher.dispatch(type(first))
            return chosen.__get__(instance, owner)(first, *args, **kwargs)

        return call


class StreamSwitch:
    """`contextlib.redirect_stdout` and `redirect_stderr`: for this program's streams, and no others."""

    __slots__ = ("_switch_name", "_switch_old", "_switch_target")

    def __init__(self, name: str, target: Any) -> None:
        self._switch_name, self._switch_target = name, target
        self._switch_old: list[Any] = []

    def __enter__(self) -> Any:
        self._switch_old.append(getattr(sys, self._switch_name))
        setattr(sys, self._switch_name, self._switch_target)
        return self._switch_target

    def __exit__(self, *_exc: object) -> None:
        setattr(sys, self._switch_name, self._switch_old.pop())
