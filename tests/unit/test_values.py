"""The host's half of the value codec: exact both ways, and total on hostile bytes."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import time
import uuid
import zoneinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dspex.errors import ValueNotTransferable
from dspex.languages.guest import python_values as guest
from dspex.values import ValueOverLimit, ValueUndecodable, decode, encode
from tests.unit.crossing import BYTES_MAX, DEPTH_MAX, same, values


def sent(value: object) -> bytes:
    return encode(value, bytes_max=BYTES_MAX, depth_max=DEPTH_MAX)


def received(data: bytes) -> Any:
    return decode(data, bytes_max=BYTES_MAX, depth_max=DEPTH_MAX)


# Round trips.


@given(values)
@example({"$": ["int", "ff"]})
@example([{"$": 1}, {"\ud800": "\ud800"}, {1: {"$": {}}}])
@example([-0.0, 0.0, float("nan"), 1e308, 5e-324, 2**53, -(2**53), 2**53 + 1, 10**400])
@example(["$", '"$"', "\\u0024", {"a$": "\\"}])
def test_a_value_crosses_unchanged_in_every_direction(value: object) -> None:
    data, notes = guest.encode(value, BYTES_MAX, DEPTH_MAX)
    assert notes == []
    assert same(received(data), value)  # guest to host
    assert same(guest.decode(sent(value)), value)  # host to guest
    assert same(received(sent(value)), value)
    assert same(guest.decode(data), value)


@given(values)
def test_both_halves_agree_on_what_a_value_costs(value: object) -> None:
    data = sent(value)
    outside = guest_brackets(data)
    cost = max(len(data), 16 * outside)
    assert encode(value, bytes_max=cost, depth_max=DEPTH_MAX) == data
    same(decode(data, bytes_max=cost, depth_max=DEPTH_MAX), value)
    guest_data, _ = guest.encode(value, cost + len(data) * 5, DEPTH_MAX)
    assert guest_brackets(guest_data) == outside
    guest_cost = max(len(guest_data), 16 * outside)
    assert guest.encode(value, guest_cost, DEPTH_MAX) == (guest_data, [])
    for less in (cost - 1, 0):
        with pytest.raises(ValueOverLimit) as caught:
            encode(value, bytes_max=less, depth_max=DEPTH_MAX)
        assert (caught.value.limit, caught.value.allowed) == ("value_bytes", less)
        with pytest.raises(ValueOverLimit):
            decode(data, bytes_max=less, depth_max=DEPTH_MAX)
        if value not in (None, True, False):
            with pytest.raises(guest.ValueOverLimit):
                guest.encode(value, min(less, guest_cost - 1), DEPTH_MAX)


def guest_brackets(data: bytes) -> int:
    """Count arrays and objects of JSON the slow and sure way."""
    count, inside, escaped = 0, False, False
    for byte in data:
        char = chr(byte)
        if escaped:
            escaped = False
        elif inside and char == "\\":
            escaped = True
        elif char == '"':
            inside = not inside
        elif not inside and char in "[{":
            count += 1
    return count


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):  # noqa: SLOT000 - as a caller would write it
    def __str__(self) -> str:
        return "lie"


class Names(dict[str, int]):
    def items(self) -> Any:
        return [("lie", 0)]


@dataclasses.dataclass
class Point:
    x: int
    tags: tuple[Colour, ...]


class Order(pydantic.BaseModel):
    id: int
    paid: Decimal


Pair = collections.namedtuple("Pair", "left right")  # noqa: PYI024 - the plain one is meant


@pytest.mark.parametrize(
    ("value", "crosses_as"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Word("true"), "true"),
        (Names(a=1), {"a": 1}),
        ({Word("k"): 1}, {"k": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, {"a": [1]}), {"a": [1]}),
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Point(1, (Colour.RED,)), {"x": 1, "tags": ("red",)}),
        (Order(id=1, paid=Decimal("1.50")), {"id": 1, "paid": Decimal("1.50")}),
        (Pair(1, "b"), (1, "b")),
        ({Colour.RED: {Level.HIGH}}, {"red": {3}}),
    ],
    ids=repr,
)
def test_an_instance_of_a_subclass_crosses_as_its_base(value: object, crosses_as: object) -> None:
    assert same(received(sent(value)), crosses_as)
    data, notes = guest.encode(value, BYTES_MAX, DEPTH_MAX)
    assert (same(received(data), crosses_as), notes) == (True, [])


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
        dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=-12))),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=3601), "odd")),
        dt.time(12, tzinfo=BERLIN),
        dt.time(12, 1, 2, 3, tzinfo=dt.UTC, fold=1),
    ],
    ids=str,
)
def test_a_time_keeps_its_zone_and_its_fold(moment: Any) -> None:
    for twin in (received(sent(moment)), guest.decode(sent(moment))):
        assert same(twin, moment)
        assert twin.tzname() == moment.tzname()


def test_a_zone_that_is_unknown_here_becomes_its_offset_under_its_name() -> None:
    zone = b'["Mars/Olympus",null,5400000000]'
    moment = received(b'{"$":["datetime",[2024,1,2,3,4,5,6,0,' + zone + b"]]}")
    assert moment.utcoffset() == dt.timedelta(minutes=90)
    assert moment.tzname() == "Mars/Olympus"


# What the caller cannot send.


class Looping:
    """Not a type that crosses."""


def test_what_cannot_cross_is_refused_naming_place_and_type() -> None:
    for value, message in [
        (object(), "value: object cannot cross"),
        ({"a": [1, 2, {3: print}]}, "value['a'][2][3]: builtin_function_or_method cannot cross"),
        ([{Looping: 1}], "value[0].keys(): type cannot cross"),
        ({(1, Looping())}, f"value{{}}[1]: {__name__}.Looping cannot cross"),
        ({b"k": {(1,): ...}}, "value[b'k'][...]: ellipsis cannot cross"),
        (Point, "value: type cannot cross"),
        (iter([]), "value: list_iterator cannot cross"),
        (
            [Fraction(1, 16**4096)],
            "value[0]: fractions.Fraction of more than 4096 hexadecimal digits cannot cross",
        ),
    ]:
        with pytest.raises(ValueNotTransferable) as caught:
            sent(value)
        assert str(caught.value) == message


def test_the_caller_can_name_what_is_sent() -> None:
    with pytest.raises(ValueNotTransferable, match=r"^variables\['f'\]: object cannot cross$"):
        encode({"f": object()}, bytes_max=100, depth_max=5, name="variables")


def test_a_value_that_contains_itself_is_refused_naming_where() -> None:
    inner: list[Any] = [1]
    value = {"x": (inner,)}
    inner.append(value)
    with pytest.raises(ValueNotTransferable, match=r"^value\['x'\]\[0\]\[1\]: dict contains its"):
        sent(value)


def test_the_same_value_twice_is_no_cycle() -> None:
    part = ["\ud800"]
    assert received(sent([part, {"a": part}, part])) == [part, {"a": part}, part]


def test_a_field_that_was_never_set_is_refused() -> None:
    point = object.__new__(Point)
    with pytest.raises(ValueNotTransferable, match=r"one of its fields was never set$"):
        sent([point])


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def _under_a_key(parts: list[Any]) -> dict[Any, Any]:
    return {"k": parts[0]}


def _under_a_number(parts: list[Any]) -> dict[Any, Any]:
    return {1: parts[0]}


@pytest.mark.parametrize("wrap", [list, tuple, _under_a_key, _under_a_number])
def test_the_depth_limit_is_exact(wrap: Any) -> None:
    fits: Any = ()
    for _ in range(9):
        fits = wrap([fits])
    data = encode(fits, bytes_max=1000 * 16, depth_max=10)
    assert same(decode(data, bytes_max=1000 * 16, depth_max=10), fits)
    assert guest.encode(fits, 1000 * 16, 10)[1] == []
    for attempt in (
        lambda: encode(fits, bytes_max=1000 * 16, depth_max=9),
        lambda: decode(data, bytes_max=1000 * 16, depth_max=9),
        lambda: guest.encode(fits, 1000 * 16, 9),
    ):
        with pytest.raises((ValueOverLimit, guest.ValueOverLimit)) as caught:
            attempt()
        assert vars(caught.value) == {"limit": "value_depth", "allowed": 9, "spent": 10}


def test_the_deepest_value_that_limits_allow_crosses() -> None:
    value = nested(200)
    assert decode(encode(value, bytes_max=99_999, depth_max=200), bytes_max=99_999, depth_max=200)


def test_a_value_that_is_small_but_says_itself_over_and_over_is_stopped_early() -> None:
    value: list[Any] = [1]
    for _ in range(40):
        value = [value, value]  # 2**40 elements
    start = time.monotonic()
    with pytest.raises(ValueOverLimit) as caught:
        encode(value, bytes_max=100_000, depth_max=100)
    assert caught.value.limit == "value_bytes"
    with pytest.raises(guest.ValueOverLimit):
        guest.encode(value, 100_000, 100)
    assert time.monotonic() - start < 5  # in truth 0.1


# Hostile bytes.


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Input data was truncated"),
        (b"[1,]", "JSON is malformed: trailing comma in array (byte 3)"),
        (b"1 2", "JSON is malformed: trailing characters (byte "),
        (b"NaN", "JSON is malformed: invalid character (byte 0)"),
        (b"1e999", "Number out of range"),
        (b'"\xed\xa0\x80"', "'utf-8' codec can't decode byte 0xed in position 0: invalid contin"),
        (b'{"$":1}', "an object with the key $ is not a tag"),
        (b'{"$":["int","1"],"a":1}', "an object with the key $ is not a tag"),
        (b'{"\\u0024":["int"]}', "an object with the key $ is not a tag"),
        (b'{"$":[["int"],"1"]}', "unknown tag \"['int']\""),
        (b'{"$":["eval","1"]}', "unknown tag 'eval'"),
        (b'{"$":["int","0x1"]}', "text of another form expected"),
        (b'{"$":["int","1_0"]}', "text of another form expected"),
        (b'{"$":["int","\xd9\xa1"]}', "text of another form expected"),
        (b'{"$":["int",1]}', "text of another form expected"),
        (b'{"$":["float","1.0"]}', "one of nan, inf and -inf expected"),
        (b'{"$":["float",[]]}', "one of nan, inf and -inf expected"),
        (b'{"$":["bytes","!"]}', "bytes: Only base64 data is allowed"),
        (b'{"$":["bytes","YQ"]}', "bytes: Incorrect padding"),
        (b'{"$":["bytes",[97]]}', "base64 expected"),
        (b'{"$":["str","/w=="]}', "str: 'utf-8' codec can't decode byte 0xff in position 0: inva"),
        (b'{"$":["tuple",{"a":1}]}', "no list"),
        (b'{"$":["set",[[]]]}', "set: "),
        (b'{"$":["set",[1,1.0]]}', "an element or a key occurs twice"),
        (b'{"$":["dict",[[{"$":["set",[]]},1]]]}', "dict: "),
        (b'{"$":["dict",[[1,2],[true,3]]]}', "an element or a key occurs twice"),
        (b'{"$":["dict",[[1]]]}', "a list of another length expected"),
        (b'{"$":["complex",[1.0]]}', "a list of another length expected"),
        (b'{"$":["complex",[1.0,"a"]]}', "complex: two floats expected"),
        (b'{"$":["range",[0,1,0]]}', "range: range() arg 3 must not be zero"),
        (b'{"$":["range",[0,1,1.5]]}', "an integer expected"),
        (b'{"$":["date",[2023,2,29]]}', "date: day is out of range for month"),
        (b'{"$":["date",[true,1,1]]}', "an integer expected"),
        (b'{"$":["date",[1' + b"0" * 99 + b",1,1]]}", "date: Python int too large to convert to C"),
        (b'{"$":["datetime",[1,1,1,0,0,0,0,2,null]]}', "datetime: fold must be either 0 or 1"),
        (b'{"$":["datetime",[1,1,1,0,0,0,0,0,[null,null,86400000000]]]}', "datetime: offset must "),
        (b'{"$":["datetime",[1,1,1,0,0,0,0,0,["../../etc/passwd",null,null]]]}', "an integer exp"),
        (b'{"$":["datetime",[1,1,1,0,0,0,0,0,[null,7,1]]]}', "the name of a time zone is text"),
        (b'{"$":["timedelta",[1000000000,0,0]]}', "timedelta: days=1000000000; must have magn"),
        (b'{"$":["decimal","1e5"]}', "text of another form expected"),
        (b'{"$":["decimal"," 1"]}', "text of another form expected"),
        (b'{"$":["fraction",["1","0"]]}', "fraction: Fraction(1, 0)"),
        (b'{"$":["fraction",["1","' + b"f" * 4097 + b'"]]}', "fraction: too long"),
        (b'{"$":["uuid","00"]}', "text of another form expected"),
        (b'{"$":["ndarray",["|O",[1],""]]}', "an array, but none was asked for"),
    ],
    ids=lambda part: repr(part)[:60],
)
def test_bytes_that_are_no_value_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueUndecodable) as caught:
        received(data)
    assert caught.value.reason.startswith(reason)


def test_nesting_without_end_is_a_limit() -> None:
    for data in (b"[" * 50_000 + b"]" * 50_000, b'{"$":["tuple",[' * 20_000 + b"]]}" * 20_000):
        with pytest.raises(ValueOverLimit) as caught:
            decode(data, bytes_max=10**7, depth_max=100)
        assert (caught.value.limit, caught.value.allowed) == ("value_depth", 100)


def test_many_small_containers_count_as_the_memory_they_take() -> None:
    data = b"[" + b"[]," * 50_000 + b"[]]"
    with pytest.raises(ValueOverLimit) as caught:
        decode(data, bytes_max=200_000, depth_max=100)
    assert (caught.value.limit, caught.value.spent) == ("value_bytes", 50_002 * 16)
    assert decode(b'"' + b"[" * 150_000 + b'"', bytes_max=200_000, depth_max=1)  # only text


@pytest.mark.parametrize(
    "element",
    [
        lambda k: f'{{"$":["int","{k * (2**61 - 1) + 2**54:x}"]}}',
        lambda k: f'{{"$":["complex",[{-1000003.0 * k},{float(k)}]]}}',
        lambda k: f'{{"$":["tuple",[{{"$":["int","{k * (2**61 - 1) + 2**54:x}"]}}]]}}',
        lambda k: f'{{"$":["decimal","{k * (2**61 - 1) + 2**54}"]}}',
        lambda k: f'{{"$":["uuid","{k * (2**61 - 1) + 2**54:032x}"]}}',
    ],
    ids=["int", "complex", "tuple", "decimal", "uuid"],
)
@pytest.mark.parametrize("tag", ["set", "frozenset", "dict"])
def test_elements_chosen_to_collide_cost_nothing(element: Any, tag: str) -> None:
    count = 30_000  # 0.45e9 comparisons, minutes, if they were let in
    shape = "[{},0]" if tag == "dict" else "{}"
    parts = ",".join(shape.format(element(k)) for k in range(count))
    start = time.process_time()
    with pytest.raises(ValueUndecodable, match=r"too many elements have the same hash$"):
        received(f'{{"$":["{tag}",[{parts}]]}}'.encode())
    assert time.process_time() - start < 3  # in truth 0.2


def test_honest_sets_of_numbers_that_happen_to_collide_cross() -> None:
    for value in ({1 << k for k in range(5000)}, {2.0**k for k in range(1000)}, set(range(9999))):
        assert received(sent(value)) == value


def test_numbers_that_would_be_enormous_stay_what_they_are() -> None:
    huge = Decimal("1E+999999999999999999")
    assert received(sent(huge)) == huge
    assert received(sent(decimal.Decimal("sNaN12"))).is_snan()
    assert received(b'{"$":["range",[0,{"$":["int","' + b"f" * 5000 + b'"]},1]]}').stop > 2**9999


tags = st.sampled_from(
    [
        "int",
        "float",
        "complex",
        "str",
        "bytes",
        "bytearray",
        "tuple",
        "set",
        "frozenset",
        "dict",
        "range",
        "date",
        "time",
        "datetime",
        "timedelta",
        "decimal",
        "fraction",
        "uuid",
        "ndarray",
        "npscalar",
        "eval",
    ]
)
hostile_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["nan", "inf", "YQ==", "ff", "-1", "1.5", "NaN", "Europe/Berlin", "0" * 32]),
    lambda inner: (
        st.lists(inner, max_size=10)
        | st.dictionaries(st.sampled_from(["$", "a", "b"]), inner, max_size=2)
        | st.builds(lambda tag, part: {"$": [tag, part]}, tags, inner)
        | st.builds(
            lambda tag, part: {"$": [tag, part]},
            st.sampled_from(
                ["date", "time", "datetime", "timedelta", "range", "fraction", "complex"]
            ),
            st.lists(inner, min_size=2, max_size=9),
        )
    ),
    max_leaves=20,
)


@given(hostile_json)
def test_any_json_is_a_value_or_refused(tree: Any) -> None:
    import msgspec

    data = msgspec.json.encode(tree)
    try:
        value = received(data)
    except (ValueUndecodable, ValueOverLimit):
        return
    # What was taken is a value in full standing: it can be sent on, and comes back the same.
    assert same(received(sent(value)), value)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:$\\u0024tuplesin1e9.-', max_size=60))
def test_any_bytes_are_a_value_or_refused(data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    try:
        received(raw)
    except (ValueUndecodable, ValueOverLimit):
        return


@given(values, st.data())
def test_a_damaged_value_is_a_value_or_refused(value: object, draw: st.DataObject) -> None:
    data = bytearray(sent(value))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        received(bytes(data))
    except (ValueUndecodable, ValueOverLimit):
        return


def test_a_float_stays_a_float_and_zero_keeps_its_sign() -> None:
    assert sent([1.0, -0.0, 1]) == b"[1.0,-0.0,1]"
    minus_zero = received(b"-0.0")
    assert (type(minus_zero), math.copysign(1, minus_zero)) == (float, -1.0)


def test_a_uuid_keeps_its_bits() -> None:
    value = uuid.UUID(int=2**128 - 1)
    assert received(sent(value)) == value
