"""The runtime of a language, compiled for this machine: found, or made on the spot.

Two steps, both kept by key: the portable runtime (shipped inside a wheel; in a checkout built from
upstream) and what wasmtime makes of it for this processor. The engine asks here once, at start.
"""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dspex import resources
from dspex.runtimes.images import registry
from dspex.runtimes.progress import Progress, Silent
from dspex.runtimes.recipe import Recipe
from dspex.runtimes.recipes import RECIPES
from dspex.runtimes.store import MANIFEST, Store, cache_folder, digest
from dspex.wasm.configuration import CONFIGURATION

PREBUILT = "prebuilt"
_COMPILED_SUFFIX = ".cwasm"

COMPILE_TIMEOUT_S = 600.0


class PlatformUnsupported(OSError):
    """Runtimes run on Linux, on x86-64 and arm64."""


class CompileFailed(RuntimeError):
    """wasmtime did not compile the runtime."""


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """What there is of a runtime, and why something is missing."""

    name: str
    portable: Path | None
    portable_from: str
    """`wheel`, `cache`, or why there is none."""
    compiled: Path | None
    compiled_note: str

    @property
    def ready(self) -> bool:
        """Whether an engine can start without building anything."""
        return self.compiled is not None


def check_platform() -> None:
    """Refuse platforms that have no processes of the kind that workers are.

    Raises:
        PlatformUnsupported: naming this platform and those that work.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "aarch64"):
        msg = (
            f"dspex runs code on Linux (x86-64 or arm64); this is {sys.platform} on {machine}: "
            "workers need fork, pidfd and a wasmtime for this processor"
        )
        raise PlatformUnsupported(msg)


def runtime(
    name: str, progress: Progress | None = None, *, image: str | None = None, fresh: bool = False
) -> Path:
    """Return the folder of a runtime, compiled for this machine, after making it if need be.

    The first time takes about half a minute in a checkout and some seconds in an installed wheel.

    Args:
        name: One of `recipes`.
        progress: Told about each step; about none if there is nothing to do.
        image: Named image of the runtime; None for the bare one.
        fresh: Whether to make everything again, even if it is there.

    Raises:
        PlatformUnsupported: if this machine cannot run it.
        ToolMissing, ToolFailed: if it must be built from upstream and cannot be.
        CompileFailed: if wasmtime turns it down.
        CacheUntrusted: if others may write to the cache.
    """
    progress = progress or Silent()
    if (name, image) == ("python", "scientific"):
        from dspex.runtimes import scientific  # noqa: PLC0415 - it is made of what is made here

        return scientific.runtime(progress, fresh=fresh)
    return runtime_of(recipe_of(name, image), progress, fresh=fresh)


def runtime_of(recipe: Recipe, progress: Progress, *, fresh: bool = False) -> Path:
    """Return the folder of the runtime that a recipe makes; see `runtime`."""
    check_platform()
    portable, key = _portable(recipe, progress, fresh=fresh)
    store = Store(cache_folder() / "compiled")

    def make(folder: Path) -> None:
        progress.step("compile for this processor")
        for path in portable.iterdir():
            if path.name in recipe.modules:
                compile_module(path, folder / (path.stem + _COMPILED_SUFFIX))
            elif path.is_file() and path.name != MANIFEST:
                shutil.copyfile(path, folder / path.name)

    folder = store.get(recipe.name, _compiled_key(key), make, fresh=fresh)
    store.verify(folder)
    return folder


def portable_runtime(name: str, progress: Progress | None = None) -> Path:
    """Return the folder of a portable runtime: the wheel's, or one built from upstream.

    Raises:
        ToolMissing, ToolFailed: if it must be built and cannot be.
    """
    return _portable(recipe_of(name), progress or Silent())[0]


def recipes() -> tuple[str, ...]:
    """Return the names of the runtimes that come with dspex."""
    return tuple(RECIPES)


def recipe_of(name: str, image: str | None = None) -> Recipe:
    """Return how a runtime is made.

    Raises:
        KeyError: if there is no such runtime.
    """
    if image is None:
        return RECIPES[name]
    if name != registry.LANGUAGE:
        msg = f"{name}/{image}"
        raise KeyError(msg)
    return registry.recipe(image)


def portable_key(name: str) -> str:
    """Return the key of a portable runtime, without making it."""
    return portable_key_of(RECIPES[name])


def portable_key_of(recipe: Recipe) -> str:
    """Return the key of what a recipe makes, without making it."""
    prebuilt = _prebuilt(recipe.name)
    return digest_of(recipe.inputs()) if prebuilt is None else _manifest_key(prebuilt)


def portable(recipe: Recipe, progress: Progress) -> Path:
    """Return the folder of what a recipe makes, before anything of it is compiled."""
    return _portable(recipe, progress)[0]


def compiled_key(recipe: Recipe) -> str:
    """Return the key of what `runtime_of` makes here: of all that goes in, this machine included."""
    return _compiled_key(portable_key_of(recipe))


def status() -> list[RuntimeStatus]:
    """Say what there is, without building anything."""
    return [status_of(recipe) for recipe in RECIPES.values()]


def status_of(recipe: Recipe) -> RuntimeStatus:
    """Say what there is of one runtime."""
    name = recipe.name
    prebuilt = _prebuilt(name)
    if prebuilt is not None:
        portable: Path | None = prebuilt
        origin, key = "wheel", _manifest_key(prebuilt)
    else:
        key = digest_of(recipe.inputs())
        store = _portable_store()
        portable = store.folder(name, key) if store.has(name, key) else None
        older = [path.name for path in store.entries() if _is_of(name, path)]
        if portable is not None:
            origin = "cache"
        elif older:
            origin = f"stale: {', '.join(older)} was made from another recipe or upstream"
        else:
            origin = "not built yet"
    compiled_store = Store(cache_folder() / "compiled")
    compiled_key = _compiled_key(key)
    compiled, note = None, "not compiled yet"
    older = [path.name for path in compiled_store.entries() if _is_of(name, path)]
    if compiled_store.has(name, compiled_key):
        compiled, note = compiled_store.folder(name, compiled_key), "up to date"
    elif older:
        note = f"stale: {', '.join(older)} is for another runtime, wasmtime or processor"
    return RuntimeStatus(name, portable, origin, compiled, note)


def _is_of(name: str, folder: Path) -> bool:
    """Tell whether a folder of the cache is the result of that name, not of one that begins with it."""
    return re.fullmatch(r"[0-9a-f]{16}", folder.name.removeprefix(f"{name}-")) is not None


def compile_module(source: Path, target: Path) -> None:
    """Compile a module, in a process of its own: threads and 400 MB that nobody inherits.

    Raises:
        CompileFailed: with what wasmtime said.
    """
    command = [sys.executable, "-c", _COMPILE, str(source), str(target)]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"compiling {source} took longer than {COMPILE_TIMEOUT_S:.0f} s"
        raise CompileFailed(msg) from error
    if done.returncode:
        msg = f"compiling {source} failed: {done.stderr.strip()[-1000:]}"
        raise CompileFailed(msg)


_COMPILE = """
import sys, pathlib, wasmtime
from dspex.wasm.engine import new_engine
module = wasmtime.Module.from_file(new_engine(), sys.argv[1])
pathlib.Path(sys.argv[2]).write_bytes(module.serialize())
"""


def _portable(recipe: Recipe, progress: Progress, *, fresh: bool = False) -> tuple[Path, str]:
    prebuilt = _prebuilt(recipe.name)
    if prebuilt is not None:
        return prebuilt, _manifest_key(prebuilt)
    key = digest_of(recipe.inputs())

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="dspex-build-") as work:
            recipe.build(folder, Path(work), progress)

    return _portable_store().get(recipe.name, key, make, fresh=fresh), key


def _portable_store() -> Store:
    return Store(cache_folder() / "portable")


def _prebuilt(name: str) -> Path | None:
    """Return the portable runtime that came inside the wheel, if this is a wheel."""
    folder = resources.package_folder() / "_resources" / PREBUILT / name
    return folder if (folder / MANIFEST).is_file() else None


def _manifest_key(folder: Path) -> str:
    return digest([(folder / MANIFEST).read_bytes()])


def digest_of(inputs: Iterable[Path | str]) -> str:
    """Return the digest of everything that something is made of."""
    parts: list[bytes | str] = []
    for one in inputs:
        parts += [one.name, one.read_bytes()] if isinstance(one, Path) else [one]
    return digest(parts)


def _compiled_key(portable_key: str) -> str:
    version = importlib.metadata.version("wasmtime")
    return digest([portable_key, version, CONFIGURATION, platform.machine(), _cpu_features()])


@functools.cache
def _cpu_features() -> str:
    """Return the processor's feature list: compiled code may use all of them."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            return " ".join(sorted(line.partition(":")[2].split()))
    return "unknown"
