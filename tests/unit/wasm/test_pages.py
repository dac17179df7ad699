"""Pages that differ are found, taken out and put back: any memory becomes any other one."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.wasm import pages
from dspex.wasm.pages import PAGE_BYTES, Mapping

PAGES_OF_64K = 16
COUNT = 2 * PAGES_OF_64K
"""Pages of the memory as it began."""
GROWN = 3 * PAGES_OF_64K

class Write(NamedTuple):
    """Bytes that somebody writes into a memory."""

    place: int
    data: bytes


writes = st.lists(
    st.builds(
        Write,
        st.integers(0, GROWN * PAGE_BYTES - 300),
        st.one_of(
            st.binary(min_size=1, max_size=300),
            st.integers(1, 20).map(lambda count: b"\7" * (count * PAGE_BYTES)),
        ),
    ),
    max_size=12,
)


class Memory:
    """Some memory with an address, on the boundary of a page as a guest's is."""

    def __init__(self, count: int) -> None:
        self._held = mmap.mmap(-1, count * PAGE_BYTES)
        self.view = memoryview(self._held)
        self.size = count * PAGE_BYTES
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._held))

    def write(self, place: int, data: bytes) -> None:
        data = data[: max(0, self.size - place)]
        self.view[place : place + len(data)] = data


@settings(max_examples=100, deadline=None)
@given(before=writes, after=writes, grown=st.booleans())
def test_a_copy_with_the_changed_pages_put_back_is_the_same(
    before: list[Write], after: list[Write], grown: bool  # noqa: FBT001 - hypothesis gives it
) -> None:
    original = Memory(COUNT)
    live = Memory(GROWN if grown else COUNT)
    copy = Memory(GROWN if grown else COUNT)
    for place, data in before:
        original.write(place, data)
    live.view[: original.size] = original.view
    copy.view[: original.size] = original.view
    for place, data in after:
        live.write(place, data)
    runs = pages.changed(live.address, live.size, original.address, original.size)
    listed = [number for first, count in runs for number in range(first, first + count)]

    descriptor = os.memfd_create("pages")
    try:
        size = PAGE_BYTES * (len(listed) + 1)
        os.ftruncate(descriptor, size)
        with Mapping(descriptor, size, writable=True) as file:
            pages.copy_out(runs, live.address, file.address + PAGE_BYTES)
        with Mapping(descriptor, size, writable=False) as file:
            pages.put_back(runs, copy.address, file, descriptor, PAGE_BYTES)
    finally:
        os.close(descriptor)

    assert copy.view == live.view
    assert listed == [
        number
        for number in range(live.size // PAGE_BYTES)
        if live.view[number * PAGE_BYTES : (number + 1) * PAGE_BYTES] != content(original, number)
    ]


def content(memory: Memory, number: int) -> bytes:
    return bytes(memory.view[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]).ljust(PAGE_BYTES, b"\0")


def test_what_is_written_to_a_copy_stays_out_of_the_file() -> None:
    memory, count = Memory(COUNT), pages.MAPPED_PAGES_MIN
    descriptor = os.memfd_create("pages")
    size = count * PAGE_BYTES
    os.write(descriptor, b"\1" * size)
    with Mapping(descriptor, size, writable=False) as file:
        pages.put_back([(3, count)], memory.address, file, descriptor, 0)
        memory.write(3 * PAGE_BYTES, b"\2" * size)

        assert bytes(file.view) == b"\1" * size
    assert os.pread(descriptor, size, 0) == b"\1" * size
    assert bytes(memory.view[3 * PAGE_BYTES : 3 * PAGE_BYTES + size]) == b"\2" * size
    os.close(descriptor)
