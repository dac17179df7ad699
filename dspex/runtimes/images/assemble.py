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
from typing import TYPE_CHECKING

from dspex.languages.python import ENTRY, ROOT_DATA, ROOT_INDEX
from dspex.runtimes import pyodide
from dspex.runtimes.images import freeze_stage, linkable
from dspex.runtimes.images.link import Layout, link
from dspex.runtimes.images.sidemodule import take_apart
from dspex.wasm.emscripten import IMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dspex.runtimes.progress import Progress
    from dspex.runtimes.toolchain import Binaryen

NATIVE_SUFFIX = ".so"
STAGE_TIMEOUT_S = 900.0
_PLACEHOLDER = b"This native module is part of the interpreter's own module.\n"
_STAGE = "import sys; from dspex.runtimes.images.freeze_stage import main; main(sys.argv[1])"


class ImageFailed(RuntimeError):
    """An image could not be made of its packages; the message ends with what the guest said."""


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
    contents: Contents, base: Path, main: Path, folder: Path, work: Path, progress: Progress,
    compile_module: Callable[[Path, Path], None],
) -> None:
    """Make the portable runtime of an image.

    Args:
        contents: The packages.
        base: Folder of the bare portable runtime.
        main: The module that native modules are merged into.
        folder: Filled with what a runtime has.
        work: Scratch space, kept by nobody.
        progress: Told about each step.
        compile_module: Compiles a module for this machine, as in `dspex.runtimes.locate`.

    Raises:
        LinkRefused: A native module cannot be linked.
        ImageFailed: The packages' code raised, looped or took too much.
        ToolMissing, ToolFailed: A build tool cannot be had, or turned a module down.
    """
    binaryen = linkable.fetch_tools(work, progress)
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
    _run_stage(stage)
    progress.step("remove what nobody calls")
    binaryen.optimize(
        stage / freeze_stage.FROZEN, folder / pyodide.SNAPSHOT, "--remove-unused-module-elements"
    )
    for name in (ENTRY, ROOT_DATA, ROOT_INDEX):
        shutil.copyfile(stage / name, folder / name)
    shutil.copytree(base / pyodide.LICENCES, folder / pyodide.LICENCES)


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
    opened, slot = pyodide.open_up(merged)
    return opened, slot, layout


def _write_job(stage: Path, contents: Contents, layout: Layout, slot: int, base: Path) -> None:
    job = {
        "slot": slot, "recipe": tomllib.loads(pyodide.recipe_path().read_text()), "base": str(base),
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


def _run_stage(stage: Path) -> None:
    command = [sys.executable, "-c", _STAGE, str(stage)]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=STAGE_TIMEOUT_S,
            check=False, env=environment, cwd=stage,
        )
    except subprocess.TimeoutExpired as error:
        raise ImageFailed(f"the packages' code took longer than {STAGE_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-3000:]
        raise ImageFailed(said or f"the process that ran the packages' code ended with {done.returncode}")
