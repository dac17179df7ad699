# /// program
# about = "Ages, business days, human durations, parsing in several formats."
# value = "datetime.datetime(2024, 2, 28, 10, 30, 0, 5)"
# stdout = '''
# [22, 23, 24]
# 7
# 1 day, 1 hour, 1 minute, 1 second | now | 59 seconds
# no known date format: '30.02.2001'
# 3652058 days, 0:00:00 -1 day, 23:00:00 4.8
# '''
# ///
from datetime import date, datetime, timedelta

FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y")


def parse(text):
    for fmt in FORMATS:
        try:
            return datetime.strptime(text, fmt).date()
        except ValueError:
            continue
    raise ValueError(f"no known date format: {text!r}")


def age(born, on):
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def business_days(start, end, holidays=()):
    days = (start + timedelta(n) for n in range((end - start).days))
    return sum(d.weekday() < 5 and d not in holidays for d in days)


def human(delta):
    minutes, seconds = divmod(int(delta.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute"), (seconds, "second")]
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in parts if n) or "now"


for text in ("2000-02-29", "29.02.2000", "2/29/2000", "29 Feb 2000"):
    assert parse(text) == date(2000, 2, 29)
print([age(date(2000, 2, 29), d) for d in (date(2023, 2, 28), date(2023, 3, 1), date(2024, 2, 29))])
print(business_days(date(2024, 12, 20), date(2025, 1, 2), {date(2024, 12, 25), date(2025, 1, 1)}))
print(human(timedelta(days=1, seconds=3661)), "|", human(timedelta(0)), "|", human(timedelta(seconds=59)))
try:
    parse("30.02.2001")
except ValueError as error:
    print(error)
print(date.max - date.min, timedelta(hours=-1), timedelta(days=1) / timedelta(hours=5))
datetime(2024, 1, 31, 10, 30) + timedelta(weeks=4, microseconds=5)
