"""Civil time: calendar arithmetic for any year, and time zones out of the base layer's data.

Only pure functions and one cached zone. The zone rules come from the standard library's `zoneinfo`, fed
with the bytes that the sandbox's own /usr/share/zoneinfo holds, never the host's. Which zone the guest
wants, and `struct tm` in its memory, are `dspex.wasm.emscripten.machine_calls`'s.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_S = 86_400
_CYCLE_S = 146_097 * DAY_S
"""400 years: after them the Gregorian calendar repeats, weekdays too."""

_FIRST_S = -62_103_628_800
"""Start of the year 2: before it, the rules of that moment are used."""
_LAST_S = 253_370_764_800
"""Start of the year 9999: from it on, the rules of 400 years earlier are used."""

_NAME = r"(?:[A-Za-z]{3,10}|<[A-Za-z0-9+-]{3,10}>)"
_TIME = r"[+-]?\d{1,2}(?::\d{2}(?::\d{2})?)?"
# The standard library refuses to show offsets of a day and more; summer time may add an hour.
_OFFSET = r"[+-]?(?:2[0-2]|[01]?\d)(?::[0-5]\d(?::[0-5]\d)?)?"
_RULE = rf"(?:M\d{{1,2}}\.[1-5]\.[0-6]|J\d{{1,3}}|\d{{1,3}})(?:/{_TIME})?"
_POSIX = re.compile(rf"{_NAME}{_OFFSET}(?P<dst>{_NAME}(?:{_OFFSET})?(?P<rules>,{_RULE},{_RULE})?)?")
_USUAL_RULES = ",M3.2.0,M11.1.0"
"""What C libraries assume where a summer time is named without rules."""


class Moment(NamedTuple):
    """How a zone shows one point in time."""

    offset_s: int
    """Seconds east of UTC."""
    is_dst: bool
    abbreviation: str


class BrokenDown(NamedTuple):
    """The fields of C's `struct tm`, in its order and with its ranges."""

    second: int
    minute: int
    hour: int
    day: int
    month: int
    """0 to 11."""
    years_since_1900: int
    weekday: int
    """0 is Sunday."""
    day_of_year: int
    """0 to 365."""


def days_from_civil(year: int, month: int, day: int) -> int:
    """Count the days from 1970-01-01 to a date of the Gregorian calendar, extended to all years.

    Args:
        year: Any year; 0 is 1 BC.
        month: 1 to 12.
        day: Any number; 0 is the last day of the month before.

    Example:
        >>> days_from_civil(2000, 3, 1)
        11017
    """
    # Years begin in March here, so that the leap day comes last.
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (
        era * 146_097
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + day_of_year
        - 719_468
    )


def break_down(seconds: int) -> BrokenDown:
    """Turn seconds since 1970 into calendar fields, without any zone.

    Example:
        >>> break_down(951_782_400)
        BrokenDown(second=0, minute=0, hour=0, day=29, month=1, years_since_1900=100, weekday=2, day_of_year=59)
    """
    days, second_of_day = divmod(seconds, DAY_S)
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_from_march = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_from_march + 2) // 153
    day = day_from_march - (153 * month_from_march + 2) // 5 + 1
    month = (month_from_march + 2) % 12
    year = era * 400 + year_of_era + (month < 2)
    minutes, second = divmod(second_of_day, 60)
    hour, minute = divmod(minutes, 60)
    return BrokenDown(
        second=second,
        minute=minute,
        hour=hour,
        day=day,
        month=month,
        years_since_1900=year - 1900,
        weekday=(days + 4) % 7,
        day_of_year=days - days_from_civil(year, 1, 1),
    )


def join(  # noqa: PLR0917 - the fields of `struct tm`, in its order
    second: int, minute: int, hour: int, day: int, month: int, years_since_1900: int
) -> int:
    """Turn calendar fields, which may be out of their ranges, into seconds since 1970.

    Example:
        >>> join(0, 0, 0, 1, 12, 69)
        0
    """
    carried, month = divmod(month, 12)
    days = days_from_civil(years_since_1900 + 1900 + carried, month + 1, 1) + day - 1
    return days * DAY_S + hour * 3600 + minute * 60 + second


class Zone:
    """A time zone, for points in time and for local times."""

    __slots__ = ("_info",)

    def __init__(self, info: ZoneInfo | None = None) -> None:
        """Wrap a zone's rules.

        Args:
            info: The rules; None is UTC.
        """
        self._info = info

    def at(self, seconds: int) -> Moment:
        """Return what is in force at a point in time.

        Args:
            seconds: Since 1970, UTC; any number.
        """
        info = self._info
        if info is None:
            return Moment(0, is_dst=False, abbreviation="UTC")
        if seconds >= _LAST_S:
            seconds = _LAST_S - _CYCLE_S + (seconds - _LAST_S) % _CYCLE_S
        seconds = max(seconds, _FIRST_S)
        local = info.fromutc(datetime(1970, 1, 1, tzinfo=info) + timedelta(seconds=seconds))
        offset, saving = local.utcoffset(), local.dst()
        assert offset is not None
        return Moment(
            offset.days * DAY_S + offset.seconds,
            is_dst=bool(saving),
            abbreviation=local.tzname() or "",
        )

    def to_utc(self, local_s: int, wanted_dst: int) -> int:
        """Do what `mktime` does once it has added up the fields.

        Args:
            local_s: Local time, as `join` gives it.
            wanted_dst: `tm_isdst`: positive for summer time, 0 for standard time, negative to find out.

        Returns:
            Seconds since 1970. Of two equal local times it is the first; one that was skipped is counted
            on from before the gap. A wrong `wanted_dst` shifts by the difference, as in C.
        """
        before = self.at(local_s - DAY_S)
        after = self.at(local_s + DAY_S)
        right = [
            seconds
            for seconds in (local_s - before.offset_s, local_s - after.offset_s)
            if self.at(seconds).offset_s == local_s - seconds
        ]
        if wanted_dst >= 0:
            for seconds in right:
                if self.at(seconds).is_dst == (wanted_dst > 0):
                    return seconds
            for days in (1, -1, 91, -91, 182, -182, 273, -273):
                moment = self.at(local_s + days * DAY_S)
                if moment.is_dst == (wanted_dst > 0):
                    return local_s - moment.offset_s
        return min(right, default=local_s - before.offset_s)


UTC = Zone()


class ZoneTable:
    """Finds the zone a TZ variable means; remembers the last one."""

    __slots__ = ("_last", "_read")

    def __init__(self, read: Callable[[bytes], memoryview | None]) -> None:
        """Use a source of zone data.

        Args:
            read: Called with a path below the zoneinfo directory (b"Europe/Berlin"); returns the TZif
                data or None. The name comes from the guest.
        """
        self._read = read
        self._last = (b"", UTC)

    def find(self, variable: bytes) -> Zone:
        """Return the zone for a value of TZ: a zone's name, a POSIX rule, or anything else for UTC.

        Args:
            variable: Value of the variable; b"" is UTC.
        """
        if variable != self._last[0]:
            self._last = (variable, self._load(variable))
        return self._last[1]

    def _load(self, variable: bytes) -> Zone:
        name = variable.removeprefix(b":").removeprefix(b"/usr/share/zoneinfo/")
        data = self._read(name)
        if data is None:
            data = _data_of_rule(name)
        if data is None:
            return UTC
        try:
            return Zone(ZoneInfo.from_file(io.BytesIO(data)))
        except ValueError:
            # A rule that is well-formed and still means nothing, like the 90th hour.
            return UTC


def _data_of_rule(name: bytes) -> memoryview | None:
    """Wrap a POSIX rule ("CET-1CEST,M3.5.0,M10.5.0/3") in TZif data that has nothing but the rule."""
    text = name.decode("ascii", "replace")
    rule = _POSIX.fullmatch(text)
    if rule is None:
        return None
    if rule["dst"] and not rule["rules"]:
        text += _USUAL_RULES
    first = struct.pack(">4sc15x6I", b"TZif", b"2", 0, 0, 0, 0, 0, 0)
    second = struct.pack(">4sc15x6I", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    kind = struct.pack(">ibb4s", 0, 0, 0, b"UTC\0")
    return memoryview(first + second + kind + b"\n" + text.encode() + b"\n")
