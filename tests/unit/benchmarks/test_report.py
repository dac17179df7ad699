"""The report says every number with its unit and leaves nobody out."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from benchmarks.contestants import Absent
from benchmarks.measure import SUITES
from benchmarks.report import (
    BEGIN,
    END,
    LANGUAGES,
    MAIN,
    PAGES,
    Results,
    amount,
    between_markers,
    markdown,
    rows,
    show,
    write,
)
from benchmarks.summary import Cell

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = Results(
    started="2030-01-02 03:04 UTC",
    machine={
        "cpu": "Some CPU",
        "cores": 2,
        "memory_bytes": 8 * 2**30,
        "system": "Linux",
        "kernel": "6.18.0",
        "virtualised": True,
        "python": "3.11.7",
        "load_1min": 0.1,
    },
    settings={"rounds": 2},
    labels={"dspex": "dspex", "other": "the | other"},
    versions={"dspex": {"dspex": "1.0"}, "other": {"other": "2.0"}},
    absent=[Absent("third", "the third", "no Python 3.99 on this machine")],
    cells=[
        Cell("latency", "fresh", "dspex", "s", (0.001, 0.002), {"p95_s": 0.003, "p99_s": 0.004}),
        Cell("latency", "fresh", "other", "s", (0.002, 0.006), {"p95_s": 0.009, "p99_s": 0.01}),
        Cell("cpu", "fib", "dspex", "s", (0.01,)),
        Cell("cpu", "fib", "other", "s", failed="cannot parse it"),
    ],
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5, "s", "2.5 s"),
        (0.00173, "s", "1.73 ms"),
        (42e-6, "s", "42 µs"),
        (1536, "bytes", "1.5 KiB"),
        (130 * 2**20, "bytes", "130 MiB"),
        (3 * 2**30, "bytes", "3 GiB"),
        (5948.35, "1/s", "5948 /s"),
        (0.8349, "ratio", "0.83"),
    ],
)
def test_an_amount_has_about_three_figures_and_a_unit(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text  # type: ignore[arg-type]


def test_a_row_names_its_metric_once_and_its_ratio_to_dspex() -> None:
    assert rows(RESULTS) == [
        ("fresh", "dspex", "1.5 ms", "p95 3 ms, p99 4 ms", "1.00"),
        ("", "the | other", "4 ms", "p95 9 ms, p99 10 ms", "2.50"),
        ("fib", "dspex", "10 ms", "", "1.00"),
        ("", "the | other", "failed", "cannot parse it", ""),
    ]


def test_the_page_gets_machine_versions_absences_and_a_table() -> None:
    section = markdown(RESULTS)

    assert "on Some CPU, 2 cores (virtual), 8 GiB, Linux 6.18.0" in section
    assert "- the | other: other 2.0" in section
    assert "- **absent**: the third: no Python 3.99 on this machine" in section
    assert "|  | the \\| other | failed | cannot parse it |  |" in section


def test_the_terminal_is_told_who_is_absent_and_why() -> None:
    console = Console(file=io.StringIO(), width=150)

    show(RESULTS, console)

    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "ABSENT: the third: no Python 3.99 on this machine" in printed
    assert "cannot parse it" in printed


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert between_markers(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_page_without_both_markers_in_order_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="lacks a marker"):
        between_markers(page, "new")


def test_results_are_written_as_json_and_into_the_page(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")

    target = write(RESULTS, tmp_path)

    data = json.loads(target.read_text(encoding="utf-8"))
    assert data["cells"][1]["value"] == pytest.approx(0.004)
    assert data["cells"][1]["ratio_to_dspex"] == pytest.approx(2.5)
    assert data["absent"][0]["contestant"] == "third"
    assert "| fresh | dspex | 1.5 ms |" in page.read_text(encoding="utf-8")


def test_every_suite_has_exactly_one_page() -> None:
    assert sorted(suite for page in PAGES for suite in page.suites) == sorted(SUITES)


def test_a_page_gets_its_own_suites_and_who_takes_part_in_them() -> None:
    absent = [Absent("quickjs", "quickjs", "gone"), Absent("eryx", "eryx", "gone")]
    cells = [*RESULTS.cells, Cell("languages.rust", "Rust: sieve", "other", "s", (0.1,))]
    results = replace(RESULTS, absent=absent, cells=cells)

    main, languages = MAIN.part_of(results), LANGUAGES.part_of(results)

    assert (len(main.cells), len(languages.cells)) == (4, 1)
    assert list(languages.labels) == ["other"]
    assert [one.contestant for one in main.absent] == ["eryx"]
    assert [one.contestant for one in languages.absent] == ["quickjs"]


def test_a_metric_without_the_first_of_ours_is_compared_with_the_next() -> None:
    cells = [
        Cell("languages.rust", "Rust: sieve", "dspex_rust", "s", (0.1,)),
        Cell("languages.rust", "Rust: sieve", "other", "s", (0.05,)),
    ]
    labels = {"dspex_rust": "dspex Rust", "other": "another"}

    assert [row[-1] for row in rows(replace(RESULTS, cells=cells, labels=labels))] == ["1.00", "0.50"]
