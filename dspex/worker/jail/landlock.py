"""Landlock: no file opened by path, no TCP, no signal and no abstract socket out of the domain.

There are no rules, so everything this kernel's version can handle is denied. It does not cover stat, chmod, utime,
UDP or path-name unix sockets: those are for the empty root, the network namespace and seccomp.
"""

import ctypes
import os
import stat
import struct
from errno import EOPNOTSUPP
from typing import Final

from dspex.worker.jail.syscalls import syscall

_VERSION: Final = 1
_FILE_BITS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many kinds of file access each version handles; later ones handle as many as the last."""
_NETWORK_SINCE: Final = 4
_NETWORK: Final = 0b11
_SCOPES_SINCE: Final = 6
_SCOPES: Final = 0b11
_RULESET = struct.Struct("=QQQ")


def version() -> int:
    """Return the Landlock version of this kernel.

    Raises:
        OSError: The kernel has none, or it is switched off.
    """
    return syscall("landlock_create_ruleset", 0, 0, _VERSION)


def ruleset(abi: int) -> bytes:
    """Return the attribute that handles, and so denies, all that a version knows.

    Example:
        >>> ruleset(1).hex()
        'ff1f000000000000'
    """
    files = (1 << _FILE_BITS[min(abi, max(_FILE_BITS))]) - 1
    network = _NETWORK if abi >= _NETWORK_SINCE else 0
    scopes = _SCOPES if abi >= _SCOPES_SINCE else 0
    known_bytes = 24 if scopes else 16 if network else 8
    return _RULESET.pack(files, network, scopes)[:known_bytes]


def open_ruleset() -> int:
    """Return the descriptor of a ruleset without a rule; each process that enters it gets a domain of its own.

    Raises:
        OSError: The kernel has no Landlock.
    """
    abi = version()
    if abi < 1:
        raise OSError(EOPNOTSUPP, "landlock: the kernel reports no version")
    packed = ruleset(abi)
    attribute = ctypes.create_string_buffer(packed, len(packed))
    return syscall("landlock_create_ruleset", ctypes.addressof(attribute), len(packed), 0)


READ: Final = 1 << 2 | 1 << 3
READ_AND_RUN: Final = READ | 1 << 0
WORK: Final = READ | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 14
"""Read, write, cut off, make and remove files, folders and links; start no program."""
_OF_FILES: Final = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14
_PATH_BENEATH: Final = 1
_TRUNCATE_SINCE: Final = 3
_RULE = struct.Struct("=Qi")


def allow_beneath(ruleset_fd: int, path: str, access: int) -> None:
    """Add a rule to a ruleset that was not entered yet.

    Args:
        ruleset_fd: From `open_ruleset`.
        path: File or folder.
        access: `READ_AND_RUN` or `WORK`; for a file, as far as it means something there.

    Raises:
        OSError: There is no such file, or the kernel refused.
    """
    if version() < _TRUNCATE_SINCE:
        access &= ~(1 << 14)
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        packed = ctypes.create_string_buffer(_RULE.pack(access, descriptor), _RULE.size)
        syscall("landlock_add_rule", ruleset_fd, _PATH_BENEATH, ctypes.addressof(packed), 0)
    finally:
        os.close(descriptor)


def enter(ruleset_fd: int) -> None:
    """Deny what a ruleset does not allow; needs `no_new_privs` first. Closes it.

    Raises:
        OSError: The kernel refused.
    """
    try:
        syscall("landlock_restrict_self", ruleset_fd, 0)
    finally:
        os.close(ruleset_fd)


def arm() -> None:
    """Deny everything Landlock can deny; needs `no_new_privs` first.

    Raises:
        OSError: The kernel refused at any step.
    """
    enter(open_ruleset())
