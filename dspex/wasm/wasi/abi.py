"""Constants and structures of WASI preview 1, as its witx files define them.

Error numbers are those of `dspex.wasm.emscripten.errno`, which Emscripten took from here; one differs.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from dspex.wasm.emscripten import abi

MODULE: Final = "wasi_snapshot_preview1"
ENOTSUP: Final = 58
"""Emscripten's C library calls it 138."""
ENOTCAPABLE: Final = 76
"""A path that leads out of the directory it began in."""

# Rights of a descriptor.
RIGHT_FD_DATASYNC: Final = 1 << 0
RIGHT_FD_READ: Final = 1 << 1
RIGHT_FD_SEEK: Final = 1 << 2
RIGHT_FD_FDSTAT_SET_FLAGS: Final = 1 << 3
RIGHT_FD_SYNC: Final = 1 << 4
RIGHT_FD_TELL: Final = 1 << 5
RIGHT_FD_WRITE: Final = 1 << 6
RIGHT_FD_ADVISE: Final = 1 << 7
RIGHT_FD_ALLOCATE: Final = 1 << 8
RIGHT_FD_READDIR: Final = 1 << 14
RIGHT_FD_FILESTAT_GET: Final = 1 << 21
RIGHT_FD_FILESTAT_SET_SIZE: Final = 1 << 22
RIGHT_FD_FILESTAT_SET_TIMES: Final = 1 << 23
RIGHT_POLL_FD_READWRITE: Final = 1 << 27
RIGHTS_ALL: Final = (1 << 28) - 1

_ANY_FILE: Final = (
    RIGHT_FD_DATASYNC | RIGHT_FD_FDSTAT_SET_FLAGS | RIGHT_FD_SYNC | RIGHT_FD_ADVISE
    | RIGHT_FD_FILESTAT_GET | RIGHT_FD_FILESTAT_SET_TIMES | RIGHT_POLL_FD_READWRITE
)
RIGHTS_OF_FILE: Final = _ANY_FILE | RIGHT_FD_SEEK | RIGHT_FD_TELL
RIGHTS_OF_STREAM: Final = RIGHT_FD_FDSTAT_SET_FLAGS | RIGHT_FD_FILESTAT_GET | RIGHT_POLL_FD_READWRITE
RIGHTS_TO_CHANGE: Final = RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE | RIGHT_FD_FILESTAT_SET_SIZE
RIGHTS_OF_DIRECTORY: Final = (
    RIGHT_FD_FDSTAT_SET_FLAGS | RIGHT_FD_SYNC | RIGHT_FD_ADVISE | RIGHT_FD_FILESTAT_GET
    | RIGHT_FD_FILESTAT_SET_TIMES | RIGHT_POLL_FD_READWRITE | RIGHT_FD_READDIR | 0b1111_1110_0000_0000
    | 0b0001_1111 << 16 | 1 << 24 | 1 << 25 | 1 << 26
)
"""With all `path_*` rights, which are bits 9 to 20 and 24 to 26."""

# Flags of open files, of path_open, of times, of lookups.
FDFLAG_APPEND: Final = 1
FDFLAG_NONBLOCK: Final = 4
FDFLAGS_ALL: Final = 31
OFLAG_CREAT: Final = 1
OFLAG_DIRECTORY: Final = 2
OFLAG_EXCL: Final = 4
OFLAG_TRUNC: Final = 8
TIME_ATIM: Final = 1
TIME_ATIM_NOW: Final = 2
TIME_MTIM: Final = 4
TIME_MTIM_NOW: Final = 8
LOOKUP_FOLLOW: Final = 1

# File types.
TYPE_UNKNOWN: Final = 0
TYPES: Final = {
    abi.S_IFCHR: 2,
    abi.S_IFDIR: 3,
    abi.S_IFREG: 4,
    abi.S_IFLNK: 7,
}
"""By the type bits of a mode; pipes, which the standard streams are, have none."""

# poll_oneoff.
EVENT_CLOCK: Final = 0
EVENT_READ: Final = 1
EVENT_WRITE: Final = 2
CLOCK_ABSOLUTE: Final = 1
SUBSCRIPTIONS_MAX: Final = 4096

FDSTAT: Final = Struct("<BxH4xQQ")
FILESTAT: Final = Struct("<QQB7xQQQQQ")
PRESTAT: Final = Struct("<B3xI")
DIRENT: Final = Struct("<QQIB3x")
SUBSCRIPTION: Final = Struct("<QB7xI4xQQH6x")
SUBSCRIBED_FD_AT: Final = 16
EVENT: Final = Struct("<QHB5xQH6x")
