"""Takes every capability away and the ways to get one back.

Inside a fresh user namespace a process holds them all, whoever it was outside; they are needed for the mounts and
end here. `no_new_privs` and the dumpable flag are set here too, being one call each.
"""

import ctypes
import struct
from errno import EINVAL, EPERM
from typing import Final

from dspex.worker.jail.syscalls import prctl, syscall

_VERSION_3: Final = 0x20080522
_HEADER = struct.Struct("=Ii")
_SETS = struct.Struct("=6I")
_PR_SET_DUMPABLE: Final = 4
_PR_SET_KEEPCAPS: Final = 8
_PR_CAPBSET_DROP: Final = 24
_PR_SET_SECUREBITS: Final = 28
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_AMBIENT_CLEAR_ALL: Final = 4
_PR_SET_MDWE: Final = 65
_MDWE_REFUSE_EXEC_GAIN: Final = 1
_LOCKED_SECUREBITS: Final = 0b1110_1111
"""NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE on, KEEP_CAPS off, all four locked."""
_BOUND_MAX: Final = 64


def keep_over_user_change() -> None:
    """Keep what root may do while the user changes, so that namespaces still work without a user namespace."""
    prctl(_PR_SET_KEEPCAPS, 1)


def raise_kept() -> None:
    """Make effective what `keep_over_user_change` kept."""
    effective_low, permitted_low, _, effective_high, permitted_high, _ = _read()
    if (effective_low, effective_high) != (permitted_low, permitted_high):
        _write(permitted_low, permitted_low, 0, permitted_high, permitted_high, 0)


def drop_all() -> None:
    """Empty the bounding, ambient and all other sets, and lock the secure bits.

    Without CAP_SETPCAP (an ordinary user with no user namespace) the bounding set and the secure bits cannot be
    changed; they then matter only to a set-uid program, which `no_new_privs` disarms.

    Raises:
        OSError: A capability is left over.
    """
    prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    try:
        for capability in range(_BOUND_MAX):
            prctl(_PR_CAPBSET_DROP, capability)
    except OSError as error:
        # EINVAL is the end of the kernel's list.
        if error.errno not in {EINVAL, EPERM}:
            raise
    try:
        prctl(_PR_SET_SECUREBITS, _LOCKED_SECUREBITS)
    except OSError as error:
        if error.errno != EPERM:
            raise
    _write(0, 0, 0, 0, 0, 0)
    if any(_read()):
        raise OSError(EPERM, "capset: capabilities are left over")


def forbid_new_privileges() -> None:
    """Make set-uid bits and file capabilities powerless for good."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def forbid_new_code() -> None:
    """Let no writable memory become executable from here on (Linux 6.3)."""
    prctl(_PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN)


def set_dumpable(*, dumpable: bool) -> None:
    """Say whether this process's memory and /proc entries are open to others of the same user."""
    prctl(_PR_SET_DUMPABLE, int(dumpable))


def _read() -> tuple[int, ...]:
    header = ctypes.create_string_buffer(_HEADER.pack(_VERSION_3, 0))
    sets = ctypes.create_string_buffer(_SETS.size)
    syscall("capget", ctypes.addressof(header), ctypes.addressof(sets))
    return _SETS.unpack(sets.raw)


def _write(*sets: int) -> None:
    header = ctypes.create_string_buffer(_HEADER.pack(_VERSION_3, 0))
    packed = ctypes.create_string_buffer(_SETS.pack(*sets))
    syscall("capset", ctypes.addressof(header), ctypes.addressof(packed))
