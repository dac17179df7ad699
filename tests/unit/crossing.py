"""Values for the tests of both halves of the codec, and what it means that two are the same."""

import datetime as dt
import math
import zoneinfo
from typing import Any

from hypothesis import strategies as st

BYTES_MAX = 10_000_000
DEPTH_MAX = 50

_EARLIEST = dt.datetime(2, 1, 1)  # noqa: DTZ001 - the strategy adds the zone
_LATEST = dt.datetime(9998, 1, 1)  # noqa: DTZ001

_zones: Any = (
    st.none()
    | st.just(dt.UTC)
    | st.builds(
        lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)), st.integers(-1439, 1439)
    )
    | st.sampled_from([zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Asia/Kathmandu")])
)

_text = (
    st.text(max_size=8)
    | st.text(st.characters(), max_size=4)
    | st.sampled_from(["$", '"$"', "\ud800", "a\udfff", "\\u0024", "\0"])
)
_hashable_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | _text
    | st.binary(max_size=8)
    | st.dates()
    | st.times(timezones=_zones)
    | st.datetimes(min_value=_EARLIEST, max_value=_LATEST, timezones=_zones)
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.builds(range, st.integers(), st.integers(), st.integers(1, 9) | st.integers(-9, -1))
)
_hashable = st.recursive(
    _hashable_leaves,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
_leaves = _hashable | st.sampled_from([math.nan, math.inf]) | st.binary(max_size=8).map(bytearray)

values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(st.floats() | st.integers(), max_size=5)
        | st.lists(_text, max_size=5)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_text, inner, max_size=4)
        | st.dictionaries(_hashable, inner, max_size=3)
        | st.sets(_hashable, max_size=4)
    ),
    max_leaves=12,
)
"""Every type that crosses, nested, with the awkward cases made likely."""


def same(one: Any, two: Any) -> bool:  # noqa: PLR0911 - one answer per kind of type
    """Return whether two values are the same in type, content, and what equality overlooks."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return repr(one) == repr(two)
    if isinstance(one, complex):
        return same(one.real, two.real) and same(one.imag, two.imag)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return same(list(one.items()), list(two.items()))
    if isinstance(one, set | frozenset):
        return len(one) == len(two) and all(any(same(x, y) for y in two) for x in one)
    if isinstance(one, dt.datetime | dt.time):
        naive = one.replace(tzinfo=None) == two.replace(tzinfo=None)
        zone = one.tzinfo == two.tzinfo and one.tzname() == two.tzname()
        return bool(naive and zone and one.fold == two.fold)
    if hasattr(one, "is_nan"):
        return str(one) == str(two)
    return bool(one == two)
