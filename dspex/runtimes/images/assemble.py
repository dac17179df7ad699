"""From checked wheels to a frozen image: link, compile, run the packages' code behind a wall, freeze.

Which wheels is decided before (`resolve`, `lockfile`); when this runs, nothing is fetched but the pinned
build tools. Packages' code runs in `freeze_stage`, in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dspex.languages.python import ENTRY, ROOT_DATA, ROOT_INDEX
from dspex.runtimes import builder, interpreter, pyodide
from dspex.runtimes.images import freeze_stage
from dspex.runtimes.images.errors import ImageFailed
from dspex.runtimes.images.link import Layout, link
from dspex.runtimes.images.sidemodule import take_apart
from dspex.runtimes.recipes import LICENCES, recipe_file
from dspex.wasm.emscripten import IMPLEMENTED
from dspex.wasm.fast_path import library

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dspex.runtimes.progress import Progress
    from dspex.runtimes.toolchain import Binaryen

NATIVE_SUFFIX = ".so"
STAGE_TIMEOUT_S = 900.0
_PLACEHOLDER = b"This native module is part of the interpreter's own module.\n"
_STAGE = (
    "import importlib, sys; importlib.import_module('dspex.worker.image_stage').main(*sys.argv[1:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into an image, checked."""

    files: Mapping[str, bytes]
    """Content of `site-packages`, by relative path, native modules included."""
    preload: Sequence[str]
    """Modules that are imported before the snapshot is taken."""
    warm: str
    """A program that is run before the snapshot is taken."""


def assemble(
    contents: Contents, folder: Path, work: Path, progress: Progress, *, base: Path, main: Path,
    compile_module: Callable[[Path, Path], None],
) -> None:
    """Make the portable runtime of an image.

    Args:
        contents: The packages.
        folder: Filled with what a runtime has.
        work: Scratch space, kept by nobody.
        progress: Told about each step.
        base: Folder of the bare portable runtime.
        main: The module that native modules are merged into.
        compile_module: Compiles a module for this machine, as in `dspex.runtimes.locate`.

    Raises:
        LinkRefused: A native module cannot be linked.
        ImageFailed: The packages' code raised, looped or took too much.
        ToolMissing, ToolFailed: A build tool cannot be had, or turned a module down.
    """
    binaryen = interpreter.fetch_tools(work, progress)
    native = {
        f"/{freeze_stage.SITE}/{path}": content
        for path, content in contents.files.items() if path.endswith(NATIVE_SUFFIX)
    }
    stage = work / "stage"
    stage.mkdir()
    opened, slot, layout = _opened(binaryen, native, main, work, progress)
    (stage / freeze_stage.SOURCE).write_bytes(opened)
    progress.step("compile the start-up module")
    compile_module(stage / freeze_stage.SOURCE, stage / freeze_stage.COMPILED)
    _write_job(stage, contents, layout, slot, base)
    progress.step("compile the packages, import, warm up, take the snapshot")
    run_stage(stage, base, STAGE_TIMEOUT_S)
    progress.step("remove what nobody calls")
    binaryen.optimize(
        stage / freeze_stage.FROZEN, folder / pyodide.SNAPSHOT, "--remove-unused-module-elements"
    )
    for name in (ENTRY, ROOT_DATA, ROOT_INDEX):
        shutil.copyfile(stage / name, folder / name)
    for path in base.glob(library("*")):
        shutil.copyfile(path, folder / path.name)
    shutil.copytree(base / LICENCES, folder / LICENCES)


def _opened(
    binaryen: Binaryen, native: Mapping[str, bytes], main: Path, work: Path, progress: Progress
) -> tuple[bytes, int, Layout]:
    layout, merged = Layout(), main.read_bytes()
    if native:
        progress.step(f"translate and link {len(native)} native module{'s' * (len(native) > 1)}")
        sides = [take_apart(path, native[path]) for path in sorted(native)]
        offered = {
            (module, name) for name in IMPLEMENTED for module in ("env", "wasi_snapshot_preview1")
        }
        merged, layout = link(binaryen, main, sides, work, offered)
    opened, slot = builder.open_up(merged)
    return opened, slot, layout


def _recipe() -> dict[str, Any]:
    """Return the interpreter's recipe, with what packages need and programs alone do not.

    Many packages take sizes and structures from `ctypes`. That works; calling a foreign function does not.
    """
    recipe = tomllib.loads(recipe_file("pyodide").read_text())
    recipe["start"]["builtin_modules_removed"].remove("_ctypes")
    return recipe


def _write_job(stage: Path, contents: Contents, layout: Layout, slot: int, base: Path) -> None:
    job = {
        "slot": slot, "recipe": _recipe(), "base": str(base),
        "layout": layout.plain(), "native": layout.native(), "preload": list(contents.preload),
        "warm": contents.warm,
    }
    (stage / freeze_stage.JOB).write_text(json.dumps(job))
    (stage / freeze_stage.DATA).write_bytes(
        b"".join(content for one in layout.modules for _, content in one.data)
    )
    with zipfile.ZipFile(stage / freeze_stage.PACKAGES, "w") as archive:
        for path, content in sorted(contents.files.items()):
            name = zipfile.ZipInfo(f"{freeze_stage.SITE}/{path}")
            archive.writestr(name, _PLACEHOLDER if path.endswith(NATIVE_SUFFIX) else content)


def run_stage(stage: Path, base: Path, timeout_s: float) -> None:
    """Run the packages' code, in a process that is killed when its time is over.

    Raises:
        ImageFailed: It raised, trapped, or took too long.
    """
    command = [sys.executable, "-c", _STAGE, str(stage), str(base)]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s,
            check=False, env=environment, cwd=stage,
        )
    except subprocess.TimeoutExpired as error:
        raise ImageFailed(f"the packages' code took longer than {timeout_s:.0f} s") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-3000:]
        raise ImageFailed(said or f"the process that ran the packages' code ended with {done.returncode}")
