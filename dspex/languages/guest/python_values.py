"""The guest's half of the value codec: what a program may hand back, and what it is handed.

This file runs inside the sandbox (CPython 3.14, preloaded into the snapshot) and is pure standard
library, so it also imports on the host, where its tests run. `dspex.values` is the other half and
trusts nothing that this one writes; the format is described in `docs/reference/values.md`.

A value of a program is foreign: its methods may raise, lie or change it. So containers are read
through the methods of the built-in base class, and whatever still fails is given as its `repr`.
"""

from __future__ import annotations

import sys
from binascii import a2b_base64, b2a_base64
from datetime import date, datetime, time, timedelta, timezone
from importlib import import_module
from json.decoder import JSONDecoder
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Write = Callable[["_Writer", Any, int], Any]

INT_PLAIN_MAX = 2**53
"""Integers up to here are JSON numbers; larger ones are tagged, so that no JSON reader rounds."""

FRACTION_HEX_MAX = 4096
"""Longest numerator or denominator, in hexadecimal digits; a longer one costs the reader a lot."""

CONTAINER_BYTES = 16
"""What each JSON array or object counts at least against the size limit: it costs memory."""

REPR_CHARS_MAX = 10_000
"""Longest `repr` that stands for what cannot cross."""

NOTES_MAX = 20
"""Most notes that are given; one more tells how many are left out."""

DTYPE_SIZES: dict[str, tuple[int, ...]] = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8),
    "c": (8, 16),
    "m": (8,),
    "M": (8,),
}
"""Kinds of array elements that cross, with their sizes; text (`S`, `U`) crosses at any size."""


def _refuse(value: Any) -> Any:
    raise TypeError(type(value))


# Everything is held by its own name from here on: a program may change the modules it came from.
# No cycle marks, no indent, separators, no sorted keys, no skipped keys, no NaN.
_to_chunks = c_make_encoder(None, _refuse, encode_basestring, None, ":", ",", False, False, False)


def to_json(tree: Any) -> str:
    """Return a tree of plain types as compact JSON, whatever the program did to `json`."""
    return "".join(_to_chunks(tree, 0))


class ValueOverLimit(ValueError):
    """A value is too large or too deep to cross; the fields are those of a `limit` outcome."""

    def __init__(self, limit: str, allowed: int, spent: int) -> None:
        super().__init__(f"{limit}: {spent} spent of {allowed}")
        self.limit = limit
        self.allowed = allowed
        self.spent = spent


class _CannotCross(Exception):
    """Says why a value is given as its `repr`; never leaves this file."""


def encode(
    value: Any, bytes_max: int, depth_max: int, *, arrays: bool = False
) -> tuple[bytes, list[str]]:
    """Write a value for the host.

    Args:
        value: Any object of the program.
        bytes_max: Most bytes the result may have, each container counting at least 16.
        depth_max: Most containers that may lie in each other.
        arrays: Whether the host reads numpy arrays.

    Returns:
        The bytes, and notes on what did not cross unchanged.

    Raises:
        ValueOverLimit: The value is too large or too deep.
    """
    if value is None or value is True or value is False:
        return to_json(value).encode(), []
    writer = _Writer(bytes_max, depth_max, arrays=arrays)
    try:
        data = to_json(writer.visit(value, 0)).encode()
    except ValueOverLimit as error:
        if error.limit != "value_depth":
            raise
        data = None
    except (ValueError, TypeError, RecursionError):
        data = None
    if data is None:
        # Something hid in a list that looked plain: a float that is no JSON number, a string that
        # is no UTF-8. Or a value is too deep, perhaps because it contains itself. Only now is it
        # worth looking at each element, and keeping track of what contains what.
        writer = _Writer(bytes_max, depth_max, arrays=arrays)
        writer.open_ids = set()
        try:
            data = to_json(writer.visit(value, 0)).encode()
        except ValueOverLimit:
            raise
        except (ValueError, TypeError, RecursionError):
            # A class that passes itself off as a built-in one.
            writer = _Writer(bytes_max, depth_max, arrays=arrays)
            data = to_json(writer.as_repr(value, "cannot cross")).encode()
    spent = max(len(data), CONTAINER_BYTES * writer.containers)
    if spent > bytes_max:
        raise ValueOverLimit("value_bytes", bytes_max, spent)
    return data, writer.all_notes()


class _Writer:
    """Turns one value into a tree that JSON can say, counting as it goes."""

    __slots__ = (
        "arrays",
        "bytes_max",
        "containers",
        "depth_max",
        "found",
        "notes",
        "notes_left_out",
        "open_ids",
        "path",
        "room",
    )

    def __init__(self, bytes_max: int, depth_max: int, *, arrays: bool) -> None:
        self.bytes_max = bytes_max
        self.depth_max = depth_max
        self.arrays = arrays
        self.room = bytes_max
        self.containers = 0
        self.path: list[Any] = []  # one step per container around the present place
        self.open_ids: set[int] | None = None  # their ids; None as long as nobody needs them
        self.found: dict[type, Write] = {}
        self.notes: list[str] = []
        self.notes_left_out = 0

    def visit(self, value: Any, depth: int) -> Any:
        """Return the tree of a value that lies in `depth` containers."""
        try:
            kind = type(value)
            write = _WRITERS.get(kind) or self.found.get(kind)
            if write is None:
                write = self.found[kind] = _find_writer(kind)
            if self.open_ids is None:
                return write(self, value, depth)
            return self.visit_watched(write, value, depth, self.open_ids)
        except (ValueOverLimit, KeyboardInterrupt, MemoryError):
            raise
        except _CannotCross as reason:
            del self.path[depth:]
            return self.as_repr(value, str(reason))
        except BaseException as error:  # noqa: BLE001 - a program's own methods ran
            del self.path[depth:]
            return self.as_repr(value, f"cannot cross, reading it raised {type(error).__name__}")

    def visit_watched(self, write: Write, value: Any, depth: int, around: set[int]) -> Any:
        """Visit a value, refusing to enter one that is being visited already."""
        mark = id(value)
        if mark in around:
            raise _CannotCross("contains itself")
        around.add(mark)
        try:
            return write(self, value, depth)
        finally:
            around.discard(mark)

    def enter(self, length: int, depth: int) -> None:
        """Count a container of so many elements."""
        if depth >= self.depth_max:
            raise ValueOverLimit("value_depth", self.depth_max, depth + 1)
        self.containers += 1
        self.spend(2 * length + 1)

    def spend(self, count: int) -> None:
        """Count bytes, so that no tree is built that would never be sent."""
        self.room -= count
        if self.room < 0:
            raise ValueOverLimit("value_bytes", self.bytes_max, self.bytes_max - self.room)

    def tagged(self, tag: str, payload: Any) -> dict[str, Any]:
        """Return the tree that stands for a value which JSON cannot say."""
        self.containers += 2
        return {"$": [tag, payload]}

    def is_plain(self, values: Any) -> bool:
        """Return whether these are leaves that can be given as they are; count them if so."""
        kinds = set(map(type, values))
        if self.open_ids is not None or not kinds <= _LEAVES:
            return not kinds
        if len(kinds) > 1:
            for item in values:
                kind = type(item)
                if kind is str:
                    self.room -= len(item)
                elif kind is int and not -INT_PLAIN_MAX <= item <= INT_PLAIN_MAX:
                    return False
            self.spend(0)
        elif str in kinds:
            self.spend(sum(map(len, values)))
        elif int in kinds:
            return bool(min(values) >= -INT_PLAIN_MAX and max(values) <= INT_PLAIN_MAX)
        return True

    # One method per type that has a form of its own.

    def write_as_is(self, value: Any, _depth: int) -> Any:
        return value

    def write_str(self, value: str, _depth: int) -> Any:
        self.spend(len(value))
        if self.open_ids is not None and _has_surrogates(value):
            return self.tagged("str", _base64(value.encode("utf-8", "surrogatepass")))
        return value

    def write_int(self, value: int, _depth: int) -> Any:
        if -INT_PLAIN_MAX <= value <= INT_PLAIN_MAX:
            return value
        self.spend(value.bit_length() // 4)
        return self.tagged("int", format(value, "x"))

    def write_float(self, value: float, _depth: int) -> Any:
        if value - value == 0.0:
            return value
        return self.tagged("float", repr(value))

    def write_complex(self, value: complex, depth: int) -> Any:
        self.containers += 1
        parts = [self.write_float(value.real, depth), self.write_float(value.imag, depth)]
        return self.tagged("complex", parts)

    def write_bytes(self, value: bytes, _depth: int) -> Any:
        self.spend(len(value) * 4 // 3)
        return self.tagged("bytes", _base64(value))

    def write_bytearray(self, value: bytearray, _depth: int) -> Any:
        self.spend(len(value) * 4 // 3)
        return self.tagged("bytearray", _base64(value))

    def write_elements(self, values: Any, depth: int) -> Any:
        self.enter(len(values), depth)
        if self.is_plain(values):
            return values if type(values) is list else list(values)
        trees = []
        path = self.path
        ordered = type(values) is list or type(values) is tuple
        path.append(_ELEMENT)
        for index, item in enumerate(values):
            if ordered:
                path[-1] = index
            trees.append(self.visit(item, depth + 1))
        path.pop()
        return trees

    def write_tuple(self, value: Any, depth: int) -> Any:
        return self.tagged("tuple", self.write_elements(value, depth))

    def write_set(self, value: Any, depth: int) -> Any:
        return self.tagged("set", self.write_elements(value, depth))

    def write_frozenset(self, value: Any, depth: int) -> Any:
        return self.tagged("frozenset", self.write_elements(value, depth))

    def write_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if value and (set(map(type, value)) != {str} or "$" in value):
            return self.write_pairs(value, depth)
        if self.open_ids is not None and any(map(_has_surrogates, value)):
            return self.write_pairs(value, depth)
        self.enter(len(value), depth)
        self.spend(sum(map(len, value)))
        if self.is_plain(value.values()):
            return value
        trees = {}
        path = self.path
        path.append(None)
        for key, item in value.items():
            path[-1] = key
            trees[key] = self.visit(item, depth + 1)
        path.pop()
        return trees

    def write_pairs(self, value: dict[Any, Any], depth: int) -> Any:
        self.enter(len(value), depth)
        self.containers += len(value)
        trees = []
        path = self.path
        path.append(None)
        for key, item in value.items():
            path[-1] = _KEY
            key_tree = self.visit(key, depth + 1)
            path[-1] = key
            trees.append([key_tree, self.visit(item, depth + 1)])
        path.pop()
        return self.tagged("dict", trees)

    def write_fields(self, value: Any, depth: int) -> Any:
        fields = sys.modules["dataclasses"].fields(type(value))
        return self.write_dict({field.name: getattr(value, field.name) for field in fields}, depth)

    def write_model(self, value: Any, depth: int) -> Any:
        return self.write_dict(dict(value.model_dump()), depth)

    def write_range(self, value: range, depth: int) -> Any:
        self.containers += 1
        ends = (value.start, value.stop, value.step)
        return self.tagged("range", [self.write_int(end, depth) for end in ends])

    def write_date(self, value: date, _depth: int) -> Any:
        self.containers += 1
        return self.tagged("date", [value.year, value.month, value.day])

    def write_timedelta(self, value: timedelta, _depth: int) -> Any:
        self.containers += 1
        return self.tagged("timedelta", [value.days, value.seconds, value.microseconds])

    def write_time(self, value: time, _depth: int) -> Any:
        clock = [value.hour, value.minute, value.second, value.microsecond, value.fold]
        zone = self.zone(value)
        self.containers += 1
        return self.tagged("time", [*clock, zone])

    def write_datetime(self, value: datetime, _depth: int) -> Any:
        day = [value.year, value.month, value.day]
        clock = [value.hour, value.minute, value.second, value.microsecond, value.fold]
        zone = self.zone(value)
        self.containers += 1
        return self.tagged("datetime", [*day, *clock, zone])

    def zone(self, value: datetime | time) -> Any:
        """Return nothing, or key, name and offset in microseconds of a time zone."""
        tzinfo = value.tzinfo
        if tzinfo is None:
            return None
        key = getattr(tzinfo, "key", None) if type(tzinfo).__name__ == "ZoneInfo" else None
        offset = value.utcoffset()
        if offset is None and key is None:
            raise _CannotCross("cannot cross, its time zone has no fixed offset")
        offset_us = None if offset is None else offset // timedelta(microseconds=1)
        name = None
        if key is None and offset is not None:
            # A fixed zone is named after its offset unless it was given a name.
            name = value.tzname()
            name = None if name == timezone(offset).tzname(None) else name
        self.containers += 1
        return [key, name, offset_us]

    def write_decimal(self, value: Any, _depth: int) -> Any:
        text = sys.modules["decimal"].Decimal.__str__(value)
        self.spend(len(text))
        return self.tagged("decimal", text)

    def write_fraction(self, value: Any, _depth: int) -> Any:
        parts = [format(value.numerator, "x"), format(value.denominator, "x")]
        if max(map(len, parts)) > FRACTION_HEX_MAX:
            raise _CannotCross(f"of more than {FRACTION_HEX_MAX} hexadecimal digits cannot cross")
        self.containers += 1
        return self.tagged("fraction", parts)

    def write_uuid(self, value: Any, _depth: int) -> Any:
        return self.tagged("uuid", format(value.int, "032x"))

    def write_enum(self, value: Any, depth: int) -> Any:
        return self.visit(value._value_, depth)

    def write_array(self, value: Any, _depth: int) -> Any:
        if type(value) is not sys.modules["numpy"].ndarray:
            raise _CannotCross("cannot cross, only plain arrays can")
        if not self.arrays:
            raise _CannotCross("cannot cross, the host has no numpy")
        dtype = _dtype_text(value.dtype)
        self.spend(value.nbytes * 4 // 3)
        self.containers += 2
        if dtype[1] == "b":
            value = value.view("u1") != 0  # there may be any byte in it
        return self.tagged("ndarray", [dtype, list(value.shape), _base64(value.tobytes())])

    def write_scalar(self, value: Any, depth: int) -> Any:
        dtype = _dtype_text(value.dtype)
        for base in (float, complex, str, bytes):
            if isinstance(value, base):
                return _SUBCLASS_WRITERS[base](self, value, depth)
        if not self.arrays:
            if dtype[1] not in "biuf":
                raise _CannotCross("cannot cross, the host has no numpy")
            return self.visit(value.item(), depth)
        self.containers += 1
        return self.tagged("npscalar", [dtype, _base64(value.tobytes())])

    # What cannot cross.

    def as_repr(self, value: Any, reason: str) -> str:
        """Return the `repr` of a value, bounded, and note it."""
        name = _type_name(type(value))
        given = "its repr is given"
        try:
            text = str.__str__(repr(value))
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # noqa: BLE001 - a program's own method ran
            text = f"<{name} object>"
            given = f"its repr raised {type(error).__name__}"
        if len(text) > REPR_CHARS_MAX:
            given += f", cut to {REPR_CHARS_MAX} of {len(text)} characters"
            text = text[: REPR_CHARS_MAX - 1] + "\u2026"
        if len(self.notes) < NOTES_MAX:
            self.notes.append(_utf8(f"{_path_text(self.path)}: {name} {reason}, {given}"))
        else:
            self.notes_left_out += 1
        self.spend(len(text))
        return _utf8(text)

    def all_notes(self) -> list[str]:
        """Return the notes, with the number of those left out."""
        if self.notes_left_out:
            return [*self.notes, f"{self.notes_left_out} more did not cross"]
        return self.notes


_KEY = object()
"""Step of a path that leads to a key rather than to what lies under it."""

_ELEMENT = object()
"""Step of a path that leads to an element of a set."""

_LEAVES = {type(None), bool, str, int, float}
"""Types that JSON can say, unless the single value is out of the ordinary."""

_WRITERS: dict[type, Write] = {
    type(None): _Writer.write_as_is,
    bool: _Writer.write_as_is,
    str: _Writer.write_str,
    int: _Writer.write_int,
    float: _Writer.write_float,
    complex: _Writer.write_complex,
    bytes: _Writer.write_bytes,
    bytearray: _Writer.write_bytearray,
    list: _Writer.write_elements,
    tuple: _Writer.write_tuple,
    set: _Writer.write_set,
    frozenset: _Writer.write_frozenset,
    dict: _Writer.write_dict,
    range: _Writer.write_range,
    datetime: _Writer.write_datetime,
    date: _Writer.write_date,
    time: _Writer.write_time,
    timedelta: _Writer.write_timedelta,
}

_AS_BASE: dict[type, Any] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: bytearray.copy,
    list: list.copy,
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
}
"""How an instance of a subclass becomes one of the base class without asking the subclass."""

_LATE = {
    ("decimal", "Decimal"): _Writer.write_decimal,
    ("fractions", "Fraction"): _Writer.write_fraction,
    ("uuid", "UUID"): _Writer.write_uuid,
    ("enum", "Enum"): _Writer.write_enum,
    ("numpy", "ndarray"): _Writer.write_array,
    ("numpy", "generic"): _Writer.write_scalar,
    ("pydantic.main", "BaseModel"): _Writer.write_model,
}
"""Types by module and name: one that is not loaded has no instances, and need not be loaded."""


def _through_base(base: type) -> Write:
    write, as_base = _WRITERS[base], _AS_BASE.get(base)
    if as_base is None:
        return write
    return lambda writer, value, depth: write(writer, as_base(value), depth)


_SUBCLASS_WRITERS = {base: _through_base(base) for base in _WRITERS}


def _find_writer(kind: type) -> Write:
    """Return how to write an instance of a subclass, or of a type that not every program loads."""
    for base in type.__dict__["__mro__"].__get__(kind):
        if base in _SUBCLASS_WRITERS:
            return _SUBCLASS_WRITERS[base]
        name = (base.__module__, base.__name__)
        if name in _LATE and getattr(sys.modules.get(name[0]), name[1], None) is base:
            return _LATE[name]
    if "dataclasses" in sys.modules and sys.modules["dataclasses"].is_dataclass(kind):
        return _Writer.write_fields
    raise _CannotCross("cannot cross")


def _dtype_text(dtype: Any) -> str:
    """Return the type of array elements as text, if they are plain data of a portable size."""
    text = dtype.kind in "SU" and dtype.itemsize > 0
    if text or dtype.itemsize in DTYPE_SIZES.get(dtype.kind, ()):
        return str(dtype.str)
    raise _CannotCross(f"of dtype {dtype.str} cannot cross")


def _base64(data: Any) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _has_surrogates(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _type_name(kind: type) -> str:
    """Return the name of a class as its definition gave it."""
    name = type.__dict__["__qualname__"].__get__(kind)
    module = type.__dict__["__module__"].__get__(kind)
    named = type(module) is str and module not in ("builtins", "__main__")
    return f"{module}.{name}" if named else str(name)


def _path_text(path: list[Any]) -> str:
    """Return a path as it would be written in Python: `value['a'][3]`."""
    text = "value"
    for step in path:
        if step is _KEY:
            text += ".keys()"
        elif step is _ELEMENT:
            text += "{}"
        elif type(step) in (str, bytes, float, bool) or (
            type(step) is int and abs(step) < INT_PLAIN_MAX
        ):
            text += f"[{step!r:.100}]"
        else:
            text += f"[<{_type_name(type(step))}>]"
    return text


def decode(data: bytes) -> Any:
    """Read a value that the host wrote. The host is trusted: it can do anything here anyway.

    Args:
        data: Bytes written by `dspex.values.encode`.
    """
    if b'"$"' not in data:
        return _scan_plain(data.decode(), 0)[0]
    return _scan_tagged(data.decode(), 0)[0]


def _untag(node: dict[str, Any]) -> Any:
    """Return what a JSON object stands for; its own parts have been read before."""
    tagged = node.get("$")
    if tagged is None:
        return node
    tag, payload = tagged
    return _READERS[tag](payload)


_scan_plain = JSONDecoder().scan_once  # type: ignore[attr-defined]
_scan_tagged = JSONDecoder(object_hook=_untag).scan_once  # type: ignore[attr-defined]


def _read_zone(zone: Any) -> Any:
    if zone is None:
        return None
    key, name, offset_us = zone
    if key is not None:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - rare, and large

        try:
            return ZoneInfo(key)
        except (ZoneInfoNotFoundError, ValueError):
            if offset_us is None:
                raise
            name = key
    offset = timedelta(microseconds=offset_us)
    if name is None:
        return timezone.utc if not offset else timezone(offset)  # noqa: UP017
    return timezone(offset, name)


def _read_datetime(parts: Any) -> datetime:
    *numbers, fold, zone = parts
    naive = datetime(*numbers)  # noqa: DTZ001 - the zone follows
    return naive.replace(tzinfo=_read_zone(zone), fold=fold)


def _read_time(parts: Any) -> time:
    *numbers, fold, zone = parts
    return time(*numbers).replace(tzinfo=_read_zone(zone), fold=fold)


def _read_decimal(text: str) -> Any:
    from decimal import Decimal  # noqa: PLC0415 - only programs that are given one need it

    return Decimal(text)


def _read_fraction(parts: Any) -> Any:
    from fractions import Fraction  # noqa: PLC0415 - only programs that are given one need it

    return Fraction(int(parts[0], 16), int(parts[1], 16))


def _read_uuid(text: str) -> Any:
    from uuid import UUID  # noqa: PLC0415 - only programs that are given one need it

    return UUID(hex=text)


def _read_array(parts: Any) -> Any:
    dtype, shape, data = parts
    return import_module("numpy").ndarray(tuple(shape), dtype, bytearray(a2b_base64(data)))


def _read_scalar(parts: Any) -> Any:
    dtype, data = parts
    return import_module("numpy").frombuffer(a2b_base64(data), dtype)[0]


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "str": lambda text: a2b_base64(text).decode("utf-8", "surrogatepass"),
    "bytes": a2b_base64,
    "bytearray": lambda text: bytearray(a2b_base64(text)),
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "complex": lambda parts: complex(*parts),
    "range": lambda ends: range(*ends),
    "date": lambda parts: date(*parts),
    "time": _read_time,
    "datetime": _read_datetime,
    "timedelta": lambda parts: timedelta(*parts),
    "decimal": _read_decimal,
    "fraction": _read_fraction,
    "uuid": _read_uuid,
    "ndarray": _read_array,
    "npscalar": _read_scalar,
}
