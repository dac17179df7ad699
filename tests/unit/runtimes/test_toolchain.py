"""The build tools are found where they are, and their failures say what was wrong."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from dspex.runtimes import toolchain
from dspex.runtimes.toolchain import ToolFailed, ToolMissing

if TYPE_CHECKING:
    from pathlib import Path


def put_node(folder: Path, *, npm: bool) -> Path:
    node = folder / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text("#!/bin/sh\n")
    node.chmod(0o755)
    if npm:
        script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        script.parent.mkdir(parents=True)
        script.write_text("")
    return node


def offer(monkeypatch: pytest.MonkeyPatch, path: Path | None, package: Path | None) -> None:
    """Let there be a Node on the path, in the package, in both or in neither."""
    found = {"node": str(path) if path else None, "npm": None}
    monkeypatch.setattr(shutil, "which", lambda name: found[name])

    class Spec:
        origin = str(package.parent.parent / "__init__.py") if package else None

    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: Spec if package else None)


def test_node_of_the_machine_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    of_machine = put_node(tmp_path / "machine", npm=True)
    offer(monkeypatch, of_machine, put_node(tmp_path / "package", npm=True))

    assert toolchain.find_node() == of_machine


def test_a_node_without_npm_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    of_package = put_node(tmp_path / "package", npm=True)
    offer(monkeypatch, put_node(tmp_path / "machine", npm=False), of_package)

    assert toolchain.find_node() == of_package


def test_without_node_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    offer(monkeypatch, put_node(tmp_path / "machine", npm=False), None)

    with pytest.raises(ToolMissing, match=r"pip install dspex\[build\]"):
        toolchain.find_node()


def test_a_tool_that_fails_is_quoted(tmp_path: Path):
    program = "import sys; sys.exit('the wasm is malformed')"

    with pytest.raises(ToolFailed, match="status 1:\nthe wasm is malformed"):
        toolchain.run([sys.executable, "-c", program], tmp_path)


def test_a_tool_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(toolchain, "TOOL_TIMEOUT_S", 0.2)

    with pytest.raises(ToolFailed, match="took longer than 0 s"):
        toolchain.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
