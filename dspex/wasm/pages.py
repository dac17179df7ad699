"""Which pages of a guest's memory differ from its snapshot, and how to put them back.

A guest's memory is its snapshot plus the pages that were written. Both are found by comparing with
a second instance that never runs: pages that nobody wrote are the same physical pages in both, so
most of the comparison reads them once. What the pages mean is nobody's business here.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Self

from dspex.wasm.binary import PAGE_BYTES as WASM_PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE_BYTES = 4096
"""What is saved at once; part of the format, whatever the machine's own pages are."""

Run = tuple[int, int]
"""Pages that follow one another: the number of the first, and how many there are."""

MAPPED_PAGES_MIN = 4
"""Fewer pages are copied: that costs less than a mapping of their own."""

_LARGE_BYTES = 1 << 18
_PROT_READ_WRITE, _PROT_READ = 3, 1
_MAP_SHARED_POPULATED, _MAP_PRIVATE, _MAP_PRIVATE_FIXED = 0x8001, 2, 0x12
_MAP_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_memcmp = _libc.memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Mapping:
    """A memory file of somebody else's, seen by address: `mmap` of Python asks what the jail forbids."""

    def __init__(self, descriptor: int, size: int, *, writable: bool) -> None:
        """Map the first `size` bytes; what is to be written to is there at once, without faults.

        Raises:
            OSError: The system refused.
        """
        protection = _PROT_READ_WRITE if writable else _PROT_READ
        kind = _MAP_SHARED_POPULATED if writable else _MAP_PRIVATE
        address = _libc.mmap(None, size, protection, kind, descriptor, 0)
        if address in (None, _MAP_FAILED):
            number = ctypes.get_errno()
            raise OSError(number, f"mapping a state: {os.strerror(number)}")
        self.address: int = address
        self.size = size
        self.view = memoryview((ctypes.c_uint8 * size).from_address(address)).cast("B")
        if not writable:
            self.view = self.view.toreadonly()

    def close(self) -> None:
        """Unmap; nothing may look at `view` any more."""
        self.view.release()
        _libc.munmap(self.address, self.size)

    def __enter__(self) -> Self:
        """Return the mapping."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()


def changed(live: int, size: int, original: int, original_size: int) -> list[Run]:
    """Find the pages of a memory that are not as they were.

    Args:
        live: Address of the memory.
        size: Its size, a multiple of 64 KiB.
        original: Address of what it was.
        original_size: What it was as large as; beyond it there were zeros.
    """
    zeros = ctypes.create_string_buffer(_LARGE_BYTES)
    nothing = ctypes.addressof(zeros)
    found: list[Run] = []
    compare = _memcmp
    at = 0
    while at < size:
        known = at < original_size
        length = min(_LARGE_BYTES, (original_size if known else size) - at)
        other = original + at if known else nothing
        if compare(live + at, other, length):
            _changed_within(live + at, other, length, at, found)
        at += length
    return found


def _changed_within(live: int, other: int, length: int, place: int, found: list[Run]) -> None:
    compare = _memcmp
    for step in range(0, length, WASM_PAGE_BYTES):
        if not compare(live + step, other + step, WASM_PAGE_BYTES):
            continue
        for at in range(step, step + WASM_PAGE_BYTES, PAGE_BYTES):
            if not compare(live + at, other + at, PAGE_BYTES):
                continue
            number = (place + at) // PAGE_BYTES
            if found and sum(found[-1]) == number:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((number, 1))


def copy_out(runs: Iterable[Run], live: int, target: int) -> None:
    """Copy pages of a memory to `target`, one after the other."""
    for first, count in runs:
        ctypes.memmove(target, live + first * PAGE_BYTES, count * PAGE_BYTES)
        target += count * PAGE_BYTES


def put_back(runs: Iterable[Run], live: int, file: Mapping, descriptor: int, offset: int) -> None:
    """Put pages of a state into a memory: many at once by a copy-on-write mapping, few by copying.

    Args:
        runs: What is where; checked to lie within the memory.
        live: Address of the memory.
        file: The state, mapped.
        descriptor: Its memory file, which nobody can change any more.
        offset: Where the pages begin in it; a multiple of a page.
    """
    for first, count in runs:
        place, size = live + first * PAGE_BYTES, count * PAGE_BYTES
        if count < MAPPED_PAGES_MIN or not _map_over(place, size, descriptor, offset):
            ctypes.memmove(place, file.address + offset, size)
        offset += size


def _map_over(place: int, size: int, descriptor: int, offset: int) -> bool:
    """Replace memory by a private mapping; False if the system gives none, and all is as it was."""
    if _MACHINE_PAGE_BYTES != PAGE_BYTES:
        return False
    return bool(
        _libc.mmap(place, size, _PROT_READ_WRITE, _MAP_PRIVATE_FIXED, descriptor, offset) == place
    )


_MACHINE_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
