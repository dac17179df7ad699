"""The interpreter's module as native modules are merged into it: translated, answered, not yet started.

It is the same for every image and takes longest, so it is kept; see docs/explanation/images.md.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from dspex import resources
from dspex.runtimes.pyodide import merge_answers, recipe_path
from dspex.runtimes.recipe import Recipe
from dspex.runtimes.toolchain import Binaryen, install_packages

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.runtimes.progress import Progress

MAIN = "main.wasm"
_TOOLS = "npm"


def inputs() -> list[Path | str]:
    """Return everything that the module is made of."""
    package = resources.package_folder()
    return [
        resources.find("runtimes") / "package-lock.json", recipe_path(),
        *(package / name for name in ("runtimes/glue.py", "runtimes/images/linkable.py", "wasm/binary.py")),
    ]


def build(folder: Path, work: Path, progress: Progress) -> None:
    """Make the module.

    Raises:
        ToolMissing, ToolFailed: Upstream or a tool cannot be had.
    """
    recipe = tomllib.loads(recipe_path().read_text())
    binaryen = fetch_tools(work, progress)
    progress.step("translate the interpreter's exception handling")
    translated = work / "translated.wasm"
    binaryen.optimize(
        work / _TOOLS / "node_modules" / recipe["upstream"]["wasm"], translated, "--translate-to-exnref"
    )
    progress.step("merge in what JavaScript would have answered")
    merge_answers(binaryen, translated, folder / MAIN, work)


def fetch_tools(work: Path, progress: Progress) -> Binaryen:
    """Return Binaryen's programs, fetched into a scratch folder.

    Raises:
        ToolMissing, ToolFailed: It cannot be had.
    """
    progress.step("fetch pinned upstream packages")
    features = tomllib.loads(recipe_path().read_text())["binaryen"]["features"]
    return Binaryen(install_packages(resources.find("runtimes"), work / _TOOLS), features)


RECIPE = Recipe(name="python-linkable", inputs=inputs, build=build, modules=())
