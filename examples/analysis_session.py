"""A data analysis in a session: several steps that build on each other, and a plot at the end.

Each step is a program as an analyst, or a language model, would type it next; the session keeps
variables and files. The plot is an SVG file that the last step writes with nothing but the standard
library; with the image `scientific` it could be matplotlib's.

    python examples/analysis_session.py [--output FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dspex

HERE = Path(__file__).parent

STEPS = (
    """
import csv, re
from collections import defaultdict
from decimal import Decimal, InvalidOperation

def read(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)

rows = list(read("orders.csv"))
sorted(rows[0])
""",
    """
def amount(text):
    cleaned = re.sub(r"[^0-9.,-]", "", text)
    if cleaned.rfind(",") > cleaned.rfind("."):
        cleaned = cleaned.replace(".", "").replace(",", ".")  # 1.234,50
    try:
        return Decimal(cleaned.replace(",", ""))
    except InvalidOperation:
        return None

prices = [amount(row["unit_price"]) for row in rows]
print(f"{len(rows)} rows, {prices.count(None)} of them without a readable price")
""",
    """
from datetime import datetime

def month(text):
    for form in ("%Y-%m-%d", "%d.%m.%y", "%d/%m/%Y", "%b %d, %Y"):
        try:
            return datetime.strptime(text.strip().partition("T")[0], form).strftime("%Y-%m")
        except ValueError:
            continue
    return None

per_month = defaultdict(lambda: [0, Decimal(0)])
for row, price in zip(rows, prices):
    when = month(row["date"])
    if when and price is not None and row["quantity"].strip().isdigit():
        per_month[when][0] += 1
        per_month[when][1] += price * int(row["quantity"])
{when: [count, round(float(total))] for when, (count, total) in sorted(per_month.items())}
""",
    """
months = sorted(per_month)
tallest = max(total for _, total in per_month.values())
bars = []
for position, when in enumerate(months):
    count, total = per_month[when]
    height = round(float(total / tallest) * 200)
    left = 40 + position * 44
    bars.append(f'<rect x="{left}" y="{220 - height}" width="32" height="{height}" fill="#4269d0"/>'
                f'<text x="{left + 16}" y="236" font-size="9" text-anchor="middle">{when[2:]}</text>'
                f'<text x="{left + 16}" y="{214 - height}" font-size="9" text-anchor="middle">{count}</text>')
width = 60 + 44 * len(months)
with open("per_month.svg", "w") as file:
    file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="250" '
               f'font-family="sans-serif"><rect width="{width}" height="250" fill="white"/>'
               f'<text x="40" y="14" font-size="11">sales per month, orders above the bars</text>'
               + "".join(bars) + "</svg>")
len(months)
""",
)


def main() -> None:
    """Run the steps in one session and keep the plot."""
    parser = argparse.ArgumentParser(description="Analyse orders in a session.")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="Where to put the plot.")
    output = parser.parse_args().output
    orders = (HERE / "data" / "orders.csv").read_bytes()
    with dspex.Engine(policy="compute") as engine, engine.session() as session:
        files: dict[str, bytes] = {"orders.csv": orders}
        for number, step in enumerate(STEPS, 1):
            outcome = session.run(step, files=files)
            files = {}
            print(f"step {number}: {outcome.stdout.strip() or outcome.value_or_raise()}")
    plot = outcome.files["per_month.svg"]
    print(f"plot: {len(plot)} bytes of SVG")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "per_month.svg").write_bytes(plot)


if __name__ == "__main__":
    main()
