"""CPython's module before it is started: translated, answered, tuned.

Everything that follows is made of it: the bare runtime starts and freezes it (`dspex.runtimes.pyodide`), an
image merges native modules into it first (`dspex.runtimes.images.assemble`). It takes longest and changes least, so
it is kept; see docs/explanation/python-runtime.md.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import wasmtime

from dspex import resources
from dspex.runtimes import glue, training
from dspex.runtimes.recipes import recipe_file
from dspex.runtimes.toolchain import Binaryen, install_packages
from dspex.wasm.binary import Module
from dspex.wasm.emscripten import IMPLEMENTED
from dspex.wasm.engine import new_engine

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.runtimes.progress import Progress

MAIN = "main.wasm"
UPSTREAM = "upstream"
"""Folder of upstream's other files: the standard library and licence texts, as the recipe names them."""

_TOOLS = "npm"
_BOUND_BY_HOST = (
    "emscripten_resize_heap",
    "emscripten_get_heap_max",
    "_Py_CheckEmscriptenSignals_Helper",
    "_Py_emscripten_runtime",
    "_dlopen_js",
    "_dlsym_js",
)
"""Imports besides the system calls that the host answers."""


def build(folder: Path, work: Path, progress: Progress) -> None:
    """Make the module, and put beside it what else of upstream a runtime needs.

    Raises:
        ToolMissing, ToolFailed: Upstream or a tool cannot be had.
        BuildFailed: CPython failed at a training program.
    """
    recipe = tomllib.loads(recipe_file("pyodide").read_text())
    upstream = recipe["upstream"]
    binaryen = fetch_tools(work, progress)
    modules = work / _TOOLS / "node_modules"
    progress.step("translate the interpreter's exception handling")
    translated, merged = work / "translated.wasm", work / "merged.wasm"
    binaryen.optimize(modules / upstream["wasm"], translated, "--translate-to-exnref")
    progress.step("merge in what JavaScript would have answered")
    _merge_answers(binaryen, translated, merged, work)
    module = Module(merged.read_bytes())
    glue.count_by_ones(module)
    stdlib = (modules / upstream["stdlib"]).read_bytes()
    (folder / MAIN).write_bytes(training.train(module.encode(), stdlib, recipe, progress))
    for name in (upstream["stdlib"], *upstream["licences"]):
        kept = folder / UPSTREAM / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes((modules / name).read_bytes())


def fetch_tools(work: Path, progress: Progress) -> Binaryen:
    """Return Binaryen's programs, fetched into a scratch folder.

    Raises:
        ToolMissing, ToolFailed: It cannot be had.
    """
    progress.step("fetch pinned upstream packages")
    features = tomllib.loads(recipe_file("pyodide").read_text())["binaryen"]["features"]
    return Binaryen(install_packages(resources.find("runtimes"), work / _TOOLS), features)


def _merge_answers(binaryen: Binaryen, translated: Path, merged: Path, work: Path) -> None:
    """Merge upstream's translated module with what answers the imports that the host does not."""
    offered = {("env", name) for name in (*IMPLEMENTED, *_BOUND_BY_HOST) if name not in glue.QUIET}
    module = wasmtime.Module.from_file(new_engine(), str(translated))
    answers = glue.write_glue(module, offered, work)
    binaryen.merge([(translated, "main"), *answers], merged)
