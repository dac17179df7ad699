# /// program
# about = "Prints a month as calendar does, with leap years and week numbers."
# since = "3.12"
# value = "datetime.date(2024, 1, 1)"
# stdout = '''
#    February 2024
# Mo Tu We Th Fr Sa Su
#           1  2  3  4
#  5  6  7  8  9 10 11
# 12 13 14 15 16 17 18
# 19 20 21 22 23 24 25
# 26 27 28 29
# [1892, 1896, 1904, 1908, 1912] 25
# 2020-12-31 2020-W53-4 Thursday 31 December, day 366
# 2021-01-03 2020-W53-7 Sunday 03 January, day 003
# 2021-01-04 2021-W01-1 Monday 04 January, day 004
# Friday 13th: ['2026-02-13', '2026-03-13', '2026-11-13']
# (calendar.WEDNESDAY, 28) Sun July
# '''
# ///
import calendar
from datetime import date

print(calendar.TextCalendar(firstweekday=0).formatmonth(2024, 2).rstrip())
print([year for year in range(1890, 1915) if calendar.isleap(year)], calendar.leapdays(1900, 2001))
for day in (date(2020, 12, 31), date(2021, 1, 3), date(2021, 1, 4)):
    iso = day.isocalendar()
    print(day, f"{iso.year}-W{iso.week:02}-{iso.weekday}", day.strftime("%A %d %B, day %j"))
thirteenths = [date(2026, month, 13) for month in range(1, 13)]
print("Friday 13th:", [d.isoformat() for d in thirteenths if d.weekday() == calendar.FRIDAY])
print(calendar.monthrange(2023, 2), calendar.day_abbr[6], calendar.month_name[7])
date.fromisocalendar(2024, 1, 1)
