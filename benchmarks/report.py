"""Results as a terminal table, as a JSON file and as the table in the docs.

All three show the same cells and name everybody who is absent. Charts are drawn from the
JSON file by `benchmarks.chart`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from benchmarks.contestants import CONTESTANTS, DSPEX, has_part
from benchmarks.measure import SUITES
from benchmarks.summary import Cell, Unit, counted, paired_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from benchmarks.contestants import Absent

SCHEMA: Final = 1
BEGIN: Final = "<!-- results: begin (written by the benchmark) -->"
END: Final = "<!-- results: end -->"

_METHOD: Final = (
    "contestants take turns round by round in one run, another one first each round and every "
    "second round backwards; loops and clocks run inside each contestant's own process; a "
    "value is the median over rounds of the round's median; a ratio is the median over rounds "
    "of the ratio within a round; memory is PSS of the whole process tree, each contestant alone"
)
_KIB: Final = 1024.0


@dataclass(frozen=True)
class Results:
    """Everything one run found out."""

    started: str
    """ISO 8601, UTC."""
    machine: Mapping[str, object]
    settings: Mapping[str, object]
    labels: Mapping[str, str]
    """What each contestant is called, in the order of the report."""
    versions: Mapping[str, Mapping[str, str]]
    absent: Sequence[Absent]
    cells: Sequence[Cell]

    def as_json(self) -> dict[str, Any]:
        """Return plain data, cells with their value and their ratio to dspex."""
        bases = _bases(self.cells)
        return {
            "schema": SCHEMA,
            "method": _METHOD,
            "started": self.started,
            "machine": dict(self.machine),
            "settings": dict(self.settings),
            "contestants": [
                {"name": name, "label": label, "versions": dict(self.versions.get(name, {}))}
                for name, label in self.labels.items()
            ],
            "absent": [asdict(absent) for absent in self.absent],
            "cells": [
                {
                    **asdict(cell),
                    "value": cell.value,
                    "ratio_to_dspex": _ratio(cell, bases),
                }
                for cell in self.cells
            ],
        }


def _bases(cells: Sequence[Cell]) -> dict[str, Cell]:
    """Return what each metric is compared with: the first of ours that has a part in it."""
    bases: dict[str, Cell] = {}
    for cell in cells:
        if cell.contestant.startswith(DSPEX):
            bases.setdefault(cell.metric, cell)
    return bases


def _ratio(cell: Cell, bases: Mapping[str, Cell]) -> float | None:
    base = bases.get(cell.metric)
    return None if base is None else paired_ratio(cell, base)


def amount(value: float, unit: Unit) -> str:
    """Write a number with its unit, three figures or so.

    Example:
        >>> amount(0.00173, "s"), amount(12_345_678, "bytes"), amount(565.4, "1/s")
        ('1.73 ms', '11.8 MiB', '565 /s')
    """
    if unit == "s":
        for size, name in ((1.0, "s"), (1e-3, "ms")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value * 1e6:.3g} µs"
    if unit == "bytes":
        for size, name in ((_KIB**3, "GiB"), (_KIB**2, "MiB")):
            if abs(value) >= size:
                return f"{_figures(value / size)} {name}"
        return f"{_figures(value / _KIB)} KiB"
    return f"{_figures(value)} /s" if unit == "1/s" else f"{value:.2f}"


def _figures(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(cell: Cell) -> str:
    """Write what belongs beside the value: percentiles, or the range of the rounds."""
    if "p99_s" in cell.detail:
        texts = [f"p95 {amount(cell.detail['p95_s'], 's')}"]
        texts.append(f"p99 {amount(cell.detail['p99_s'], 's')}")
        if "calls_per_s" in cell.detail:
            texts.append(f"{amount(cell.detail['calls_per_s'], '1/s')}")
        return ", ".join(texts)
    notes = []
    if len(cell.rounds) > 1:
        low, high = min(cell.rounds), max(cell.rounds)
        notes.append(f"{amount(low, cell.unit)} to {amount(high, cell.unit)}")
    if "processes" in cell.detail:
        notes.append(counted(cell.detail["processes"], "process"))
    if "programs" in cell.detail:
        notes.append(counted(cell.detail["programs"], "program"))
    if cell.detail.get("unreadable"):
        notes.append(f"{cell.detail['unreadable']:.0f} unreadable")
    return ", ".join(notes)


def rows(results: Results) -> list[tuple[str, str, str, str, str]]:
    """Return the table: metric, contestant, value, spread, ratio to dspex.

    A metric's name stands in its first row only; a failure stands where the value would.
    """
    bases = _bases(results.cells)
    table = []
    previous = None
    for cell in results.cells:
        value = cell.value
        ratio = _ratio(cell, bases)
        shown = "failed" if value is None else amount(value, cell.unit)
        beside = spread(cell) if cell.failed is None else cell.failed
        table.append(
            (
                "" if cell.metric == previous else cell.metric,
                results.labels[cell.contestant],
                shown,
                beside,
                "" if ratio is None else f"{ratio:.2f}",
            )
        )
        previous = cell.metric
    return table


def show(results: Results, console: Console) -> None:
    """Print the table, and in red who is absent and why."""
    table = Table("metric", "contestant", "median", "spread", "× dspex", title="dspex benchmark")
    for metric, label, value, beside, ratio in rows(results):
        if metric and table.row_count:
            table.add_section()
        style = "red" if value == "failed" else None
        table.add_row(metric, label, value, beside, ratio, style=style)
    console.print(table)
    for absent in results.absent:
        console.print(f"ABSENT: {absent.label}: {absent.reason}", style="bold red", markup=False)


def markdown(results: Results) -> str:
    """Return the results as a section of a Markdown page."""
    taking_part = {cell.contestant for cell in results.cells}
    machine = results.machine
    memory = amount(float(str(machine["memory_bytes"])), "bytes")
    lines = [
        (
            f"Measured {results.started} on {machine['cpu']}, {machine['cores']} cores"
            f"{' (virtual)' if machine['virtualised'] else ''}, {memory}, "
            f"{machine['system']} {machine['kernel']}, harness on Python {machine['python']}. "
            f"Load before the run: {machine['load_1min']}."
        ),
        "",
        *(
            f"- {label}: {', '.join(f'{key} {number}' for key, number in versions.items())}"
            for name, label in results.labels.items()
            if name in taking_part and (versions := results.versions.get(name))
        ),
        *(f"- **absent**: {absent.label}: {absent.reason}" for absent in results.absent),
        "",
        "| metric | contestant | median | spread | × dspex |",
        "|---|---|--:|---|--:|",
        *("| " + " | ".join(map(_escaped, row)) + " |" for row in rows(results)),
    ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def between_markers(page: str, section: str) -> str:
    """Replace what stands between the two markers of a page.

    Args:
        page: Text with both markers, in order.
        section: What to put there.

    Raises:
        ValueError: A marker is missing.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        message = f"the page lacks a marker: {BEGIN} or {END}"
        raise ValueError(message)
    return f"{head}{BEGIN}\n\n{section}\n\n{END}{tail}"


@dataclass(frozen=True)
class Page:
    """One page of results: a JSON file, and a text with the two markers."""

    suites: frozenset[str]
    data: str
    """Name of the JSON file."""
    text: str
    """Name of the Markdown file; written to where it exists."""

    def part_of(self, results: Results) -> Results:
        """Return the results that belong on this page."""
        cells = [one for one in results.cells if one.suite.partition(".")[0] in self.suites]
        names = {cell.contestant for cell in cells}
        suites = {one.name: one for one in CONTESTANTS}
        absent = [
            one
            for one in results.absent
            if one.contestant not in suites or has_part(suites[one.contestant], self.suites)
        ]
        labels = {name: label for name, label in results.labels.items() if name in names}
        return replace(results, cells=cells, labels=labels, absent=absent)


LANGUAGES: Final = Page(frozenset({"languages"}), "languages.json", "languages.md")
MAIN: Final = Page(frozenset(SUITES) - LANGUAGES.suites, "results.json", "README.md")
PAGES: Final = (MAIN, LANGUAGES)


def write(results: Results, directory: Path, page: Page = MAIN) -> Path:
    """Write the JSON file, and the table into the page's text where there is one.

    Args:
        results: What to write.
        directory: Made if missing.
        page: Names the files.

    Returns:
        Path of the JSON file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / page.data
    text = json.dumps(results.as_json(), indent=1, ensure_ascii=False)
    target.write_text(text + "\n", encoding="utf-8")
    readable = directory / page.text
    if readable.exists():
        written = between_markers(readable.read_text(encoding="utf-8"), markdown(results))
        readable.write_text(written, encoding="utf-8")
    return target
