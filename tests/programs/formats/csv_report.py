# /// program
# about = "Reads a CSV file, groups and aggregates, and writes a new CSV file."
# value = "{'North': '77.00', 'South': '53.00'}"
# stdout = '''
# region,product,units,revenue
# North,Coffee,6,42.00
# North,"Tea, green",10,35.00
# South,Coffee,4,29.00
# South,"Mug ""Best Dad""",2,24.00
# skipped 1 Coffee
# ;
# '''
# [files]
# "sales.csv" = '''
# date,region,product,units,price
# 2024-01-05,North,"Tea, green",10,3.50
# 2024-01-06,South,Coffee,4,7.25
# 2024-01-06,North,Coffee,,7.25
# 2024-01-07,South,"Mug ""Best Dad""",2,12.00
# 2024-01-09,North,Coffee,6,7.00
# '''
# [wrote]
# "totals.csv" = '''
# region,product,units,revenue
# North,Coffee,6,42.00
# North,"Tea, green",10,35.00
# South,Coffee,4,29.00
# South,"Mug ""Best Dad""",2,24.00
# '''
# ///
import csv
from collections import defaultdict
from decimal import Decimal

totals, skipped = defaultdict(lambda: [0, Decimal(0)]), []
with open("sales.csv", newline="") as source:
    for row in csv.DictReader(source):
        if not row["units"]:
            skipped.append(row)
            continue
        entry = totals[row["region"], row["product"]]
        entry[0] += int(row["units"])
        entry[1] += int(row["units"]) * Decimal(row["price"])

with open("totals.csv", "w", newline="") as target:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["region", "product", "units", "revenue"])
    for (region, product), (units, revenue) in sorted(totals.items()):
        writer.writerow([region, product, units, revenue])

print(open("totals.csv").read(), end="")
print("skipped", len(skipped), skipped[0]["product"])
print(csv.Sniffer().sniff("a;b;c\n1;2;3\n").delimiter)
{region: str(sum(r for (g, _), (_, r) in totals.items() if g == region)) for region in ("North", "South")}
