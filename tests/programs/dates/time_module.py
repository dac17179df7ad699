# /// program
# about = "The time module: gmtime, strftime, mktime in TZ, monotonic clocks, sleeping."
# value = "'Thu Jan  1 00:00:00 1970'"
# stdout = '''
# 2023-11-14T22:13:20Z 318 1
# 17:13 EST 0 -18000
# 00:26 EDT 1 ('EST', 'EDT')
# 1700000000 18000 1
# True True True
# True True
# '''
# [env]
# "TZ" = "America/New_York"
# ///
import time

moment = time.gmtime(1_700_000_000)
print(time.strftime("%Y-%m-%dT%H:%M:%SZ", moment), moment.tm_yday, moment.tm_wday)
local = time.localtime(1_700_000_000)
print(time.strftime("%H:%M %Z", local), local.tm_isdst, local.tm_gmtoff)
summer = time.localtime(1_690_000_000)
print(time.strftime("%H:%M %Z", summer), summer.tm_isdst, time.tzname)
print(int(time.mktime(local)), time.timezone, time.daylight)
start, cpu = time.perf_counter(), time.process_time()
time.sleep(0.05)
took = time.perf_counter() - start
print(0.045 < took < 5, time.process_time() >= cpu, time.monotonic_ns() <= time.monotonic_ns())
print(time.time() > 1_700_000_000, abs(time.time() - time.time_ns() / 1e9) < 1)
time.asctime(time.gmtime(0))
