# /// program
# about = "Reads sales from CSV, groups and totals them, writes a JSON report."
# value = "{'ValueError': [5]}"
# stdout = '''
# [
#  {
#   "name": "north",
#   "units": 17,
#   "revenue": "54.40",
#   "products": [
#    "coffee",
#    "tea"
#   ]
#  },
#  {
#   "name": "south",
#   "units": 4,
#   "revenue": "10.00",
#   "products": [
#    "tea"
#   ]
#  }
# ]
# '''
# [wrote]
# "report.json" = '''
# [
#  {
#   "name": "north",
#   "units": 17,
#   "revenue": "54.40",
#   "products": [
#    "coffee",
#    "tea"
#   ]
#  },
#  {
#   "name": "south",
#   "units": 4,
#   "revenue": "10.00",
#   "products": [
#    "tea"
#   ]
#  }
# ]'''
# ///
import csv
import io
import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from decimal import Decimal

RAW = """region,product,units,price
north,tea,10,2.50
south,tea,4,2.50
north,coffee,7,4.20
east,coffee,,4.20
"""


@dataclass
class Region:
    name: str
    units: int = 0
    revenue: Decimal = Decimal(0)
    products: set[str] = field(default_factory=set)


regions: dict[str, Region] = {}
skipped = defaultdict(list)
for number, row in enumerate(csv.DictReader(io.StringIO(RAW)), start=2):
    try:
        units = int(row["units"])
    except ValueError as error:
        skipped[type(error).__name__].append(number)
        continue
    region = regions.setdefault(row["region"], Region(row["region"]))
    region.units += units
    region.revenue += units * Decimal(row["price"])
    region.products.add(row["product"])


def plain(value):
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, set):
        return sorted(value)
    raise TypeError(f"cannot serialise {type(value).__name__}")


with open("report.json", "w", encoding="utf-8") as out:
    json.dump([asdict(r) for r in regions.values()], out, default=plain, indent=1)
print(open("report.json").read())
dict(skipped)
