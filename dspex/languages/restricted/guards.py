"""What only shows at run time: guards that the transformer's code calls, and the built-in functions.

A guard trusts nothing that a program can define: it asks for an object's type with `type`, for its
bases with the slot of `type` itself, and takes names only as plain `str`. What is refused looks to a
program like what is not there. How the lists come about is told in
docs/explanation/restricted-python.md.
"""

from __future__ import annotations

import abc
import asyncio
import builtins
import ctypes
import enum
import pathlib
import types
import typing
import weakref
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn

from dspex.languages.restricted.names import (
    ABSENT_BUILTINS,
    DEFINABLE,
    HIDDEN_FROM_NUMPY,
    READABLE,
    Verdict,
    is_dunder,
    judge_read,
    judge_write,
)
from dspex.languages.restricted.transformer import names_in_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_IMMUTABLE = 1 << 8
_HEAP_TYPE = 1 << 9
_FLAGS_AT = 21 * ctypes.sizeof(ctypes.c_void_p)
"""Where a type object keeps its flags; `freeze` makes sure of it before it writes."""
_FORMATS_MAX = 1000

_FORWARDERS = (types.GenericAlias, weakref.ProxyType, weakref.CallableProxyType, typing._BaseGenericAlias)  # type: ignore[attr-defined]
"""Types whose objects pass attributes of another object on: what needs a look is not to be had there."""
_METHODS_OF_TEXT = ("format", "format_map")
_behind_super = super.__dict__["__self__"].__get__
_mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_missing = object()


def all_classes() -> list[type]:
    """Return every class of this process."""
    found: dict[int, type] = {}
    pending: list[type] = [object]
    while pending:
        kind = pending.pop()
        if id(kind) not in found:
            found[id(kind)] = kind
            pending += type.__subclasses__(kind)
    return list(found.values())


def freeze(classes: list[type]) -> None:
    """Make classes of the host refuse assignments, as the built-in ones do.

    Raises:
        RuntimeError: This interpreter lays its type objects out in another way.
    """
    for one in (int, type, abc.ABC, MutableMapping, Guards):
        flags: int = type.__dict__["__flags__"].__get__(one)
        if ctypes.c_ulong.from_address(id(one) + _FLAGS_AT).value != flags:
            raise RuntimeError("this interpreter's type objects are laid out in another way")
    for kind in classes:
        if kind.__flags__ & _HEAP_TYPE:
            ctypes.c_ulong.from_address(id(kind) + _FLAGS_AT).value |= _IMMUTABLE


def _co_names(function: object) -> Iterator[str]:
    """Yield the attributes that a method's code mentions."""
    function = getattr(function, "__func__", getattr(function, "fget", function))
    pending = [getattr(function, "__code__", None)]
    while pending:
        code = pending.pop()
        if isinstance(code, types.CodeType):
            yield from code.co_names
            pending += [one for one in code.co_consts if isinstance(one, types.CodeType)]


def private_names(classes: list[type]) -> dict[str, frozenset[type]]:
    """Return names with one underscore that classes of the host have or mention, and which those are."""
    found: dict[str, set[type]] = {}
    for kind in classes:
        for name, value in list(type.__dict__["__dict__"].__get__(kind).items()):
            for one in (name, *_co_names(value)):
                if type(one) is str and one[:1] == "_" and not is_dunder(one):
                    found.setdefault(one, set()).add(kind)
    return {name: frozenset(kinds) for name, kinds in found.items()}


def _no_attribute(kind: type, name: str) -> NoReturn:
    raise AttributeError(f"{type.__dict__['__name__'].__get__(kind)!r} object has no attribute {name!r} here")


def plain_name(name: object) -> str:
    """Return an attribute's name as a plain `str`, which no subclass can change any more."""
    if not issubclass(type(name), str):
        raise TypeError(f"attribute name must be string, not {type(name).__name__!r}")
    return str.__str__(name)


class _TypeFace(type):
    """Makes `Type` behave as the built-in `type` does."""

    def __call__(cls, *args: Any) -> Any:
        if len(args) == 1:
            kind = type(args[0])
            return cls if issubclass(kind, type) else kind
        raise TypeError("classes are made with class statements here")

    def __instancecheck__(cls, thing: object) -> bool:
        return issubclass(type(thing), type)

    def __subclasscheck__(cls, kind: type) -> bool:
        return type in _mro_of(kind) or kind is cls

    def __getitem__(cls, item: Any) -> Any:
        return types.GenericAlias(cls, item)

    def __repr__(cls) -> str:
        return "<class 'type'>"


Type = _TypeFace("type", (), {"__module__": "builtins", "__slots__": ()})
"""What a program gets as `type`: it tells kinds apart and makes none, so all classes pass `make_class`."""

AbstractMeta = _TypeFace("ABCMeta", (), {"__module__": "abc", "__slots__": ()})
EnumMeta = _TypeFace("EnumType", (), {"__module__": "enum", "__slots__": ()})
_METACLASSES: dict[object, type] = {Type: type, AbstractMeta: abc.ABCMeta, EnumMeta: enum.EnumMeta}


class InstanceDict(MutableMapping[str, Any]):
    """What changes an object through `x.__dict__`: only names that may be attributes get in."""

    __slots__ = ("_instance_dict", "_instance_guards", "_instance_owner")

    def __init__(self, guards: Guards, owner: object) -> None:
        kind = type(owner)
        found = getattr(owner, "__dict__", None)
        if kind in guards.host or type(found) is not dict:
            _no_attribute(kind, "__dict__")
        self._instance_dict: dict[str, Any] = found
        self._instance_guards, self._instance_owner = guards, owner

    def __getitem__(self, name: str) -> Any:
        return self._instance_dict[self._checked(name)]

    def __setitem__(self, name: str, value: Any) -> None:
        self._instance_dict[self._checked(name)] = value

    def __delitem__(self, name: str) -> None:
        del self._instance_dict[self._checked(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._instance_dict))

    def __len__(self) -> int:
        return len(self._instance_dict)

    def _checked(self, name: object) -> str:
        text = plain_name(name)
        self._instance_guards.check_write(self._instance_owner, text)
        return text


class Cell:
    """What a program gets as a cell of its function's closure: it can be looked into, not changed."""

    __slots__ = ("_cell_inside",)

    def __init__(self, inside: types.CellType) -> None:
        self._cell_inside = inside

    @property
    def cell_contents(self) -> Any:
        return self._cell_inside.cell_contents


Cell.__name__ = Cell.__qualname__ = "cell"


class _Slot:
    """Assigns, changes and deletes one attribute that needs a look; used as `slot[0]`."""

    __slots__ = ("_slot_guards", "_slot_name", "_slot_owner")

    def __init__(self, guards: Guards, owner: object, name: str) -> None:
        self._slot_guards, self._slot_owner, self._slot_name = guards, owner, name

    def __getitem__(self, _index: int) -> Any:
        return self._slot_guards.get(self._slot_owner, self._slot_name)

    def __setitem__(self, _index: int, value: Any) -> None:
        self._slot_guards.set(self._slot_owner, self._slot_name, value)

    def __delitem__(self, _index: int) -> None:
        self._slot_guards.delete(self._slot_owner, self._slot_name)


class Guards:
    """The guards of one process: made once, when every class of the host is there.

    Attributes:
        private: Names that are looked at because classes of the host use them.
        host: Those classes; all others are programs' own.
        bases: Those of them, written in Python, that a program may derive from.
        unchangeable: Those of them whose objects keep all their attributes.
        builtins: The dict in which programs' names are looked up at last.
    """

    def __init__(self, numpy: types.ModuleType | None = None) -> None:
        """Look at every class of this process.

        Args:
            numpy: The module if it is offered.
        """
        classes = all_classes()
        self.host = frozenset(classes)
        self._holders: dict[str, frozenset[type]] = private_names(classes)
        self.private = frozenset(self._holders)
        self.hide(("obj",), AttributeError)
        self.hide(("evaluate",), typing.ForwardRef)
        self.hide(("get_loop",), asyncio.Future, asyncio.Task, asyncio.Runner)
        self.hide(("parser",), pathlib.PurePath)
        if numpy is not None:
            self.hide(
                ("tofile", "dump", "dumps", "ctypes", "data", "setflags", "base", "getfield", "setfield",
                 "resize", "newbyteorder"),
                numpy.ndarray, numpy.generic,
            )  # fmt: skip
            self.hide(("ctypes", "cffi", "capsule"), numpy.random.BitGenerator, numpy.random.SeedSequence)
        self._hide_writes = (numpy.ndarray, numpy.generic) if numpy is not None else ()
        self.bases: frozenset[type] = frozenset()
        self.unchangeable: frozenset[type] = frozenset()
        self.builtins: dict[str, Any] = {}
        self._fine: dict[str, set[type]] = {}
        self._formats: set[str] = set()
        self._match_classes: set[type] = set()

    def hide(self, names: tuple[str, ...], *kinds: type) -> None:
        """Have attributes look absent on some classes; `GUARDED_NAMES` must have their names."""
        for name in names:
            self._holders[name] = self._holders.get(name, frozenset()) | frozenset(kinds)

    # What the transformed program calls.

    def fine(self, names: set[str]) -> None:
        """Provide the sets that compiled code looks types up in before it asks a guard.

        Args:
            names: Of attributes; after `= `, of those that are assigned.
        """
        for name in names:
            self.builtins[f"<fine {name}>"] = self._fine.setdefault(name, set())

    def is_hidden(self, owner: object, name: str) -> bool:
        """Tell whether an attribute belongs to a class of the host, which keeps it to itself."""
        holders = self._holders.get(name)
        if holders is None:
            return False
        kind = type(owner)
        if issubclass(kind, super):
            owner = _behind_super(owner)
            kind = type(owner)
        if issubclass(kind, _FORWARDERS) or not holders.isdisjoint(_mro_of(kind)):
            return True
        return issubclass(kind, type) and not holders.isdisjoint(_mro_of(owner))  # type: ignore[arg-type]

    def get(self, owner: Any, name: str) -> Any:
        """Return an attribute whose name is not refused, but needs a look.

        Raises:
            AttributeError: It is not there, or not for programs.
        """
        if is_dunder(name):
            return self._get_dunder(owner, name)
        kind = type(owner)
        if self.is_hidden(owner, name):
            _no_attribute(kind, name)
        value = getattr(owner, name)
        if name in _METHODS_OF_TEXT:
            return self._looked_at(value)
        fine = self._fine.get(name)
        if fine is not None and not issubclass(kind, type) and kind is not super:
            fine.add(kind)
        return value

    def _get_dunder(self, owner: Any, name: str) -> Any:
        kind = type(owner)
        if name == "__class__":
            return Type(owner)
        if issubclass(kind, _FORWARDERS):
            _no_attribute(kind, name)
        if name == "__dict__":
            return self.names_of(owner)
        if name == "__subclasses__":
            if issubclass(kind, type) and owner not in self.host:
                return lambda: type.__subclasses__(owner)
            _no_attribute(kind, name)
        if name in ("__setattr__", "__delattr__", "__getattribute__"):
            return self._by_name(owner, name)
        if name in READABLE:
            return getattr(owner, name)
        value = getattr(owner, name)
        if name == "__closure__":
            return self._cells(owner, value)
        own = type(value) is types.FunctionType and getattr(value, "__builtins__", None) is self.builtins
        if name == "__self__":
            own = kind is types.MethodType and (
                type(value) not in self.host or (issubclass(type(value), type) and value not in self.host)
            )
        if not own:
            _no_attribute(kind, name)
        return value

    def _cells(self, owner: Any, cells: Any) -> tuple[Cell, ...] | None:
        """Return what a function of the program's own closes over; others keep theirs."""
        if type(owner) is not types.FunctionType or getattr(owner, "__builtins__", None) is not self.builtins:
            _no_attribute(type(owner), "__closure__")
        return None if cells is None else tuple(map(Cell, cells))

    def names_of(self, owner: Any) -> dict[str, Any]:
        """Return a copy of what `owner.__dict__` or `vars(owner)` shows."""
        kind = type(owner)
        found = None if issubclass(kind, _FORWARDERS) else getattr(owner, "__dict__", None)
        if type(found) is types.MappingProxyType and issubclass(kind, type) and owner not in self.host:
            slots = (types.GetSetDescriptorType, types.MemberDescriptorType)
            return {
                name: value
                for name, value in found.items()
                if type(value) not in slots and (not is_dunder(name) or name in DEFINABLE)
            }
        if type(found) is not dict:
            _no_attribute(kind, "__dict__")
        return {
            name: value
            for name, value in found.items()
            if type(name) is str and not is_dunder(name) and not self.is_hidden(owner, name)
            and not name.startswith("<")
        }  # fmt: skip

    def _by_name(self, owner: Any, method: str) -> Callable[..., Any]:
        """Return `owner.__setattr__` and the like, with a look at the name that it is called with."""
        raw = getattr(owner, method)
        unbound = issubclass(type(owner), type)
        position = 1 if unbound else 0

        def call(*args: Any) -> Any:
            if len(args) <= position:
                raise TypeError(f"{method} wants more arguments")
            name = plain_name(args[position])
            target = args[0] if unbound else owner
            if issubclass(type(target), super):
                target = _behind_super(target)
            if method != "__getattribute__":
                self.check_write(target, name)
                return raw(*args[:position], name, *args[position + 1 :])
            verdict = judge_read(name, self.private)
            if verdict is Verdict.GUARDED:
                return self.get(target, name)
            if verdict is Verdict.REFUSED:
                _no_attribute(type(target), name)
            return raw(*args[:position], name)

        return call

    def _looked_at(self, value: Any) -> Any:
        """Replace `str.format` and `str.format_map`, bound or not, by what looks at the text first."""
        if type(value) is types.BuiltinMethodType and issubclass(type(value.__self__), str):
            text = str.__str__(value.__self__)
            if value.__name__ == "format":
                return lambda *args, **kwargs: self._checked(text).format(*args, **kwargs)
            return lambda mapping: self._checked(text).format_map(mapping)
        if type(value) is types.MethodDescriptorType and value.__objclass__ is str:
            if value.__name__ == "format":
                return lambda text, *args, **kwargs: self._checked(text).format(*args, **kwargs)
            return lambda text, mapping: self._checked(text).format_map(mapping)
        return value

    def _checked(self, text: str) -> str:
        plain = str.__str__(text)
        self.check_format(plain)
        return plain

    def check_format(self, text: str) -> None:
        """Refuse a format text that follows an attribute which needs a look.

        Raises:
            AttributeError: It does.
        """
        if text in self._formats:
            return
        try:
            for name in names_in_format(text):
                if judge_read(name, self.private) is not Verdict.FREE:
                    raise AttributeError(f"attribute {name!r} is not reachable in a format")
        except ValueError:
            return  # formatting says it better
        if len(self._formats) < _FORMATS_MAX:
            self._formats.add(text)

    def check_write(self, owner: Any, name: str) -> None:
        """Refuse to assign or delete what must stay as it is.

        Raises:
            AttributeError: It must.
        """
        if name.startswith("<") or type(owner) in self.unchangeable:
            # The guards' own names; set among the names of a module of the program's, they would
            # make its compiled code take every type for fine.
            raise AttributeError(f"attribute {name!r} cannot be changed")
        verdict = judge_write(name, self.private)
        if verdict is Verdict.FREE:
            return
        refused = verdict is Verdict.REFUSED or name == "__dict__" or self.is_hidden(owner, name)
        if refused or (name in ("strides", "dtype") and issubclass(type(owner), self._hide_writes)):
            raise AttributeError(f"attribute {name!r} cannot be changed")

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Assign an attribute after a look."""
        if name == "__dict__" and type(owner) not in self.host and type(value) is dict:
            for one in list(value):
                self.check_write(owner, plain_name(one))
        elif name == "__class__":
            if type(owner) in self.host or not issubclass(type(value), type) or value in self.host or (
                # What is set on an object of the one may be private to a class of the host behind the other.
                not self.host.intersection(_mro_of(value)) <= set(_mro_of(type(owner)))
            ):
                raise AttributeError("attribute '__class__' cannot be changed")
        else:
            self.check_write(owner, name)
            fine = self._fine.get(f"= {name}")
            kind = type(owner)
            if fine is not None and not issubclass(kind, type) and kind is not super:
                fine.add(kind)
        setattr(owner, name, value)

    def delete(self, owner: Any, name: str) -> None:
        """Delete an attribute after a look."""
        self.check_write(owner, name)
        delattr(owner, name)

    def match_class(self, kind: Any) -> Any:
        """Return a class of a positional pattern if what it reads are attributes that anybody may read.

        Raises:
            TypeError: It would read others.
        """
        if not issubclass(type(kind), type) or kind in self._match_classes:
            return kind
        for base in _mro_of(kind):
            names = type.__dict__["__dict__"].__get__(base).get("__match_args__", ())
            if type(names) is not tuple or not all(
                type(name) is str and judge_read(name, self.private) is Verdict.FREE for name in names
            ):
                raise TypeError(f"{base.__name__}() cannot be matched by position here")
        self._match_classes.add(kind)
        return kind

    def answers(self, function: Any) -> Any:
        """Wrap a program's `__getattr__`, so that numpy does not ask it for addresses."""

        def __getattr__(self: Any, name: str) -> Any:
            if name in HIDDEN_FROM_NUMPY:
                raise AttributeError(name)
            return function(self, name)

        return __getattr__

    def make_class(
        self, body: Callable[[], Any], name: str, *bases: Any, metaclass: Any = None, **keywords: Any
    ) -> Any:
        """Make a class, as the class statement does.

        Raises:
            TypeError: A base or the metaclass would let the program make classes in other ways.
        """
        for base in bases:
            if issubclass(type(base), type):
                if type in _mro_of(base) or type(base) is _TypeFace:
                    raise TypeError("metaclasses are not offered; __init_subclass__ or a class decorator may do")
                if base in self.host and not self._may_be_base(base):
                    raise TypeError(f"type {base.__name__!r} is not an acceptable base type")
            elif type(base) not in self.host:
                raise TypeError("bases must be types")
        if metaclass is not None:
            real = _METACLASSES.get(metaclass) if type(metaclass) is _TypeFace else None
            if real is None:
                raise TypeError("metaclasses are not offered; __init_subclass__ or a class decorator may do")
            keywords["metaclass"] = real
        return builtins.__build_class__(body, name, *bases, **keywords)

    def _may_be_base(self, base: type) -> bool:
        built_in = not base.__flags__ & _HEAP_TYPE
        return built_in or base in self.bases or issubclass(base, BaseException)

    # Built-in functions that take names.

    def getattr(self, owner: Any, name: str, default: Any = _missing, /) -> Any:
        """Do what `getattr` does."""
        text = plain_name(name)
        verdict = judge_read(text, self.private)
        try:
            if verdict is Verdict.FREE:
                return getattr(owner, text)
            if verdict is Verdict.GUARDED:
                return self.get(owner, text)
            _no_attribute(type(owner), text)
        except AttributeError:
            if default is _missing:
                raise
            return default

    def hasattr(self, owner: Any, name: str, /) -> bool:
        """Do what `hasattr` does."""
        try:
            self.getattr(owner, name)
        except AttributeError:
            return False
        return True

    def setattr(self, owner: Any, name: str, value: Any, /) -> None:
        """Do what `setattr` does."""
        self.set(owner, plain_name(name), value)

    def delattr(self, owner: Any, name: str, /) -> None:
        """Do what `delattr` does."""
        self.delete(owner, plain_name(name))

    def vars(self, owner: Any, /) -> dict[str, Any]:
        """Return a copy of an object's attributes."""
        return self.names_of(owner)

    def dir(self, owner: Any, /) -> list[str]:
        """Return the names of what may be read."""
        return [
            name
            for name in dir(owner)
            if type(name) is str and judge_read(name, self.private) is not Verdict.REFUSED
            and not self.is_hidden(owner, name)
        ]  # fmt: skip

    def install(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Fill `builtins`, the dict that programs' names are looked up in at last.

        Args:
            own: Functions that stand in for built-in ones.
        """
        offered = {
            name: value
            for name, value in vars(builtins).items()
            if not name.startswith("_") and name not in ABSENT_BUILTINS
        }
        self.builtins.clear()
        self.builtins.update(
            offered,
            __build_class__=_as_function(self.make_class),
            type=Type,
            getattr=_as_function(self.getattr),
            hasattr=_as_function(self.hasattr),
            setattr=_as_function(self.setattr),
            delattr=_as_function(self.delattr),
            vars=_as_function(self.vars),
            dir=_as_function(self.dir),
            **own,
        )
        self.builtins.update(
            {
                "<getattr>": self.get,
                "<slot>": lambda owner, name: _Slot(self, owner, name),
                "<instance dict>": lambda owner: InstanceDict(self, owner),
                "<match class>": self.match_class,
                "<answers>": self.answers,
                "<type>": type,
            }
        )
        return self.builtins


def _as_function(method: Callable[..., Any]) -> Callable[..., Any]:
    """Hide that a function of the host is a method: a program must not see whose."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    call.__name__ = call.__qualname__ = method.__name__
    call.__module__ = "builtins"
    return call
