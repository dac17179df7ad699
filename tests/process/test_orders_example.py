"""The main job gives the true numbers: the generator of its data knows what they are."""

from __future__ import annotations

import csv
import runpy
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def maker() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "make_orders.py"))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    output = tmp_path_factory.mktemp("orders")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "orders_report.py"), "--output", str(output)],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return done, output


def test_the_committed_data_is_what_its_generator_makes(maker: dict[str, Any]) -> None:
    committed = (EXAMPLES / "data" / "orders.csv").read_text(encoding="utf-8")

    assert maker["csv_text"]() == committed


def test_the_report_has_the_true_totals(
    maker: dict[str, Any], job: tuple[subprocess.CompletedProcess[str], Path]
) -> None:
    done, _ = job

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4000 rows read, 3785 orders kept, 75 rejected\n")
    truth = maker["truth"]()
    assert f"revenue            {sum(truth.values()):>13,.2f} EUR" in done.stdout
    for category, total in truth.items():
        assert f"  {category:<16}{total:>14,.2f}  " in done.stdout


def test_the_cleaned_file_holds_every_true_order_once(
    maker: dict[str, Any], job: tuple[subprocess.CompletedProcess[str], Path]
) -> None:
    _, output = job

    with (output / "orders_clean.csv").open(encoding="utf-8", newline="") as file:
        cleaned = {row["order_id"]: row for row in csv.DictReader(file)}

    truth = maker["clean_orders"]()
    assert set(cleaned) == {f"A-{order.number}" for order in truth}
    for order in truth:
        row = cleaned[f"A-{order.number}"]
        assert (row["product"], row["category"]) == (order.product, order.category)
        assert (row["date"], row["country"]) == (order.day.isoformat(), order.country)
        assert (row["customer"], row["status"]) == (order.customer, order.status)
        assert Decimal(row["unit_price"]) == order.price
        assert Decimal(row["revenue_eur"]) == order.revenue_eur


def test_every_row_that_was_rejected_is_listed_with_its_reason(
    job: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, output = job

    with (output / "orders_rejected.csv").open(encoding="utf-8", newline="") as file:
        rejected = list(csv.DictReader(file))

    assert len(rejected) == 75
    assert all(row["order_id"].startswith("A-9") and row["reason"] for row in rejected)


def test_a_file_that_is_no_order_list_ends_the_job_with_the_guests_own_error(
    tmp_path: Path,
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "orders_report.py"), str(wrong)],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )

    assert done.returncode == 1
    assert "status raised" in done.stderr
    assert "KeyError: 'product'" in done.stderr
    assert 'product = " ".join(row["product"].split())' in done.stderr
