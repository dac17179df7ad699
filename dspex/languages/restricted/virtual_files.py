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
from typing import TYPE_CHECKING, Any, NamedTuple, Self

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
_READ_MAX_BYTES = 1 << 24
_LAST_STREAM = 2
_LINKS_MAX = 40
_COPY_BYTES = 1 << 16
_OPEN_FLAGS = abi.O_ACCMODE | abi.O_CREAT | abi.O_EXCL | abi.O_TRUNC | abi.O_APPEND | abi.O_DIRECTORY | abi.O_NOFOLLOW


def os_error(error: SyscallError, path: object = None) -> OSError:
    """Return what Python raises for an error number of the file system."""
    number = getattr(errno, Errno(error.errno).name, errno.EIO)
    if path is None:
        return OSError(number, os.strerror(number))
    return OSError(number, os.strerror(number), str(path))


class _RawFile(io.RawIOBase):
    """One open file, unbuffered."""

    _vfs_fd = -1
    """Until it is open: a file that could not be opened is closed as well, when it is collected."""

    def __init__(self, vfs: VirtualFiles, path: str | int, mode: str, flags: int) -> None:
        self._vfs_files = vfs.files
        self._vfs_critical = vfs.critical
        self.name, self.mode = path, mode
        self._vfs_flags = flags & abi.O_ACCMODE
        try:
            found = path if isinstance(path, int) else vfs.files.open(os.fsencode(path), flags)
        except SyscallError as error:
            raise os_error(error, path) from None
        if isinstance(vfs.files.descriptors.get(found).inode, Directory):
            vfs.files.descriptors.close(found)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._vfs_open = vfs.files.descriptors.get(found)
        self._vfs_fd = found

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
            if self._vfs_fd < 0:
                return
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
    st_ino: int
    st_dev: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_atime: float
    st_mtime: float
    st_ctime: float
    st_atime_ns: int
    st_mtime_ns: int
    st_ctime_ns: int


class DirEntry:
    """What `os.scandir` yields."""

    __slots__ = ("_entry_files", "name", "path")

    def __init__(self, vfs: VirtualFiles, folder: str, name: str) -> None:
        self._entry_files, self.name, self.path = vfs, name, posixpath.join(folder, name)

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def __fspath__(self) -> str:
        return self.path

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat_bits.S_ISDIR(self._entry_mode(follow=follow_symlinks))

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return stat_bits.S_ISREG(self._entry_mode(follow=follow_symlinks))

    def is_symlink(self) -> bool:
        return stat_bits.S_ISLNK(self._entry_mode(follow=False))

    def stat(self, *, follow_symlinks: bool = True) -> StatResult:
        return self._entry_files.stat(self.path, follow_symlinks=follow_symlinks)

    def inode(self) -> int:
        return self._entry_files.stat(self.path, follow_symlinks=False).st_ino

    def _entry_mode(self, *, follow: bool) -> int:
        try:
            return self._entry_files.stat(self.path, follow_symlinks=follow).st_mode
        except FileNotFoundError:
            return 0


class Scan:
    """An iterator over a folder that can be closed."""

    __slots__ = ("_scan_entries",)

    def __init__(self, entries: list[DirEntry]) -> None:
        self._scan_entries = iter(entries)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DirEntry:
        return next(self._scan_entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the rest."""
        self._scan_entries = iter(())


DirEntry.__module__ = Scan.__module__ = "posix"
Scan.__name__ = Scan.__qualname__ = "ScandirIterator"


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
        return self._buffered(raw, mode, buffering, encoding, errors, newline)

    def _buffered(
        self, raw: _RawFile, mode: str, buffering: int, encoding: str | None, errors: str | None, newline: str | None
    ) -> Any:
        binary = "b" in mode
        if buffering == 0:
            if not binary:
                raise ValueError("can't have unbuffered text I/O")
            return raw
        size = buffering if buffering > 1 else _BUFFER_BYTES
        buffered: Any
        if raw.readable() and raw.writable():
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

    def stat(self, path: Any, *, follow_symlinks: bool = True) -> StatResult:
        if isinstance(path, int):
            return self.fstat(path)
        return self._stat_of(self.inode(path, follow=follow_symlinks))

    def lstat(self, path: Any) -> StatResult:
        return self.stat(path, follow_symlinks=False)

    def fstat(self, fd: int) -> StatResult:
        return self._stat_of(self._opened(fd).inode)

    def _stat_of(self, found: Any) -> StatResult:
        kind, size = stat_bits.S_IFREG, 0
        if isinstance(found, Directory):
            kind = stat_bits.S_IFDIR
        elif isinstance(found, Symlink):
            kind, size = stat_bits.S_IFLNK, len(found.target)
        elif isinstance(found, RegularFile):
            size = len(found.data)
        times_ns = (found.atime_ns, found.mtime_ns, found.ctime_ns)
        mode = kind | stat_bits.S_IMODE(found.mode)
        accessed_s, modified_s, changed_s = (one / 1e9 for one in times_ns)
        about = (mode, found.number, 1, found.links, 0, 0, size)
        return StatResult(*about, accessed_s, modified_s, changed_s, *times_ns)

    def scandir(self, path: Any = ".") -> Scan:
        folder = self._path(path)
        return Scan([DirEntry(self, folder, name) for name in self.listdir(folder)])

    def symlink(self, src: Any, dst: Any, target_is_directory: bool = False) -> None:
        text = self._path(dst)
        target = os.fsencode(self._path(src))
        self.call(text, self.files.tree.make_symlink, self._start(text), os.fsencode(text), target)

    def link(self, src: Any, dst: Any) -> None:
        old, new = self._path(src), self._path(dst)
        self.call(
            old, self.files.tree.make_link, self._start(old), os.fsencode(old), self._start(new), os.fsencode(new)
        )

    def readlink(self, path: Any) -> str:
        found = self.inode(path, follow=False)
        if not isinstance(found, Symlink):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
        return os.fsdecode(found.target)

    def access(self, path: Any, mode: int) -> bool:
        found = self._found(path)
        return found is not None and not mode & ~(found.mode >> 6) & 7

    def utime(self, path: Any, times: Any = None, *, ns: Any = None) -> None:
        found = self.inode(path)
        if ns is None:
            now_s = self.files.tree.now_ns() / 1e9
            ns = tuple(int(one * 1e9) for one in (times or (now_s, now_s)))
        self.call(path, self.files.tree.set_times, found, int(ns[0]), int(ns[1]))

    def truncate(self, path: Any, length: int) -> None:
        text = self._path(path)
        self.call(text, self.files.tree.truncate, self._start(text), os.fsencode(text), length)

    # Descriptors: numbers of the file system in memory, never of the process.

    def _opened(self, fd: Any) -> Any:
        if not isinstance(fd, int):
            raise TypeError("an integer is required")
        if fd <= _LAST_STREAM or fd not in self.files.descriptors.files:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.files.descriptors.get(fd)

    def os_open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        """Do what `os.open` does."""
        text = self._path(path)
        fd = self.call(text, self.files.open, os.fsencode(text), flags & _OPEN_FLAGS, mode & 0o777)
        return int(fd)

    def fdopen(self, fd: int, mode: str = "r", buffering: int = -1, encoding: str | None = None,
               errors: str | None = None, newline: str | None = None) -> Any:  # fmt: skip
        """Do what `os.fdopen` does."""
        raw = _RawFile(self, int(fd), mode, self._opened(fd).flags)
        return self._buffered(raw, mode, buffering, encoding, errors, newline)

    def close(self, fd: int) -> None:
        """Do what `os.close` does."""
        self._opened(fd)
        self.files.descriptors.close(fd)

    def os_read(self, fd: int, n: int) -> bytes:
        """Do what `os.read` does."""
        into = bytearray(min(max(n, 0), _READ_MAX_BYTES))
        count = self.call(None, self._opened(fd).read_into, memoryview(into))
        return bytes(into[:count])

    def lseek(self, fd: int, position: int, whence: int) -> int:
        """Do what `os.lseek` does."""
        return int(self.call(None, self._opened(fd).seek, position, whence))

    def write(self, fd: int, data: bytes) -> int:
        """Do what `os.write` does."""
        opened = self.files.descriptors.get(fd) if fd in (1, 2) else self._opened(fd)
        return self.call(None, opened.write, memoryview(data).cast("B"))  # type: ignore[no-any-return]

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

    def realpath(self, path: Any, *, strict: bool = False) -> str:
        """Do what `os.path.realpath` does."""
        done, left, links = "/", self._absolute_parts(self._path(path)), 0
        while left:
            part = left.pop(0)
            below = posixpath.normpath(posixpath.join(done, part))
            found = self._found(below, follow=False)
            if isinstance(found, Symlink) and links < _LINKS_MAX:
                links += 1
                target = os.fsdecode(found.target)
                done = "/" if target.startswith("/") else done
                left = [one for one in target.split("/") if one] + left
            else:
                if strict and found is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), below)
                done = below
        return done

    def _absolute_parts(self, path: str) -> list[str]:
        return [one for one in posixpath.join(self.getcwd(), path).split("/") if one]

    def lexists(self, path: Any) -> bool:
        return self._found(path, follow=False) is not None

    def samefile(self, f1: Any, f2: Any) -> bool:
        return self.inode(f1) is self.inode(f2)

    def relpath(self, path: Any, start: Any = ".") -> str:
        here, there = (self.abspath(one).split("/")[1:] for one in (start, path))
        same = 0
        while same < min(len(here), len(there)) and here[same] == there[same]:
            same += 1
        return "/".join([".."] * len([one for one in here[same:] if one]) + there[same:]) or "."

    def glob(self, pattern: Any, *, root_dir: Any = None, recursive: bool = False) -> list[str]:
        """Do what `glob.glob` does, for `*`, `?`, `[...]` and `**`."""
        if root_dir is not None:
            root = posixpath.join(self._path(root_dir), "")
            found = self.glob(_escaped(root) + self._path(pattern), recursive=recursive)
            return [one.removeprefix(root) for one in found if one != root]
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

    def copytree(self, src: Any, dst: Any, symlinks: bool = False, ignore: Any = None, copy_function: Any = None,
                 ignore_dangling_symlinks: bool = False, dirs_exist_ok: bool = False) -> Any:  # fmt: skip
        """Do what `shutil.copytree` does."""
        source, target = self._path(src), self._path(dst)
        names = self.listdir(source)
        left_out = set() if ignore is None else set(ignore(source, names))
        self.makedirs(target, exist_ok=dirs_exist_ok)
        for name in names:
            one, into = posixpath.join(source, name), posixpath.join(target, name)
            if name in left_out:
                continue
            if symlinks and self.islink(one):
                self.symlink(self.readlink(one), into)
            elif self.isdir(one):
                self.copytree(one, into, symlinks, ignore, copy_function, dirs_exist_ok=dirs_exist_ok)
            else:
                (copy_function or self.copyfile)(one, into)
        return dst

    def move(self, src: Any, dst: Any) -> Any:
        """Do what `shutil.move` does."""
        target = self._into(src, dst)
        if target != dst and self.exists(target):
            raise OSError(f"Destination path {target!r} already exists")
        self.rename(src, target)
        return target

    def _into(self, src: Any, dst: Any) -> Any:
        name = posixpath.basename(self._path(src).rstrip("/"))
        return posixpath.join(self._path(dst), name) if self.isdir(dst) else dst

    def copyfile(self, src: Any, dst: Any, *, follow_symlinks: bool = True) -> Any:
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
            for name in (
                "exists lexists isfile isdir islink getsize getmtime abspath realpath expanduser expandvars relpath samefile"
            ).split()
        }
        paths |= {"sep": "/", "curdir": ".", "pardir": "..", "altsep": None, "extsep": ".", "pathsep": ":"}
        system: dict[str, Any] = {
            name: _plain(getattr(self, name))
            for name in (
                "listdir mkdir makedirs remove rmdir rename chmod getcwd chdir stat lstat fstat walk write scandir symlink "
                "link readlink access utime truncate close lseek fdopen"
            ).split()
        }
        system |= {name: getattr(abi, name) for name in "O_RDONLY O_WRONLY O_RDWR O_CREAT O_EXCL O_TRUNC O_APPEND".split()}
        system |= {
            "open": _plain(self.os_open), "read": _plain(self.os_read), "DirEntry": DirEntry, "stat_result": StatResult,
            "R_OK": 4, "W_OK": 2, "X_OK": 1, "F_OK": 0, "altsep": None, "pathsep": ":", "devnull": "/dev/null",
            "isatty": lambda _fd: False,
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
                       "copy2": _plain(self.copyfile), "move": _plain(self.move), "copytree": _plain(self.copytree),
                       "ignore_patterns": _ignore_patterns, "copyfileobj": _copyfileobj, "Error": OSError,
                       "which": lambda *_args, **_named: None},
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

            def stat(self, *, follow_symlinks: bool = True) -> StatResult:
                return vfs.stat(str(self), follow_symlinks=follow_symlinks)

            def lstat(self) -> StatResult:
                return vfs.lstat(str(self))

            def chmod(self, mode: int) -> None:
                vfs.chmod(str(self), mode)

            def symlink_to(self, target: Any, target_is_directory: bool = False) -> None:
                vfs.symlink(target, str(self))

            def hardlink_to(self, target: Any) -> None:
                vfs.link(target, str(self))

            def readlink(self) -> Any:
                return type(self)(vfs.readlink(str(self)))

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
                return type(self)(vfs.realpath(str(self)))

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


def _ignore_patterns(*patterns: str) -> Callable[[Any, list[str]], set[str]]:
    """Do what `shutil.ignore_patterns` does."""
    return lambda _folder, names: {one for pattern in patterns for one in fnmatch.filter(names, pattern)}


def _copyfileobj(fsrc: Any, fdst: Any, length: int = 0) -> None:
    """Do what `shutil.copyfileobj` does."""
    while part := fsrc.read(length or _COPY_BYTES):
        fdst.write(part)


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
