"""A guest at rest as one file: the pages that differ from its snapshot, its files, its clocks.

Between two runs a guest is nothing else: no frame of it is on any stack, its table and its globals
are the snapshot's. The file is a memory file that the supervisor made; what a saved session looks
like on a disk is `dspex.saves`'. What is read may come from anybody, and only ever becomes memory
and files of a guest that could have made them itself.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

import msgspec

from dspex.wasm import pages
from dspex.wasm.binary import PAGE_BYTES as WASM_PAGE_BYTES
from dspex.wasm.emscripten.dump import DumpUnusable, FileSystemDump, dump, restore
from dspex.wasm.pages import PAGE_BYTES, Mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.wasm.emscripten import Clock, MemoryFileSystem
    from dspex.wasm.instance import Machine

MAGIC = b"DSPEXST1"
"""Changes with the format."""
_HEAD = struct.Struct("<8sQII")
"""Magic, size of the memory, count of runs of pages, size of the rest."""
_RUN = struct.Struct("<II")
_MEMORY_BYTES_MAX = 1 << 32
_Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Address = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**32 - 1)]


class StateUnusable(ValueError):
    """The state is not one, or not one that there can be here; or a guest's does not fit."""


class Terms(NamedTuple):
    """What a restored guest may have."""

    memory_bytes: int
    file_bytes: int
    file_count: int
    open_files: int
    mounted: bool = True
    """Whether what was mounted goes on being mounted."""


class Own(NamedTuple):
    """What a language itself remembers of a guest, on the host's side."""

    zone_fields: tuple[int, int, int, int] | None
    own: bytes


class Rest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a guest at rest is besides its memory."""

    monotonic_ns: _Nanoseconds
    cpu_ns: _Nanoseconds
    zone_fields: tuple[_Address, _Address, _Address, _Address] | None
    files: FileSystemDump
    own: bytes = b""
    """What the language itself has to remember on the host's side."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Rest)


def rest_of(
    files: MemoryFileSystem,
    clock: Clock,
    zone_fields: tuple[int, int, int, int] | None = None,
    own: bytes = b"",
) -> Rest:
    """Write down what is not in a guest's memory."""
    return Rest(clock.monotonic_ns(), clock.cpu_ns(), zone_fields, dump(files), own)


def save(machine: Machine, rest: Rest, descriptor: int, bytes_max: int) -> int:
    """Write a guest's state to the start of a memory file of `bytes_max` bytes.

    Returns:
        The size of the state.

    Raises:
        StateUnusable: It does not fit.
        OSError: The file cannot be written.
    """
    machine.memory.sync()
    live, size = machine.memory.address, len(machine.memory.view)
    original = machine.original()
    runs = pages.changed(live, size, original.address, len(original.view))
    table = b"".join(_RUN.pack(*one) for one in runs)
    encoded = _encoder.encode(rest)
    head = _HEAD.pack(MAGIC, size, len(runs), len(encoded))
    offset = _whole_pages(len(head) + len(table) + len(encoded))
    total = offset + sum(count for _, count in runs) * PAGE_BYTES
    if total > bytes_max:
        msg = f"the state takes {total} bytes, {bytes_max} are allowed"
        raise StateUnusable(msg)
    with Mapping(descriptor, total, writable=True) as file:
        at = 0
        for part in (head, table, encoded):
            file.view[at : at + len(part)] = part
            at += len(part)
        pages.copy_out(runs, live, file.address + offset)
    return total


class SavedState:
    """A state, looked at: what it says of itself has been checked, its content not yet."""

    def __init__(self, descriptor: int, size: int) -> None:
        """Map a file that nobody can change any more.

        Raises:
            StateUnusable: It is not a state.
            OSError: It cannot be mapped.
        """
        if size < PAGE_BYTES:
            msg = f"{size} bytes are no state"
            raise StateUnusable(msg)
        self._descriptor = descriptor
        self._closed = False
        self._file = Mapping(descriptor, size, writable=False)
        try:
            rest = self._read_head(size)
        except StateUnusable:
            self._file.close()
            raise
        self._encoded = self._file.view[rest]

    def _read_head(self, size: int) -> slice:
        """Read what is where; return where the part beside the memory is."""
        magic, self.memory_bytes, count, rest_bytes = _HEAD.unpack_from(self._file.view, 0)
        if magic != MAGIC:
            raise StateUnusable("a state of another format")
        if self.memory_bytes % WASM_PAGE_BYTES or not 0 < self.memory_bytes <= _MEMORY_BYTES_MAX:
            raise StateUnusable("no memory is as large as this one says it is")
        if count > self.memory_bytes // PAGE_BYTES:
            raise StateUnusable("there are more pages than the memory has")
        table_end = _HEAD.size + count * _RUN.size
        self._offset = _whole_pages(table_end + rest_bytes)
        if table_end + rest_bytes > size or self._offset > size:
            raise StateUnusable("the state is cut off")
        table = bytes(self._file.view[_HEAD.size : table_end])
        self._runs = list(_RUN.iter_unpack(table))
        self._check(size)
        return slice(table_end, table_end + rest_bytes)

    def _check(self, size: int) -> None:
        end = total = 0
        for first, count in self._runs:
            if first < end or not count:
                raise StateUnusable("pages are out of order")
            end = first + count
            total += count
        if end * PAGE_BYTES > self.memory_bytes:
            raise StateUnusable("there are pages beyond the end of the memory")
        if self._offset + total * PAGE_BYTES != size:
            raise StateUnusable("there are more pages than there should be, or fewer")

    def fill(self, machine: Machine, memory_bytes_max: int) -> None:
        """Make a fresh instance's memory what it was.

        Raises:
            StateUnusable: It is larger than is allowed here, or smaller than can be.
        """
        memory = machine.memory
        if self.memory_bytes > memory_bytes_max:
            msg = f"memory_bytes: {self.memory_bytes} saved, {memory_bytes_max} allowed"
            raise StateUnusable(msg)
        more = self.memory_bytes - len(memory.view)
        if more < 0 or (more and not memory.grow(more // WASM_PAGE_BYTES)):
            msg = f"memory_bytes: {self.memory_bytes} saved, which cannot be had here"
            raise StateUnusable(msg)
        pages.put_back(self._runs, memory.address, self._file, self._descriptor, self._offset)

    def restore_rest(self, files: MemoryFileSystem, clock: Clock, terms: Terms) -> Own:
        """Make a fresh file system and a real clock what they were, within what is allowed.

        Raises:
            StateUnusable: They cannot be.
        """
        try:
            rest = _decoder.decode(self._encoded)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            msg = f"the part beside the memory: {error}"
            raise StateUnusable(msg) from error
        quotas = files.quotas
        quotas.file_bytes_max, quotas.file_count_max = terms.file_bytes, terms.file_count
        quotas.open_files_max = terms.open_files
        try:
            restore(files, rest.files)
        except DumpUnusable as error:
            raise StateUnusable(str(error)) from error
        clock.monotonic_ns = _not_before(rest.monotonic_ns, time.monotonic_ns)
        clock.cpu_ns = _not_before(rest.cpu_ns, time.process_time_ns)
        return Own(rest.zone_fields, rest.own)

    def close(self) -> None:
        """Unmap; closing twice is closing once."""
        self._encoded.release()
        if not self._closed:
            self._closed = True
            self._file.close()

    def __enter__(self) -> Self:
        """Return the state."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        """Close, unless an error is on its way, which may hold on to parts of it."""
        if kind is None:
            self.close()


def _not_before(saved_ns: int, now_ns: Callable[[], int]) -> Callable[[], int]:
    ahead_ns = saved_ns - now_ns()
    return now_ns if ahead_ns <= 0 else lambda: now_ns() + ahead_ns


def _whole_pages(size: int) -> int:
    return -(-size // PAGE_BYTES) * PAGE_BYTES
