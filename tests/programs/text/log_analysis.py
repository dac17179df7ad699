# /// program
# about = "Reads a web server log and reports status codes, slow paths and visitors."
# value = "datetime.timedelta(seconds=3640)"
# stdout = '''
# bad lines: 1
# statuses: {'2xx': 2, '3xx': 2, '4xx': 1, '5xx': 1}
# visitors: [('10.0.0.1', 3), ('10.0.0.2', 2)]
# /search         2  max 2.750 s
# /login          1  max 0.090 s
# /index.html     2  max 0.012 s
# /missing        1  max 0.003 s
# searches: ['tea', 'coffee']
# span: 2024-03-03T09:01:30+00:00 to 2024-03-03T10:02:10+00:00
# '''
# [files]
# "access.log" = '''
# 10.0.0.1 - - [03/Mar/2024:10:00:01 +0000] "GET /index.html HTTP/1.1" 200 1043 0.012
# 10.0.0.2 - - [03/Mar/2024:10:00:04 +0000] "GET /search?q=tea HTTP/1.1" 200 5120 0.431
# 10.0.0.1 - - [03/Mar/2024:10:00:09 +0000] "POST /login HTTP/1.1" 302 0 0.090
# 10.0.0.3 - - [03/Mar/2024:10:01:00 +0000] "GET /missing HTTP/1.1" 404 210 0.003
# garbage line that no parser understands
# 10.0.0.2 - - [03/Mar/2024:10:01:30 +0100] "GET /search?q=coffee HTTP/1.1" 500 87 2.750
# 10.0.0.1 - - [03/Mar/2024:10:02:10 +0000] "GET /index.html HTTP/1.1" 304 0 0.002
# '''
# ///
import re
from collections import Counter, defaultdict
from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

LINE = re.compile(
    r"(?P<ip>\S+) \S+ \S+ \[(?P<when>[^\]]+)\] "
    r'"(?P<method>\w+) (?P<target>\S+) [^"]*" (?P<status>\d{3}) (?P<size>\d+) (?P<took>[\d.]+)'
)

statuses, visitors, took, bad = Counter(), Counter(), defaultdict(list), 0
searches, times = [], []
with open("access.log", encoding="utf-8") as log:
    for line in log:
        match = LINE.match(line)
        if not match:
            bad += 1
            continue
        url = urlsplit(match["target"])
        statuses[f"{match['status'][0]}xx"] += 1
        visitors[match["ip"]] += 1
        took[url.path].append(float(match["took"]))
        searches += parse_qs(url.query).get("q", [])
        times.append(datetime.strptime(match["when"], "%d/%b/%Y:%H:%M:%S %z").astimezone(timezone.utc))

print("bad lines:", bad)
print("statuses:", dict(sorted(statuses.items())))
print("visitors:", visitors.most_common(2))
for path, all_took in sorted(took.items(), key=lambda item: -max(item[1])):
    print(f"{path:<14}{len(all_took):>3}  max {max(all_took):.3f} s")
print("searches:", searches)
print("span:", min(times).isoformat(), "to", max(times).isoformat())
max(times) - min(times)
