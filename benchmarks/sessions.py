"""What copying, saving and parking sessions costs: `python -m benchmarks.sessions`.

A command of its own, because the crowd of parked sessions takes minutes and some disk. Nobody else
takes part: the peers have no such thing. Prints the table and writes it to docs/benchmarks/sessions.md
and .json. How many live sessions weigh together is also told there.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import click

import dspex
from benchmarks.environments import ROOT
from benchmarks.machine import facts
from benchmarks.memory import tree_memory
from benchmarks.summary import percentile
from dspex.supervisor.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET: Final = ROOT / "docs" / "benchmarks"
LOAD_QUIET: Final = 0.7
SETTLE_S: Final = 2.0
LARGE_BYTES: Final = 50 << 20
_PAUSE_S: Final = 0.02
_SMALL: Final = {
    "python": "import json, random\nrows = [dict(n=i) for i in range(100)]\ndef f(): return len(rows)",
    "javascript": "var rows = Array.from({ length: 100 }, (_, n) => ({ n })); function f() { return rows.length; }",
}
_LARGE: Final = """
import random
big, draw = bytearray({0}), random.Random(1)
for at in range(0, {0}, 1 << 16):
    big[at : at + (1 << 16)] = draw.randbytes(1 << 16)
assert len(big) == {0}
def f(): return len(big)
"""


@dataclass
class Rows:
    """What was measured."""

    times: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[dict[str, Any]] = field(default_factory=list)

    def time(self, name: str, samples: list[float]) -> None:
        """Add what was timed, in seconds."""
        self.times.append({
            "name": name, "calls": len(samples), "p50_s": percentile(samples, 50),
            "p95_s": percentile(samples, 95), "p99_s": percentile(samples, 99),
        })  # fmt: skip

    def size(self, name: str, number: float, unit: str) -> None:
        """Add what was weighed or counted."""
        self.sizes.append({"name": name, "number": number, "unit": unit})


def timed(calls: int, work: Callable[[], Iterator[None]]) -> list[float]:
    """Time what lies between the two halts of `work`, calls apart, without the first few."""
    samples = []
    for number in range(calls + 3):
        steps = work()
        next(steps)
        began = time.perf_counter()
        next(steps)
        took = time.perf_counter() - began
        for _ in steps:
            pass
        if number >= 3:
            samples.append(took)
        time.sleep(_PAUSE_S)
    return samples


def measure_copies(rows: Rows, language: str, calls: int) -> None:
    """Time copies of a small session, and parking it."""
    with dspex.Engine(languages=[language]) as engine, engine.session(language=language) as session:
        assert session.run(_SMALL[language]).ok

        def fork() -> Iterator[None]:
            session.run("f()")
            yield
            twin = session.fork()
            yield
            twin.close()

        def first_run() -> Iterator[None]:
            with session.fork() as twin:
                yield
                assert twin.run("f()").value == 100
                yield

        def park() -> Iterator[None]:
            session.run("f()")
            yield
            session.park()
            yield

        def unpark() -> Iterator[None]:
            session.park()
            yield
            assert session.run("f()").value == 100
            yield

        label = {"python": "Python", "javascript": "JavaScript"}[language]
        rows.time(f"{label}: fork after a run", timed(calls, fork))
        with mock.patch.object(Pool, "begin_copy", return_value=None):
            rows.time(f"{label}: the same where no process may be copied", timed(calls, fork))
        rows.time(f"{label}: first run of a fork", timed(calls, first_run))
        rows.time(f"{label}: park", timed(calls, park))
        rows.time(f"{label}: a run of a parked session", timed(calls, unpark))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "state")
            session.save(path)
            rows.size(f"{label}: file of a small session", path.stat().st_size / 2**20, "MiB")


def measure_large(rows: Rows, calls: int) -> None:
    """Time saving and resuming a session with much in it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        dspex.Engine() as engine,
        engine.session() as session,
    ):
        path = Path(folder, "state")
        outcome = session.run(_LARGE.format(LARGE_BYTES), timeout_s=60)
        assert outcome.ok, outcome.error
        resumed: list[dspex.Session] = []

        def save() -> Iterator[None]:
            session.run("f()")
            yield
            session.save(path)
            yield

        def resume() -> Iterator[None]:
            yield
            resumed.append(engine.resume(path))
            yield
            assert resumed[-1].run("f()").value == LARGE_BYTES
            resumed.pop().close()

        def both() -> Iterator[None]:
            session.run("f()")
            yield
            session.save(path)
            with engine.resume(path) as again:
                assert again.run("f()").value == LARGE_BYTES
                yield

        def fork() -> Iterator[None]:
            session.run("f()")
            yield
            twin = session.fork()
            yield
            twin.close()

        rows.time("50 MB: save", timed(calls, save))
        rows.time("50 MB: resume", timed(calls, resume))
        rows.time("50 MB: save, resume and a first run", timed(calls, both))
        rows.time("50 MB: fork after a run", timed(calls, fork))
        rows.size("50 MB: file", path.stat().st_size / 2**20, "MiB")


def measure_live(rows: Rows, count: int) -> None:
    """Weigh many live sessions."""
    with dspex.Engine(workers_max=count + 2) as engine:
        time.sleep(SETTLE_S)
        before = tree_memory(os.getpid()).pss_bytes
        began, sessions = time.perf_counter(), []
        for number in range(count):
            session = engine.session()
            assert session.run(f"x = {number}\nx").value == number
            sessions.append(session)
        rows.size(f"{count:,} live sessions, each with a run: opened in", time.perf_counter() - began, "s")
        time.sleep(SETTLE_S)
        after = tree_memory(os.getpid()).pss_bytes
        rows.size(f"{count:,} live sessions: PSS of all", after / 2**20, "MiB")
        rows.size("each live session: PSS", (after - before) / count / 2**20, "MiB")
        for session in sessions:
            session.close()


def measure_forks(rows: Rows, count: int) -> None:
    """Weigh many forks of one session with much in it."""
    with dspex.Engine(workers_max=count + 2) as engine, engine.session() as session:
        assert session.run(_LARGE.format(LARGE_BYTES), timeout_s=60).ok
        time.sleep(SETTLE_S)
        before = tree_memory(os.getpid()).pss_bytes
        began = time.perf_counter()
        twins = [session.fork() for _ in range(count)]
        rows.size(f"{count:,} forks of a session of 50 MB: made in", time.perf_counter() - began, "s")
        for number, twin in enumerate(twins):
            assert twin.run(f"x = {number}\nx, f()").value == (number, LARGE_BYTES)
        time.sleep(SETTLE_S)
        after = tree_memory(os.getpid()).pss_bytes
        rows.size("each of them, with a run: PSS", (after - before) / count / 2**20, "MiB")
        for twin in twins:
            twin.close()


def measure_parked(rows: Rows, count: int) -> None:
    """Open many more sessions than there may be processes, and ask some of them something."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder, dspex.Engine(
        workers_max=8, parked_dir=folder
    ) as engine:
        before = tree_memory(os.getpid()).pss_bytes
        began, sessions = time.perf_counter(), []
        for number in range(count):
            session = engine.session()
            assert session.run(f"x = {number}\nx").value == number
            sessions.append(session)
        rows.size(f"{count:,} sessions on 8 processes: opened in", time.perf_counter() - began, "s")
        pool = engine._pools["python", None]
        parked = sum(session.parked for session in sessions)
        rows.size(f"{count:,} sessions: parked", parked, "sessions")
        rows.size("parked on the disk", pool.lot.size / 2**20, "MiB")
        rows.size("each parked session on the disk", pool.lot.size / parked / 2**10, "KiB")
        after = tree_memory(os.getpid()).pss_bytes
        rows.size("each parked session: PSS", (after - before) / count / 2**10, "KiB")
        step = max(1, count // 200)
        samples = []
        for number in range(0, count - 16, step):
            began = time.perf_counter()
            assert sessions[number].run("x").value == number
            samples.append(time.perf_counter() - began)
        rows.time(f"a run of one of {count:,} parked sessions, another giving way", samples)
        began = time.perf_counter()
        for session in sessions:
            session.close()
        rows.size(f"{count:,} sessions: closed in", time.perf_counter() - began, "s")


@click.command()
@click.option("--calls", default=100, show_default=True, help="Samples of each time.")
@click.option("--live", default=1000, show_default=True, help="Live sessions.")
@click.option("--parked", default=10_000, show_default=True, help="Sessions on eight processes.")
@click.option(
    "--write/--no-write", default=True, help="Whether to keep the numbers in docs/benchmarks."
)
def main(*, calls: int, live: int, parked: int, write: bool) -> None:
    """Measure what copies, saved files and parking cost."""
    started = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine, rows = facts(), Rows()
    for language in _SMALL:
        measure_copies(rows, language, calls)
    measure_large(rows, max(5, calls // 5))
    if live:
        measure_live(rows, live)
        measure_forks(rows, live)
    if parked:
        measure_parked(rows, parked)
    result = {
        "started": started, "machine": machine, "dspex": dspex.__version__,
        "times": rows.times, "sizes": rows.sizes,
    }  # fmt: skip
    text = table(result)
    click.echo(text)
    if write:
        (TARGET / "sessions.json").write_text(json.dumps(result, indent=1) + "\n")
        (TARGET / "sessions.md").write_text(_HEAD + "\n" + text)


def table(result: dict[str, Any]) -> str:
    """Return a result as Markdown."""
    machine, lines = result["machine"], []
    if machine["load_1min"] > LOAD_QUIET:
        lines += ["**Busy machine**: others were computing, from which all rows suffer.", ""]
    lines += [
        (
            f"Measured {result['started']} on {machine['cpu']}, {machine['cores']} cores, "
            f"Linux {machine['kernel']}; load before the run {machine['load_1min']}. dspex {result['dspex']}."
        ),
        "", "| time | calls | p50 | p95 | p99 |", "|---|--:|--:|--:|--:|",
    ]  # fmt: skip
    for row in result["times"]:
        times = " | ".join(f"{row[key] * 1e3:.1f} ms" for key in ("p50_s", "p95_s", "p99_s"))
        lines.append(f"| {row['name']} | {row['calls']} | {times} |")
    lines += ["", "| size | |", "|---|--:|"]
    lines += [f"| {row['name']} | {row['number']:,.1f} {row['unit']} |" for row in result["sizes"]]
    return "\n".join(lines) + "\n"


_HEAD = """\
# Sessions, measured

What it costs to copy, save, resume and park [sessions](../explanation/sessions.md). Written by
`python -m benchmarks.sessions`; calls are 20 ms apart, and the first three of each row are not counted. A
small session has imported a module, defined a function and made a list of a hundred dictionaries or objects.
"""


if __name__ == "__main__":
    main()
