"""The cache on disk: one folder per key, complete or absent, made by one process at a time.

What a key stands for is the caller's business. Folders are built beside their place and renamed
into it, so a killed build leaves the old state or the new one; what it left behind is swept by the
next build of the same name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CACHE_ENVIRONMENT_NAME = "DSPEX_CACHE_DIR"
MANIFEST = "manifest.json"
LOCK_TIMEOUT_S = 900.0
"""Longest wait for another process that builds the same thing."""

_VERIFIED = ".verified.json"
"""How the files of a result looked when they were last read and found right."""
_SETTLED_NS = 2 * 10**9
"""A file that was changed this lately may be changed again without its times telling."""
_KEY_CHARS = 16
_SCRATCH = re.compile(r"[a-z0-9_]{8}")
"""What `tempfile` appends to the name of a folder."""


class CacheUntrusted(PermissionError):
    """Somebody else could write to the cache; nothing is loaded from it."""


class ArtifactDamaged(RuntimeError):
    """A file of the cache is not what its manifest says."""


def cache_folder() -> Path:
    """Return the folder that holds everything dspex keeps between runs.

    `DSPEX_CACHE_DIR` names it; by default it is the user's cache folder.
    """
    named = os.environ.get(CACHE_ENVIRONMENT_NAME)
    return Path(named) if named else platformdirs.user_cache_path("dspex")


def digest(parts: Iterable[bytes | str]) -> str:
    """Return the SHA-256 of several parts, none of which can run into the next."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(len(raw).to_bytes(8, "little"))
        total.update(raw)
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_above(folder: Path) -> None:
    """Check that not anybody can put another folder in the place of this one.

    Raises:
        CacheUntrusted: naming the folder above it in which anybody may rename.
    """
    for above in folder.resolve().parents:
        if not above.exists():
            continue
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            msg = (
                f"{above}: anybody may rename what is in it (mode {stat.S_IMODE(mode):o}), and code is "
                f"loaded from {folder} (chmod o-w, or set {CACHE_ENVIRONMENT_NAME} to another folder)"
            )
            raise CacheUntrusted(msg)


def _looks(folder: Path, names: Iterable[str]) -> dict[str, list[int]] | None:
    """Return what the system says of each file; None if one is missing, or was changed a moment ago."""
    found = {}
    for name in names:
        try:
            state = (folder / name).lstat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(state.st_mode) or time.time_ns() - state.st_ctime_ns < _SETTLED_NS:
            return None
        found[name] = [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]
    return found


def _read_looks(folder: Path) -> object:
    try:
        return json.loads((folder / _VERIFIED).read_bytes())
    except (OSError, ValueError):
        return None


def _keep_looks(folder: Path, looks: dict[str, list[int]]) -> None:
    """Note how the files looked when they were right, if anything may be written there."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        written = Path(scratch) / _VERIFIED
        written.write_text(json.dumps(looks))
        written.replace(folder / _VERIFIED)


class Store:
    """Folders by name and key under one root.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     store = Store(Path(root))
        ...     made = store.get("greeting", "ab" * 32, lambda at: at.joinpath("hi").write_text("hi"))
        ...     made.joinpath("hi").read_text()
        'hi'
    """

    def __init__(self, root: Path) -> None:
        """Keep everything under `root`, which is made when needed, for this user alone."""
        self.root = root

    def folder(self, name: str, key: str) -> Path:
        """Return where the result for `key` lies or would lie."""
        return self.root / f"{name}-{key[:_KEY_CHARS]}"

    def has(self, name: str, key: str) -> bool:
        """Tell whether a complete result for `key` is there."""
        try:
            return bool(self._manifest(self.folder(name, key))["key"] == key)
        except (FileNotFoundError, ArtifactDamaged):
            return False

    def get(
        self, name: str, key: str, build: Callable[[Path], object], *, fresh: bool = False
    ) -> Path:
        """Return the folder for `key`, building it first if it is not there.

        Args:
            name: What it is, for people who look into the cache.
            key: Digest of everything that goes in.
            build: Fills the empty folder it is given; if it raises, nothing is kept.
            fresh: Whether to build it even if it is there.

        Raises:
            CacheUntrusted: if others may write to the cache.
            filelock.Timeout: if another process builds the same for too long.
        """
        if self.has(name, key) and not fresh:
            self.check_private(self.root)
            return self.folder(name, key)
        import filelock  # noqa: PLC0415 - it brings asyncio and sqlite, and few starts build

        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check_private(self.root)
        target = self.folder(name, key)
        with filelock.FileLock(self.root / f"{name}.lock", timeout=LOCK_TIMEOUT_S):
            if self.has(name, key) and not fresh:
                return target
            self._sweep(name)
            building = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.root))
            try:
                build(building)
                self._seal(building, key)
                if target.exists():
                    shutil.rmtree(target)
                building.rename(target)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        return target

    def remove(self, folder: Path) -> bool:
        """Delete a result, unless somebody is building another of its name just now.

        It is complete or absent for everybody else at each moment.

        Args:
            folder: One of `entries`.

        Returns:
            Whether this call deleted it.
        """
        import filelock  # noqa: PLC0415 - see above

        name = folder.name[: -_KEY_CHARS - 1]
        try:
            with filelock.FileLock(self.root / f"{name}.lock", timeout=0):
                self._sweep(name)
                if not folder.exists():
                    return False
                scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.root))
                folder.rename(scratch / "removed")
                shutil.rmtree(scratch)
        except filelock.Timeout:
            return False
        return True

    def verify(self, folder: Path) -> None:
        """Check every file of a result against its manifest.

        Files are read once: those that the system has not changed since are known by size, place and times. The time of
        the last change cannot be set by a program, so nobody but root changes a file unseen.

        Raises:
            ArtifactDamaged: naming the first file that differs.
        """
        files = self._manifest(folder)["files"]
        before = _looks(folder, (MANIFEST, *files))
        if before is not None and before == _read_looks(folder):
            return
        for name, expected in files.items():
            path = folder / name
            if not path.is_file() or file_digest(path) != expected:
                msg = f"{path}: not the file that was built; delete {folder} to build it again"
                raise ArtifactDamaged(msg)
        if before is not None and before == _looks(folder, (MANIFEST, *files)):
            _keep_looks(folder, before)

    def check_private(self, folder: Path) -> None:
        """Check that nobody but this user and root can write to `folder`, or put another in its place.

        Raises:
            CacheUntrusted: if somebody can.
        """
        state = folder.stat()
        others = stat.S_IMODE(state.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
        if state.st_uid not in (0, os.geteuid()) or others:
            msg = (
                f"{folder}: owned by user {state.st_uid}, mode {stat.S_IMODE(state.st_mode):o}; "
                f"code is loaded from here, so it must be yours alone "
                f"(chmod go-w, or set {CACHE_ENVIRONMENT_NAME} to a folder of your own)"
            )
            raise CacheUntrusted(msg)
        check_above(folder)

    def entries(self) -> list[Path]:
        """Return the complete results, oldest first."""
        found = [path.parent for path in self.root.glob(f"*/{MANIFEST}")]
        return sorted(found, key=lambda path: path.stat().st_mtime)

    def _manifest(self, folder: Path) -> dict[str, Any]:
        try:
            found = json.loads((folder / MANIFEST).read_text())
        except ValueError as error:
            msg = f"{folder / MANIFEST}: not JSON: {error}"
            raise ArtifactDamaged(msg) from error
        if not isinstance(found, dict) or not {"key", "files"} <= found.keys():
            msg = f"{folder / MANIFEST}: lacks its fields"
            raise ArtifactDamaged(msg)
        return found

    def _seal(self, folder: Path, key: str) -> None:
        files = {
            str(path.relative_to(folder)): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        text = json.dumps({"key": key, "files": files}, indent=1)
        (folder / MANIFEST).write_text(text)

    def _sweep(self, name: str) -> None:
        """Remove what killed builds of this name left; the lock says that none is under way."""
        for left in self.root.glob(f".{name}-*"):
            if _SCRATCH.fullmatch(left.name.removeprefix(f".{name}-")):  # not of `name-other`
                shutil.rmtree(left, ignore_errors=True)
