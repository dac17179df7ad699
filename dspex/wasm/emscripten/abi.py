"""Constants of Emscripten's C library that system calls are made of.

The values are those of musl's generic Linux headers, which Emscripten keeps for everything but error
numbers (`dspex.wasm.emscripten.errno`). Layouts of structures live where they are packed.
"""

from __future__ import annotations

from typing import Final

# File types and permission bits of `st_mode`.
S_IFMT: Final = 0o170000
S_IFIFO: Final = 0o010000
S_IFCHR: Final = 0o020000
S_IFDIR: Final = 0o040000
S_IFREG: Final = 0o100000
S_IFLNK: Final = 0o120000

# Flags of open(2).
O_RDONLY: Final = 0
O_WRONLY: Final = 1
O_RDWR: Final = 2
O_ACCMODE: Final = 3
O_CREAT: Final = 0o100
O_EXCL: Final = 0o200
O_TRUNC: Final = 0o1000
O_APPEND: Final = 0o2000
O_NONBLOCK: Final = 0o4000
O_DIRECTORY: Final = 0o200000
O_NOFOLLOW: Final = 0o400000
O_CLOEXEC: Final = 0o2000000
O_PATH: Final = 0o10000000
O_TMPFILE: Final = 0o20200000
STATUS_FLAGS: Final = O_APPEND | O_NONBLOCK
"""The flags that F_SETFL may change."""

# The *at family.
AT_FDCWD: Final = -100
AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_REMOVEDIR: Final = 0x200
AT_EMPTY_PATH: Final = 0x1000

# fcntl(2) and ioctl(2).
F_DUPFD: Final = 0
F_GETFD: Final = 1
F_SETFD: Final = 2
F_GETFL: Final = 3
F_SETFL: Final = 4
F_GETLK: Final = 12
F_SETLK: Final = 13
F_SETLKW: Final = 14
F_DUPFD_CLOEXEC: Final = 1030
F_UNLCK: Final = 2
FD_CLOEXEC: Final = 1
FIONREAD: Final = 0x541B
FIONBIO: Final = 0x5421
FIONCLEX: Final = 0x5450
FIOCLEX: Final = 0x5451

# lseek(2).
SEEK_SET: Final = 0
SEEK_CUR: Final = 1
SEEK_END: Final = 2
SEEK_DATA: Final = 3
SEEK_HOLE: Final = 4

# poll(2).
POLLIN: Final = 0x01
POLLOUT: Final = 0x04
POLLERR: Final = 0x08
POLLHUP: Final = 0x10
POLLNVAL: Final = 0x20

# utimensat(2).
UTIME_NOW: Final = 0x3FFFFFFF
UTIME_OMIT: Final = 0x3FFFFFFE

# access(2).
R_OK: Final = 4
W_OK: Final = 2
X_OK: Final = 1

# mmap(2).
PROT_WRITE: Final = 2
MAP_PRIVATE: Final = 2

# Types in a directory entry.
DT_FIFO: Final = 1
DT_CHR: Final = 2
DT_DIR: Final = 4
DT_REG: Final = 8
DT_LNK: Final = 10

# Bounds.
NAME_BYTES_MAX: Final = 255
PATH_BYTES_MAX: Final = 4096
"""With the closing NUL, as Linux counts it."""
LINKS_FOLLOWED_MAX: Final = 40
IOV_COUNT_MAX: Final = 1024
PIPE_BYTES_MAX: Final = 65536
PIPE_ATOMIC_BYTES: Final = 4096
POSITION_MAX: Final = 2**63 - 1
BLOCK_BYTES: Final = 4096
