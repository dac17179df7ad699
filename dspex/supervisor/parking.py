"""Where the states of sessions lie that wait without a process: one file without a name.

Nobody can open a file that has no name, and it is gone with its last descriptor: however this process
ends, nothing is left behind. The places in it are given out and taken back here; every method may
take as long as a disk does, and may be called from any thread.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
from typing import TYPE_CHECKING, NamedTuple

from dspex.supervisor.states import sealed_copy

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.supervisor.states import SealedState

BLOCK_BYTES = 4096
_KEEP_SIZE_AND_PUNCH_HOLE = 3
_WRITE_BYTES = 1 << 22

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Place(NamedTuple):
    """Where a state lies in the file."""

    offset: int
    size: int


class ParkingLot:
    """States on a disk, in one nameless file."""

    def __init__(self, folder: Path) -> None:
        """Use a file in `folder`, made when the first state comes."""
        self._folder = folder
        self._lock = threading.Lock()
        self._descriptor = -1
        self._end = 0
        self._free: list[tuple[int, int]] = []
        self._holds: dict[Place, int] = {}
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes from the file's start to the end of its last place, holes included."""
        return self._end

    def put(self, state: SealedState) -> Place:
        """Copy a state into the file.

        Raises:
            OSError: The disk is full, or the folder cannot be written to.
        """
        with self._lock:
            if self._closed:
                raise OSError("the parking lot is closed")
            if self._descriptor < 0:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                    self._descriptor = os.dup(file.fileno())
            place = Place(self._allocate(_blocks(state.size)), state.size)
            self._holds[place] = 1
        try:
            with state.content() as content:
                done = 0
                while done < place.size:
                    piece = content[done : done + _WRITE_BYTES]
                    done += os.pwrite(self._descriptor, piece, place.offset + done)
        except OSError:
            self.free(place)
            raise
        return place

    def get(self, place: Place) -> SealedState:
        """Return a copy of a state; it stays in its place.

        Raises:
            OSError: It cannot be read.
        """
        def read(view: memoryview) -> None:
            done = 0
            while done < place.size:
                with view[done:] as rest:
                    got = os.preadv(self._descriptor, [rest], place.offset + done)
                if not got:
                    raise OSError("the parking lot has lost a state")
                done += got

        return sealed_copy(place.size, read)

    def hold(self, place: Place) -> None:
        """Keep a place, which is not given up yet, until it is freed once more."""
        with self._lock:
            self._holds[place] += 1

    def free(self, place: Place) -> None:
        """Give a place up; when nobody holds it any more, the disk gets its blocks back."""
        with self._lock:
            self._holds[place] -= 1
            if self._holds[place]:
                return
            del self._holds[place]
            if self._descriptor < 0:
                return
            size = _blocks(place.size)
            _libc.fallocate(self._descriptor, _KEEP_SIZE_AND_PUNCH_HOLE, place.offset, size)
            self._free = _merged([*self._free, (place.offset, size)])
            if self._free and sum(self._free[-1]) == self._end:
                self._end = self._free.pop()[0]
                os.ftruncate(self._descriptor, self._end)

    def close(self) -> None:
        """Forget everything; closing twice is closing once."""
        with self._lock:
            descriptor, self._descriptor, self._closed = self._descriptor, -1, True
        if descriptor >= 0:
            os.close(descriptor)

    def _allocate(self, size: int) -> int:
        for position, (offset, room) in enumerate(self._free):
            if room >= size:
                left = [(offset + size, room - size)] if room > size else []
                self._free[position : position + 1] = left
                return offset
        offset, self._end = self._end, self._end + size
        return offset


def _blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join free spans that touch; in the order of their offsets."""
    joined: list[tuple[int, int]] = []
    for offset, size in sorted(spans):
        if joined and sum(joined[-1]) == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + size)
        else:
            joined.append((offset, size))
    return joined
