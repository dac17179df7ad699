"""A guest's memory as a file: laid over the linear memory of a new instance, copied on write.

For modules whose code is compiled apart from their state. What wasmtime does with a module's own
data, done with a file of ours; it ends with the instance, whose whole reservation is unmapped.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

import wasmtime

from dspex.wasm.binary import PAGE_BYTES
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.wasm.ffi import LinearMemory

_PROT_READ_WRITE = 3
_MAP_PRIVATE_FIXED = 0x12
_GRAIN_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]  # fmt: skip


class MemoryFile:
    """The content of a linear memory, ready for any number of instances."""

    def __init__(self, path: Path) -> None:
        """Open a file that `write_memory` wrote; it stays open.

        Raises:
            OSError: It cannot be read.
            ValueError: Its size is not one of a linear memory.
        """
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size
        if not self.size or self.size % PAGE_BYTES:
            msg = f"{path}: {self.size} bytes, which is no whole number of wasm pages"
            raise ValueError(msg)

    def lay_over(self, memory: LinearMemory) -> None:
        """Make an instance's memory, as it began, a private copy of the file.

        Raises:
            MemoryError: The instance may not have that much.
            OSError: The system refused the mapping.
        """
        more = self.size - len(memory.view)
        if more < 0 or (more and not memory.grow(more // PAGE_BYTES)):
            msg = f"a memory of {len(memory.view)} bytes cannot hold {self.size}"
            raise MemoryError(msg)
        mapped = _libc.mmap(
            memory.address, self.size, _PROT_READ_WRITE, _MAP_PRIVATE_FIXED, self._descriptor, 0
        )
        if mapped != memory.address:
            number = ctypes.get_errno()
            raise OSError(number, f"mmap over a guest's memory: {os.strerror(number)}")


class OverlaidMachine(Machine):
    """A machine whose instances begin with the content of a memory file."""

    _file: MemoryFile

    @classmethod
    def overlaid(
        cls, engine: wasmtime.Engine, compiled: Path, file: MemoryFile
    ) -> OverlaidMachine:
        """Map a module from the cache; see `Machine.load`.

        Raises:
            WasmtimeError: if it was compiled by another wasmtime or configuration.
        """
        machine = cls(engine, wasmtime.Module.deserialize_file(engine, str(compiled)))
        machine._file = file
        return machine

    def boot(self) -> None:
        """Drop the current instance, if any, and make a fresh one with the file's content."""
        super().boot()
        self._file.lay_over(self.memory)


def write_memory(view: memoryview, path: Path) -> int:
    """Write a linear memory to a file, without the stretches that are zero; return their rest."""
    empty = bytes(_GRAIN_BYTES)
    written = 0
    with path.open("wb") as file:
        file.truncate(len(view))
        for at in range(0, len(view), _GRAIN_BYTES):
            piece = view[at : at + _GRAIN_BYTES]
            if piece != empty:
                file.seek(at)
                file.write(piece)
                written += _GRAIN_BYTES
    return written
