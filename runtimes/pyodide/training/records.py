"""Tables of records: csv, json, dates, statistics, grouping, decimal money, files."""

import csv
import datetime
import io
import json
import pathlib
import statistics
import tempfile
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

CITIES = ("Oslo", "Lima", "Kyoto", "Accra")
state = 7


def draw(limit):
    global state
    state = (state * 1103515245 + 12345) % 2**31
    return state % limit


def make(count):
    start = datetime.date(2023, 1, 30)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["day", "city", "sold", "price", "note"])
    for n in range(count):
        day = start + datetime.timedelta(days=draw(300))
        writer.writerow([day.isoformat(), CITIES[draw(4)], draw(20), f"{draw(9000) / 100:.2f}", 'a "b", c' if n % 9 == 0 else ""])
    return out.getvalue()


def clean(row):
    try:
        sold = int(row["sold"])
        price = Decimal(row["price"])
        day = datetime.datetime.strptime(row["day"], "%Y-%m-%d").date()
    except (ValueError, KeyError):
        return None
    return {"day": day, "city": row["city"].strip().lower(), "sold": sold, "revenue": price * sold}


text = make(350)
rows = [row for row in map(clean, csv.DictReader(io.StringIO(text))) if row and row["sold"]]
by_city = defaultdict(list)
for row in rows:
    by_city[row["city"]].append(row)
report = {}
for city, sales in sorted(by_city.items()):
    amounts = [sale["sold"] for sale in sales]
    months = defaultdict(Decimal)
    for sale in sales:
        months[sale["day"].strftime("%Y-%m")] += sale["revenue"]
    report[city] = {
        "count": len(sales),
        "mean": round(statistics.mean(amounts), 3),
        "median": statistics.median(amounts),
        "spread": round(statistics.pstdev(amounts), 3),
        "best": max(months, key=months.get),
        "months": {month: float(total) for month, total in sorted(months.items())},
    }
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "report.json"
    path.write_text(json.dumps(report, indent=2, sort_keys=True))
    loaded = json.loads(path.read_text())
    (path.parent / "rows.txt").write_text("".join(f"{row['city']}\t{row['sold']}\n" for row in rows))
    with open(path.parent / "rows.txt") as lines:
        fields = [line.rstrip("\n").split("\t") for line in lines]
assert loaded == report
share = sum(Fraction(row["sold"], 7) for row in rows[:150])
encoded = json.dumps([{"d": str(row["day"]), "s": row["sold"], "ok": None, "l": [1.5, True]} for row in rows])
total = len(rows) + len(fields) + len(json.loads(encoded)) + share.numerator % 100
total += sum(int(sold) for _, sold in fields) + sum(row["day"].isocalendar()[1] for row in rows)
assert total == 13714, total
