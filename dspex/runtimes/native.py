"""The recipe of the fast path's library: `runtimes/worker/fast_path.c`, compiled for every processor dspex runs on.

The compiler is Zig's, which comes as a Python package and makes libraries for other processors as well as for this
one; so a wheel holds both. Who loads them, and what for, is in `dspex.wasm.fast_path`.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from typing import TYPE_CHECKING

from dspex import resources
from dspex.runtimes.toolchain import ToolMissing, run
from dspex.wasm.fast_path import library

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.runtimes.progress import Progress

MACHINES = ("x86_64", "aarch64")
COMPILER = "0.17.1"
GLIBC = "2.28"
"""The oldest C library that it loads with; workers on an older one, or on another, go without it."""
SOURCE = "worker/fast_path.c"
_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden", "-shared", "-s")


def build(folder: Path, work: Path, progress: Progress) -> None:
    """Compile the library.

    Args:
        folder: Filled with one library for each processor.
        work: Scratch space, kept by nobody.
        progress: Told about each step.

    Raises:
        ToolMissing, ToolFailed: The compiler cannot be had, or turns the source down.
    """
    progress.step("compile the fast path")
    check_compiler()
    source = work / "fast_path.c"
    shutil.copyfile(resources.find("runtimes") / SOURCE, source)
    for machine in MACHINES:
        target = ("-target", f"{machine}-linux-gnu.{GLIBC}")
        command = (sys.executable, "-m", "ziglang", "cc", *target, *_FLAGS, source.name, "-o", library(machine))
        caches = {"ZIG_GLOBAL_CACHE_DIR": str(work / "zig"), "ZIG_LOCAL_CACHE_DIR": str(work / "zig")}
        run(command, work, caches)
        shutil.copyfile(work / library(machine), folder / library(machine))


def check_compiler() -> None:
    """Check that the compiler is there, and the one that the recipe is for.

    Raises:
        ToolMissing: It is not.
    """
    try:
        found = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != COMPILER:
        msg = f"Zig's C compiler {COMPILER} is needed to build a runtime, found {found}: `pip install dspex[build]`"
        raise ToolMissing(msg)
