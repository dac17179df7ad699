"""What may cross between host and guest, how deep and how large: the host's half of the codec.

Values cross as tagged JSON: what JSON says exactly is plain JSON, everything else is an object with
the single key `$` (`docs/reference/values.md` lists the tags). The guest's half for Python is
`dspex/languages/guest/python_values.py`. Writing refuses what cannot cross, naming the place;
reading takes hostile bytes, is total and bounded, and makes nothing but the listed types. Both
halves of the host are in this one file because each rule of the one must answer one of the other.
"""

from __future__ import annotations

import binascii
import datetime  # noqa: ICN001 - spelled out, it is the subject here
import decimal
import enum
import fractions
import functools
import importlib
import importlib.util
import math
import re
import sys
import uuid
import zoneinfo
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any, NoReturn, TypeVar

import msgspec

from dspex.errors import ValueNotTransferable, spent_of

INT_PLAIN_MAX = 2**53
"""Integers up to here are JSON numbers; larger ones are tagged, so that no JSON reader rounds."""

FRACTION_HEX_MAX = 4096
"""Longest numerator or denominator, in hexadecimal digits: reducing one costs its square."""

CONTAINER_BYTES = 16
"""What each JSON array or object counts at least against the size limit: it costs memory."""

COLLISIONS_MAX = 4_000_000
"""Most comparisons that the elements of sets and the keys of dicts of one value may cause."""

ARRAY_DIMENSIONS_MAX = 32

_HEX = re.compile(r"-?[0-9a-f]+")
_UUID_HEX = re.compile(r"[0-9a-f]{32}")
_DECIMAL = re.compile(r"-?(?:\d+(?:\.\d+)?(?:E[+-]?\d{1,18})?|Infinity|s?NaN\d*)", re.ASCII)
_DTYPE = re.compile(
    r"[<>|](?:b1|[iu][1248]|f[248]|c8|c16|[SU][1-9]\d{0,7}"
    r"|[mM]8(?:\[\d{0,6}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)",
    re.ASCII,
)
_JSON_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_DECIMAL_CONTEXT = decimal.Context(traps=[decimal.InvalidOperation])
_MICROSECOND = datetime.timedelta(microseconds=1)
_UNICODE_MAX = 0x10FFFF


class ValueOverLimit(ValueError):
    """A value is too large or too deep to cross; the fields are those of a `limit` outcome.

    Args:
        limit: `value_bytes` or `value_depth`.
        allowed: The limit.
        spent: What the value needs, as far as it was looked at.
    """

    def __init__(self, limit: str, allowed: int, spent: int) -> None:
        super().__init__(spent_of(limit, allowed, spent))
        self.limit = limit
        self.allowed = allowed
        self.spent = spent


class ValueUndecodable(ValueError):
    """Bytes from a guest are not a value; only a broken or hostile guest sends such.

    Args:
        reason: What is wrong with them.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a value: {reason}")
        self.reason = reason


@functools.cache
def arrays_here() -> bool:
    """Return whether this side has numpy, without importing it."""
    return importlib.util.find_spec("numpy") is not None


# Writing: the value is the caller's and trusted, but may be anything.


def encode(
    value: object, *, bytes_max: int, depth_max: int, arrays: bool = False, name: str = "value"
) -> bytes:
    """Write a value for a guest.

    Args:
        value: Any value of the types that cross.
        bytes_max: Most bytes the result may have, each container counting at least 16.
        depth_max: Most containers that may lie in each other.
        arrays: Whether the guest has numpy.
        name: What the value is called in errors.

    Raises:
        ValueNotTransferable: Something in it cannot cross; the error says where and why.
        ValueOverLimit: It is too large or too deep.

    Example:
        >>> encode({"a": (1, 2.0)}, bytes_max=1000, depth_max=10)
        b'{"a":{"$":["tuple",[1,2.0]]}}'
    """
    writer = _Writer(bytes_max, depth_max, arrays=arrays, name=name)
    try:
        data = msgspec.json.encode(writer.visit(value, 0))
    except UnicodeEncodeError:
        writer = _Writer(bytes_max, depth_max, arrays=arrays, name=name)
        writer.careful = True
        data = msgspec.json.encode(writer.visit(value, 0))
    except ValueOverLimit as error:
        if error.limit != "value_depth":
            raise
        # Too deep, or without end? Only now is it worth keeping track of what contains what.
        writer = _Writer(bytes_max, depth_max, arrays=arrays, name=name)
        writer.careful = True
        writer.open_ids = set()
        writer.visit(value, 0)
        raise
    spent = max(len(data), CONTAINER_BYTES * writer.containers)
    if spent > bytes_max:
        raise ValueOverLimit("value_bytes", bytes_max, spent)
    return data


class _Writer:
    """Turns one value into a tree that JSON can say, counting as it goes."""

    __slots__ = (
        "arrays",
        "bytes_max",
        "careful",
        "containers",
        "depth_max",
        "found",
        "name",
        "open_ids",
        "path",
        "room",
    )

    def __init__(self, bytes_max: int, depth_max: int, *, arrays: bool, name: str) -> None:
        self.bytes_max = bytes_max
        self.depth_max = depth_max
        self.arrays = arrays
        self.name = name
        self.room = bytes_max
        self.containers = 0
        self.careful = False  # a string somewhere is no UTF-8
        self.open_ids: set[int] | None = None  # ids of the containers around the present place
        self.path: list[Any] = []  # one step per container around the present place
        self.found: dict[type, _Write] = {}

    def visit(self, value: Any, depth: int) -> Any:
        """Return the tree of a value that lies in `depth` containers."""
        kind = type(value)
        write = _WRITERS.get(kind) or self.found.get(kind)
        if write is None:
            write = self.found[kind] = self.find_writer(value)
        if self.open_ids is None:
            return write(self, value, depth)
        if id(value) in self.open_ids:
            self.refuse(value, "contains itself")
        self.open_ids.add(id(value))
        tree = write(self, value, depth)
        self.open_ids.discard(id(value))
        return tree

    def find_writer(self, value: object) -> _Write:
        """Return how to write an instance of a subclass, or of a type that is made of fields."""
        for base in type(value).__mro__:
            if base in _SUBCLASS_WRITERS:
                return _SUBCLASS_WRITERS[base]
            module, name = base.__module__, base.__name__
            if (module, name) in _LATE and getattr(sys.modules.get(module), name, 0) is base:
                return _LATE[module, name]
        if is_dataclass(value) and not isinstance(value, type):
            return _Writer.write_fields
        return self.refuse(value, "cannot cross")

    def refuse(self, value: Any, reason: str) -> NoReturn:
        """Say where in the value something cannot cross."""
        kind = type(value)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        place = self.name + "".join(map(_step_text, self.path))
        raise ValueNotTransferable(place, f"{module}{kind.__qualname__}", reason)

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

    def is_plain(self, values: Collection[Any]) -> bool:  # noqa: C901 - hot, so all in one
        """Return whether these are leaves that can be given as they are; count them if so."""
        kinds = set(map(type, values))
        if self.careful or not kinds <= _LEAVES:
            return not kinds
        if len(kinds) > 1:
            for item in values:
                kind = type(item)
                if kind is str:
                    self.room -= len(item)
                elif kind is int:
                    if not -INT_PLAIN_MAX <= item <= INT_PLAIN_MAX:
                        return False
                elif kind is float and not math.isfinite(item):
                    return False
            self.spend(0)
        elif str in kinds:
            self.spend(sum(map(len, values)))
        elif int in kinds:
            return bool(min(values) >= -INT_PLAIN_MAX and max(values) <= INT_PLAIN_MAX)
        elif float in kinds:
            return all(map(math.isfinite, values))
        return True

    # One method per type that has a form of its own.

    def write_as_is(self, value: Any, _depth: int) -> Any:
        return value

    def write_str(self, value: str, _depth: int) -> Any:
        self.spend(len(value))
        if self.careful and _has_surrogates(value):
            return self.tagged("str", _base64(value.encode("utf-8", "surrogatepass")))
        return value

    def write_int(self, value: int, _depth: int) -> Any:
        if -INT_PLAIN_MAX <= value <= INT_PLAIN_MAX:
            return value
        self.spend(value.bit_length() // 4)
        return self.tagged("int", format(value, "x"))

    def write_float(self, value: float, _depth: int) -> Any:
        return value if math.isfinite(value) else self.tagged("float", repr(value))

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

    def write_elements(self, values: Collection[Any], depth: int) -> Any:
        self.enter(len(values), depth)
        if self.is_plain(values):
            return values if type(values) is list else list(values)
        trees = []
        ordered = isinstance(values, list | tuple)
        self.path.append(_ELEMENT)
        for index, item in enumerate(values):
            if ordered:
                self.path[-1] = index
            trees.append(self.visit(item, depth + 1))
        self.path.pop()
        return trees

    def write_tuple(self, value: tuple[Any, ...], depth: int) -> Any:
        return self.tagged("tuple", self.write_elements(value, depth))

    def write_set(self, value: set[Any], depth: int) -> Any:
        return self.tagged("set", self.write_elements(value, depth))

    def write_frozenset(self, value: frozenset[Any], depth: int) -> Any:
        return self.tagged("frozenset", self.write_elements(value, depth))

    def write_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if value and (set(map(type, value)) != {str} or "$" in value):
            return self.write_pairs(value, depth)
        if self.careful and any(map(_has_surrogates, value)):
            return self.write_pairs(value, depth)
        self.enter(len(value), depth)
        self.spend(sum(map(len, value)))
        if self.is_plain(value.values()):
            return value
        trees = {}
        self.path.append(None)
        for key, item in value.items():
            self.path[-1] = key
            trees[key] = self.visit(item, depth + 1)
        self.path.pop()
        return trees

    def write_pairs(self, value: dict[Any, Any], depth: int) -> Any:
        self.enter(len(value), depth)
        self.containers += len(value)
        trees = []
        self.path.append(None)
        for key, item in value.items():
            self.path[-1] = _KEY
            key_tree = self.visit(key, depth + 1)
            self.path[-1] = key
            trees.append([key_tree, self.visit(item, depth + 1)])
        self.path.pop()
        return self.tagged("dict", trees)

    def write_fields(self, value: Any, depth: int) -> Any:
        try:
            named = {field.name: getattr(value, field.name) for field in dataclass_fields(value)}
        except AttributeError:
            self.refuse(value, "cannot cross, one of its fields was never set")
        return self.write_dict(named, depth)

    def write_model(self, value: Any, depth: int) -> Any:
        try:
            named = value.model_dump()
        except ValueError as error:
            self.refuse(value, f"cannot cross, dumping it raised {error}")
        return self.write_dict(named, depth)

    def write_enum(self, value: enum.Enum, depth: int) -> Any:
        return self.visit(value.value, depth)

    def write_range(self, value: range, depth: int) -> Any:
        self.containers += 1
        ends = (value.start, value.stop, value.step)
        return self.tagged("range", [self.write_int(end, depth) for end in ends])

    def write_date(self, value: datetime.date, _depth: int) -> Any:
        self.containers += 1
        return self.tagged("date", [value.year, value.month, value.day])

    def write_timedelta(self, value: datetime.timedelta, _depth: int) -> Any:
        self.containers += 1
        return self.tagged("timedelta", [value.days, value.seconds, value.microseconds])

    def write_time(self, value: datetime.time, _depth: int) -> Any:
        self.containers += 1
        clock = [value.hour, value.minute, value.second, value.microsecond, value.fold]
        return self.tagged("time", [*clock, self.zone(value)])

    def write_datetime(self, value: datetime.datetime, _depth: int) -> Any:
        self.containers += 1
        day = [value.year, value.month, value.day]
        clock = [value.hour, value.minute, value.second, value.microsecond, value.fold]
        return self.tagged("datetime", [*day, *clock, self.zone(value)])

    def zone(self, value: datetime.datetime | datetime.time) -> Any:
        """Return None, or key, name and offset in microseconds of a time zone."""
        tzinfo = value.tzinfo
        if tzinfo is None:
            return None
        key = tzinfo.key if isinstance(tzinfo, zoneinfo.ZoneInfo) else None
        offset = value.utcoffset()
        if offset is None and key is None:
            self.refuse(value, "cannot cross, its time zone has no fixed offset")
        name = None
        if key is None and offset is not None:
            # A fixed zone is named after its offset unless it was given a name.
            name = value.tzname()
            name = None if name == datetime.timezone(offset).tzname(None) else name
        self.containers += 1
        return [key, name, None if offset is None else offset // _MICROSECOND]

    def write_decimal(self, value: decimal.Decimal, _depth: int) -> Any:
        text = decimal.Decimal.__str__(value)
        self.spend(len(text))
        return self.tagged("decimal", text)

    def write_fraction(self, value: fractions.Fraction, _depth: int) -> Any:
        parts = [format(value.numerator, "x"), format(value.denominator, "x")]
        if max(map(len, parts)) > FRACTION_HEX_MAX:
            reason = f"of more than {FRACTION_HEX_MAX} hexadecimal digits cannot cross"
            self.refuse(value, reason)
        self.containers += 1
        return self.tagged("fraction", parts)

    def write_uuid(self, value: uuid.UUID, _depth: int) -> Any:
        return self.tagged("uuid", value.hex)

    def write_array(self, value: Any, _depth: int) -> Any:
        if type(value) is not sys.modules["numpy"].ndarray:
            self.refuse(value, "cannot cross, only plain arrays can")
        if not self.arrays:
            self.refuse(value, "cannot cross, the guest has no numpy")
        self.check_dtype(value)
        self.spend(value.nbytes * 4 // 3)
        self.containers += 2
        parts = [value.dtype.str, list(value.shape), _base64(value.tobytes())]
        return self.tagged("ndarray", parts)

    def write_scalar(self, value: Any, depth: int) -> Any:
        self.check_dtype(value)
        for base in (float, complex, str, bytes):
            if isinstance(value, base):
                return _SUBCLASS_WRITERS[base](self, value, depth)
        if not self.arrays:
            if value.dtype.kind not in "biuf":
                self.refuse(value, "cannot cross, the guest has no numpy")
            return self.visit(value.item(), depth)
        self.containers += 1
        return self.tagged("npscalar", [value.dtype.str, _base64(value.tobytes())])

    def check_dtype(self, value: Any) -> None:
        """Refuse elements that are not plain data of a size which every platform has."""
        if not _DTYPE.fullmatch(value.dtype.str):
            self.refuse(value, f"of dtype {value.dtype.str} cannot cross")


_Write = Callable[[_Writer, Any, int], Any]
_Made = TypeVar("_Made", set[Any], dict[Any, Any])

_KEY = object()
"""Step of a path that leads to a key rather than to what lies under it."""

_ELEMENT = object()
"""Step of a path that leads to an element of a set."""

_LEAVES = {type(None), bool, str, int, float}
"""Types that JSON can say, unless the single value is out of the ordinary."""

_WRITERS: dict[type, _Write] = {
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
    datetime.datetime: _Writer.write_datetime,
    datetime.date: _Writer.write_date,
    datetime.time: _Writer.write_time,
    datetime.timedelta: _Writer.write_timedelta,
    decimal.Decimal: _Writer.write_decimal,
    fractions.Fraction: _Writer.write_fraction,
    uuid.UUID: _Writer.write_uuid,
}

_AS_BASE: dict[type, Callable[[Any], Any]] = {
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

_LATE: dict[tuple[str, str], _Write] = {
    ("numpy", "ndarray"): _Writer.write_array,
    ("numpy", "generic"): _Writer.write_scalar,
    ("pydantic.main", "BaseModel"): _Writer.write_model,
}
"""Types by module and name that are only looked for where their module is loaded."""


def _through_base(base: type) -> _Write:
    write, as_base = _WRITERS[base], _AS_BASE.get(base)
    if as_base is None:
        return write
    return lambda writer, value, depth: write(writer, as_base(value), depth)


_SUBCLASS_WRITERS: dict[type, _Write] = {base: _through_base(base) for base in _WRITERS} | {
    enum.Enum: _Writer.write_enum
}


def _step_text(step: Any) -> str:
    if step is _KEY:
        return ".keys()"
    if step is _ELEMENT:
        return "{}"
    return f"[{step!r:.100}]" if type(step) in (str, int, float, bool, bytes) else "[...]"


def _base64(data: bytes | bytearray) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _has_surrogates(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


# Reading: every byte is hostile.


def decode(data: bytes, *, bytes_max: int, depth_max: int, arrays: bool = False) -> Any:
    """Read a value that a guest wrote. The bytes are hostile.

    Args:
        data: Tagged JSON.
        bytes_max: Most bytes it may have, each container counting at least 16.
        depth_max: Most containers that may lie in each other.
        arrays: Whether numpy arrays are taken; the guest was told so.

    Raises:
        ValueOverLimit: The value is too large or too deep.
        ValueUndecodable: The bytes are not a value. Only a broken or hostile guest sends such.

    Example:
        >>> decode(b'{"$":["tuple",[1,2.0]]}', bytes_max=1000, depth_max=10)
        (1, 2.0)
    """
    if len(data) > bytes_max:
        raise ValueOverLimit("value_bytes", bytes_max, len(data))
    brackets = data.count(b"[") + data.count(b"{")
    if brackets * CONTAINER_BYTES > bytes_max:
        outside = _JSON_STRING.sub(b"", data)
        brackets = outside.count(b"[") + outside.count(b"{")
        if brackets * CONTAINER_BYTES > bytes_max:
            raise ValueOverLimit("value_bytes", bytes_max, brackets * CONTAINER_BYTES)
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueUndecodable(str(error)) from None
    except RecursionError:
        raise ValueOverLimit("value_depth", depth_max, brackets) from None
    if b'"$"' not in data and b"\\u0024" not in data:
        if brackets > depth_max:
            _check_depth(tree, depth_max)
        return tree
    try:
        return _Reader(depth_max, arrays=arrays).read(tree, 0)
    except RecursionError:
        raise ValueOverLimit("value_depth", depth_max, brackets) from None


def _check_depth(tree: Any, depth_max: int) -> None:
    """Check the depth of a tree without tags, level by level."""
    level = [tree] if isinstance(tree, list | dict) else []
    depth = 0
    while level:
        depth += 1
        if depth > depth_max:
            raise ValueOverLimit("value_depth", depth_max, depth)
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is list or type(child) is dict
        ]


class _Reader:
    """Turns one tree of JSON into a value; whatever does not fit exactly is refused."""

    __slots__ = ("arrays", "collisions", "depth_max")

    def __init__(self, depth_max: int, *, arrays: bool) -> None:
        self.depth_max = depth_max
        self.arrays = arrays
        self.collisions = 0

    def read(self, node: Any, depth: int) -> Any:
        """Return what a node stands for that lies in `depth` containers."""
        if type(node) is list:
            return self.read_elements(node, depth)
        if type(node) is not dict:
            return node
        if "$" in node:
            return self.read_tagged(node, depth)
        self.enter(depth)
        for key, item in node.items():
            if type(item) is list or type(item) is dict:
                node[key] = self.read(item, depth + 1)
        return node

    def read_tagged(self, node: dict[str, Any], depth: int) -> Any:
        tagged = node["$"]
        if len(node) != 1 or type(tagged) is not list or len(tagged) != 2:
            raise ValueUndecodable("an object with the key $ is not a tag")
        tag, payload = tagged
        read = _READERS.get(tag) if type(tag) is str else None
        if read is None:
            raise ValueUndecodable(f"unknown tag {str(tag)[:50]!r}")
        try:
            return read(self, payload, depth)
        except (ValueOverLimit, ValueUndecodable, RecursionError):
            raise
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            raise ValueUndecodable(f"{tag}: {str(error)[:200]}") from None

    def enter(self, depth: int) -> None:
        if depth >= self.depth_max:
            raise ValueOverLimit("value_depth", self.depth_max, depth + 1)

    def read_elements(self, payload: Any, depth: int) -> list[Any]:
        elements = _list(payload)
        self.enter(depth)
        for index, item in enumerate(elements):
            if type(item) is list or type(item) is dict:
                elements[index] = self.read(item, depth + 1)
        return elements

    def read_tuple(self, payload: Any, depth: int) -> tuple[Any, ...]:
        return tuple(self.read_elements(payload, depth))

    def read_set(self, payload: Any, depth: int) -> set[Any]:
        elements = self.read_elements(payload, depth)
        self.check_collisions(elements)
        return _all_different(set(elements), elements)

    def read_frozenset(self, payload: Any, depth: int) -> frozenset[Any]:
        return frozenset(self.read_set(payload, depth))

    def read_dict(self, payload: Any, depth: int) -> dict[Any, Any]:
        self.enter(depth)
        pairs = [_list(pair, 2) for pair in _list(payload)]
        keys = [self.read(key, depth + 1) for key, _ in pairs]
        self.check_collisions(keys)
        return _all_different(
            dict(zip(keys, (self.read(item, depth + 1) for _, item in pairs), strict=True)), pairs
        )

    def check_collisions(self, elements: list[Any]) -> None:
        """Refuse elements chosen to have the same hash, which would take for ever to put in a set.

        Strings and bytes have secret hashes, and few floats share one; everything else can be
        chosen.
        """
        if len(elements) <= _FEW or set(map(type, elements)) <= _HARD_TO_COLLIDE:
            return
        repeated = Counter(map(hash, elements)).values()
        self.collisions += sum(count * count for count in repeated if count > 1)
        if self.collisions > COLLISIONS_MAX:
            raise ValueUndecodable("too many elements have the same hash")

    def read_int(self, payload: Any, _depth: int) -> int:
        return int(_text(payload, _HEX), 16)

    def read_float(self, payload: Any, _depth: int) -> float:
        if payload not in ("nan", "inf", "-inf"):
            raise ValueUndecodable("one of nan, inf and -inf expected")
        return float(payload)  # a new object each time: two different NaNs may lie in one set

    def read_complex(self, payload: Any, depth: int) -> complex:
        real, imag = (self.read(part, depth) for part in _list(payload, 2))
        if type(real) is not float or type(imag) is not float:
            raise ValueUndecodable("complex: two floats expected")
        return complex(real, imag)

    def read_str(self, payload: Any, _depth: int) -> str:
        return _bytes(payload).decode("utf-8", "surrogatepass")

    def read_bytes(self, payload: Any, _depth: int) -> bytes:
        return _bytes(payload)

    def read_bytearray(self, payload: Any, _depth: int) -> bytearray:
        return bytearray(_bytes(payload))

    def read_range(self, payload: Any, depth: int) -> range:
        return range(*_ints([self.read(end, depth) for end in _list(payload, 3)]))

    def read_date(self, payload: Any, _depth: int) -> datetime.date:
        return datetime.date(*_ints(_list(payload, 3)))

    def read_timedelta(self, payload: Any, _depth: int) -> datetime.timedelta:
        return datetime.timedelta(*_ints(_list(payload, 3)))

    def read_time(self, payload: Any, _depth: int) -> datetime.time:
        *numbers, zone = _list(payload, 6)
        hour, minute, second, microsecond, fold = _ints(numbers)
        return datetime.time(hour, minute, second, microsecond, _zone(zone), fold=fold)

    def read_datetime(self, payload: Any, _depth: int) -> datetime.datetime:
        *numbers, zone = _list(payload, 9)
        year, month, day, *clock, fold = _ints(numbers)
        hour, minute, second, microsecond = clock
        naive = datetime.datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001
        return naive.replace(tzinfo=_zone(zone), fold=fold)

    def read_decimal(self, payload: Any, _depth: int) -> decimal.Decimal:
        return decimal.Decimal(_text(payload, _DECIMAL), _DECIMAL_CONTEXT)

    def read_fraction(self, payload: Any, _depth: int) -> fractions.Fraction:
        parts = [_text(part, _HEX) for part in _list(payload, 2)]
        if max(map(len, parts)) > FRACTION_HEX_MAX:
            raise ValueUndecodable("fraction: too long")
        return fractions.Fraction(int(parts[0], 16), int(parts[1], 16))

    def read_uuid(self, payload: Any, _depth: int) -> uuid.UUID:
        return uuid.UUID(hex=_text(payload, _UUID_HEX))

    def read_array(self, payload: Any, _depth: int) -> Any:
        dtype, shape, data = _list(payload, 3)
        numpy_dtype, raw = self.dtype(dtype), bytearray(_bytes(data))
        sizes = _ints(_list(shape))
        if len(sizes) > ARRAY_DIMENSIONS_MAX or any(size < 0 for size in sizes):
            raise ValueUndecodable("ndarray: impossible shape")
        if math.prod(sizes) * numpy_dtype.itemsize != len(raw):
            raise ValueUndecodable("ndarray: shape and data differ")
        array = sys.modules["numpy"].ndarray(tuple(sizes), numpy_dtype, raw)
        _check_array(array)
        return array

    def read_scalar(self, payload: Any, _depth: int) -> Any:
        dtype, data = _list(payload, 2)
        numpy_dtype, raw = self.dtype(dtype), bytearray(_bytes(data))
        if numpy_dtype.itemsize != len(raw):
            raise ValueUndecodable("npscalar: type and data differ")
        array = sys.modules["numpy"].ndarray((1,), numpy_dtype, raw)
        _check_array(array)
        return array[0]

    def dtype(self, payload: Any) -> Any:
        if not self.arrays or not arrays_here():
            raise ValueUndecodable("an array, but none was asked for")
        return importlib.import_module("numpy").dtype(_text(payload, _DTYPE))


_FEW = 32
"""So few elements can collide as they like."""

_HARD_TO_COLLIDE = {str, bytes, float, bool, type(None)}

_READERS: dict[str, Callable[[_Reader, Any, int], Any]] = {
    "int": _Reader.read_int,
    "float": _Reader.read_float,
    "complex": _Reader.read_complex,
    "str": _Reader.read_str,
    "bytes": _Reader.read_bytes,
    "bytearray": _Reader.read_bytearray,
    "tuple": _Reader.read_tuple,
    "set": _Reader.read_set,
    "frozenset": _Reader.read_frozenset,
    "dict": _Reader.read_dict,
    "range": _Reader.read_range,
    "date": _Reader.read_date,
    "time": _Reader.read_time,
    "datetime": _Reader.read_datetime,
    "timedelta": _Reader.read_timedelta,
    "decimal": _Reader.read_decimal,
    "fraction": _Reader.read_fraction,
    "uuid": _Reader.read_uuid,
    "ndarray": _Reader.read_array,
    "npscalar": _Reader.read_scalar,
}


def _list(payload: Any, length: int | None = None) -> list[Any]:
    if type(payload) is not list or length not in (None, len(payload)):
        raise ValueUndecodable("a list of another length expected" if length else "no list")
    return payload


def _ints(numbers: list[Any]) -> list[int]:
    if any(type(number) is not int for number in numbers):
        raise ValueUndecodable("an integer expected")
    return numbers


def _text(payload: Any, pattern: re.Pattern[str]) -> str:
    if type(payload) is not str or not pattern.fullmatch(payload):
        raise ValueUndecodable("text of another form expected")
    return payload


def _bytes(payload: Any) -> bytes:
    if type(payload) is not str:
        raise ValueUndecodable("base64 expected")
    return binascii.a2b_base64(payload, strict_mode=True)


def _all_different(made: _Made, given: list[Any]) -> _Made:
    if len(made) != len(given):
        raise ValueUndecodable("an element or a key occurs twice")
    return made


@functools.cache
def _zone_keys() -> frozenset[str]:
    """Return the names of the time zones of this machine; a guest's name is only compared."""
    return frozenset(zoneinfo.available_timezones())


def _zone(payload: Any) -> datetime.tzinfo | None:
    """Return the time zone; one that is unknown here becomes its offset, under its name."""
    if payload is None:
        return None
    key, name, offset_us = _list(payload, 3)
    if type(key) is str and key in _zone_keys():
        return zoneinfo.ZoneInfo(key)
    (offset_us,) = _ints([offset_us])
    offset = datetime.timedelta(microseconds=offset_us)
    name = name if key is None else key
    if name is None:
        return datetime.timezone(offset) if offset else datetime.UTC
    if type(name) is not str:
        raise ValueUndecodable("the name of a time zone is text")
    return datetime.timezone(offset, name)


def _check_array(array: Any) -> None:
    """Refuse bytes that numpy would take for elements but which are none."""
    kind = array.dtype.kind
    if not array.size or kind not in "bU":
        return
    if kind == "b" and array.view("u1").max() > 1:
        raise ValueUndecodable("array: neither true nor false")
    if kind == "U" and array.view(f"{array.dtype.byteorder}u4").max() > _UNICODE_MAX:
        raise ValueUndecodable("array: no Unicode text")
