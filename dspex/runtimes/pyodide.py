"""The recipe of the Python runtime: from the interpreter's module to a portable snapshot.

The module (`dspex.runtimes.interpreter`) is started, warmed, and frozen (`dspex.runtimes.builder`). The result runs
on any machine; compiling it for one is `dspex.runtimes.locate`'s work. See
docs/explanation/python-runtime.md for the reasons.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from typing import TYPE_CHECKING

import wasmtime

from dspex import resources
from dspex.languages.python import ENTRY
from dspex.runtimes import interpreter, stdlib
from dspex.runtimes.builder import STDLIB, Builder, open_up
from dspex.runtimes.recipes import FAST_PATH, INTERPRETER, LICENCES, recipe_file
from dspex.wasm.emscripten import BaseLayer
from dspex.wasm.engine import new_engine
from dspex.wasm.fast_path import library
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.runtimes.progress import Progress

SNAPSHOT = "python.wasm"


def build(folder: Path, work: Path, progress: Progress) -> None:
    """Make the portable runtime.

    Args:
        folder: Filled with the snapshot, its entry points, the guest's files and licence texts.
        work: Scratch space, kept by nobody.
        progress: Told about each step.

    Raises:
        ToolMissing, ToolFailed: if upstream or a tool cannot be had.
        BuildFailed: CPython failed while it was started or warmed.
    """
    from dspex.runtimes import locate  # noqa: PLC0415 - it asks here

    recipe = tomllib.loads(recipe_file("pyodide").read_text())
    made = locate.portable(INTERPRETER, progress)
    binaryen = interpreter.fetch_tools(work, progress)
    opened, slot = open_up((made / interpreter.MAIN).read_bytes())
    progress.step("compile the start-up module")
    engine = new_engine()
    builder = Builder(opened, slot, recipe, Machine(engine, wasmtime.Module(engine, opened)))
    upstream = made / interpreter.UPSTREAM
    progress.step("compile the standard library, by the guest itself")
    archive = builder.compile_stdlib((upstream / recipe["upstream"]["stdlib"]).read_bytes())
    files = {STDLIB: archive, **stdlib.time_zones()}
    stdlib.write_root(files, folder)
    progress.step("start CPython, import, warm up, take the snapshot")
    frozen, entry = builder.snapshot(BaseLayer.from_files(files))
    (work / "frozen.wasm").write_bytes(frozen)
    (folder / ENTRY).write_text(json.dumps(entry))
    progress.step("remove what nobody calls")
    binaryen.optimize(
        work / "frozen.wasm", folder / SNAPSHOT, "--remove-unused-module-elements"
    )
    shutil.copytree(resources.find("runtimes") / LICENCES, folder / LICENCES)
    for path in locate.portable(FAST_PATH, progress).glob(library("*")):
        shutil.copyfile(path, folder / path.name)
    for relative in recipe["upstream"]["licences"]:
        shutil.copyfile(upstream / relative, folder / LICENCES / relative.replace("/", "-"))
