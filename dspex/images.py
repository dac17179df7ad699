"""Images of your own: Python with packages in it, made once, as quick to start as Python alone.

`build` chooses and fetches packages, and makes a runtime of them; from then on
`engine.run(code, image=NAME)` starts from it. Programs can neither build nor change one.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.runtimes import locate
from dspex.runtimes.images import registry, resolve
from dspex.runtimes.images.errors import (
    ExtraMissing,
    ImageError,
    ImageFailed,
    ImageUnknown,
    LinkRefused,
    LockInvalid,
    ResolveFailed,
    WheelRefused,
)
from dspex.runtimes.images.lockfile import FILE_BYTES_MAX, Lock, Package, Wanted
from dspex.runtimes.images.pyodide_index import PyodideIndex
from dspex.runtimes.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dspex.runtimes.progress import Progress

__all__ = [
    "ExtraMissing", "Image", "ImageError", "ImageFailed", "ImageUnknown", "LinkRefused", "LockInvalid", "Package",
    "ResolveFailed", "WheelRefused", "build", "built", "find", "read_file", "remove",
]
KEYS = ("name", "with", "preload", "warm", "keep_tests", "pyodide_lock", "find_links")
"""What a file for `read_file` may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image that was built on this machine."""

    name: str
    packages: tuple[Package, ...]
    requirements: tuple[str, ...]
    """What was asked for."""
    preload: tuple[str, ...]
    """Modules that are imported before the snapshot is taken, besides those of `requirements`."""
    lock: str
    """Its lock file's content, from which the same image can be made elsewhere."""
    folder: Path | None
    """Where its runtime lies; None if it will be made again at its next use."""

    @property
    def size_bytes(self) -> int:
        """What its runtime takes on disk."""
        files = self.folder.rglob("*") if self.folder else ()
        return sum(file.stat().st_size for file in files if file.is_file())


def build(
    name: str,
    requirements: Sequence[str] = (),
    *,
    preload: Sequence[str] = (),
    warm: str = "",
    keep_tests: bool = False,
    find_links: Sequence[str | Path] = (),
    pyodide_lock: str | None = None,
    lock: str | Path | None = None,
    upgrade: bool = False,
    progress: Progress | None = None,
) -> Image:
    """Make an image, or bring one up to date.

    Packages' code runs while this is done, in WebAssembly and in a process of its own; see
    docs/explanation/images.md.

    Args:
        name: What `engine.run(image=...)` will call it.
        requirements: Packages by name, such as `msgspec` or `pydantic>=2,<3`. Without any, the image becomes
            what the lock file says, or what it was.
        preload: Modules that are imported before the snapshot is taken, besides those of
            `requirements`; a program's own import of them then costs nothing.
        warm: A program that is run before the snapshot is taken, so that what packages make at
            their first use is made already. Its names are not kept.
        keep_tests: Whether packages' folders called `tests` are kept; they are left out otherwise.
        find_links: Folders of wheels of your own, which pip considers besides its index.
        pyodide_lock: Folder or `https://` address of an index in the form of `pyodide-lock.json`, where
            packages are looked up first.
        lock: A lock file. If it is there and was made for the same request, its versions and
            hashes hold; otherwise it is written.
        upgrade: Whether to choose versions again, even if they are locked.
        progress: Told about each step.

    Raises:
        LockInvalid: The name, the request or the lock file cannot be used.
        ResolveFailed: No set of packages fits, or no index was reached.
        WheelRefused: A package's file is not what it should be.
        LinkRefused: A native module needs what the interpreter does not give.
        ImageFailed: The packages' code raised, looped or took too much.
        ExtraMissing: The extra `images` is not installed.

    Example:
        >>> import dspex
        >>> dspex.images.build("typed", ["msgspec"]).name  # doctest: +SKIP
        'typed'
        >>> dspex.run("import msgspec; msgspec.json.encode([1])", image="typed").value  # doctest: +SKIP
        b'[1]'
    """
    locate.check_platform()
    progress = progress or Silent()
    registry.check_name(name)
    wanted = Wanted(
        requirements=tuple(requirements), preload=tuple(preload), warm=warm, keep_tests=keep_tests
    )
    before = _chosen_before(name, lock)
    if before is not None and wanted == Wanted(requirements=()):
        wanted = before.wanted
    wanted.check()
    folders = [str(folder) for folder in find_links]
    index = None if pyodide_lock is None else PyodideIndex(pyodide_lock)
    with registry.wheels_in_use():
        if before is None or before.wanted != wanted or upgrade:
            progress.step("choose packages")
            packages = tuple(resolve.resolve(wanted.requirements, index, folders))
        else:
            packages = before.packages
        # What pip said about them is held to what a lock file may say.
        found = Lock.parse(Lock(image=name, wanted=wanted, packages=packages).text(), source="chosen packages")
        progress.step(f"fetch {len(packages)} packages, check hashes")
        registry.fetch(packages, index, folders)
        folder = locate.runtime_of(registry.recipe_of_lock(found), progress)
        registry.keep(found)
    if lock is not None:
        Path(lock).write_text(found.text(), encoding="utf-8")
    return _described(found, folder)


def _chosen_before(name: str, path: str | Path | None) -> Lock | None:
    """Return what a lock file says; without one, what the image of that name is made of."""
    if path is None:
        return registry.lock_of(name) if name in registry.names() else None
    return Lock.parse(_text(Path(path)), source=str(path)) if Path(path).exists() else None


def read_file(path: str | Path) -> dict[str, Any]:
    """Return the arguments for `build` that a TOML file holds.

    Its keys are `name`, `with` (the requirements), `preload`, `warm`, `keep_tests`, `find_links` and `pyodide_lock`;
    only `with` is needed. Relative paths count from the file's own folder.

    Raises:
        LockInvalid: It cannot be read, or holds anything else.
    """
    source = Path(path)
    try:
        found = tomllib.loads(_text(source))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LockInvalid(f"{source}: is not TOML: {error}") from error
    unknown = sorted(found.keys() - set(KEYS))
    if unknown:
        raise LockInvalid(f"{source}: unknown key {unknown[0]!r}; allowed: {', '.join(KEYS)}")
    for key, kind in (("name", str), ("warm", str), ("keep_tests", bool), ("pyodide_lock", str)):
        if key in found and not isinstance(found[key], kind):
            raise LockInvalid(f"{source}: {key}: cannot be {found[key]!r:.100}")
    for key in ("with", "preload", "find_links"):
        value = found.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise LockInvalid(f"{source}: {key}: a list of strings wanted")
    place = found.get("pyodide_lock")
    if place is not None and "://" not in place:
        found["pyodide_lock"] = str(source.parent / place)
    if "find_links" in found:
        found["find_links"] = [str(source.parent / folder) for folder in found["find_links"]]
    found["requirements"] = found.pop("with", [])
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise LockInvalid(f"{path}: is larger than {FILE_BYTES_MAX} bytes")
        return content.decode()
    except OSError as error:
        raise LockInvalid(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LockInvalid(f"{path}: is not UTF-8") from error


def built() -> list[Image]:
    """Return the images that were built on this machine, in order of their names.

    Raises:
        LockInvalid: The record of one cannot be used; `remove` it.
    """
    return [find(name) for name in registry.names()]


def find(name: str) -> Image:
    """Return an image that was built on this machine.

    Raises:
        ImageUnknown: There is none of that name.
        LockInvalid: Its record cannot be used; `remove` it.
    """
    lock = registry.lock_of(name)
    return _described(lock, locate.status_of(registry.recipe_of_lock(lock)).compiled)


def _described(lock: Lock, folder: Path | None) -> Image:
    return Image(
        name=lock.image, packages=lock.packages, requirements=lock.wanted.requirements,
        preload=lock.wanted.preload, lock=lock.text(), folder=folder,
    )


def remove(name: str) -> None:
    """Delete an image.

    Raises:
        ImageUnknown: There is none of that name.
    """
    registry.remove(name)
