"""Gives back the disk space of what nothing here uses any more: old runtimes, old images, their packages.

A runtime is kept by the key of all that went into it, so a new dspex, wasmtime or lock file leaves the older
result behind. What is current is worked out anew each time; what is being built is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dspex.runtimes import locate, scientific
from dspex.runtimes.images import registry
from dspex.runtimes.recipe import Recipe
from dspex.runtimes.recipes import FAST_PATH, INTERPRETER
from dspex.runtimes.store import Store, cache_folder


@dataclass(slots=True)
class Pruned:
    """What was removed, and what could not be."""

    removed: list[Path] = field(default_factory=list)
    bytes_freed: int = 0
    busy: list[str] = field(default_factory=list)
    """What somebody is building or fetching just now."""


def prune() -> Pruned:
    """Remove what is not current, under the locks of those who build.

    An engine that started before with what is removed goes on; it cannot start another zygote of it. What other
    installations of dspex use in the same cache is removed too, and made again at their next start.

    Raises:
        LockInvalid: The record of an image cannot be used, so that it is not known what it needs.
        CacheUntrusted: Others may write to the cache.
    """
    found = Pruned()
    portable, compiled = current()
    for kind, keep in (("portable", portable), ("compiled", compiled)):
        store = Store(cache_folder() / kind)
        if not store.root.is_dir():
            continue
        store.check_private(store.root)
        for folder in store.entries():
            if folder.name not in keep:
                size = _size_bytes(folder)
                _note(found, folder, size, done=store.remove(folder))
    try:
        with registry.wheels_in_use(alone=True):
            for path in registry.unused_wheels():
                size = path.stat().st_size
                path.unlink()
                _note(found, path, size, done=True)
    except BlockingIOError:
        found.busy.append("packages")
    return found


def current() -> tuple[set[str], set[str]]:
    """Return the names of the folders that are kept, of portable and of compiled results.

    Raises:
        LockInvalid: The record of an image cannot be used.
    """
    recipes: list[Recipe] = [locate.recipe_of(name) for name in locate.recipes()]
    recipes += [registry.recipe(name) for name in registry.names()]
    recipes += [INTERPRETER, FAST_PATH, scientific.CODE]
    stores = Store(cache_folder() / "portable"), Store(cache_folder() / "compiled")
    portable = {stores[0].folder(one.name, locate.portable_key_of(one)).name for one in recipes}
    compiled = {stores[1].folder(one.name, locate.compiled_key(one)).name for one in recipes}
    compiled.add(stores[1].folder(scientific.IMAGE_NAME, locate.digest_of(scientific.inputs())).name)
    return portable, compiled


def _note(found: Pruned, path: Path, size: int, *, done: bool) -> None:
    if done:
        found.removed.append(path)
        found.bytes_freed += size
    elif path.exists():
        found.busy.append(path.name)


def _size_bytes(folder: Path) -> int:
    """Return what deleting a folder gives back; a file with another name elsewhere gives nothing."""
    states = [path.lstat() for path in folder.rglob("*")]
    return sum(one.st_size for one in states if one.st_nlink == 1)
