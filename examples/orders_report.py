"""The main job: clean and report 4,000 messy shop orders with a program nobody has to trust.

The cleaning program (`guest/clean_orders.py`) could as well have come from a language model. It
gets the CSV file and the exchange rates, nothing else; back come a report as plain data and two
files, which only this program decides to write.

    python examples/orders_report.py [ORDERS.csv] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dspex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).parent
RATES_TO_EUR = {"EUR": Decimal(1), "USD": Decimal("0.92"), "GBP": Decimal("1.17")}
WANTED_FILES = ("orders_clean.csv", "orders_rejected.csv")
WIDTH = 30


def clean(orders_csv: bytes) -> dspex.Outcome:
    """Run the cleaning program on one file, in a sandbox of its own.

    Args:
        orders_csv: The file as it came, UTF-8 with or without a byte order mark.
    """
    with dspex.Engine(policy="compute") as engine:
        return engine.run(
            (HERE / "guest" / "clean_orders.py").read_text(encoding="utf-8"),
            files={"orders.csv": orders_csv},
            variables={"rates_to_eur": RATES_TO_EUR},
            timeout_s=10.0,
        )


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report as lines of text."""
    yield f"Orders from {report['first_day']:%d %B %Y} to {report['last_day']:%d %B %Y}"
    yield ""
    yield f"  rows in the file   {report['rows']:>10,}"
    yield f"  orders             {report['orders']:>10,}   of {report['customers']} customers"
    yield f"  of them sold       {report['sold']:>10,}"
    yield f"  revenue            {report['revenue']:>13,.2f} EUR"
    yield f"  median order       {report['median_order']:>13,.2f} EUR"
    yield f"  largest order      {report['largest_order']:>13,.2f} EUR"
    for key, title in (
        ("by_category", "Revenue by category"),
        ("by_country", "Revenue by country"),
        ("by_month", "Revenue by month"),
        ("by_product", "Best products"),
    ):
        yield from _bars(title, report[key])
    for key, title in (("repairs", "Repaired"), ("rejected", "Rejected rows")):
        yield from ("", title)
        for name, count in report[key].items():
            yield f"  {name:<22}{count:>6,}"


def _bars(title: str, totals: Mapping[Any, Decimal]) -> Iterator[str]:
    yield from ("", f"{title}, EUR")
    largest = max(totals.values())
    for name, total in totals.items():
        label = name if isinstance(name, str) else f"{name:%B %Y}"
        bar = "█" * round(WIDTH * total / largest)
        yield f"  {label:<16}{total:>14,.2f}  {bar}"


def main() -> int:
    """Clean the file, print the report, write the cleaned files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("orders", nargs="?", type=Path, default=HERE / "data" / "orders.csv")
    parser.add_argument("--output", type=Path, default=HERE / "output")
    options = parser.parse_args()

    outcome = clean(options.orders.read_bytes())
    if not outcome.ok:
        reason = outcome.error.traceback or outcome.error.message if outcome.error else ""
        sys.stderr.write(f"the cleaning program ended with status {outcome.status}\n{reason}\n")
        return 1
    print(outcome.stdout, end="")
    print("\n".join(report_lines(outcome.value)))
    options.output.mkdir(parents=True, exist_ok=True)
    for name in WANTED_FILES:
        (options.output / name).write_bytes(outcome.files[name])
    usage = outcome.usage
    print(
        f"\n{' and '.join(WANTED_FILES)} are in {options.output}"
        f"\nsandbox: {usage.wall_s:.2f} s, peak memory {usage.peak_memory_bytes / 2**20:.0f} MiB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
