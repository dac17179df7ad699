"""The runtimes that come with dspex: what each is made of, and who makes it.

Every engine that starts asks here for a key, and few build anything. So what a build needs (wasmtime and the guest's
half of each language among it) is imported when one begins; nothing here may import it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from functools import partial
from typing import TYPE_CHECKING, Any

from dspex import resources
from dspex.runtimes.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LICENCES = "licences"
TIME_ZONES_LICENCE = "tzdata-LICENSE.txt"
_INTERPRETER_SOURCES = (
    "runtimes/builder.py", "runtimes/glue.py", "runtimes/interpreter.py", "runtimes/profile.py",
    "runtimes/training.py", "runtimes/tuning.py", "wasm/binary.py", "wasm/code.py",
)
_PYTHON_SOURCES = ("runtimes/freeze.py", "runtimes/heap.py", "runtimes/pyodide.py", "runtimes/stdlib.py")
"""Besides the interpreter's and the guest's own."""
_JAVASCRIPT_SOURCES = (
    "runtimes/freeze.py", "runtimes/profile.py", "runtimes/quickjs.py", "runtimes/stdlib.py", "runtimes/tuning.py",
    "wasm/binary.py", "wasm/code.py", "languages/javascript.py", "languages/quickjs.py",
)  # fmt: skip


def recipe_file(upstream: str) -> Path:
    """Return the file that says which upstream is used, and how."""
    return resources.find("runtimes") / upstream / "recipe.toml"


def training_programs(upstream: str) -> list[Path]:
    """Return the programs that an interpreter is trained with; see docs/explanation/python-runtime.md."""
    folder = resources.find("runtimes") / upstream / "training"
    return sorted(path for path in folder.iterdir() if path.is_file())


def _interpreter_inputs() -> list[Path | str]:
    package = resources.package_folder()
    return [
        resources.find("runtimes") / "package-lock.json",
        recipe_file("pyodide"),
        *training_programs("pyodide"),
        *(package / name for name in _INTERPRETER_SOURCES),
    ]


def _fast_path_inputs() -> list[Path | str]:
    return [
        resources.find("runtimes") / "worker" / "fast_path.c",
        resources.package_folder() / "runtimes" / "native.py",
    ]


def _python_inputs() -> list[Path | str]:
    package, pins = resources.package_folder(), resources.find("runtimes")
    return [
        importlib.metadata.version("tzdata"),
        *_interpreter_inputs(),
        *_fast_path_inputs(),
        *sorted((pins / LICENCES).iterdir()),
        *sorted((package / "languages" / "guest").glob("python_*.py")),
        *(package / "languages" / "guest" / name for name in ("compile_stdlib.py", "dbm_package.py")),
        *(package / name for name in _PYTHON_SOURCES),
    ]


def _javascript_inputs(language: str) -> list[Path | str]:
    package, pins = resources.package_folder(), resources.find("runtimes")
    return [
        language,
        importlib.metadata.version("tzdata"),
        pins / "quickjs" / "package-lock.json",
        recipe_file("quickjs"),
        pins / "quickjs" / "glue.wat",
        pins / "quickjs" / "standalone.wat",
        *training_programs("quickjs"),
        *sorted((pins / "quickjs" / LICENCES).iterdir()),
        pins / LICENCES / TIME_ZONES_LICENCE,
        *sorted((package / "languages" / "guest").glob("*script_*.js")),
        *(package / name for name in _JAVASCRIPT_SOURCES),
    ]


def _made_in(module: str, **options: Any) -> Callable[[Path, Path, Any], None]:
    """Return the function `build` of a module, imported when it is called."""

    def build(folder: Path, work: Path, progress: Any) -> None:
        importlib.import_module(module).build(folder, work, progress, **options)

    return build


INTERPRETER = Recipe(
    name="python-interpreter", inputs=_interpreter_inputs, build=_made_in("dspex.runtimes.interpreter"), modules=()
)
"""CPython's module before it is started, which the bare runtime and images are made of."""

FAST_PATH = Recipe(
    name="fast-path", inputs=_fast_path_inputs, build=_made_in("dspex.runtimes.native"), modules=()
)
"""What runs of Python programs are led by, where they need nothing of the host's; see `dspex.wasm.fast_path`."""

_OFFERED = (
    Recipe(
        name="python", inputs=_python_inputs, build=_made_in("dspex.runtimes.pyodide"), modules=("python.wasm",)
    ),
    *(
        Recipe(
            name=language, inputs=partial(_javascript_inputs, language),
            build=_made_in("dspex.runtimes.quickjs", typescript=language == "typescript"),
            modules=("javascript.wasm",),
        )
        for language in ("javascript", "typescript")
    ),
)
RECIPES = {recipe.name: recipe for recipe in _OFFERED}
"""Those that a language runs on, by name."""
