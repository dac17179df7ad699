"""Civil time is right for any year, and for named zones as their data says."""

from __future__ import annotations

import struct
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.wasm.emscripten.timezones import (
    UTC,
    Moment,
    Zone,
    ZoneTable,
    break_down,
    days_from_civil,
    join,
)

NEW_YORK = b"EST5EDT,M3.2.0,M11.1.0"
SPRING = 1_710_054_000  # 2024-03-10 07:00 UTC: 02:00 EST becomes 03:00 EDT.
AUTUMN = 1_730_613_600  # 2024-11-03 06:00 UTC: 02:00 EDT becomes 01:00 EST.


def no_data(_name: bytes) -> None:
    return None


def zone(variable: bytes) -> Zone:
    return ZoneTable(no_data).find(variable)


def local(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC_ZONE).timestamp())


def zone_file(*transitions: tuple[int, int], footer: bytes = b"") -> bytes:
    """Write TZif data: at each time, one of two kinds begins (0 is XST, +1 h; 1 is XDT, +2 h)."""
    header = struct.pack(">4sc15x", b"TZif", b"2")
    empty = header + struct.pack(">6I", 0, 0, 0, 0, 0, 0)
    body = header + struct.pack(">6I", 0, 0, 0, len(transitions), 2, 8)
    body += b"".join(struct.pack(">q", at) for at, _ in transitions)
    body += bytes(kind for _, kind in transitions)
    body += struct.pack(">ibb", 3600, 0, 0) + struct.pack(">ibb", 7200, 1, 4) + b"XST\0XDT\0"
    return empty + body + b"\n" + footer + b"\n"


@given(st.datetimes(timezones=st.just(UTC_ZONE)))
def test_fields_are_those_of_the_standard_library(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC_ZONE)) // timedelta(seconds=1)
    fields = break_down(seconds)
    expected = moment.timetuple()
    assert fields == (
        expected.tm_sec,
        expected.tm_min,
        expected.tm_hour,
        expected.tm_mday,
        expected.tm_mon - 1,
        expected.tm_year - 1900,
        (expected.tm_wday + 1) % 7,
        expected.tm_yday - 1,
    )
    assert join(*fields[:6]) == seconds


@given(st.integers(-(2**62), 2**62))
def test_taking_apart_and_joining_cancel_out_in_any_year(seconds: int) -> None:
    assert join(*break_down(seconds)[:6]) == seconds


def test_a_year_before_year_one_exists() -> None:
    assert days_from_civil(0, 2, 29) + 1 == days_from_civil(0, 3, 1)
    assert days_from_civil(-4, 3, 1) - days_from_civil(-4, 2, 28) == 2


def test_fields_out_of_range_are_carried() -> None:
    assert join(-1, 0, 0, 1, 0, 70) == -1
    assert join(0, 0, 25, 0, 13, 70) == join(0, 0, 1, 1, 1, 71)


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (SPRING - 1, Moment(-18_000, is_dst=False, abbreviation="EST")),
        (SPRING, Moment(-14_400, is_dst=True, abbreviation="EDT")),
        (AUTUMN - 1, Moment(-14_400, is_dst=True, abbreviation="EDT")),
        (AUTUMN, Moment(-18_000, is_dst=False, abbreviation="EST")),
    ],
)
def test_a_posix_rule_changes_to_the_second(seconds: int, moment: Moment) -> None:
    assert zone(NEW_YORK).at(seconds) == moment


def test_a_summer_time_without_rules_has_the_usual_ones() -> None:
    assert zone(b"EST5EDT").at(SPRING) == zone(NEW_YORK).at(SPRING)


def test_a_name_in_brackets_may_have_digits() -> None:
    moment = Moment(-10_800, is_dst=False, abbreviation="-03")
    assert zone(b"<-03>3").at(0) == moment


@pytest.mark.parametrize(
    "variable",
    [
        b"",
        b"UTC",
        b"Nowhere/City",
        b"../../etc/passwd",
        b"EST99",
        b"EST5EDT,M13.9.9,J999",
        b"\xff\xfe",
        b"AAA24",
        b"AAA-23:59",
        b"AAA1BBB24",
        b"A" * 4000,
        b"EST5EDT,M0.1.0,M99.1.0",
        b"EST5EDT,J0,J366",
        b":",
        b"/etc/localtime",
    ],
)
def test_what_is_no_zone_is_utc(variable: bytes) -> None:
    assert zone(variable).at(0) == Moment(0, is_dst=False, abbreviation="UTC")


@given(st.binary(max_size=40) | st.from_regex(r"[A-Z]{3}[0-9+:-]{1,4}[A-Z]{0,4}[,MJ0-9./-]{0,24}"))
def test_no_value_of_the_variable_raises(variable: bytes | str) -> None:
    encoded = variable.encode("utf-8", "replace") if isinstance(variable, str) else variable
    for seconds in (-(2**62), 0, 1_700_000_000, 253_370_764_799, 2**62):
        assert abs(zone(encoded).at(seconds).offset_s) < 86_400


@pytest.mark.parametrize(
    "variable",
    [b"AAA-22:59BBB,M3.2.0,M11.1.0", b"AAA22BBB22:59,0/0,365/99", b"AAA5BBB,J1/-99,J365/23:59:59"],
)
def test_an_extreme_rule_raises_in_no_month_of_any_year(variable: bytes) -> None:
    there = zone(variable)
    assert there.at(0).abbreviation in ("AAA", "BBB")
    for start in (-62_103_628_800, 0, 253_370_764_800 - 366 * 86_400):
        for day in range(0, 366, 3):
            assert abs(there.at(start + day * 86_400).offset_s) < 86_400


def test_a_named_zone_comes_from_the_data_given() -> None:
    data = {b"Made/Up": memoryview(zone_file((1000, 1), (2000, 0)))}
    table = ZoneTable(data.get)
    for variable in (b"Made/Up", b":Made/Up", b"/usr/share/zoneinfo/Made/Up"):
        found = table.find(variable)
        assert found.at(999) == Moment(3600, is_dst=False, abbreviation="XST")
        assert found.at(1000) == Moment(7200, is_dst=True, abbreviation="XDT")
        assert found.at(2000) == Moment(3600, is_dst=False, abbreviation="XST")


def test_data_that_is_no_zone_file_is_utc() -> None:
    assert ZoneTable(lambda _name: memoryview(b"junk")).find(b"X/Y").at(0) == UTC.at(0)


def test_a_year_that_python_cannot_write_has_the_rules_of_its_cycle() -> None:
    cycle = 146_097 * 86_400
    far = SPRING + 100 * cycle
    assert zone(NEW_YORK).at(far).is_dst
    assert not zone(NEW_YORK).at(far - 1).is_dst
    assert zone(NEW_YORK).at(-(2**62)).offset_s == -18_000
    assert zone(NEW_YORK).at(2**63 - 1).offset_s in (-18_000, -14_400)


@pytest.mark.parametrize(
    ("text", "wanted", "utc"),
    [
        ("2024-07-01T12:00", -1, "2024-07-01T16:00"),
        ("2024-01-01T12:00", -1, "2024-01-01T17:00"),
        ("2024-03-10T02:30", -1, "2024-03-10T07:30"),
        ("2024-11-03T01:30", -1, "2024-11-03T05:30"),
        ("2024-11-03T01:30", 1, "2024-11-03T05:30"),
        ("2024-11-03T01:30", 0, "2024-11-03T06:30"),
        ("2024-07-01T12:00", 0, "2024-07-01T17:00"),
        ("2024-01-01T12:00", 1, "2024-01-01T16:00"),
    ],
)
def test_local_time_becomes_utc(text: str, wanted: int, utc: str) -> None:
    assert zone(NEW_YORK).to_utc(local(text), wanted) == local(utc)


def test_summer_time_asked_for_where_there_is_none_is_ignored() -> None:
    assert UTC.to_utc(1000, 1) == 1000


@given(st.integers(-(10**10), 10**11), st.sampled_from([NEW_YORK, b"<+0330>-3:30", b"UTC"]))
def test_a_moment_shown_locally_and_read_back_is_the_same(seconds: int, rule: bytes) -> None:
    there = zone(rule)
    moment = there.at(seconds)
    assert there.to_utc(seconds + moment.offset_s, int(moment.is_dst)) == seconds
