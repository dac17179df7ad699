"""Values both ways: what becomes of each type, and what is said of those that cannot cross."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import dspex
from tests.javascript.running import Run, value_of

OUT: dict[str, tuple[str, Any]] = {
    "null and undefined": ("[null, undefined]", [None, None]),
    "booleans": ("[true, false]", [True, False]),
    "safe integers": ("[0, -1, 2 ** 53, Number.MIN_SAFE_INTEGER]", [0, -1, 2**53, -(2**53) + 1]),
    "whole floats are integers": ("[1.0, 1e3]", [1, 1000]),
    "fractions": ("[0.1, -1.5e-7]", [0.1, -1.5e-7]),
    "floats beyond the safe integers": ("[2 ** 60, 1e300]", [float(2**60), 1e300]),
    "BigInt": ("[1n, -(2n ** 70n), 2n ** 53n]", [1, -(2**70), 2**53]),
    "text": ("['', 'zwölf 🎉', '\\0\\u2028']", ["", "zwölf 🎉", "\0\u2028"]),
    "text with a lone surrogate": ("['a\\ud800b', '\\udc00']", ["a\ud800b", "\udc00"]),
    "holes in arrays": ("[1, , 3]", [1, None, 3]),
    "objects": ("({ a: 1, 'b c': { d: [] } })", {"a": 1, "b c": {"d": []}}),
    "an object without prototype": ("Object.assign(Object.create(null), { a: 1 })", {"a": 1}),
    "own enumerable properties only": (
        "Object.defineProperty(Object.create({ far: 1 }, { near: { value: 2, enumerable: true } }), 'h', { value: 3 })",
        {"near": 2},
    ),
    "properties that are symbols are left": ("({ [Symbol('s')]: 1, a: 2 })", {"a": 2}),
    "the names $ and __proto__": (
        "({ $: 1, nested: { ['__proto__']: 2 } })", {"$": 1, "nested": {"__proto__": 2}},
    ),
    "a name that is no Unicode": ("({ '\\ud800': 1 })", {"\ud800": 1}),
    "instances of classes": (
        "class P { #hidden = 1; constructor() { this.x = 1 } get y() { return 2 } }; new P()", {"x": 1},
    ),
    "getters are read": ("({ get a() { return 1 } })", {"a": 1}),
    "a Map with names": ("new Map([['a', 1], ['b', new Map()]])", {"a": 1, "b": {}}),
    "a Map with other keys": ("new Map([[1, 'a'], [null, 'b'], [1.5, 'c'], [true && 2n, 'd']])", {1: "a", None: "b", 1.5: "c", 2: "d"}),
    "a Set": ("new Set([1, 'a', null])", {1, "a", None}),
    "a Date": ("new Date(Date.UTC(2024, 1, 29, 12, 30, 1, 5))", datetime(2024, 2, 29, 12, 30, 1, 5000, tzinfo=UTC)),
    "old and late Dates": (
        "[new Date('0001-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59.999Z')]",
        [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)],
    ),
    "bytes": (
        "[new Uint8Array([0, 255]), new Uint8Array([1, 2]).buffer, new Uint8ClampedArray([3]), new DataView(new ArrayBuffer(1)), Buffer.from('hi')]",
        [b"\x00\xff", b"\x01\x02", b"\x03", b"\x00", b"hi"],
    ),
    "a part of a buffer": ("new Uint8Array([1, 2, 3, 4]).subarray(1, 3)", b"\x02\x03"),
    "arrays of integers": ("[new Int16Array([-1, 2]), new BigUint64Array([2n ** 60n])]", [[-1, 2], [2**60]]),
    "arrays of floats": ("new Float64Array([1, 0.5, Infinity])", [1.0, 0.5, math.inf]),
    "boxed values": ("[new Number(5), new String('s'), new Boolean(false), Object(7n)]", [5, "s", False, 7]),
    "shared parts": ("const a = [1]; [a, a, { a }]", [[1], [1], {"a": [1]}]),
    "deep values": ("let x = 0; for (let i = 0; i < 40; i++) x = [x]; x.flat(Infinity)", [0]),
}  # fmt: skip

FLOATS = {
    "a whole float array stays float": ("new Float32Array([1])", [float]),
    "an integer stays int": ("[1.0, -0, 2 ** 53 + 2]", [int, float, float]),
}


@pytest.mark.parametrize("name", OUT)
def test_values_come_out(js: Run, name: str) -> None:
    code, expected = OUT[name]

    assert value_of(js(code)) == expected


@pytest.mark.parametrize("name", FLOATS)
def test_integers_and_floats_are_told_apart(js: Run, name: str) -> None:
    code, kinds = FLOATS[name]

    assert [type(one) for one in value_of(js(code))] == kinds


def test_what_is_no_number_and_minus_zero_come_out(js: Run) -> None:
    nan, minus, inf = value_of(js("[NaN, -0, -Infinity]"))

    assert math.isnan(nan)
    assert (math.copysign(1, minus), inf) == (-1, -math.inf)


CANNOT: dict[str, tuple[str, Any, str]] = {
    "a function": ("[function f() {}]", ["[Function: f]"], "value[0]: function cannot cross, its text is given"),
    "a class": ("({ K: class K {} })", {"K": "[class K]"}, "value['K']: function cannot cross, its text is given"),
    "a symbol": ("Symbol('s')", "Symbol(s)", "value: symbol cannot cross, its text is given"),
    "a regular expression": ("/a+/gi", "/a+/gi", "value: RegExp cannot cross, its text is given"),
    "an error": ("new Error('x')", "Error: x\n    at main.js:1:5", "value: Error cannot cross, its text is given"),
    "a weak map": ("new WeakMap()", "WeakMap { <items unknown> }", "value: WeakMap cannot cross, its text is given"),
    "an invalid Date": ("new Date(NaN)", "Invalid Date", "value: Date is invalid and cannot cross, its text is given"),
    "a Date too late": (
        "new Date(8.64e15)", "+275760-09-13T00:00:00.000Z",
        "value: Date outside the years 1 to 9999 cannot cross, its text is given",
    ),
    "a circle": (
        "const o = { a: 1 }; o.self = o; o", {"a": 1, "self": "<ref *1> { a: 1, self: [Circular *1] }"},
        "value['self']: Object contains itself, its text is given",
    ),
    "a circle through a Map": (
        "const m = new Map(); m.set('m', m); m", {"m": "<ref *1> Map(1) { 'm' => [Circular *1] }"},
        "value['m']: Map contains itself, its text is given",
    ),
    "a getter that throws": (
        "({ a: 1, get b() { throw new TypeError('no') }, c: 2 })", {"a": 1, "b": "<getter raised TypeError>", "c": 2},
        "value['b']: a property cannot be read, this is given instead",
    ),
    "a promise that is pending": (
        "[new Promise(() => {})]", ["Promise { <pending> }"], "value[0]: Promise cannot cross, its text is given",
    ),
    "an object as key": (
        "new Map([[{ a: 1 }, 2]])", {"{ a: 1 }": 2}, "value[key]: Object cannot be a key, its text is given",
    ),
    "keys that are equal elsewhere": (
        "new Map([[1, 'a'], [true, 'b']])", {1: "a", "true": "b"}, "value[key]: boolean is another key elsewhere, its text is given",
    ),
    "a Set of objects": ("new Set([[1], [2]])", [[1], [2]], "value: a Set of objects crosses as a list"),
    "a Set of twins": ("new Set([1, 1n])", [1, 1], "value: a Set of values that are equal elsewhere crosses as a list"),
    "a revoked Proxy": (
        "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); [proxy]", ["<Object>"],
        "value[0]: Object cannot cross, reading it raised TypeError, reading it raised TypeError",
    ),
    "a Proxy whose traps throw": (
        "new Proxy({ a: 1 }, { ownKeys() { throw new RangeError('x') } })", "{ a: 1 }",
        "value: Object cannot cross, reading it raised RangeError, its text is given",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_cross_becomes_text_and_a_note(js: Run, name: str) -> None:
    code, expected, note = CANNOT[name]

    outcome = js(code)

    assert (outcome.status, outcome.value, outcome.notes) == ("ok", expected, (note,))


def test_many_notes_are_counted(js: Run) -> None:
    outcome = js("Array.from({ length: 50 }, () => () => 1)")

    assert len(outcome.notes) == 21
    assert outcome.notes[-1] == "30 more did not cross"


def test_a_proxy_crosses_as_what_it_shows(js: Run) -> None:
    outcome = js("new Proxy({ a: 1 }, { get: (t, k) => t[k] * 10 })")

    assert value_of(outcome) == {"a": 10}


IN: dict[str, tuple[Any, str, Any]] = {
    "none": (None, "given === null", True),
    "bool": (True, "given === true", True),
    "int": (5, "given === 5", True),
    "int beyond the safe ones": (2**60, "given === 2n ** 60n", True),
    "float": (0.5, "given", 0.5),
    "infinities": ([math.inf, -math.inf, math.nan], "given.map(String)", ["Infinity", "-Infinity", "NaN"]),
    "text": ("ä🎉", "given.length", 3),
    "text with a lone surrogate": ("\ud800", "given.charCodeAt(0)", 0xD800),
    "bytes": (b"\x01\xff", "[given instanceof Uint8Array, given[1]]", [True, 255]),
    "a list": ([1, [2]], "[Array.isArray(given), given instanceof Array, given[1][0]]", [True, True, 2]),
    "a tuple": ((1, (2,)), "[Array.isArray(given), given[1][0]]", [True, 2]),
    "a dict": ({"a": {"b": 1}}, "[given.a.b, Object.getPrototypeOf(given) === Object.prototype]", [1, True]),
    "a dict with dangerous names": (
        {"__proto__": {"polluted": 1}, "constructor": 2, "$": 3},
        "[Object.keys(given).sort(), ({}).polluted ?? null]", [["$", "__proto__", "constructor"], None],
    ),
    "a dict with other keys": ({1: "a", (1, 2): "b"}, "[given instanceof Map, given.get(1), given.size]", [True, "a", 2]),
    "a set": ({1, 2}, "[given instanceof Set, given.has(2)]", [True, True]),
    "a range": (range(1, 7, 2), "given", [1, 3, 5]),
    "a datetime": (
        datetime(2024, 7, 1, 12, 0, 0, 5000, tzinfo=timezone(timedelta(hours=2))), "given.toISOString()", "2024-07-01T10:00:00.005Z",
    ),
    "a datetime without zone": (datetime(2024, 7, 1), "given.toISOString()", "2024-07-01T00:00:00.000Z"),  # noqa: DTZ001 - that is the case
    "a date": (date(1, 2, 3), "given.toISOString()", "0001-02-03T00:00:00.000Z"),
    "a time": (time(1, 2, 3, 4), "given", "01:02:03.000004"),
    "a timedelta": (timedelta(days=1, milliseconds=5), "given", 86400005),
    "a Decimal": (Decimal("1.50"), "given", "1.50"),
    "a Fraction": (Fraction(-1, 3), "given", "-1/3"),
    "a UUID": (uuid.UUID(int=1), "given", "00000000-0000-0000-0000-000000000001"),
    "an array": (np.array([1.5, 2], "<f4"), "[given instanceof Float32Array, given[0]]", [True, 1.5]),
    "an array with rows": (
        np.array([[1, 2], [3, 4]], ">i2"), "[given.length, given[1] instanceof Int16Array, given[1][0]]", [2, True, 3],
    ),
    "an array of booleans": (np.array([True, False]), "given", [True, False]),
    "a scalar": (np.int64(5), "given", 5),
    "objects of this realm": ({"a": [1]}, "[given.a.constructor === Array, given.constructor === Object]", [True, True]),
}  # fmt: skip


@pytest.mark.parametrize("name", IN)
def test_values_come_in(js: Run, name: str) -> None:
    given, code, expected = IN[name]

    assert value_of(js(code, variables={"given": given})) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1 + 2j, "variables: a complex number cannot cross into JavaScript"),
        (range(10**9), "variables: a range of more than 10000000 numbers cannot cross into JavaScript"),
        (np.array(["x"]), "variables: an array of <U1 cannot cross into JavaScript"),
    ],
)
def test_what_javascript_has_no_like_of_is_refused(js: Run, given: object, said: str) -> None:
    outcome = js("given", variables={"given": given})

    assert outcome.status == "refused"
    assert outcome.error is not None
    assert [one.message for one in outcome.error.findings] == [said]


def test_variables_are_ordinary_globals(js: Run) -> None:
    outcome = js("x += 1; globalThis.x += 1; delete globalThis.y; [x, typeof y]", variables={"x": 1, "y": 2})

    assert value_of(outcome) == [3, "undefined"]


def test_a_variable_may_hide_what_is_built_in_but_not_a_constant(js: Run) -> None:
    assert value_of(js("console.log(Map); Map", variables={"Map": 5})) == 5

    refused = js("1", variables={"undefined": 5})

    assert refused.status == "refused"
    assert refused.error is not None
    assert refused.error.message == "variables: undefined is a constant of the language"


def test_values_stop_at_the_limits(js: Run) -> None:
    policy = dspex.Policy.load("compute")
    small = policy.model_copy(update={"limits": policy.limits.model_copy(update={"value_bytes": 100, "value_depth": 3})})

    large = js("'x'.repeat(200)", policy=small)
    deep = js("[[[[1]]]]", policy=small)
    circle = js("const o = []; o.push(o); o", policy=small)

    assert [(one.status, one.error and one.error.limit) for one in (large, deep)] == [
        ("limit", "value_bytes"), ("limit", "value_depth"),
    ]  # fmt: skip
    assert circle.status == "ok"
