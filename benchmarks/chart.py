"""Draws the charts of the docs from a `results.json`.

Runs as its own process in an environment with matplotlib (`benchmarks.environments`), so that
neither dspex nor its development needs it: `python -m benchmarks.chart results.json DIR`.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.summary import counted

if TYPE_CHECKING:
    from collections.abc import Callable


# Imported by name, since the environment that checks this file has no matplotlib.
mpl: Any = import_module("matplotlib")
plt: Any = import_module("matplotlib.pyplot")
FuncFormatter: Any = import_module("matplotlib.ticker").FuncFormatter

OURS: Final = "#1b6ca8"
THEIRS: Final = "#b8c4ce"
NATIVE: Final = "#6b7b8c"
_LINES: Final = {"dspex": OURS, "eryx": "#d1495b", "monty": "#edae49", "mini": "#edae49"}
_SHADES: Final = {
    "dspex_restricted": "#66a3d2", "dspex_typescript": "#66a3d2", "dspex_rust_wasm": "#66a3d2"
}  # fmt: skip
_PROGRAM_CHARTS: Final = (
    ("programs.svg", "cpu", "cpython", "Time of a CPU-bound program, native CPython = 1×"),
    (
        "languages-python.svg",
        "languages.restricted",
        "cpython",
        "Time of a CPU-bound Python program, native CPython = 1×",
    ),
    (
        "languages-javascript.svg",
        "languages.javascript",
        "quickjs",
        "Time of a CPU-bound JavaScript program, native QuickJS = 1×",
    ),
    (
        "languages-rust.svg",
        "languages.rust",
        "rust_native",
        "Time of a CPU-bound Rust program, compiled for this machine = 1×",
    ),
)
"""File, suite, what is 1×, title."""
_SPAN_LINEAR_MAX: Final = 12
"""Bars further apart than this are drawn on a log axis."""

Results = dict[str, Any]


def _cells(results: Results, metric: str) -> list[dict[str, Any]]:
    """Return a metric's cells that have a value, with their labels."""
    labels = {one["name"]: one["label"] for one in results["contestants"]}
    return [
        {**cell, "label": labels[cell["contestant"]]}
        for cell in results["cells"]
        if cell["metric"] == metric and cell["value"] is not None
    ]


def _colour(contestant: str) -> str:
    if contestant.startswith("dspex"):
        return OURS
    return NATIVE if contestant.startswith(("python", "cpython", "node", "rust_native")) else THEIRS


def _line_colour(contestant: str) -> str:
    return _SHADES.get(contestant) or _LINES.get(contestant.partition("_")[0], NATIVE)


def _save(figure: Any, target: Path) -> None:
    figure.savefig(target, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def _bars(results: Results, metric: str, title: str, target: Path) -> bool:
    """Draw one horizontal bar per contestant; latencies in ms up to their p95."""
    cells = _cells(results, metric)[::-1]
    if not cells:
        return False
    is_time = cells[0]["unit"] == "s"
    scale = 1e3 if is_time else 1.0
    values = [cell["value"] * scale for cell in cells]
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.48 * len(cells)))
    axes.barh(
        [cell["label"] for cell in cells],
        values,
        color=[_colour(cell["contestant"]) for cell in cells],
        height=0.62,
    )
    for place, (cell, value) in enumerate(zip(cells, values, strict=True)):
        end = value
        if is_time and "p95_s" in cell["detail"]:
            end = max(value, cell["detail"]["p95_s"] * scale)
            axes.plot([value, end], [place, place], color="black", linewidth=1.2)
        text = f" {value:.3g} ms" if is_time else f" {value:.0f}/s"
        axes.text(end, place, text, va="center", fontsize=9)
    meaning = "milliseconds: bar = median, line = up to p95" if is_time else "programs per second"
    if max(values) > min(values) * _SPAN_LINEAR_MAX:
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 2, max(values) * 6)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda _tick, _place: ""))
        meaning += " (log scale)"
    else:
        axes.set_xlim(0, max(values) * 1.3)
    axes.set_xlabel(meaning)
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, target)
    return True


def _programs(results: Results, target: Path, suite: str, base: str, title: str) -> bool:
    """Draw each CPU-bound program's time relative to one contestant's."""
    names = [
        cell["metric"]
        for cell in results["cells"]
        if cell["suite"] == suite and cell["unit"] == "s" and cell["contestant"] == base
    ]
    contestants = {
        one["name"]: one["label"]
        for one in results["contestants"]
        if any(
            cell["contestant"] == one["name"] and cell["metric"] in names and cell["value"]
            for cell in results["cells"]
        )
    }
    native = {name: _value(results, name, base) for name in names}
    contestants.pop(base, None)
    if not names or not contestants:
        return False
    figure, axes = plt.subplots(figsize=(9, 3.6))
    width = 0.8 / len(contestants)
    for number, (contestant, label) in enumerate(contestants.items()):
        drawn = [
            (place + (number + 0.5) * width - 0.4, own / base_s)
            for place, name in enumerate(names)
            if (own := _value(results, name, contestant)) and (base_s := native[name])
        ]
        axes.bar(
            [place for place, _ in drawn],
            [share for _, share in drawn],
            width * 0.92,
            label=label,
            color=_line_colour(contestant),
        )
    axes.axhline(1.0, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}×"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda tick, _: f"{tick:g}×"))
    axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.set_xticks(range(len(names)), [name.rpartition(": ")[2] for name in names])
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="lower left", bbox_to_anchor=(0, -0.24))
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, target)
    return True


def _value(results: Results, metric: str, contestant: str) -> float | None:
    for cell in _cells(results, metric):
        if cell["contestant"] == contestant:
            return float(cell["value"])
    return None


def _growth(results: Results, target: Path) -> bool:
    """Draw latency and memory against the number of concurrent callers or live sessions."""
    counts = [
        int(cell["metric"].split()[1])
        for cell in results["cells"]
        if cell["metric"].startswith("latency, ")
    ]
    steps = sorted(set(counts))
    panels = (
        ("latency, {} at once", "caller", 1e3, "Median latency, n callers at once", "ms"),
        ("PSS, {} alive", "session", 1 / 2**20, "Memory of n live sessions", "MiB"),
    )
    labels = {one["name"]: one["label"] for one in results["contestants"]}
    figure, all_axes = plt.subplots(1, 2, figsize=(9, 3.4))
    drawn = 0
    for axes, (metric, noun, scale, title, unit) in zip(all_axes, panels, strict=True):
        for contestant, label in labels.items():
            points = [
                (step, value * scale)
                for step in steps
                if (value := _value(results, metric.format(counted(step, noun)), contestant))
            ]
            if not points:
                continue
            drawn += 1
            axes.plot(
                [step for step, _ in points],
                [value for _, value in points],
                marker="o",
                label=label,
                color=_line_colour(contestant),
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
        axes.set_xlabel("n")
        axes.set_title(f"{title} ({unit})", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    if drawn:
        all_axes[0].legend(frameon=False, fontsize=8)
        _save(figure, target)
    plt.close(figure)
    return bool(drawn)


def draw(results: Results, directory: Path) -> list[Path]:
    """Draw every chart that the results have numbers for.

    Args:
        results: What `benchmarks.report` wrote.
        directory: Where the SVG files go.

    Returns:
        The files written.
    """
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "dspex", "font.size": 9})
    throughputs = sorted(
        {cell["metric"] for cell in results["cells"] if cell["suite"] == "throughput"},
        key=lambda metric: int(metric.split()[1]),
    )
    jobs: list[tuple[str, Callable[[Path], bool]]] = [
        (
            "latency.svg",
            lambda target: _bars(
                results,
                "fresh sandbox, back to back",
                "Fresh sandbox, warm engine: 1 + 1 from call to result",
                target,
            ),
        ),
        (
            "cold.svg",
            lambda target: _bars(
                results,
                "first result of a new process",
                "Cold start: a new process until its first result",
                target,
            ),
        ),
        *(
            (name, partial(_programs, results, suite=suite, base=base, title=title))
            for name, suite, base, title in _PROGRAM_CHARTS
        ),
        (
            "languages-fresh.svg",
            lambda target: _bars(
                results,
                "smallest program, fresh sandbox",
                "Smallest program of each language, fresh sandbox, warm engine",
                target,
            ),
        ),
        ("growth.svg", lambda target: _growth(results, target)),
    ]
    if throughputs:
        callers = throughputs[len(throughputs) // 2]
        jobs.append(
            (
                "throughput.svg",
                lambda target: _bars(
                    results, callers, f"Fresh sandboxes per second ({callers})", target
                ),
            )
        )
    directory.mkdir(parents=True, exist_ok=True)
    return [directory / name for name, job in jobs if job(directory / name)]


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    for written in draw(json.loads(source.read_text(encoding="utf-8")), target):
        sys.stdout.write(f"{written.name}\n")
