"""The command `python -m benchmarks`: measure side by side, print, write, draw.

Ties the other files together. A page of `docs/benchmarks` is written when all its suites have been
measured in full; a partial or quick run does not overwrite it.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from benchmarks.child import ChildBrokeError
from benchmarks.contestants import Absent, line_up
from benchmarks.environments import ROOT, EnvironmentAbsentError, environment, publishable
from benchmarks.machine import facts, pythons
from benchmarks.measure import QUICK, SUITES, Crew, Effort, Measurement
from benchmarks.report import PAGES, Results, show, write

_DOCS: Final = ROOT / "docs" / "benchmarks"
_PARTIAL: Final = ROOT / "build" / "benchmarks"
_MATPLOTLIB: Final = "matplotlib==3.11.2"
_MATPLOTLIB_OLDEST: Final = (3, 11)
_CHART_TIMEOUT_S: Final = 300.0
_WIDTH_OF_A_FILE: Final = 150
_LOAD_QUIET: Final = 0.7


@click.command()
@click.option("--quick", is_flag=True, help="About a minute: few rounds, rough numbers.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(SUITES)),
    help="Measure this suite; may be given more than once. Default: all.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where JSON files and charts go. Default: docs/benchmarks for each of its pages whose "
    "suites have all been measured in full, and else build/benchmarks.",
)
@click.option("--peers/--no-peers", default=True, help="Whether other sandboxes take part.")
@click.option("--charts/--no-charts", default=True, help="Whether to draw charts.")
def main(
    *, quick: bool, only: tuple[str, ...], output: Path | None, peers: bool, charts: bool
) -> None:
    """Measure dspex beside its peers and beside native CPython."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
    suites = [name for name in SUITES if not only or name in only]
    started = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = facts()

    if float(str(machine["load_1min"])) > _LOAD_QUIET:
        console.print(
            f"BUSY MACHINE: load {machine['load_1min']} before the start", style="bold red"
        )
    console.print("preparing the contestants")
    ready, absent = line_up(frozenset(suites), peers=peers)
    crew = Crew(ready)
    try:
        versions = _introduce(crew, absent)
        for one in absent:
            console.print(f"ABSENT: {one.label}: {one.reason}", style="bold red", markup=False)
        effort = QUICK if quick else Effort()
        with console.status("measuring") as status:
            measurement = Measurement(crew, effort, status.update)
            for suite in suites:
                measurement.run(suite)
    finally:
        crew.dismiss_all()

    labels = {one.contestant.name: one.contestant.label for one in crew.ready.values()}
    results = Results(
        started=started,
        machine=machine,
        settings=measurement.settings(),
        labels=labels,
        versions=versions,
        absent=absent,
        cells=measurement.sheet.cells(labels),
    )
    show(results, console)
    for page in PAGES:
        if not page.suites & set(suites):
            continue
        whole = page.suites <= set(suites) and not quick
        directory = output or (_DOCS if whole else _PARTIAL)
        target = write(page.part_of(results), directory, page)
        console.print(f"written: {target}", markup=False)
        if charts:
            console.print(_drawn(target, directory / "charts"), markup=False)


def _introduce(crew: Crew, absent: list[Absent]) -> dict[str, dict[str, str]]:
    """Start everybody once and ask for versions; who cannot start becomes absent."""
    versions = {}
    for name, one in list(crew.ready.items()):
        try:
            reply = crew.child(name).request("versions")
        except ChildBrokeError as error:
            reply = {"failed": str(error)}
        if "failed" in reply:
            crew.dismiss(name)
            del crew.ready[name]
            reason = f"did not start: {publishable(reply['failed'])}"
            absent.append(Absent(name, one.contestant.label, reason))
        else:
            versions[name] = reply["versions"]
    return versions


def _drawn(source: Path, directory: Path) -> str:
    """Draw the charts in an environment with matplotlib; return what happened."""
    found = {version: path for version, path in pythons().items() if version >= _MATPLOTLIB_OLDEST}
    version = max(found)
    try:
        python = environment(found[version], version, _MATPLOTLIB)
    except EnvironmentAbsentError as error:
        return f"NO CHARTS: {_MATPLOTLIB} could not be installed: {error}"
    done = subprocess.run(
        [python, "-m", "benchmarks.chart", source.resolve(), directory.resolve()],
        capture_output=True,
        check=False,
        cwd=ROOT,
        text=True,
        timeout=_CHART_TIMEOUT_S,
    )
    if done.returncode:
        return f"NO CHARTS: {publishable(done.stderr)}"
    return f"charts: {', '.join(done.stdout.split())}"


if __name__ == "__main__":
    main()
