"""Linear memories made by us, so that each growth is asked of us: wasmtime's own limiter tells nobody.

A memory is a reservation of address space without access, opened up as it grows. What may be used is
counted over all memories of the process, which runs one program at a time.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from wasmtime import _ffi as raw

if TYPE_CHECKING:
    from wasmtime import Config

_PROT_NONE, _PROT_READ_WRITE = 0, 3
_MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022
_MAP_FAILED = ctypes.c_void_p(-1).value
_FRONT_GUARD_BYTES = 32 << 20
_PAGE_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

_Finalizer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Memory:
    __slots__ = ("base", "mapped", "mapped_bytes", "reserved_bytes", "size")

    def __init__(self, mapped: int, mapped_bytes: int, reserved_bytes: int) -> None:
        self.mapped, self.mapped_bytes = mapped, mapped_bytes
        self.base = mapped + _FRONT_GUARD_BYTES
        self.reserved_bytes, self.size = reserved_bytes, 0


class GuestMemories:
    """The memories of the program under way.

    Attributes:
        bytes_max: What they may have together; read at each growth.
        used_bytes: What they have.
        peak_bytes: Most that they had since `begin`.
        refused: Whether more was refused since `begin`.
    """

    def __init__(self) -> None:
        """Hold none yet."""
        self.bytes_max = 1 << 30
        self.used_bytes = self.peak_bytes = 0
        self.refused = False
        self._live: dict[int, _Memory] = {}
        self._next = 1
        # The C side keeps pointers to all of these as long as the process lives.
        self._get = raw.wasmtime_memory_get_callback_t(self._get_memory)
        self._grow = raw.wasmtime_memory_grow_callback_t(self._grow_memory)
        self._drop = _Finalizer(self._drop_memory)
        self._creator = raw.wasmtime_memory_creator(
            None, raw.wasmtime_new_memory_callback_t(self._new_memory), _Finalizer()
        )

    def install(self, config: Config) -> None:
        """Make every memory of an engine one of these."""
        raw.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(self._creator))

    def begin(self, bytes_max: int) -> None:
        """Begin a program: forget what another was refused."""
        self.bytes_max = bytes_max
        self.peak_bytes, self.refused = self.used_bytes, False

    def _new_memory(
        self, _env: int, _type: Any, minimum: int, _maximum: int, reserved: int, guard: int, made: Any
    ) -> int:
        """Make a memory; called by wasmtime, so nothing may be raised."""
        reserved = max(reserved, minimum)
        total = _FRONT_GUARD_BYTES + reserved + guard
        mapped = _libc.mmap(None, total, _PROT_NONE, _MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)
        if mapped in (None, _MAP_FAILED):
            return _failure(b"no address space for a memory")
        memory = _Memory(mapped, total, reserved)
        if not self._extend(memory, minimum):
            _libc.munmap(mapped, total)
            return _failure(b"the memory limit allows no such memory")
        number, self._next = self._next, self._next + 1
        self._live[number] = memory
        made.contents.env = number
        made.contents.get_memory = self._get
        made.contents.grow_memory = self._grow
        made.contents.finalizer = self._drop
        return 0

    def _get_memory(self, env: int, size: Any, capacity: Any) -> int:
        memory = self._live[env]
        size[0], capacity[0] = memory.size, memory.reserved_bytes
        return memory.base

    def _grow_memory(self, env: int, size: int) -> int:
        memory = self._live[env]
        if size > memory.reserved_bytes or not self._extend(memory, size):
            return _failure(b"the memory limit allows no more")
        return 0

    def _extend(self, memory: _Memory, size: int) -> bool:
        more = size - memory.size
        if self.used_bytes + more > self.bytes_max:
            self.refused = True
            return False
        if more > 0:
            if _libc.mprotect(memory.base + memory.size, more, _PROT_READ_WRITE):
                self.refused = True
                return False
            memory.size = size
            self.used_bytes += more
            self.peak_bytes = max(self.peak_bytes, self.used_bytes)
        return True

    def _drop_memory(self, env: int) -> None:
        memory = self._live.pop(env)
        self.used_bytes -= memory.size
        _libc.munmap(memory.mapped, memory.mapped_bytes)


def _failure(message: bytes) -> int:
    """Return an error for wasmtime to own."""
    return ctypes.cast(raw.wasmtime_error_new(message), ctypes.c_void_p).value or 0
