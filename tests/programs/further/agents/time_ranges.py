# /// program
# about = "Dates: parsing, ranges, week numbers, time zones, formatting, durations."
# value = "('June', 29)"
# stdout = '''
# Asia/Tokyo 2024-02-29 08:30 JST
# America/New_York 2024-02-28 18:30 EST
# Europe/Berlin 2024-02-29 00:30 CET
# 21 (3, 29) (2025, 1)
# 1d 11h 59m 55s 0s
# 1710030600.0 2024-02-29
# 2024-05-06 07:00:00 06.05.24
# '''
# ///
from calendar import monthrange
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo


def days(start: date, end: date, step: timedelta = timedelta(days=1)):
    while start < end:
        yield start
        start += step


def business_days(start, end):
    return sum(1 for day in days(start, end) if day.weekday() < 5)


def human(delta: timedelta) -> str:
    seconds = int(delta.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


launch = datetime(2024, 2, 28, 23, 30, tzinfo=timezone.utc)
for zone in ("Asia/Tokyo", "America/New_York", "Europe/Berlin"):
    print(zone, launch.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z"))
print(business_days(date(2024, 2, 1), date(2024, 3, 1)), tuple(map(int, monthrange(2024, 2))), date(2024, 12, 30).isocalendar()[:2])
print(human(datetime(2024, 3, 1) - datetime(2024, 2, 28, 12, 0, 5)), human(timedelta()))
print(datetime.fromisoformat("2024-03-10T01:30:00+01:00").timestamp(), date.fromordinal(738945))
print(datetime.combine(date(2024, 5, 6), time(7, 8)).replace(minute=0), f"{date(2024, 5, 6):%d.%m.%y}")
sorted({date(2024, 1, 31), date(2023, 6, 1)})[0].strftime("%B"), (date(2024, 3, 1) - date(2024, 2, 1)).days
