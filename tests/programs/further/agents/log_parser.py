# /// program
# about = "Parses an access log with named groups, aggregates, prints a table with f-strings."
# value = "'2.1 and 4.3'"
# stdout = '''
# path          | status | hits
# -----------------------------
# /index.html   |  200   |    2
# /a            |  404   |    1
# /login        |  302   |    1
# 10.0.0.1: mean=777.5 median=777.5 total=1_555
# 10.0.0.2: mean=0.0 median=0 total=0
# 10.0.0.3: mean=2,048.0 median=2048 total=2_048
# 0:02:58 True 1
# '''
# ///
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from statistics import mean, median

LOG = """\
10.0.0.1 - - [12/Mar/2024:10:00:01 +0000] "GET /index.html HTTP/1.1" 200 1043
10.0.0.2 - - [12/Mar/2024:10:00:07 +0000] "POST /login HTTP/1.1" 302 0
10.0.0.1 - - [12/Mar/2024:10:01:30 +0000] "GET /a?x=1 HTTP/1.1" 404 512
broken line
10.0.0.3 - - [12/Mar/2024:10:02:59 +0000] "GET /index.html HTTP/1.1" 200 2048
"""
LINE = re.compile(
    r"""(?P<host>\S+)\s\S+\s\S+\s
        \[(?P<when>[^\]]+)\]\s
        "(?P<method>[A-Z]+)\s(?P<path>\S+)\s[^"]*"\s
        (?P<status>\d{3})\s(?P<size>\d+)""",
    re.VERBOSE,
)
hits, sizes, moments, bad = Counter(), defaultdict(list), [], 0
for line in LOG.splitlines():
    if not (found := LINE.fullmatch(line)):
        bad += 1
        continue
    record = found.groupdict()
    moments.append(datetime.strptime(record["when"], "%d/%b/%Y:%H:%M:%S %z"))
    hits[record["path"].partition("?")[0], record["status"]] += 1
    sizes[record["host"]].append(int(record["size"]))

print(f"{'path':<14}|{'status':^8}|{'hits':>5}")
print("-" * 29)
for (path, status), count in sorted(hits.items(), key=lambda pair: (-pair[1], pair[0])):
    print(f"{path:<14}|{status:^8}|{count:>5}")
for host, values in sizes.items():
    print(f"{host}: mean={mean(values):,.1f} median={median(values)} total={sum(values):_}")
span = max(moments) - min(moments)
print(span, span > timedelta(minutes=2), bad)
re.sub(r"(\d+)\.(\d+)", lambda m: f"{m[2]}.{m[1]}", "1.2 and 3.4")
