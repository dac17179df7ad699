"""`tempfile` over files in memory."""

from __future__ import annotations

import io
import posixpath
from typing import TYPE_CHECKING, Any, Self

from dspex.languages.restricted.context import present

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.languages.restricted.context import Offer
    from dspex.languages.restricted.virtual_files import VirtualFiles

FOLDER = "/tmp"  # noqa: S108 - in memory
_ATTEMPTS_MAX = 100


def tempfile_module(files: VirtualFiles, draw: Callable[[int], bytes]) -> Offer:
    """Return the names of `tempfile`.

    Args:
        files: The file system.
        draw: Source of the names' randomness.
    """

    def new_path(suffix: str | None, prefix: str | None, folder: Any, make: Callable[[str], Any]) -> tuple[str, Any]:
        where = files.abspath(FOLDER if folder is None else folder)
        for _ in range(_ATTEMPTS_MAX):
            path = posixpath.join(where, f"{'tmp' if prefix is None else prefix}{draw(4).hex()}{suffix or ''}")
            try:
                return path, make(path)
            except FileExistsError:
                continue
        raise FileExistsError("No usable temporary file name found")

    def mkdtemp(suffix: str | None = None, prefix: str | None = None, dir: Any = None) -> str:
        return new_path(suffix, prefix, dir, lambda path: files.mkdir(path, 0o700))[0]

    def mkstemp(suffix: str | None = None, prefix: str | None = None, dir: Any = None, text: bool = False) -> Any:
        path, fd = new_path(suffix, prefix, dir, lambda path: files.os_open(path, 0o302, 0o600))
        return fd, path

    class NamedTemporaryFile:
        """A file that is removed when it is closed."""

        def __init__(self, mode: str = "w+b", buffering: int = -1, encoding: str | None = None,
                     newline: str | None = None, suffix: str | None = None, prefix: str | None = None, dir: Any = None,
                     delete: bool = True, *, errors: str | None = None, delete_on_close: bool = True) -> None:  # fmt: skip
            fd, self.name = mkstemp(suffix, prefix, dir)
            files.close(fd)
            opening = mode.replace("w", "r") if "+" in mode else mode
            self.file = files.open(self.name, opening, buffering, encoding, errors, newline)
            self.delete, self._temporary_on_close = delete, delete_on_close

        def __getattr__(self, name: str) -> Any:
            if name not in _OF_FILES:
                raise AttributeError(f"a temporary file has no attribute {name!r}")
            return getattr(self.file, name)

        def __iter__(self) -> Any:
            return iter(self.file)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_exc: object) -> None:
            self._temporary_end(left=True)

        def close(self) -> None:
            self._temporary_end(left=False)

        def _temporary_end(self, *, left: bool) -> None:
            self.file.close()
            if self.delete and (left or self._temporary_on_close) and files.exists(self.name):
                files.remove(self.name)

    def TemporaryFile(mode: str = "w+b", buffering: int = -1, encoding: str | None = None, newline: str | None = None,
                      suffix: str | None = None, prefix: str | None = None, dir: Any = None, *,
                      errors: str | None = None) -> Any:  # fmt: skip
        named = NamedTemporaryFile(mode, buffering, encoding, newline, suffix, prefix, dir, errors=errors)
        files.remove(named.name)
        return named.file

    def SpooledTemporaryFile(max_size: int = 0, mode: str = "w+b", buffering: int = -1, encoding: str | None = None,
                             newline: str | None = None, *_where: Any, errors: str | None = None) -> Any:  # fmt: skip
        """Return a file in memory, as they all are here."""
        held = io.BytesIO()
        return held if "b" in mode else io.TextIOWrapper(held, encoding or "utf-8", errors, newline)

    class TemporaryDirectory:
        """A folder that is removed with all that is in it."""

        def __init__(self, suffix: str | None = None, prefix: str | None = None, dir: Any = None,
                     ignore_cleanup_errors: bool = False, *, delete: bool = True) -> None:  # fmt: skip
            self.name = mkdtemp(suffix, prefix, dir)
            self._temporary_quiet, self._temporary_delete = ignore_cleanup_errors, delete

        def __repr__(self) -> str:
            return f"<TemporaryDirectory {self.name!r}>"

        def __enter__(self) -> str:
            return self.name

        def __exit__(self, *_exc: object) -> None:
            if self._temporary_delete:
                self.cleanup()

        def cleanup(self) -> None:
            """Remove it."""
            files.rmtree(self.name, ignore_errors=self._temporary_quiet)

    for kind in (NamedTemporaryFile, TemporaryDirectory):
        present(kind, "tempfile")
    functions = {one.__name__: one for one in (mkdtemp, mkstemp, TemporaryFile, SpooledTemporaryFile)}
    return {
        "tempfile": {
            **functions, "NamedTemporaryFile": NamedTemporaryFile, "TemporaryDirectory": TemporaryDirectory,
            "gettempdir": lambda: FOLDER, "gettempprefix": lambda: "tmp", "tempdir": FOLDER,
        }
    }, []  # fmt: skip


_OF_FILES = frozenset(
    "read readline readlines readinto write writelines seek tell truncate flush closed seekable readable writable fileno "
    "isatty mode encoding errors newlines detach peek read1".split()
)
