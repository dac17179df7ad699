"""`dspex doctor`: what this machine gives, what it lacks, and what that means.

Each isolation layer is tried for real, in a process of its own: this one never loads the code that
runs in workers.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import dspex
from dspex.cli import exits
from dspex.runtimes import locate, native, rust, toolchain
from dspex.runtimes.store import CACHE_ENVIRONMENT_NAME, CacheUntrusted, cache_folder, check_above
from dspex.wasm.fast_path import library

PROBE_TIMEOUT_S = 60.0
_WIDTH_WITHOUT_TERMINAL = 100
_PROBE = """
import json
from dspex.isolation.advice import ADVICE
from dspex.worker.jail.probe import available_layers
print(json.dumps([
    [state.layer.value, state.available, state.reason, state.cost_us, *ADVICE[state.layer]]
    for state in available_layers()
]))
"""

_LOAD = "import sys, pathlib; from dspex.wasm.fast_path import FastPath; FastPath(pathlib.Path(sys.argv[1]))"


class Fact(NamedTuple):
    """One thing that dspex needs, and whether it is there."""

    name: str
    fine: bool
    said: str
    optional: bool = False
    """Whether dspex can do without it, except for one language."""


class LayerRow(NamedTuple):
    """One wall around a worker, as the probe found it."""

    layer: str
    available: bool
    reason: str
    """Why it is not there."""
    cost_us: float
    absence: str
    """What its absence means."""
    remedy: str


class ProbeFailedError(RuntimeError):
    """The probe of the isolation layers gave no report."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one line of JSON.")
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    """Say what this machine gives, what it lacks, and what to change.

    The exit code is 0 if programs can be run here, 1 if not. A missing isolation layer is no reason
    for 1: a policy says which layers it requires.
    """
    facts = _facts()
    layers: tuple[LayerRow, ...] = ()
    try:
        layers = probe_layers()
    except ProbeFailedError as error:
        facts.append(Fact("isolation", fine=False, said=str(error)))
    if as_json:
        found = {
            "facts": [fact._asdict() for fact in facts],
            "layers": [row._asdict() for row in layers],
        }
        click.echo(json.dumps(found))
    else:
        _show(facts, layers)
    fine = all(fact.fine or fact.optional for fact in facts)
    context.exit(exits.OK if fine else exits.RAISED)


def probe_layers() -> tuple[LayerRow, ...]:
    """Arm every layer in a process of its own and tell which ones stood.

    Raises:
        ProbeFailedError: There was no report; the message says why.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeFailedError(f"no report within {PROBE_TIMEOUT_S:.0f} s") from error
    if ended.returncode:
        said = ended.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise ProbeFailedError(f"the probe ended with status {ended.returncode} and said: {said[0]}")
    return tuple(LayerRow(*row) for row in json.loads(ended.stdout))


def _facts() -> list[Fact]:
    facts = [
        Fact("dspex", fine=True, said=f"{dspex.__version__}, on Python {platform.python_version()}"),
        _platform(),
        Fact("wasmtime", fine=True, said=importlib.metadata.version("wasmtime")),
        _cache(),
    ]
    facts.extend(_runtimes(buildable=facts[1].fine))
    facts.append(_rust())
    return facts


def _cache() -> Fact:
    """Say where compiled code is kept, and whether it can be, for this user alone."""
    folder = cache_folder().absolute()
    there = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not there.is_dir():
        return Fact("cache", fine=False, said=f"{folder}: {there} is not a folder")
    try:
        check_above(folder / "compiled")
    except CacheUntrusted as error:
        return Fact("cache", fine=False, said=str(error))
    if not os.access(there, os.W_OK | os.X_OK):
        said = f"{folder}: {there} cannot be written to; set {CACHE_ENVIRONMENT_NAME} to another folder"
        return Fact("cache", fine=False, said=said)
    return Fact("cache", fine=True, said=str(folder))


def _rust() -> Fact:
    """Say which toolchain compiles Rust, and whether there is a jail for it."""
    try:
        chain = rust.toolchain()
        armed, _ = rust.jail()
    except (dspex.LanguageUnavailable, rust.NoJail) as error:
        return Fact("language rust", fine=False, said=str(error), optional=True)
    version = chain.version.splitlines()[0]
    said = f"{version} ({chain.origin}) for {chain.target}, behind {len(armed)} layers"
    return Fact("language rust", fine=True, said=said, optional=True)


def _platform() -> Fact:
    try:
        locate.check_platform()
    except locate.PlatformUnsupported as error:
        return Fact("platform", fine=False, said=str(error))
    cores = os.cpu_count() or 1
    kernel = f"Linux {platform.release()}, {platform.machine()}"
    return Fact("platform", fine=True, said=f"{kernel}, {cores} processors")


def _runtimes(*, buildable: bool) -> list[Fact]:
    if not buildable:
        return []
    try:
        found = locate.status()
    except (OSError, ModuleNotFoundError) as error:
        return [Fact("runtimes", fine=False, said=str(error))]
    facts = []
    for one in found:
        name = f"runtime {one.name}"
        if one.compiled is not None:
            facts.append(Fact(name, fine=True, said=f"ready in {one.compiled}"))
            if one.name == "python":
                facts.append(_fast_path(one.compiled))
        elif one.portable is not None:
            facts.append(Fact(name, fine=True, said=f"{one.compiled_note}: compiled at first use"))
        else:
            facts.append(_build_tools(name, one.portable_from))
    return facts


def _fast_path(runtime: Path) -> Fact:
    """Say whether runs of Python can go without the host's; see `dspex.wasm.fast_path`."""
    name = "fast path"
    path = runtime / library(platform.machine())
    if not path.exists():
        return Fact(name, fine=False, said=f"{runtime} has no {path.name}: runs take longer", optional=True)
    ended = subprocess.run(
        [sys.executable, "-c", _LOAD, str(path)],
        capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    if ended.returncode:
        said = ended.stderr.strip().splitlines()[-1:] or ["nothing"]
        return Fact(name, fine=False, said=f"cannot be loaded, so runs take longer: {said[0]}", optional=True)
    return Fact(name, fine=True, said="ordinary runs of Python do without the host's", optional=True)


def _build_tools(name: str, why: str) -> Fact:
    try:
        node = toolchain.find_node()
        native.check_compiler()
    except toolchain.ToolMissing as error:
        return Fact(name, fine=False, said=f"{why}: {error}")
    return Fact(name, fine=True, said=f"{why}: built at first use, with {node}")


class _Console(Console):
    """One that leaves it to the command line to say that nobody reads it."""

    def on_broken_pipe(self) -> None:
        """Let the error through that is being handled."""
        raise  # noqa: PLE0704 - rich calls this from its `except`


def _show(facts: list[Fact], layers: tuple[LayerRow, ...]) -> None:
    width = shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 0)).columns
    console = _Console(width=width, highlight=False)
    table = Table(title="This machine", title_justify="left", show_header=False)
    for fact in facts:
        missing = "[yellow]--[/]" if fact.optional else "[red]no[/]"
        table.add_row("[green]ok[/]" if fact.fine else missing, fact.name, escape(fact.said))
    console.print(table)
    if not layers:
        return
    table = Table(title="Isolation layers, tried in a process", title_justify="left")
    table.add_column("layer", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    table.add_column("without it")
    for row in layers:
        state = "[green]can be armed[/]" if row.available else "[red]missing[/]"
        said = row.absence
        if not row.available:
            said += f"\n[red]why:[/] {escape(row.reason)}\n[yellow]to change it:[/] {row.remedy}"
        table.add_row(row.layer, state, f"{row.cost_us:.0f} µs", said)
    console.print(table)
    armed = sum(row.available for row in layers)
    console.print(f"{armed} of {len(layers)} layers can be armed here, once for each zygote.")
