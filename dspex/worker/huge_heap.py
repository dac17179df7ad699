"""Moving the zygote's heaps onto huge pages, so that a fork copies and drops their entries in runs.

A fork copies an entry for each page of the heaps, and the child's end drops it again: each by itself, unless
neighbours belong to one large page. Collapsed heaps do. A page that every worker writes, which the fork is to copy
(`dspex.worker.hot_pages`), must not lie on one, or the kernel would copy all of it: so each of these is
written once while a child shares it, which gives this process a small copy of its own.
Where the kernel does not collapse on demand (before Linux 6.1), all stays as it is.
"""

from __future__ import annotations

import ctypes
import os

from dspex.worker.hot_pages import PAGE_BYTES, private_mappings

HUGE_PAGE_BYTES = 2 << 20
_COLLAPSE = 25  # MADV_COLLAPSE

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def use_huge_pages(hot: list[tuple[int, int]]) -> int:
    """Collapse this process' private memory, but for the hot pages; return how many bytes were.

    The calling process must have one thread only.

    Args:
        hot: Address and length of the ranges that every worker writes.
    """
    collapsed = 0
    for start, end in private_mappings():
        first = -(-start // HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
        for address in range(first, end - HUGE_PAGE_BYTES + 1, HUGE_PAGE_BYTES):
            # Refused for what is a file's, or has no page yet.
            if _libc.madvise(address, HUGE_PAGE_BYTES, _COLLAPSE) == 0:
                collapsed += HUGE_PAGE_BYTES
    if collapsed:
        _own(hot)
    return collapsed


def _own(hot: list[tuple[int, int]]) -> None:
    """Get copies of these pages, by writing what they hold while a child shares them."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    os.close(read_end)
    for start, length in hot:
        for address in range(start, start + length, PAGE_BYTES):
            ctypes.memmove(address, address, 1)
    os.close(write_end)
    os.waitpid(pid, 0)
