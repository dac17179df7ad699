"""The guest's system calls under wild arguments: nothing breaks, nothing of the host is touched.

An input is a program of calls with pointers, numbers and descriptors, half of them sensible. Whether
sensible calls do what Linux does is `fuzz.host_files`' question.
"""

from __future__ import annotations

import inspect
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.baselayer import BaseLayer
from dspex.wasm.emscripten.clock import Clock
from dspex.wasm.emscripten.filesystem import MemoryFileSystem
from dspex.wasm.emscripten.inode import Directory, Inode, RegularFile, Symlink
from dspex.wasm.emscripten.machine_calls import GuestAborted, GuestExit
from dspex.wasm.emscripten.quotas import Quotas
from dspex.wasm.emscripten.syscalls import IMPLEMENTED, Syscalls
from fuzz.tape import Tape
from fuzz.target import Target

MEMORY_BYTES = 128 * 1024
CALLS_MAX = 120
SECONDS_MAX = 5.0
"""A whole program; it takes a few milliseconds, but the machine may be busy."""

QUOTAS = {"file_bytes_max": 100_000, "file_count_max": 30, "open_files_max": 20}
_PATHS = 1024
_VECTORS = 16 * 1024
_BUFFERS = 32 * 1024

PATHS = [
    b"a", b"b", b"a/b", b"a/b/c", b".", b"..", b"/", b"", b"a/", b"/dev/null", b"/dev/stdin", b"l",
    b"/dev/stdout", b"/dev/urandom", b"/dev/tty", b"/dev/fd/0", b"/proc/self/environ", b"/tmp/x",
    b"/lib/stdlib.zip", b"/opt/shipped/one.txt", b"/opt/shipped", b"../../../../etc/passwd",
    b"x" * 255, b"x" * 256, b"a/" * 120 + b"a", b"\xff\xfe", b"UTC", b"/nowhere/x", b"l/l/l",
]
_PATH_AT = [_PATHS + sum(len(path) + 1 for path in PATHS[:at]) for at in range(len(PATHS))]
_VECTOR_LISTS = [
    [(_BUFFERS, 5)], [(_BUFFERS, 0), (_BUFFERS, 4096), (_BUFFERS + 8, 1)], [(_BUFFERS, 60_000)],
    [(MEMORY_BYTES - 4, 5)], [(0xFFFFFFFF, 0xFFFFFFFF)], [(_VECTORS, 64)], [(_BUFFERS, 2**31)],
]
_WILD = [
    0, 1, 2, 3, -1, -2, -4, 7, 100, 255, 4096, 65_535, 65_536, MEMORY_BYTES - 1, MEMORY_BYTES - 4,
    MEMORY_BYTES - 8, MEMORY_BYTES, MEMORY_BYTES + 1, 2**31 - 1, -(2**31), -(2**31) + 1, 2**30,
    0x20000000, -100, -101, 1030, 0x541B, 0x5421,
]
_WILD_LONG = [*_WILD, 2**63 - 1, -(2**63), 2**62, 2**40, -(2**40), 2**32, 99_999, 100_000, 100_001]
_OPEN_FLAGS = [
    abi.O_RDWR | abi.O_CREAT, 0, abi.O_WRONLY | abi.O_CREAT | abi.O_EXCL, abi.O_RDWR | abi.O_TRUNC,
    abi.O_DIRECTORY, abi.O_PATH, abi.O_TMPFILE | abi.O_RDWR, abi.O_WRONLY | abi.O_APPEND, 3,
    abi.O_NOFOLLOW, abi.O_CLOEXEC, abi.O_RDWR | abi.O_CREAT,
]
_FLAGS = [0, 0, 0, abi.AT_SYMLINK_NOFOLLOW, abi.AT_REMOVEDIR, abi.AT_EMPTY_PATH, abi.O_CLOEXEC]
_PATH_NAMES = {"path", "old", "new", "condition", "file", "function"}
_LONG = {
    ("fd_pread", "offset"), ("fd_pwrite", "offset"), ("fd_seek", "offset"), ("ftruncate64", "length"),
    ("fallocate", "offset"), ("fallocate", "length"), ("fadvise64", "_offset"),
    ("fadvise64", "_length"), ("truncate64", "length"), ("mmap_js", "offset"), ("msync_js", "offset"),
    ("munmap_js", "offset"), ("clock_time_get", "_precision"), ("local_time", "seconds"),
    ("universal_time", "seconds"),
}
"""Parameters that wasm passes in 64 bits."""

_ENDS = {"exit", "abort", "fail_assertion"}
METHODS = sorted(set(IMPLEMENTED.values()))
_OFTEN = [
    "openat", "openat", "openat", "mkdirat", "mkdirat", "symlinkat", "unlinkat", "unlinkat", "rmdir",
    "renameat", "renameat", "fd_write", "fd_write", "fd_pwrite", "fd_read", "fd_seek", "fd_close",
    "ftruncate64", "dup", "dup3", "getdents64", "mmap_js", "munmap_js", "chdir", "pipe",
]
_CHOICES = [*METHODS, *_OFTEN * 3]
"""Calls that lead somewhere only after one another come more often."""
_PATH_CHOICES = [*_PATH_AT, *_PATH_AT[:4] * 8]
_PARAMETERS = {
    name: [
        (one.name, one.kind is inspect.Parameter.VAR_POSITIONAL)
        for one in inspect.signature(getattr(Syscalls, name)).parameters.values()
        if one.name != "self"
    ]
    for name in METHODS
}

_host_events: list[str] = []
_watching = False


def _note_host_event(event: str, _arguments: object) -> None:
    if _watching:
        _host_events.append(event)


sys.addaudithook(_note_host_event)


@contextmanager
def host_untouched() -> Iterator[None]:
    """Require that nothing inside opens, lists, connects, starts or imports anything here."""
    global _watching  # noqa: PLW0603 - audit hooks cannot be taken away, so one is left in place
    _host_events.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    touched = [one for one in _host_events if one not in {"object.__getattr__", "builtins.id"}]
    assert not touched, f"the host was touched: {touched[:5]}"


class FuzzedGuest:
    """Memory, files, clock and system calls of a guest that has no program."""

    def __init__(self) -> None:
        """Lay out paths and vectors in memory."""
        self.view = memoryview(bytearray(MEMORY_BYTES))
        self.now_ns = 1_700_000_000 * 10**9
        self.output_bytes = 0
        self._free = MEMORY_BYTES // 2
        for at, path in zip(_PATH_AT, PATHS, strict=True):
            self.view[at : at + len(path) + 1] = path + b"\0"
        self.fs = MemoryFileSystem(
            base=_BASE, quotas=Quotas(**QUOTAS), now_ns=lambda: self.now_ns,
            random_bytes=lambda count: b"\x55" * count, write_output=self._take,
        )
        clock = Clock(
            now_ns=lambda: self.now_ns, monotonic_ns=lambda: self.now_ns, cpu_ns=lambda: 7,
            wait_ns=self._wait,
        )
        self.calls = Syscalls(
            self, self.fs, clock=clock, random_bytes=lambda count: b"\xaa" * count,
            environment={"TZ": "Europe/Berlin", "HOME": "/home"}, allocate=self._allocate,
        )
        self.before = self.count()

    def _take(self, _stream: int, data: memoryview) -> int:
        self.output_bytes += len(data)
        return len(data)

    def _wait(self, duration_ns: int) -> bool:
        self.now_ns += duration_ns
        return self.now_ns % 3 == 0

    def _allocate(self, _alignment: int, size: int) -> int:
        return self._free if size <= MEMORY_BYTES // 4 else 0

    def count(self) -> tuple[int, int]:
        """Return (entries used less entries there, bytes used less bytes there)."""
        entries = content = 0
        seen: dict[int, Inode] = {
            file.inode.number: file.inode for file in self.fs.descriptors.files.values()
        }
        pending = [self.fs.tree.root]
        while pending:
            for inode in pending.pop().entries.values():
                entries += not inode.fixed  # what the base layer holds appears when it is looked at
                seen[inode.number] = inode
                if isinstance(inode, Directory):
                    pending.append(inode)
        for inode in seen.values():
            content += inode.size if isinstance(inode, RegularFile | Symlink) else 0
        return self.fs.quotas.entries_used - entries, self.fs.quotas.bytes_used - content


_BASE = BaseLayer.from_files({"lib/stdlib.zip": b"zip", "opt/shipped/one.txt": b"1"})


def check(data: bytes) -> str:
    """Run a program of calls."""
    began = time.monotonic()
    guest = FuzzedGuest()
    seen: Counter[str] = Counter()
    with host_untouched():
        for name, arguments in _program(data, guest.view):
            seen[_call(guest, name, arguments)] += 1
    assert time.monotonic() - began < SECONDS_MAX, "takes too long"
    quotas, files = guest.fs.quotas, guest.fs.descriptors.files
    assert len(guest.view) == MEMORY_BYTES
    assert quotas.entries_used <= quotas.entries_allowed, "more entries than allowed"
    assert quotas.bytes_used <= quotas.bytes_allowed, "more content than allowed"
    assert all(0 <= fd < quotas.open_files_max for fd in files), f"descriptors {sorted(files)}"
    assert guest.count() == guest.before, "the quota's count is wrong"
    return min(seen, key=lambda one: (seen[one], one), default="nothing")


def _call(guest: FuzzedGuest, name: str, arguments: list[int]) -> str:
    """Make one call; whatever it is given, it answers with a number or ends the guest."""
    method: Callable[..., Any] = getattr(guest.calls, name)
    try:
        result = method(*arguments)
    except (GuestExit, GuestAborted) as end:
        assert name in _ENDS, f"{name}{tuple(arguments)} ended the guest: {end}"
        return name
    if result is None:
        return name
    assert isinstance(result, int | float), f"{name}{tuple(arguments)} returned {result!r}"
    if isinstance(result, int):
        bits = 63 if name.endswith("to_seconds") else 31
        assert -(2**bits) <= result < 2**bits, f"{name}{tuple(arguments)} returned {result}"
        return f"{name} {result if -80 < result < 0 or name.startswith('fd_') else 'well'}"
    return name


def _program(data: bytes, view: memoryview) -> Iterator[tuple[str, list[int]]]:
    """Read an input as calls."""
    tape = Tape(data)
    for _ in range(CALLS_MAX):
        if tape.ended:
            return
        name = tape.choose(_CHOICES)
        arguments = []
        for parameter, variadic in _PARAMETERS[name]:
            arguments += [_argument(tape, name, parameter, view) for _ in range(1 + 2 * variadic)]
        yield name, arguments


def _argument(  # noqa: C901, PLR0911 - one case after the other
    tape: Tape, call: str, name: str, view: memoryview
) -> int:
    """Choose an argument: a sensible one three times out of four."""
    long = (call, name) in _LONG
    if tape.number() % 4 == 3:
        return tape.choose(_WILD_LONG if long else _WILD)
    if name in _PATH_NAMES or (call, name) == ("symlinkat", "target"):
        return tape.choose(_PATH_CHOICES)
    if name.endswith("dirfd"):
        return tape.choose([abi.AT_FDCWD, abi.AT_FDCWD, 3, 4, 5, 0])
    if name in {"fd", "target"}:
        return tape.choose([3, 4, 5, 6, 0, 1, 2, 19, 20])
    if name == "flags":
        return tape.choose(_OPEN_FLAGS if call == "openat" else _FLAGS)
    if name == "vectors":
        vectors = tape.choose(_VECTOR_LISTS)
        for at, pair in enumerate(vectors):
            struct.pack_into("<II", view, _VECTORS + 8 * at, *pair)
        return _VECTORS
    if name == "count":
        return tape.choose([1, 0, 2, 3, 1024, 1025])
    if name in {"length", "offset", "size", "timeout_ms", "mode", "seconds", "whence"} or long:
        return tape.choose([0, 1, 5, 10, 100, 511, 4096, 70_000]) * tape.choose([1, 1, 1, 100])
    if name == "command":
        return tape.choose([0, 1, 2, 3, 4, 12, 13, 14, 1030])
    return _BUFFERS + 8 * tape.number()


def describe(data: bytes) -> str:
    """Show an input as calls."""
    view = memoryview(bytearray(MEMORY_BYTES))
    names = dict(zip(_PATH_AT, PATHS, strict=True))
    lines = [
        f"{name}({', '.join(repr(names.get(one, one)) for one in arguments)})"
        for name, arguments in _program(data, view)
    ]
    return "\n  ".join([repr(data), *lines])


_programs = st.integers(0, 600).flatmap(lambda size: st.binary(min_size=size, max_size=size))

TARGET = Target("host_calls", check, _programs, describe)
