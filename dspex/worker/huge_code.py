"""Moving a guest's machine code onto huge pages, so that forks neither copy nor fault its mapping.

Code mapped from a file is found anew by each forked process, a fault per 64 KiB. The same bytes on
anonymous 2 MiB pages are a handful of entries that a fork copies. It is done in the zygote before
anything is confined; where the kernel gives no huge pages, the file's mapping stays as it is.
"""

from __future__ import annotations

import ctypes
import mmap

HUGE_PAGE_BYTES = 2 << 20
_PRIVATE_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
_READ_EXECUTE = mmap.PROT_READ | mmap.PROT_EXEC
_MAY_MOVE_FIXED = 3

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = _libc.mremap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]
_libc.mremap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p,
]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def use_huge_pages(file_name_end: str) -> int:
    """Move the code that is mapped from files with this ending; return how many bytes were moved.

    The calling process must have one thread only: the code is replaced under its address.
    """
    moved = 0
    for start, end in _code_of(file_name_end):
        first = -(-start // HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
        size = end // HUGE_PAGE_BYTES * HUGE_PAGE_BYTES - first
        if size > 0 and _move(first, size):
            moved += size
    return moved


def _code_of(file_name_end: str) -> list[tuple[int, int]]:
    """Return the (start, end) of mapped code.

    What stands before the code of the same file, on the same huge page, counts as code: a page of headers.
    """
    found = []
    before = before_end = 0
    before_file = ""
    with open("/proc/self/maps") as maps:  # noqa: PTH123 - no pathlib here
        for line in maps:
            span, permissions, *_, file = line.split()
            start, end = (int(number, 16) for number in span.split("-"))
            if permissions == "r-xp" and file.endswith(file_name_end):
                page = start // HUGE_PAGE_BYTES * HUGE_PAGE_BYTES
                adjoins = before_file == file and before_end == start and before <= page
                found.append((page if adjoins else start, end))
            before, before_end, before_file = start, end, file
    return found


def _move(address: int, size: int) -> bool:
    reserved = _libc.mmap(None, size + HUGE_PAGE_BYTES, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
    if reserved is None or reserved == ctypes.c_void_p(-1).value:
        return False
    copy = -(-reserved // HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
    _libc.munmap(reserved, copy - reserved)
    _libc.munmap(copy + size, reserved + HUGE_PAGE_BYTES - copy)
    _libc.madvise(copy, size, mmap.MADV_HUGEPAGE)
    ctypes.memmove(copy, address, size)
    if _huge_bytes(copy) < size or _libc.mprotect(copy, size, _READ_EXECUTE):
        _libc.munmap(copy, size)
        return False
    return bool(_libc.mremap(copy, size, size, _MAY_MOVE_FIXED, address) == address)


def _huge_bytes(address: int) -> int:
    """Return how much of the mapping at `address` lies on huge pages; 0 if nobody can tell."""
    here = f"{address:x}-"
    inside = False
    with open("/proc/self/smaps") as smaps:  # noqa: PTH123 - no pathlib here
        for line in smaps:
            if line.startswith(here):
                inside = True
            elif inside and line.startswith("AnonHugePages:"):
                return int(line.split()[1]) * 1024
    return 0
