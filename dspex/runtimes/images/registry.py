"""Which images somebody has built here: one lock file each, and the files that it names.

An image is found by its name and made again from its lock file whenever something it depends on has
changed (dspex, the interpreter, the processor); nothing is resolved for that, and nothing is fetched if the
files are still there. The finished runtimes lie in the same cache as the bare ones.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dspex import resources
from dspex.runtimes import recipes
from dspex.runtimes.images.errors import ImageUnknown, LockInvalid, ResolveFailed, WheelRefused
from dspex.runtimes.images.lockfile import FILE_BYTES_MAX, NAME, Lock, Package
from dspex.runtimes.recipe import Recipe
from dspex.runtimes.store import Store, cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dspex.runtimes.images.assemble import Contents
    from dspex.runtimes.images.pyodide_index import PyodideIndex
    from dspex.runtimes.progress import Progress

RESERVED = frozenset({"scientific"})
"""Names of images that come with dspex."""

LANGUAGE = "python"
_SUFFIX = ".lock.toml"


def names() -> tuple[str, ...]:
    """Return the names of the images that were built here."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _folder().glob(f"*{_SUFFIX}")))


def check_name(name: str) -> None:
    """Check that an image may be called that.

    Raises:
        LockInvalid: It may not.
    """
    if not re.fullmatch(NAME, name):
        raise LockInvalid(f"image: {name!r:.100}: letters, digits, '.', '_' and '-' make a name, 64 at most")
    if name in RESERVED:
        raise LockInvalid(f"image: {name!r} is the name of an image that comes with dspex")


def lock_of(name: str) -> Lock:
    """Return what an image is made of.

    Raises:
        ImageUnknown: There is none of that name.
        LockInvalid: Its lock file cannot be used.
    """
    if not re.fullmatch(NAME, name):
        raise ImageUnknown(f"there is no image {name!r:.100}")
    path = _folder() / f"{name}{_SUFFIX}"
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX)
    except FileNotFoundError:
        known = ", ".join(names()) or "none"
        raise ImageUnknown(f"there is no image {name!r} (there are: {known})") from None
    try:
        return Lock.parse(content.decode(), source=str(path))
    except UnicodeDecodeError as error:
        raise LockInvalid(f"{path}: is not UTF-8") from error


def keep(lock: Lock) -> None:
    """Make an image known, in place of one of the same name.

    Raises:
        CacheUntrusted: Others may write to the cache.
    """
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Store(folder).check_private(folder)
    descriptor, scratch = tempfile.mkstemp(prefix=f".{lock.image}-", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(lock.text())
    Path(scratch).replace(folder / f"{lock.image}{_SUFFIX}")


def remove(name: str) -> None:
    """Forget an image and delete what was made of it; files that other images may share stay.

    Raises:
        ImageUnknown: There is none of that name.
    """
    path = _folder() / f"{name}{_SUFFIX}"
    if not re.fullmatch(NAME, name) or not path.is_file():
        known = ", ".join(names()) or "none"
        raise ImageUnknown(f"there is no image {name!r:.100} (there are: {known})")
    path.unlink()
    for kind in ("portable", "compiled"):
        store = Store(cache_folder() / kind)
        for folder in store.entries():
            if re.fullmatch(r"[0-9a-f]{16}", folder.name.removeprefix(f"{_recipe_name(name)}-")):
                store.remove(folder)


@contextlib.contextmanager
def wheels_in_use(*, alone: bool = False) -> Iterator[None]:
    """Keep the files of packages from being removed; `alone` is for whoever removes them.

    Raises:
        BlockingIOError: `alone`, and somebody uses them.
        CacheUntrusted: Others may write to the cache.
    """
    folder = _wheels()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Store(folder).check_private(folder)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        yield


def unused_wheels() -> list[Path]:
    """Return the files of packages that no image of this machine names.

    Raises:
        LockInvalid: The record of an image cannot be used.
    """
    used = {_file(package) for name in names() for package in lock_of(name).packages}
    found = _wheels().glob("*") if _wheels().is_dir() else ()
    return sorted(path for path in found if path not in used and path.is_file() and path.name != ".lock")


def fetch(
    packages: Sequence[Package], pyodide_index: PyodideIndex | None = None, find_links: Sequence[str] = ()
) -> None:
    """Have the files of an image here: those that are not here yet are fetched and checked.

    Args:
        packages: What it is made of.
        pyodide_index: Where those come from that are not from the Python index.
        find_links: Folders of wheels, besides the Python index.

    Raises:
        ResolveFailed: One cannot be had, or has another hash.
        WheelRefused: One is not the file that is locked.
    """
    from dspex.runtimes.images import resolve  # noqa: PLC0415 - only when something is absent
    from dspex.runtimes.images.wheels import check_hash  # noqa: PLC0415 - as above

    absent = [one for one in packages if not _file(one).is_file()]
    if not absent:
        return
    folder = _wheels()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Store(folder).check_private(folder)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        into = Path(scratch)
        indexed = [one for one in absent if one.source == "index"]
        if indexed:
            resolve.fetch(indexed, into, find_links)
        for one in absent:
            if one.source != "index":
                if pyodide_index is None:
                    raise ResolveFailed(
                        f"{one.file} comes from a pyodide-lock index; say where that is, and build the image again"
                    )
                pyodide_index.fetch(one, into)
            check_hash(into / one.file, one.file, one.sha256)
            (into / one.file).replace(_file(one))


def recipe(name: str) -> Recipe:
    """Return how an image's runtime is made.

    Raises:
        ImageUnknown: There is none of that name.
        LockInvalid: Its lock file cannot be used.
    """
    return recipe_of_lock(lock_of(name))


def recipe_of_lock(lock: Lock) -> Recipe:
    """Return how the runtime of an image is made, whether it is known by its name or not."""

    def inputs() -> list[Path | str]:
        from dspex.runtimes import locate  # noqa: PLC0415 - it asks here

        sources = sorted((resources.package_folder() / "runtimes" / "images").glob("*.py"))
        return [locate.portable_key(LANGUAGE), lock.text(), *sources]

    def build(folder: Path, work: Path, progress: Progress) -> None:
        _build(lock, folder, work, progress)

    return Recipe(name=_recipe_name(lock.image), inputs=inputs, build=build, modules=recipes.RECIPES[LANGUAGE].modules)


def _build(lock: Lock, folder: Path, work: Path, progress: Progress) -> None:
    from dspex.runtimes import interpreter, locate  # noqa: PLC0415 - the latter asks here
    from dspex.runtimes.images import assemble  # noqa: PLC0415 - only when something is made

    with wheels_in_use():
        fetch(lock.packages)
        contents = contents_of(lock)
    base = locate.portable_runtime(LANGUAGE, progress)
    main = locate.portable(recipes.INTERPRETER, progress) / interpreter.MAIN
    assemble.assemble(
        contents, folder, work, progress, base=base, main=main, compile_module=locate.compile_module
    )


def contents_of(lock: Lock) -> Contents:
    """Open and check the files of an image, and put them together.

    Raises:
        WheelRefused: One holds what it may not, or two hold different files of the same path.
    """
    from dspex.runtimes.images.assemble import Contents  # noqa: PLC0415 - only when something is made
    from dspex.runtimes.images.wheels import read_library, read_wheel  # noqa: PLC0415

    named = {_canonical(_leading_name(one)) for one in lock.wanted.requirements}
    files: dict[str, bytes] = {}
    preload: list[str] = []
    for package in lock.packages:
        path = _file(package)
        if package.file.endswith(".whl"):
            wheel = read_wheel(
                path, package.file, package.sha256, keep_tests=lock.wanted.keep_tests
            )
        else:
            wheel = read_library(path, package.file, package.sha256)
        for name, content in wheel.files.items():
            if files.setdefault(name, content) != content:
                raise WheelRefused(f"{package.file}: another package has a different {name}")
        if _canonical(package.name) in named:
            preload += wheel.top_level
    preload = list(dict.fromkeys([*preload, *lock.wanted.preload]))
    return Contents(files=files, preload=preload, warm=lock.wanted.warm)


def _leading_name(requirement: str) -> str:
    found = re.match(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return found[0].strip() if found else ""


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _recipe_name(name: str) -> str:
    return f"{LANGUAGE}-image-{name}"


def _folder() -> Path:
    return cache_folder() / "images"


def _wheels() -> Path:
    return cache_folder() / "wheels"


def _file(package: Package) -> Path:
    return _wheels() / f"{package.sha256[:32]}-{package.file}"
