"""The sheet turns rounds into cells in the report's order."""

from __future__ import annotations

from benchmarks.sheet import Metric, Sheet

METRIC = Metric("latency", "fresh sandbox", "s")


def test_rounds_and_pooled_latencies_become_one_cell() -> None:
    sheet = Sheet()
    sheet.add(METRIC, "a", 2.0, times_s=[1.0, 2.0, 3.0])
    sheet.add(METRIC, "a", 4.0, times_s=[5.0], detail={"calls_per_s": 9.0})

    (cell,) = sheet.cells(["a"])

    assert cell.rounds == (2.0, 4.0)
    assert cell.detail["calls"] == 4
    assert cell.detail["p50_s"] == 2.5
    assert cell.detail["calls_per_s"] == 9.0
    assert cell.failed is None


def test_a_failure_is_kept_beside_the_rounds_before_it() -> None:
    sheet = Sheet()
    sheet.add(METRIC, "a", 2.0)
    assert not sheet.has_failed(METRIC, "a")
    sheet.fail(METRIC, "a", "ended: killed")

    (cell,) = sheet.cells(["a"])

    assert sheet.has_failed(METRIC, "a")
    assert cell.failed == "ended: killed"
    assert cell.rounds == (2.0,)


def test_contestants_come_in_the_order_asked_for_within_each_metric() -> None:
    other = Metric("cold", "first result", "s")
    sheet = Sheet()
    for metric in (METRIC, other):
        for name in ("b", "a", "unasked"):
            sheet.add(metric, name, 1.0)

    cells = sheet.cells(["a", "b"])

    assert [(cell.suite, cell.contestant) for cell in cells] == [
        ("latency", "a"),
        ("latency", "b"),
        ("cold", "a"),
        ("cold", "b"),
    ]
