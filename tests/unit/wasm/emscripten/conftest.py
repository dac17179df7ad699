"""A guest without a program: memory, files and a clock that tests hold in their hands."""

from __future__ import annotations

import struct

import pytest

from dspex.wasm.emscripten.baselayer import BaseLayer
from dspex.wasm.emscripten.clock import Clock
from dspex.wasm.emscripten.filesystem import MemoryFileSystem
from dspex.wasm.emscripten.quotas import Quotas
from dspex.wasm.emscripten.syscalls import Syscalls

MEMORY_BYTES = 1 << 20
SCRATCH = 512 * 1024


class FakeTime:
    """A clock that only moves when told to, or when somebody waits."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000 * 10**9
        self.waits: list[int] = []
        self.interrupted = False

    def now_ns(self) -> int:
        return self.ns

    def wait_ns(self, duration_ns: int) -> bool:
        self.waits.append(duration_ns)
        self.ns += duration_ns
        return self.interrupted


class FakeMemory:
    """Linear memory without wasm; `view` is the memory, as a binding has it."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(MEMORY_BYTES))


class Guest:
    """System calls with helpers that put arguments into memory and take results out."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.memory = FakeMemory()
        self.output: list[tuple[int, bytes]] = []
        self.fs = MemoryFileSystem(
            base=BaseLayer.from_files({"lib/stdlib.zip": b"zip", "opt/shipped/one.txt": b"1"}),
            quotas=Quotas(file_bytes_max=100_000, file_count_max=50, open_files_max=20),
            now_ns=self.time.now_ns,
            random_bytes=lambda count: b"\x55" * count,
            write_output=self._take_output,
        )
        self.calls = Syscalls(
            self.memory,
            self.fs,
            clock=Clock(
                now_ns=self.time.now_ns,
                monotonic_ns=self.time.now_ns,
                cpu_ns=lambda: 7,
                wait_ns=self.time.wait_ns,
            ),
            random_bytes=lambda count: b"\xaa" * count,
            environment={"TZ": "UTC", "HOME": "/home/sandbox"},
        )
        self._free = 4096

    def _take_output(self, stream: int, data: memoryview) -> int:
        self.output.append((stream, bytes(data)))
        return len(data)

    def put(self, data: bytes) -> int:
        """Copy bytes into memory and return where they are."""
        at = self._free
        self.memory.view[at : at + len(data)] = data
        self._free = (at + len(data) + 15) & ~15
        return at

    def text(self, text: str) -> int:
        """Copy a C string into memory."""
        return self.put(text.encode() + b"\0")

    def take(self, at: int, size: int) -> bytes:
        """Copy bytes out of memory."""
        return bytes(self.memory.view[at : at + size])

    def unpack(self, layout: str, at: int) -> tuple[int, ...]:
        """Read numbers out of memory."""
        return struct.unpack_from(layout, self.memory.view, at)

    def vectors(self, *buffers: tuple[int, int]) -> int:
        """Put an array of `struct iovec` into memory."""
        return self.put(b"".join(struct.pack("<II", *buffer) for buffer in buffers))

    def open(self, path: str, flags: int = 0, mode: int = 0o644) -> int:
        """Call openat with the mode where C would put it."""
        return self.calls.openat(-100, self.text(path), flags, self.put(struct.pack("<i", mode)))

    def write(self, fd: int, data: bytes) -> tuple[int, int]:
        """Call fd_write; return the error number and the count."""
        vectors = self.vectors((self.put(data), len(data)))
        error = self.calls.fd_write(fd, vectors, 1, SCRATCH)
        return error, self.unpack("<I", SCRATCH)[0]

    def read(self, fd: int, size: int) -> tuple[int, bytes]:
        """Call fd_read; return the error number and the bytes."""
        vectors = self.vectors((SCRATCH + 64, size))
        error = self.calls.fd_read(fd, vectors, 1, SCRATCH)
        count = self.unpack("<I", SCRATCH)[0] if not error else 0
        return error, self.take(SCRATCH + 64, count)


@pytest.fixture
def guest() -> Guest:
    return Guest()
