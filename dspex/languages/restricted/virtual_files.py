"""`open`, `os`, `os.path` and `pathlib` over a file system in memory.

The files and their quotas are `dspex.wasm.emscripten`'s, as for the other languages; the buffering and
decoding are CPython's own `io`, over one raw file class. Nothing here reaches a descriptor of the
process.
"""

from __future__ import annotations

import errno
import fnmatch
import io
import os
import posixpath
import re
import stat as stat_bits
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from dspex.wasm.emscripten import HOME, Errno, MemoryFileSystem, SyscallError, abi
from dspex.wasm.emscripten.inode import Directory, RegularFile, Symlink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FLAGS = {
    "r": abi.O_RDONLY,
    "w": abi.O_WRONLY | abi.O_CREAT | abi.O_TRUNC,
    "a": abi.O_WRONLY | abi.O_CREAT | abi.O_APPEND,
    "x": abi.O_WRONLY | abi.O_CREAT | abi.O_EXCL,
}
_BUFFER_BYTES = 8192


def os_error(error: SyscallError, path: object = None) -> OSError:
    """Return what Python raises for an error number of the file system."""
    number = getattr(errno, Errno(error.errno).name, errno.EIO)
    if path is None:
        return OSError(number, os.strerror(number))
    return OSError(number, os.strerror(number), str(path))


class _RawFile(io.RawIOBase):
    """One open file, unbuffered."""

    def __init__(self, vfs: VirtualFiles, path: str, mode: str, flags: int) -> None:
        self._vfs_files = vfs.files
        self._vfs_critical = vfs.critical
        self.name, self.mode = path, mode
        self._vfs_flags = flags & abi.O_ACCMODE
        try:
            self._vfs_fd = vfs.files.open(os.fsencode(path), flags)
        except SyscallError as error:
            raise os_error(error, path) from None
        if isinstance(vfs.files.descriptors.get(self._vfs_fd).inode, Directory):
            vfs.files.descriptors.close(self._vfs_fd)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._vfs_open = vfs.files.descriptors.get(self._vfs_fd)

    def readable(self) -> bool:
        return self._vfs_flags != abi.O_WRONLY

    def writable(self) -> bool:
        return self._vfs_flags != abi.O_RDONLY

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def readinto(self, buffer: Any) -> int:
        return self._vfs_call(self._vfs_open.read_into, memoryview(buffer).cast("B"))

    def write(self, data: Any) -> int:
        return self._vfs_call(self._vfs_open.write, memoryview(data).cast("B"))

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._vfs_call(self._vfs_open.seek, offset, whence)

    def truncate(self, size: int | None = None) -> int:
        length = self.tell() if size is None else size
        def cut() -> int:
            self._vfs_open.set_length(length)
            return length

        return self._vfs_call(cut)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._vfs_files.descriptors.close(self._vfs_fd)

    def _vfs_call(self, function: Callable[..., int], *args: Any) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        with self._vfs_critical:
            try:
                return function(*args)
            except SyscallError as error:
                raise os_error(error) from None


class StatResult(NamedTuple):
    """What a program sees of a file's inode."""

    st_mode: int
    st_size: int
    st_mtime: float
    st_atime: float
    st_ctime: float
    st_nlink: int
    st_ino: int


class Environ(dict[str, str]):
    """`os.environ`: text only, and of this guest only."""

    __slots__ = ()

    def __setitem__(self, name: str, value: str) -> None:
        for one in (name, value):
            if not isinstance(one, str):
                raise TypeError(f"str expected, not {type(one).__name__}")
        super().__setitem__(name, value)


class VirtualFiles:
    """The functions over one file system, which is replaced by `use` when a new guest begins."""

    def __init__(self, critical: Any) -> None:
        """Make the functions.

        Args:
            critical: Context manager within which a program is not interrupted.
        """
        self.critical = critical
        self.files = MemoryFileSystem()
        self.environ = Environ()
        self.path_class = self._make_path_class()

    def use(self, files: MemoryFileSystem) -> None:
        """Work on another file system from now on."""
        self.files = files

    def call(self, path: object, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the file system, with its errors as Python's."""
        with self.critical:
            try:
                return function(*args, **kwargs)
            except SyscallError as error:
                raise os_error(error, path) from None

    def _path(self, path: Any) -> str:
        text = os.fspath(path)
        if issubclass(type(text), bytes):
            text = os.fsdecode(text)
        text = str.__str__(text)
        if "\0" in text:
            raise ValueError("embedded null byte")
        return text

    def inode(self, path: Any, *, follow: bool = True) -> Any:
        """Return what a path leads to.

        Raises:
            OSError: Nothing.
        """
        text = self._path(path)
        start = self.files.tree.root if text.startswith("/") else self.files.working_directory
        return self.call(text, self.files.tree.lookup, start, os.fsencode(text) or b"\0", follow=follow)

    def _start(self, text: str) -> Any:
        return self.files.tree.root if text.startswith("/") else self.files.working_directory

    def read(self, path: str) -> bytes | None:
        """Return a file's content for the import of a program's own module; None if there is none."""
        try:
            found = self.inode(path)
        except OSError:
            return None
        return bytes(found.data) if isinstance(found, RegularFile) else None

    def open(
        self, file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None,
        errors: str | None = None, newline: str | None = None, closefd: bool = True, opener: Any = None,
    ) -> Any:
        """Do what `open` does."""
        if isinstance(file, int):
            raise OSError(errno.EBADF, "files are opened by name here")
        if opener is not None or not closefd:
            raise ValueError("opener and closefd are not offered")
        kinds = set(mode) & set("rwax")
        if len(kinds) != 1 or set(mode) - set("rwaxbt+") or len(set(mode)) != len(mode):
            raise ValueError(f"invalid mode: {mode!r}")
        binary = "b" in mode
        if binary and "t" in mode:
            raise ValueError("can't have text and binary mode at once")
        if binary and (encoding is not None or errors is not None or newline is not None):
            raise ValueError("binary mode doesn't take an encoding, errors or newline argument")
        flags = _FLAGS[kinds.pop()]
        if "+" in mode:
            flags = (flags & ~abi.O_ACCMODE) | abi.O_RDWR
        raw = _RawFile(self, self._path(file), mode, flags)
        if "a" in mode:
            raw.seek(0, 2)
        if buffering == 0:
            if not binary:
                raise ValueError("can't have unbuffered text I/O")
            return raw
        size = buffering if buffering > 1 else _BUFFER_BYTES
        buffered: Any
        if "+" in mode:
            buffered = io.BufferedRandom(raw, size)
        elif raw.readable():
            buffered = io.BufferedReader(raw, size)
        else:
            buffered = io.BufferedWriter(raw, size)
        if binary:
            return buffered
        text = io.TextIOWrapper(
            buffered, "utf-8" if encoding in (None, "locale") else encoding, errors, newline,
            line_buffering=buffering == 1,
        )
        text.mode = mode  # type: ignore[misc]
        return text

    # os

    def listdir(self, path: Any = ".") -> list[str]:
        found = self.inode(path)
        if not isinstance(found, Directory):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        return [os.fsdecode(name) for name in found.entries]

    def mkdir(self, path: Any, mode: int = 0o777) -> None:
        text = self._path(path)
        self.call(text, self.files.tree.make_directory, self._start(text), os.fsencode(text), mode & 0o755)

    def makedirs(self, name: Any, mode: int = 0o777, exist_ok: bool = False) -> None:
        text = self._path(name)
        head = posixpath.dirname(text.rstrip("/"))
        if head and not self.exists(head):
            self.makedirs(head, exist_ok=True)
        try:
            self.mkdir(text, mode)
        except FileExistsError:
            if not exist_ok or not self.isdir(text):
                raise

    def remove(self, path: Any) -> None:
        text = self._path(path)
        self.call(text, self.files.tree.unlink, self._start(text), os.fsencode(text))

    def rmdir(self, path: Any) -> None:
        text = self._path(path)
        self.call(text, self.files.tree.remove_directory, self._start(text), os.fsencode(text))

    def rename(self, src: Any, dst: Any) -> None:
        old, new = self._path(src), self._path(dst)
        self.call(
            old, self.files.tree.rename, self._start(old), os.fsencode(old), self._start(new), os.fsencode(new)
        )

    def chmod(self, path: Any, mode: int) -> None:
        self.call(path, self.files.tree.change_mode, self.inode(path), mode & 0o777)

    def getcwd(self) -> str:
        return os.fsdecode(self.call(None, self.files.tree.path_of, self.files.working_directory))

    def chdir(self, path: Any) -> None:
        self.call(path, self.files.change_directory, self.inode(path))

    def stat(self, path: Any) -> StatResult:
        found = self.inode(path)
        kind = stat_bits.S_IFDIR if isinstance(found, Directory) else stat_bits.S_IFREG
        size = len(found.data) if isinstance(found, RegularFile) else 0
        modified_s = found.mtime_ns / 1e9
        return StatResult(kind | found.mode, size, modified_s, found.atime_ns / 1e9, modified_s, found.links, found.number)

    def write(self, fd: int, data: bytes) -> int:
        """Do what `os.write` does to the standard streams; there are no other descriptors."""
        if fd not in (1, 2):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.call(None, self.files.descriptors.get(fd).write, memoryview(data))  # type: ignore[no-any-return]

    def walk(self, top: Any, topdown: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
        try:
            names = self.listdir(top)
        except OSError:
            return
        where = self._path(top)
        folders = [name for name in names if self.isdir(posixpath.join(where, name))]
        plain = [name for name in names if name not in set(folders)]
        if topdown:
            yield where, folders, plain
        for name in folders:
            yield from self.walk(posixpath.join(where, name), topdown)
        if not topdown:
            yield where, folders, plain

    def _found(self, path: Any, *, follow: bool = True) -> Any:
        try:
            return self.inode(path, follow=follow)
        except (OSError, ValueError):
            return None

    def exists(self, path: Any) -> bool:
        return self._found(path) is not None

    def isfile(self, path: Any) -> bool:
        return isinstance(self._found(path), RegularFile)

    def isdir(self, path: Any) -> bool:
        return isinstance(self._found(path), Directory)

    def islink(self, path: Any) -> bool:
        return isinstance(self._found(path, follow=False), Symlink)

    def expandvars(self, path: Any) -> str:
        return re.sub(
            r"\$(?:(\w+)|\{([^}]*)\})",
            lambda found: self.environ.get(found[1] or found[2] or "", found[0]),
            self._path(path),
            flags=re.ASCII,
        )

    def getsize(self, path: Any) -> int:
        return self.stat(path).st_size

    def getmtime(self, path: Any) -> float:
        return self.stat(path).st_mtime

    def abspath(self, path: Any) -> str:
        return posixpath.normpath(posixpath.join(self.getcwd(), self._path(path)))

    def expanduser(self, path: Any) -> str:
        text = self._path(path)
        return HOME + text[1:] if text == "~" or text.startswith("~/") else text

    def relpath(self, path: Any, start: Any = ".") -> str:
        here, there = (self.abspath(one).split("/")[1:] for one in (start, path))
        same = 0
        while same < min(len(here), len(there)) and here[same] == there[same]:
            same += 1
        return "/".join([".."] * len([one for one in here[same:] if one]) + there[same:]) or "."

    def glob(self, pattern: Any, *, recursive: bool = False) -> list[str]:
        """Do what `glob.glob` does, for `*`, `?`, `[...]` and `**`."""
        text = self._path(pattern)
        start, parts = ("/", text[1:].split("/")) if text.startswith("/") else ("", text.split("/"))
        return list(self._matching(start, parts, recursive=recursive))

    def _matching(self, where: str, parts: list[str], *, recursive: bool) -> Iterator[str]:
        if not parts:
            yield where
            return
        first, *rest = parts
        if first == "**" and recursive:
            yield from self._matching(where, rest, recursive=recursive) if rest else ([where] if where else [])
            for name in self._names(where):
                below = posixpath.join(where, name)
                if self.isdir(below) and not name.startswith("."):
                    yield from self._matching(below, parts, recursive=recursive)
                elif not rest and not name.startswith("."):
                    yield below
            return
        if not any(mark in first for mark in "*?["):
            below = posixpath.join(where, first)
            if self.exists(below):
                yield from self._matching(below, rest, recursive=recursive)
            return
        for name in self._names(where):
            if fnmatch.fnmatchcase(name, first) and (not name.startswith(".") or first.startswith(".")):
                below = posixpath.join(where, name)
                if not rest or self.isdir(below):
                    yield from self._matching(below, rest, recursive=recursive)

    def _names(self, where: str) -> list[str]:
        try:
            return sorted(self.listdir(where or "."))
        except OSError:
            return []

    def rmtree(self, path: Any, ignore_errors: bool = False) -> None:
        """Do what `shutil.rmtree` does."""
        try:
            for folder, _, plain in list(self.walk(path, topdown=False)):
                for name in plain:
                    self.remove(posixpath.join(folder, name))
                self.rmdir(folder)
        except OSError:
            if not ignore_errors:
                raise

    def copyfile(self, src: Any, dst: Any) -> Any:
        """Do what `shutil.copyfile` and `shutil.copy` do."""
        target = posixpath.join(self._path(dst), posixpath.basename(self._path(src))) if self.isdir(dst) else dst
        with self.open(src, "rb") as source, self.open(target, "wb") as into:
            into.write(source.read())
        return target

    def modules(self) -> dict[str, dict[str, Any]]:
        """Return names by module."""
        paths: dict[str, Any] = {name: getattr(posixpath, name) for name in _PURE_PATH_FUNCTIONS}
        paths |= {
            name: _plain(getattr(self, name))
            for name in ("exists isfile isdir islink getsize getmtime abspath expanduser expandvars relpath").split()
        }
        paths |= {"realpath": paths["abspath"], "lexists": paths["exists"], "sep": "/", "curdir": ".", "pardir": ".."}
        system: dict[str, Any] = {
            name: _plain(getattr(self, name))
            for name in ("listdir mkdir makedirs remove rmdir rename chmod getcwd chdir stat walk write").split()
        }
        system |= {
            "unlink": system["remove"], "replace": system["rename"], "sep": "/", "linesep": "\n", "name": "posix",
            "curdir": ".", "pardir": "..", "extsep": ".", "environ": self.environ, "getenv": self._getenv(),
            "fspath": os.fspath, "fsencode": os.fsencode, "fsdecode": os.fsdecode, "PathLike": os.PathLike,
            "error": OSError, "strerror": os.strerror, "cpu_count": lambda: 1, "getpid": lambda: 1,
            "SEEK_SET": 0, "SEEK_CUR": 1, "SEEK_END": 2,
        }  # fmt: skip
        pure = {"Path": self.path_class, "PosixPath": self.path_class, "PurePath": PurePosixPath,
                "PurePosixPath": PurePosixPath}  # fmt: skip
        return {
            "os": system,
            "os.path": paths,
            "posixpath": paths,
            "pathlib": pure,
            "glob": {"glob": _plain(self.glob), "iglob": lambda *args, **kwargs: iter(self.glob(*args, **kwargs)),
                     "escape": _glob_escape},
            "shutil": {"rmtree": _plain(self.rmtree), "copyfile": _plain(self.copyfile), "copy": _plain(self.copyfile),
                       "copy2": _plain(self.copyfile), "move": _plain(self.rename)},
            "io": {"open": _plain(self.open)},
        }  # fmt: skip

    def _getenv(self) -> Callable[..., Any]:
        environ: Mapping[str, str] = self.environ
        return lambda key, default=None: environ.get(key, default)

    def _make_path_class(self) -> type:
        """Return `pathlib.Path`, over whatever file system is used."""
        vfs = self

        class Path(PurePosixPath):
            """A path whose files are in memory."""

            __slots__ = ()

            @classmethod
            def cwd(cls) -> Any:
                return cls(vfs.getcwd())

            @classmethod
            def home(cls) -> Any:
                return cls(HOME)

            def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
                return vfs.open(str(self), mode, *args, **kwargs)

            def read_text(self, encoding: str | None = None, errors: str | None = None) -> Any:
                with vfs.open(str(self), "r", encoding=encoding, errors=errors) as file:
                    return file.read()

            def read_bytes(self) -> Any:
                with vfs.open(str(self), "rb") as file:
                    return file.read()

            def write_text(self, data: str, encoding: str | None = None, errors: str | None = None,
                           newline: str | None = None) -> Any:  # fmt: skip
                with vfs.open(str(self), "w", encoding=encoding, errors=errors, newline=newline) as file:
                    return file.write(data)

            def write_bytes(self, data: bytes) -> Any:
                with vfs.open(str(self), "wb") as file:
                    return file.write(data)

            def exists(self) -> bool:
                return vfs.exists(str(self))

            def is_file(self) -> bool:
                return vfs.isfile(str(self))

            def is_dir(self) -> bool:
                return vfs.isdir(str(self))

            def is_symlink(self) -> bool:
                return vfs.islink(str(self))

            def stat(self) -> StatResult:
                return vfs.stat(str(self))

            def iterdir(self) -> Any:
                return (self / name for name in vfs.listdir(str(self)))

            def glob(self, pattern: str) -> Any:
                found = vfs.glob(posixpath.join(_escaped(str(self)), pattern), recursive=True)
                return (type(self)(one) for one in dict.fromkeys(found))

            def rglob(self, pattern: str) -> Any:
                return self.glob(posixpath.join("**", pattern))

            def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
                if parents:
                    vfs.makedirs(str(self), mode, exist_ok=exist_ok)
                    return
                try:
                    vfs.mkdir(str(self), mode)
                except FileExistsError:
                    if not exist_ok or not self.is_dir():
                        raise

            def rmdir(self) -> None:
                vfs.rmdir(str(self))

            def unlink(self, missing_ok: bool = False) -> None:
                try:
                    vfs.remove(str(self))
                except FileNotFoundError:
                    if not missing_ok:
                        raise

            def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
                if self.exists() and not exist_ok:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self))
                vfs.open(str(self), "ab").close()

            def rename(self, target: Any) -> Any:
                vfs.rename(str(self), target)
                return type(self)(target)

            replace = rename

            def resolve(self, strict: bool = False) -> Any:
                if strict:
                    vfs.stat(str(self))
                return type(self)(vfs.abspath(str(self)))

            def absolute(self) -> Any:
                return type(self)(posixpath.join(vfs.getcwd(), str(self)))

            def expanduser(self) -> Any:
                return type(self)(vfs.expanduser(str(self)))

            def samefile(self, other: Any) -> bool:
                return vfs.inode(str(self)) is vfs.inode(other)

        Path.__module__, Path.__qualname__, Path.__name__ = "pathlib", "PosixPath", "PosixPath"
        return Path


_PURE_PATH_FUNCTIONS = (
    "basename dirname join split splitext normpath isabs commonpath commonprefix splitdrive normcase".split()
)


def _escaped(text: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in text)


def _glob_escape(pathname: str) -> str:
    return _escaped(pathname)


def _plain(method: Callable[..., Any]) -> Callable[..., Any]:
    """Hide that a function is a method: a program must not see of what."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    call.__name__ = call.__qualname__ = method.__name__
    return call
