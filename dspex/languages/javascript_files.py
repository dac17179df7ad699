"""Files as JavaScript programs ask for them: a few operations by name, on the guest's memory files.

What `node:fs` makes of them is `dspex/languages/guest/javascript_library.js`'s. An answer is bytes, or
text that begins with `=` and is JSON, or `!` and the name of an error.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING

from dspex.wasm.emscripten import HOME, Errno, MemoryFileSystem, SyscallError, abi
from dspex.wasm.emscripten.inode import BaseFile, Directory, RegularFile, Symlink

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.wasm.emscripten.inode import Inode

_DONE = "=null"
_SUFFIXES = ("", ".js", ".mjs", ".ts", ".mts", ".json", "/index.js", "/index.ts")
_STANDS_FOR = {".js": ".ts", ".mjs": ".mts"}
"""What a TypeScript program calls a file after it was translated, and what the file is called."""


def answer(files: MemoryFileSystem, operation: str, path: str, rest: bytes) -> bytes | str:
    """Do one file operation.

    Args:
        files: The guest's.
        operation: One of `OPERATIONS`.
        path: The first path, relative to the working directory.
        rest: Content to write, or a second path.
    """
    encoded = path.encode("utf-8", "surrogatepass")
    if not encoded or b"\0" in encoded:
        return "!ENOENT" if not encoded else "!EINVAL"
    try:
        return OPERATIONS[operation](files, encoded, rest)
    except SyscallError as error:
        return f"!{Errno(error.errno).name}"


def find_module(files: MemoryFileSystem, path: str) -> str | None:
    """Return the file that an import means, relative to the working directory, or None.

    Args:
        files: The guest's.
        path: Absolute, as written; a suffix may be missing.
    """
    stem, suffix = posixpath.splitext(path)
    names = [path + ending for ending in _SUFFIXES]
    if suffix in _STANDS_FOR:
        names.append(stem + _STANDS_FOR[suffix])
    for name in names:
        try:
            found = files.lookup_at(abi.AT_FDCWD, name.encode("utf-8", "surrogatepass"))
        except SyscallError:
            continue
        if isinstance(found, RegularFile | BaseFile):
            return posixpath.relpath(name, HOME) if name.startswith(f"{HOME}/") else name
    return None


def resolve(base: str, name: str) -> str:
    """Return the absolute path that `name` means in the file `base`."""
    folder = posixpath.dirname(posixpath.join(HOME, base))
    return posixpath.normpath(posixpath.join(folder, name))


def _read(files: MemoryFileSystem, path: bytes, _rest: bytes) -> bytes:
    return _use(files, path, abi.O_RDONLY, b"")


def _write(files: MemoryFileSystem, path: bytes, rest: bytes) -> str:
    _use(files, path, abi.O_WRONLY | abi.O_CREAT | abi.O_TRUNC, rest)
    return _DONE


def _append(files: MemoryFileSystem, path: bytes, rest: bytes) -> str:
    _use(files, path, abi.O_WRONLY | abi.O_CREAT | abi.O_APPEND, rest)
    return _DONE


def _use(files: MemoryFileSystem, path: bytes, flags: int, data: bytes) -> bytes:
    descriptor = files.open(path, flags)
    try:
        file = files.descriptors.get(descriptor)
        if isinstance(file.inode, Directory):
            raise SyscallError(Errno.EISDIR)
        if flags & abi.O_ACCMODE == abi.O_RDONLY:
            if isinstance(file.inode, RegularFile | BaseFile):
                return bytes(file.inode.data)
            target = bytearray(1 << 16)
            return bytes(target[: file.read_into(memoryview(target))])
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        return b""
    finally:
        files.descriptors.close(descriptor)


def _kind(inode: Inode) -> str:
    if isinstance(inode, Directory):
        return "directory"
    return "link" if isinstance(inode, Symlink) else "file"


def _stat(files: MemoryFileSystem, path: bytes, _rest: bytes, *, follow: bool = True) -> str:
    found = files.lookup_at(abi.AT_FDCWD, path, follow=follow)
    return "=" + json.dumps(
        {"kind": _kind(found), "size": found.size, "mode": found.mode, "mtimeMs": found.mtime_ns / 1e6}
    )


def _lstat(files: MemoryFileSystem, path: bytes, rest: bytes) -> str:
    return _stat(files, path, rest, follow=False)


def _list(files: MemoryFileSystem, path: bytes, _rest: bytes) -> str:
    found = files.lookup_at(abi.AT_FDCWD, path)
    if not isinstance(found, Directory):
        raise SyscallError(Errno.ENOTDIR)
    entries = []
    for name in sorted(files.tree.list_names(found)):
        inode = files.tree.child(found, name)
        if inode is not None:
            entries.append((name.decode("utf-8", "replace"), _kind(inode)))
    return "=" + json.dumps(entries)


def _mkdir(files: MemoryFileSystem, path: bytes, _rest: bytes) -> str:
    files.tree.make_directory(files.start_for(abi.AT_FDCWD, path), path, 0o777)
    return _DONE


def _unlink(files: MemoryFileSystem, path: bytes, _rest: bytes) -> str:
    files.tree.unlink(files.start_for(abi.AT_FDCWD, path), path)
    return _DONE


def _rmdir(files: MemoryFileSystem, path: bytes, _rest: bytes) -> str:
    files.tree.remove_directory(files.start_for(abi.AT_FDCWD, path), path)
    return _DONE


def _rename(files: MemoryFileSystem, path: bytes, rest: bytes) -> str:
    files.tree.rename(
        files.start_for(abi.AT_FDCWD, path), path, files.start_for(abi.AT_FDCWD, rest), rest
    )
    return _DONE


def _symlink(files: MemoryFileSystem, path: bytes, rest: bytes) -> str:
    files.tree.make_symlink(files.start_for(abi.AT_FDCWD, path), path, rest)
    return _DONE


def _readlink(files: MemoryFileSystem, path: bytes, _rest: bytes) -> str:
    found = files.lookup_at(abi.AT_FDCWD, path, follow=False)
    if not isinstance(found, Symlink):
        raise SyscallError(Errno.EINVAL)
    return "=" + json.dumps(found.target.decode("utf-8", "replace"))


def _realpath(files: MemoryFileSystem, path: bytes, _rest: bytes) -> str:
    found = files.lookup_at(abi.AT_FDCWD, path)
    if isinstance(found, Directory):
        return "=" + json.dumps(files.tree.path_of(found).decode("utf-8", "replace"))
    return "=" + json.dumps(posixpath.normpath(posixpath.join(HOME, path.decode("utf-8", "replace"))))


OPERATIONS: dict[str, Callable[[MemoryFileSystem, bytes, bytes], bytes | str]] = {
    "read": _read, "write": _write, "append": _append, "stat": _stat, "lstat": _lstat,
    "list": _list, "mkdir": _mkdir, "unlink": _unlink, "rmdir": _rmdir, "rename": _rename,
    "symlink": _symlink, "readlink": _readlink, "realpath": _realpath,
}
"""What a program may ask for."""
