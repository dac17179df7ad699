"""A root directory that holds some files of the host, read-only, and a scratch folder that is gone afterwards.

For a native tool that works on what nobody trusts. The mount namespace is entered here too, since whoever has
no rights yet must get a user namespace first, and root must not: it could no longer read its own tools.
"""

import ctypes
import os
import stat
from collections.abc import Sequence

from dspex.isolation.layers import Layer
from dspex.worker.jail import namespaces
from dspex.worker.jail.syscalls import LIBC, failure, syscall

SCRATCH = "/scratch"
_READ_ONLY_BIND = 0x1 | 0x2 | 0x4 | 0x20 | 0x1000
"""MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT and MS_BIND; programs may be started from it."""
_NO_SUID_DEV_EXEC = 0x2 | 0x4 | 0x8
_BIND, _RECURSIVE_PRIVATE, _DETACH = 0x1000, 0x4000 | 0x40000, 0x2
_STAGE = "/tmp"  # noqa: S108 - only covered by a mount, never written to
_ROOT_BYTES = 1 << 20


def enter(visible: Sequence[str], program: str, scratch_bytes: int) -> None:
    """Make a root directory of the named files and folders, and enter it.

    Args:
        visible: Absolute paths of files and folders, seen at the same place; links were resolved.
        program: What `/proc/self/exe` shall say; of /proc there is nothing else.
        scratch_bytes: What the scratch folder may hold; it is the working directory afterwards.

    Raises:
        OSError: The kernel refused.
    """
    namespaces.enter(Layer.MOUNT_NAMESPACE)
    _mount(None, "/", None, _RECURSIVE_PRIVATE)
    # Opened before the stage covers what may lie below it.
    sources = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in visible]
    _mount("none", _STAGE, "tmpfs", _NO_SUID_DEV_EXEC, f"size={_ROOT_BYTES},nr_inodes=4096,mode=755")
    for path, descriptor in sources:
        place = _STAGE + path
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        os.makedirs(place if folder else os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120 - no pathlib here
        if not folder:
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))
        _mount(f"/proc/self/fd/{descriptor}", place, None, _BIND)
        device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
        _mount(None, place, None, _READ_ONLY_BIND & ~(0x4 * device))
        os.close(descriptor)
    os.makedirs(_STAGE + "/proc/self")  # noqa: PTH103 - no pathlib here
    os.symlink(program, _STAGE + "/proc/self/exe")  # noqa: PTH211 - no pathlib here
    os.mkdir(_STAGE + SCRATCH)  # noqa: PTH102 - no pathlib here
    options = f"size={scratch_bytes},nr_inodes=4096,mode=777"
    _mount("none", _STAGE + SCRATCH, "tmpfs", _NO_SUID_DEV_EXEC, options)
    os.chdir(_STAGE)
    here = ctypes.create_string_buffer(b".")
    address = ctypes.addressof(here)
    syscall("pivot_root", address, address)
    syscall("umount2", address, _DETACH)
    os.chdir("/")
    _mount(None, "/", None, _READ_ONLY_BIND | _NO_SUID_DEV_EXEC)
    os.chdir(SCRATCH)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    if LIBC.mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(options)) != 0:
        raise failure(f"mount({kind or 'change'} on {target})")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
