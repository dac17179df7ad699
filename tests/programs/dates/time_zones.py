# /// program
# about = "Time zones with daylight saving: conversions, gaps, folds, meeting times."
# value = "datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=75600)))"
# stdout = '''
# 2024-03-20 10:00 EDT -0400
# 2024-03-20 19:30 IST +0530
# 2024-03-20 14:00 UTC +0000
# 1:00:00 2:00:00 23:00:00
# EDT EST 3600.0
# 2024-03-10T03:30:00-04:00
# not found: No time zone found with key Mars/Olympus
# 2024-02-29T18:29:59.500000+00:00
# '''
# ///
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

berlin, new_york, kolkata = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")

meeting = datetime(2024, 3, 20, 15, 0, tzinfo=berlin)
for zone in (new_york, kolkata, timezone.utc):
    print(meeting.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z %z"))

before = datetime(2024, 3, 30, 12, tzinfo=berlin)
after = before + timedelta(days=1)
print(before.utcoffset(), after.utcoffset(), after.astimezone(timezone.utc) - before.astimezone(timezone.utc))

first = datetime(2024, 11, 3, 1, 30, tzinfo=new_york)
second = first.replace(fold=1)
print(first.tzname(), second.tzname(), second.timestamp() - first.timestamp())

gap = datetime(2024, 3, 10, 2, 30, tzinfo=new_york)
print(gap.astimezone(timezone.utc).astimezone(new_york).isoformat())
try:
    ZoneInfo("Mars/Olympus")
except ZoneInfoNotFoundError as error:
    print("not found:", error.args[0])
print(datetime.fromisoformat("2024-02-29T23:59:59.5+05:30").astimezone(timezone.utc).isoformat())
datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=-3)))
