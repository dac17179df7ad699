"""`pickle` and `shelve` for restricted programs: data and objects of the program's own classes.

The bytes are not pickle's. Pickle's are a program that the reader runs; these are a list of parts, and a
class is named only to be looked up among the program's own. `__reduce__` is ignored, as by `copy` here.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import fractions
import json
import types
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from dspex.languages.restricted.context import present
from dspex.languages.restricted.names import is_dunder

if TYPE_CHECKING:
    from dspex.languages.restricted.context import Context, Offer

_HEAD = b"\x80dspex-parts\n"
_DATED = {kind.__name__: kind for kind in (datetime.datetime, datetime.date, datetime.time)}
_NUMBERS: dict[str, Any] = {"Decimal": decimal.Decimal, "Fraction": fractions.Fraction}
_GATHERED: dict[str, Any] = {
    kind.__name__: kind for kind in (list, set, tuple, frozenset, dict, OrderedDict, Counter, deque)
}


class PickleError(Exception):
    """Something cannot be kept or read back."""


class PicklingError(PickleError):
    """Something cannot be kept."""


class UnpicklingError(PickleError):
    """Something is not what `dumps` gave."""


for _kind in (PickleError, PicklingError, UnpicklingError):
    _kind.__module__ = "pickle"


class _Writer:
    def __init__(self, context: Context) -> None:
        self._writer_context = context
        self._writer_places: dict[int, int] = {}
        self._writer_kept: list[Any] = []
        self.parts: list[Any] = []

    def put(self, thing: Any) -> int:
        place = self._writer_places.get(id(thing))
        if place is None:
            place = self._writer_places[id(thing)] = len(self.parts)
            self._writer_kept.append(thing)
            self.parts.append(None)
            self.parts[place] = self._part(thing)
        return place

    def _part(self, thing: Any) -> list[Any]:
        kind = type(thing)
        name = kind.__name__
        if thing is None or kind is bool or kind is str:
            return ["is", thing]
        if kind is int:
            return ["int", hex(thing)]
        if kind is float:
            return ["float", thing.hex()]
        if kind is complex:
            return ["complex", thing.real.hex(), thing.imag.hex()]
        if kind in (bytes, bytearray):
            return [name, base64.b64encode(thing).decode()]
        if kind in (OrderedDict, Counter, dict):
            return ["pairs", name, [[self.put(key), self.put(value)] for key, value in thing.items()]]
        if _GATHERED.get(name) is kind:
            return ["items", name, [self.put(one) for one in thing]]
        if _DATED.get(name) is kind and getattr(thing, "tzinfo", None) is None:
            return ["dated", name, thing.isoformat()]
        if kind is datetime.timedelta:
            return ["span", thing.days, thing.seconds, thing.microseconds]
        if _NUMBERS.get(name) is kind:
            return ["number", name, str(thing)]
        return self._object(thing, kind)

    def _object(self, thing: Any, kind: type) -> list[Any]:
        context = self._writer_context
        if issubclass(kind, type):
            if context.is_own(thing):
                return ["class", *self._named(thing)]
            raise PicklingError(f"cannot pickle {thing!r}: only classes of the program's own are kept")
        if not context.is_own(kind):
            raise PicklingError(f"cannot pickle {kind.__name__!r} object")
        if issubclass(kind, enum.Enum):
            return ["member", *self._named(kind), thing.name]
        args = [self.put(one) for one in thing.args] if isinstance(thing, BaseException) else None
        state = self._state(thing, kind)
        return ["object", *self._named(kind), args, self.put(state)]

    def _state(self, thing: Any, kind: type) -> Any:
        context = self._writer_context
        for one in type.__dict__["__mro__"].__get__(kind):
            own = type.__dict__["__dict__"].__get__(one).get("__getstate__")
            if own is not None and context.is_own(one):
                return own(thing)
        state = dict(context.guard.names_of(thing)) if hasattr(thing, "__dict__") else {}
        for one in type.__dict__["__mro__"].__get__(kind):
            for name, descriptor in type.__dict__["__dict__"].__get__(one).items():
                if type(descriptor) is types.MemberDescriptorType and context.is_own(one):
                    try:
                        state[name] = descriptor.__get__(thing)
                    except AttributeError:
                        continue
        return state

    def _named(self, kind: type) -> list[str]:
        module, name = kind.__module__, kind.__qualname__
        if type(module) is not str or type(name) is not str or _found(self._writer_context, module, name) is not kind:
            raise PicklingError(f"Can't pickle {kind!r}: it's not found as {module}.{name}")
        return [module, name]


def _found(context: Context, module: str, name: str) -> Any:
    """Return a class of the program's own by its name, or None."""
    first, *rest = name.split(".")
    found = context.names_of_module(module).get(first)
    for one in rest:
        found = context.guard.getattr(found, one, None)
    return found if context.is_own(found) else None


class _Reader:
    def __init__(self, context: Context, parts: list[Any]) -> None:
        self._reader_context, self._reader_parts = context, parts
        self._reader_made: dict[int, Any] = {}

    def get(self, place: Any) -> Any:
        if type(place) is not int or not 0 <= place < len(self._reader_parts):
            raise UnpicklingError("a part is missing")
        if place not in self._reader_made:
            what, *rest = self._reader_parts[place]
            self._make(place, what, rest)
        return self._reader_made[place]

    def _make(self, place: int, what: str, rest: list[Any]) -> None:
        made = self._reader_made
        if what == "is":
            made[place] = rest[0] if type(rest[0]) in (bool, str) else None
        elif what == "int":
            made[place] = int(rest[0], 16)
        elif what == "float":
            made[place] = float.fromhex(rest[0])
        elif what == "complex":
            made[place] = complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
        elif what in ("bytes", "bytearray"):
            data = base64.b64decode(rest[0])
            made[place] = data if what == "bytes" else bytearray(data)
        elif what == "pairs":
            into = made[place] = _GATHERED[rest[0]]()
            for key, value in rest[1]:
                into[self.get(key)] = self.get(value)
        elif what == "items":
            self._gather(place, rest)
        elif what == "dated":
            made[place] = _DATED[rest[0]].fromisoformat(rest[1])
        elif what == "span":
            made[place] = datetime.timedelta(*rest)
        elif what == "number":
            made[place] = _NUMBERS[rest[0]](rest[1])
        elif what == "class":
            made[place] = self._class(rest)
        elif what == "member":
            made[place] = self._class(rest)[rest[2]]
        elif what == "object":
            self._object(place, self._class(rest), rest)
        else:
            raise UnpicklingError(f"unknown part {what!r}")

    def _gather(self, place: int, rest: list[Any]) -> None:
        kind = _GATHERED[rest[0]]
        if kind in (tuple, frozenset):
            self._reader_made[place] = kind([self.get(one) for one in rest[1]])
            return
        into = self._reader_made[place] = kind()
        add = into.add if kind is set else into.append
        for one in rest[1]:
            add(self.get(one))

    def _class(self, rest: list[Any]) -> Any:
        kind = _found(self._reader_context, str(rest[0]), str(rest[1]))
        if kind is None:
            raise UnpicklingError(f"Can't get attribute {rest[1]!r} on {rest[0]!r}")
        return kind

    def _object(self, place: int, kind: Any, rest: list[Any]) -> None:
        if issubclass(kind, BaseException):
            made = BaseException.__new__(kind, *[self.get(one) for one in rest[2] or []])
        else:
            made = object.__new__(kind)
        self._reader_made[place] = made
        state = self.get(rest[3])
        for one in type.__dict__["__mro__"].__get__(kind):
            own = type.__dict__["__dict__"].__get__(one).get("__setstate__")
            if own is not None and self._reader_context.is_own(one):
                own(made, state)
                return
        if type(state) is not dict:
            raise UnpicklingError("an object's state is no dict")
        for name, value in state.items():
            if type(name) is not str:
                raise UnpicklingError("an attribute's name is no text")
            if is_dunder(name):
                raise UnpicklingError(f"an attribute cannot be named {name!r}")
            self._reader_context.guard.check_write(made, name)
            object.__setattr__(made, name, value)


def pickle_and_shelve(context: Context) -> Offer:
    """Return the names of `pickle` and `shelve`."""

    def dumps(obj: Any, protocol: int | None = None, **_: Any) -> bytes:
        writer = _Writer(context)
        writer.put(obj)
        return _HEAD + json.dumps(writer.parts).encode() + b"\n"

    def loads(data: Any, /, **_: Any) -> Any:
        given = bytes(data)
        if not given.startswith(_HEAD):
            raise UnpicklingError("only what dumps() of restricted Python gave can be read")
        try:
            parts = json.loads(given[len(_HEAD) :])
            return _Reader(context, list(parts)).get(0)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise UnpicklingError(f"the parts do not fit together: {error}") from None

    def dump(obj: Any, file: Any, protocol: int | None = None, **_: Any) -> None:
        file.write(dumps(obj))

    def load(file: Any, **_: Any) -> Any:
        head = file.readline()
        if not head:
            raise EOFError("Ran out of input")
        return loads(head + file.readline())

    class Shelf(MutableMapping[str, Any]):
        def __init__(self, dict: Any, protocol: int | None = None, writeback: bool = False,
                     keyencoding: str = "utf-8") -> None:  # fmt: skip
            self._shelf_store, self._shelf_keeps, self._shelf_encoding = dict, writeback, keyencoding
            self._shelf_cache: Any = {}

        def __iter__(self) -> Iterator[str]:
            for key in self._shelf_store:
                yield key.decode(self._shelf_encoding)

        def __len__(self) -> int:
            return len(self._shelf_store)

        def __contains__(self, key: Any) -> bool:
            return key.encode(self._shelf_encoding) in self._shelf_store

        def __getitem__(self, key: str) -> Any:
            if key in self._shelf_cache:
                return self._shelf_cache[key]
            found = loads(self._shelf_store[key.encode(self._shelf_encoding)])
            if self._shelf_keeps:
                self._shelf_cache[key] = found
            return found

        def __setitem__(self, key: str, value: Any) -> None:
            if self._shelf_keeps:
                self._shelf_cache[key] = value
            self._shelf_store[key.encode(self._shelf_encoding)] = dumps(value)

        def __delitem__(self, key: str) -> None:
            del self._shelf_store[key.encode(self._shelf_encoding)]
            self._shelf_cache.pop(key, None)

        def sync(self) -> None:
            for key, value in self._shelf_cache.items():
                self._shelf_store[key.encode(self._shelf_encoding)] = dumps(value)
            if hasattr(self._shelf_store, "sync"):
                self._shelf_store.sync()

        def close(self) -> None:
            self.sync()
            self._shelf_cache = {}
            if hasattr(self._shelf_store, "close"):
                self._shelf_store.close()

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_exc: object) -> None:
            self.close()

    class FileStore(dict[bytes, bytes]):
        def __init__(self, path: str) -> None:
            self._store_path = path

        def sync(self) -> None:
            content = {key.hex(): value.hex() for key, value in self.items()}
            with context.files.open(self._store_path, "w") as file:
                file.write(json.dumps(content))

    def open_shelf(filename: Any, flag: str = "c", protocol: int | None = None, writeback: bool = False) -> Any:
        store = FileStore(context.files.abspath(filename))
        if flag != "n" and context.files.exists(filename):
            with context.files.open(filename, "r") as file:
                store.update({bytes.fromhex(key): bytes.fromhex(value) for key, value in json.load(file).items()})
        return Shelf(store, writeback=writeback)

    class Pickler:
        def __init__(self, file: Any, protocol: int | None = None, **_: Any) -> None:
            self._pickler_file = file

        def dump(self, obj: Any) -> None:
            dump(obj, self._pickler_file)

    class Unpickler:
        def __init__(self, file: Any, **_: Any) -> None:
            self._pickler_file = file

        def load(self) -> Any:
            return load(self._pickler_file)

    present(Shelf, "shelve")
    kinds = {one.__name__: one for one in (Pickler, Unpickler)}
    for kind in kinds.values():
        present(kind, "pickle")
    errors = {one.__name__: one for one in (PickleError, PicklingError, UnpicklingError)}
    functions = {"dumps": dumps, "loads": loads, "dump": dump, "load": load}
    return {
        "pickle": {**functions, **errors, **kinds, "HIGHEST_PROTOCOL": 5, "DEFAULT_PROTOCOL": 4},
        "shelve": {"Shelf": Shelf, "open": open_shelf},
    }, []
