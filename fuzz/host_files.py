"""The guest's system calls beside Linux': the same calls in a real directory have the same results.

Calls are made as a C program makes them: strings and structures in memory, errors as numbers. What is
compared means the same on every Linux file system: errors by name, content, sizes, link counts, names.
"""

# The system calls themselves are compared, not pathlib.
# ruff: noqa: PTH102, PTH103, PTH104, PTH106, PTH108, PTH115, PTH116, PTH211

from __future__ import annotations

import errno
import os
import stat
import struct
import tempfile
from collections.abc import Callable

from hypothesis import strategies as st

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno
from dspex.wasm.emscripten.filesystem import MemoryFileSystem
from dspex.wasm.emscripten.syscalls import Syscalls
from fuzz.tape import Tape
from fuzz.target import Target

DEPTH = 6
"""Directories above the one that calls start in; no path climbs higher."""
CALLS_MAX = 60
OPEN_MAX = 20
_ABOVE = "up/" * DEPTH
_NAMES = ["a", "b", "c", "a/b", "a/b/c", "b/a", "a/../b", "./a", "a/.", "a/", "b/", "../d", ".", "l"]
_TARGETS = ["a", "b", "a/b", "../d", ".", "missing", "b/", "l"]
_FLAGS = [
    os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT, os.O_RDWR, os.O_WRONLY | os.O_TRUNC,
    os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_WRONLY | os.O_APPEND, os.O_RDONLY | os.O_DIRECTORY,
    os.O_RDONLY | os.O_NOFOLLOW, os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
]
_SIZES = [1, 3, 7, 20, 100]
"""No 0: reading or writing nothing succeeds in the guest whatever the descriptor may do."""
_PATH, _OTHER_PATH, _VECTOR, _RESULT, _BUFFER = 0x100, 0x200, 0x300, 0x400, 0x1000
_STAT = struct.Struct("<6Iqii")


class _Pair:
    """A guest, and a real directory beside it."""

    def __init__(self, top: str) -> None:
        self.view = memoryview(bytearray(16 * 1024))
        self.fs = MemoryFileSystem(home=f"/{_ABOVE}work")
        self.calls = Syscalls(self, self.fs)
        self.real = f"{top}/{_ABOVE}work"
        os.makedirs(self.real)
        self.open: list[tuple[int, int]] = []

    def close(self) -> None:
        for real, _ in self.open:
            os.close(real)

    def path(self, name: str, at: int = _PATH) -> int:
        encoded = name.encode() + b"\0"
        self.view[at : at + len(encoded)] = encoded
        return at

    def vector(self, data: bytes) -> int:
        self.view[_BUFFER : _BUFFER + len(data)] = data
        struct.pack_into("<II", self.view, _VECTOR, _BUFFER, len(data))
        return _VECTOR

    def answer(self, code: int, *, wasi: bool = False) -> object:
        """Turn an error number into its name; what is none is the answer."""
        if wasi:
            return Errno(code).name if code else struct.unpack_from("<I", self.view, _RESULT)[0]
        return Errno(-code).name if code < 0 else code

    def read(self, code: int) -> object:
        count = self.answer(code, wasi=True)
        return bytes(self.view[_BUFFER : _BUFFER + count]) if isinstance(count, int) else count

    def stat(self, code: int) -> object:
        if code:
            return self.answer(code)
        _, mode, links, _, _, _, size, _, _ = _STAT.unpack_from(self.view, _BUFFER)
        return _shown(mode, size, links)


def _shown(mode: int, size: int, links: int) -> tuple[int, int, int]:
    directory = stat.S_ISDIR(mode)
    return stat.S_IFMT(mode), 0 if directory else size, 0 if directory else links


def _on_linux(call: Callable[[], object]) -> object:
    try:
        found = call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    if isinstance(found, os.stat_result):
        return _shown(found.st_mode, found.st_size, found.st_nlink)
    return 0 if found is None else found


def check(data: bytes) -> str:
    """Make the same calls in a guest and in a real directory."""
    tape, done = Tape(data), set()
    with tempfile.TemporaryDirectory(prefix="dspex-fuzz-") as top:
        pair = _Pair(top)
        try:
            for _ in range(CALLS_MAX):
                if tape.ended:
                    break
                call = tape.choose(_CALLS)
                expected, found, said = call(pair, tape)
                assert found == expected, f"{said}: {found!r} in the guest, {expected!r} on Linux"
                done.add(f"{said.split('(')[0]} {expected if isinstance(expected, str) else ''}")
            _compare_trees(pair, top)
        finally:
            pair.close()
    return max(sorted(done), key=len, default="nothing") + f" {len(done)}"


_Result = tuple[object, object, str]


def _openat(pair: _Pair, tape: Tape) -> _Result:
    name, flags = tape.choose(_NAMES), tape.choose(_FLAGS)
    said = f"open({name!r}, {flags:#o})"
    if len(pair.open) >= OPEN_MAX:
        return "", "", said
    struct.pack_into("<i", pair.view, _BUFFER, 0o644)
    found = pair.answer(pair.calls.openat(abi.AT_FDCWD, pair.path(name), flags, _BUFFER))
    expected = _on_linux(lambda: os.open(f"{pair.real}/{name}", flags, 0o644))
    if isinstance(expected, int) and isinstance(found, int):
        pair.open.append((expected, found))
        return "opened", "opened", said
    if isinstance(expected, int):
        os.close(expected)
        expected = "opened"
    return expected, found, said


def _close(pair: _Pair, tape: Tape) -> _Result:
    if not pair.open:
        return "", "", "close()"
    real, guest = pair.open.pop(tape.number() % len(pair.open))
    os.close(real)
    return 0, pair.calls.fd_close(guest), f"close({guest})"


def _on_open(  # noqa: C901, PLR0911 - one call after the other
    pair: _Pair, tape: Tape
) -> _Result:
    """Do something with an open file."""
    if not pair.open:
        return "", "", "nothing()"
    real, guest = tape.choose(pair.open)
    calls, view = pair.calls, pair.view
    what = tape.number() % 8
    size = tape.choose(_SIZES)
    if what == 0:
        text = tape.bytes(size) or b"text"
        code = calls.fd_write(guest, pair.vector(text), 1, _RESULT)
        found, expected = pair.answer(code, wasi=True), _on_linux(lambda: os.write(real, text))
        return expected, found, f"write({guest}, {text!r})"
    if what == 1:
        code = calls.fd_read(guest, pair.vector(bytes(size)), 1, _RESULT)
        return _on_linux(lambda: os.read(real, size)), pair.read(code), f"read({guest}, {size})"
    if what == 2:
        at, text = tape.choose(_SIZES), tape.bytes(size) or b"text"
        code = calls.fd_pwrite(guest, pair.vector(text), 1, at, _RESULT)
        found = pair.answer(code, wasi=True)
        expected = _on_linux(lambda: os.pwrite(real, text, at))
        return expected, found, f"pwrite({guest}, {text!r}, {at})"
    if what == 3:
        at = tape.choose(_SIZES)
        code = calls.fd_pread(guest, pair.vector(bytes(size)), 1, at, _RESULT)
        expected = _on_linux(lambda: os.pread(real, size, at))
        return expected, pair.read(code), f"pread({guest}, {size}, {at})"
    if what == 4:
        if stat.S_ISDIR(os.fstat(real).st_mode):  # what a position in a directory is, is its own
            return "", "", "seek()"
        by, whence = tape.choose([0, 1, 5, -1, -50, 100]), tape.choose([0, 1, 2, 9])
        code = calls.fd_seek(guest, by, whence, _RESULT)
        found = Errno(code).name if code else struct.unpack_from("<q", view, _RESULT)[0]
        return _on_linux(lambda: os.lseek(real, by, whence)), found, f"seek({guest}, {by}, {whence})"
    if what == 5:
        length = tape.choose([0, 1, 5, 30, -1])
        found = pair.answer(calls.ftruncate64(guest, length))
        expected = _on_linux(lambda: os.ftruncate(real, length))
        return expected, found, f"ftruncate({guest}, {length})"
    if what == 6:
        found = pair.stat(calls.fstat64(guest, _BUFFER))
        return _on_linux(lambda: os.fstat(real)), found, f"fstat({guest})"
    if len(pair.open) < OPEN_MAX:
        pair.open.append((os.dup(real), calls.dup(guest)))
    return "", "", "dup()"


def _by_path(pair: _Pair, tape: Tape) -> _Result:
    """Do something with a path."""
    name = tape.choose(_NAMES)
    real, at, calls = f"{pair.real}/{name}", pair.path(name), pair.calls
    what = tape.number() % 9
    said = f"{_BY_PATH[what]}({name!r})"
    expected: object
    found: object
    if what == 0:
        expected, found = _on_linux(lambda: os.stat(real)), pair.stat(calls.stat64(at, _BUFFER))
    elif what == 1:
        expected, found = _on_linux(lambda: os.lstat(real)), pair.stat(calls.lstat64(at, _BUFFER))
    elif what == 2:
        expected = _on_linux(lambda: os.mkdir(real))
        found = pair.answer(calls.mkdirat(abi.AT_FDCWD, at, 0o777))
    elif what == 3:
        expected, found = _on_linux(lambda: os.rmdir(real)), pair.answer(calls.rmdir(at))
    elif what == 4:
        expected = _on_linux(lambda: os.unlink(real))
        found = pair.answer(calls.unlinkat(abi.AT_FDCWD, at, 0))
    elif what == 5:
        other = tape.choose(_NAMES)
        said = f"rename({name!r}, {other!r})"
        expected = _on_linux(lambda: os.rename(real, f"{pair.real}/{other}"))
        at_other = pair.path(other, _OTHER_PATH)
        found = pair.answer(calls.renameat(abi.AT_FDCWD, at, abi.AT_FDCWD, at_other))
    elif what == 6:
        target = tape.choose(_TARGETS)
        said = f"symlink({target!r}, {name!r})"
        expected = _on_linux(lambda: os.symlink(target, real))
        found = pair.answer(calls.symlinkat(pair.path(target, _OTHER_PATH), abi.AT_FDCWD, at))
    elif what == 7:
        expected = _on_linux(lambda: os.readlink(real).encode())
        code = pair.answer(calls.readlinkat(abi.AT_FDCWD, at, _BUFFER, 100))
        found = bytes(pair.view[_BUFFER : _BUFFER + code]) if isinstance(code, int) else code
    else:
        length = tape.choose([0, 1, 5, 30, -1])
        said = f"truncate({name!r}, {length})"
        expected = _on_linux(lambda: os.truncate(real, length))
        found = pair.answer(calls.truncate64(at, length))
    return expected, found, said


_BY_PATH = ["stat", "lstat", "mkdir", "rmdir", "unlink", "rename", "symlink", "readlink", "truncate"]
_CALLS = [_openat, _by_path, _on_open, _by_path, _on_open, _close]


def _compare_trees(pair: _Pair, top: str) -> None:
    """Compare all names, and the content of all files, as the guest sees them."""
    for folder, folders, files in os.walk(f"{top}/up"):
        inside = folder.removeprefix(top)
        struct.pack_into("<i", pair.view, _BUFFER, 0)
        fd = pair.fs.open(inside.encode(), abi.O_RDONLY | abi.O_DIRECTORY)
        try:
            listed = pair.fs.descriptors.get(fd).list_names()  # type: ignore[attr-defined]
        finally:
            pair.fs.descriptors.close(fd)
        names = sorted(name.decode() for name in listed[2:])
        assert names == sorted(folders + files), f"{inside} holds {names}"
        for name in files:
            path = f"{folder}/{name}"
            if not os.path.islink(path):  # noqa: PTH114 - as above
                with open(path, "rb") as file:  # noqa: PTH123 - as above
                    assert pair.fs.read_file(f"{inside}/{name}") == file.read(), f"{inside}/{name}"


_programs = st.integers(0, 250).flatmap(lambda size: st.binary(min_size=size, max_size=size))

TARGET = Target("host_files", check, _programs)
