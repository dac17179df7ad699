"""Copying the pages that every worker writes during the fork itself, instead of by a fault each.

After a fork, the first write to a page is a fault: about 2 µs, some 450 times per worker. The
kernel copies pages that are pinned for a device at once, in one sweep, at about a third of that.
So a child finds out which pages a worker writes, and the zygote pins just these, as the fixed
buffers of an io_uring that is never used for anything else. Where a kernel or a container forbids
io_uring, or locks too little memory, nothing is pinned and workers are forked a little slower.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
RANGES_MAX = 1024
"""Most buffers that one ring takes on every kernel that has them."""

_LOOK_S = 30.0
"""Longest wait for a child to have lived."""

_ENTRY = struct.Struct("=Q")
_RANGE = struct.Struct("=QQ")
_PRESENT, _OF_FILE, _EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
_MAPPING_BYTES_MAX = 1 << 30
_HEAP_BYTES = 1 << 18
"""Smaller mappings are not worth a mapping of their own in every fork."""
_IO_URING_SETUP, _IO_URING_REGISTER = 425, 427  # the same number on every architecture
_REGISTER_BUFFERS = 0
_PARAMETERS_BYTES = 120

_libc = ctypes.CDLL(None, use_errno=True)


def find(start: Callable[[int], Sequence[int]]) -> list[tuple[int, int]]:
    """Return the (address, length) of this process' pages that a forked child writes, and of no others.

    A page is a child's own if nobody else maps it, which is so as well when everybody else has written theirs. So
    another child, which does nothing, must keep hold of what this process has when it forks the child; and looking is
    left to this process.

    Args:
        start: Forks a child that lives as a worker does, then writes a byte to the given descriptor and waits to be
            killed, and one that does nothing until it is killed. Returns their numbers in this order.
    """
    hear, tell = os.pipe()
    children: Sequence[int] = ()
    try:
        try:
            children = start(tell)
        finally:
            os.close(tell)
        return _own_pages(children[0]) if select.select([hear], [], [], _LOOK_S)[0] and os.read(hear, 1) else []
    except PermissionError:  # nobody may look here
        return []
    finally:
        os.close(hear)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def rehearse(live: Callable[[tuple[int, ...]], object], tell: int) -> tuple[int, int]:
    """Fork the two children that `find` wants, of which the first lives this life, in Python.

    Args:
        live: What a worker does. It is given descriptors that must stay open.
        tell: What `find` says.
    """
    wait, let_go = os.pipe()

    def hold() -> None:
        os.close(tell)
        os.close(let_go)
        os.read(wait, 1)

    def work() -> None:
        live((tell, wait, let_go))
        os.write(tell, b".")
        os.read(wait, 1)  # for ever: it is this process that keeps the other end open, for the holder's sake as well

    try:
        holder = fork(hold)
        return fork(work), holder
    finally:
        os.close(wait)
        os.close(let_go)


def difference(
    ranges: list[tuple[int, int]], others: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the (address, length) of what is in some ranges of whole pages and not in others."""
    left_out = set(_pages(others))
    found: list[tuple[int, int]] = []
    for page in sorted(set(_pages(ranges)) - left_out):
        if found and sum(found[-1]) == page:
            found[-1] = (found[-1][0], found[-1][1] + PAGE_BYTES)
        else:
            found.append((page, PAGE_BYTES))
    return found


def _pages(ranges: list[tuple[int, int]]) -> Iterator[int]:
    for start, length in ranges:
        yield from range(start, start + length, PAGE_BYTES)


def fork(live: Callable[[], object]) -> int:
    """Start a child that lives its life and ends."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        live()
        status = 0
    finally:
        os._exit(status)


def pin(ranges: list[tuple[int, int]]) -> int:
    """Have the kernel copy these ranges in every later fork of this process.

    Returns:
        A descriptor that must stay open here, and nowhere else; -1 if the kernel refused.
    """
    if not ranges:
        return -1
    parameters = ctypes.create_string_buffer(_PARAMETERS_BYTES)
    ring = _libc.syscall(_IO_URING_SETUP, 1, parameters)
    if ring < 0:
        return -1
    os.set_inheritable(ring, False)
    vector = ctypes.create_string_buffer(b"".join(_RANGE.pack(*one) for one in ranges))
    if _libc.syscall(_IO_URING_REGISTER, ring, _REGISTER_BUFFERS, vector, len(ranges)) < 0:
        os.close(ring)
        return -1
    return int(ring)


def _own_pages(pid: int) -> list[tuple[int, int]]:
    """Return the pages of a child of this process that nobody shares with it, as (address, length)."""
    found: list[tuple[int, int]] = []
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:  # noqa: PTH123 - no pathlib here
        for start, end in private_mappings():
            pagemap.seek(start // PAGE_BYTES * _ENTRY.size)
            entries = pagemap.read((end - start) // PAGE_BYTES * _ENTRY.size)
            for position, (entry,) in enumerate(_ENTRY.iter_unpack(entries)):
                if not entry & _PRESENT or not entry & _EXCLUSIVE or entry & _OF_FILE:
                    continue
                address = start + position * PAGE_BYTES
                if found and sum(found[-1]) == address:
                    found[-1] = (found[-1][0], found[-1][1] + PAGE_BYTES)
                else:
                    found.append((address, PAGE_BYTES))
    return found[:RANGES_MAX]


def untouched_heaps(
    hot: list[tuple[int, int]], but: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the (address, length) of this process' heaps that have no page among the hot ones.

    Args:
        hot: Address and length of pages.
        but: Address and length of memory that is left out, and all mappings that it touches.
    """
    written = set(_pages(hot))
    found = []
    for start, end in private_mappings(named=False):
        apart = end <= but[0] or start >= sum(but)
        if apart and end - start >= _HEAP_BYTES and written.isdisjoint(range(start, end, PAGE_BYTES)):
            found.append((start, end - start))
    return found


def private_mappings(*, named: bool = True) -> list[tuple[int, int]]:
    """Return the (start, end) of what this process may write without anybody else seeing it.

    Args:
        named: Also of files, the stack and the C library's first heap.
    """
    found = []
    with open("/proc/self/maps") as maps:  # noqa: PTH123 - no pathlib here
        for line in maps:
            span, permissions, *_, name = [*line.rstrip().split(maxsplit=5), ""][:6]
            start, end = (int(number, 16) for number in span.split("-"))
            if permissions == "rw-p" and end - start <= _MAPPING_BYTES_MAX and (named or not name):
                found.append((start, end))
    return found
