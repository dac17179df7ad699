"""Namespaces of its own, and a root directory with nothing in it.

Each namespace is asked for by itself, so that a machine that refuses one still gives the others and the report can
say which. Who becomes the first process of the pid namespace is settled in `dspex.worker.jail.keeper`.
"""

import ctypes
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dspex.isolation.layers import Layer
from dspex.worker.jail.syscalls import LIBC, failure, syscall

NAMESPACES: Final[Mapping[Layer, int]] = MappingProxyType(
    {
        Layer.MOUNT_NAMESPACE: 0x00020000,
        Layer.PID_NAMESPACE: 0x20000000,
        Layer.NETWORK_NAMESPACE: 0x40000000,
        Layer.IPC_NAMESPACE: 0x08000000,
        Layer.UTS_NAMESPACE: 0x04000000,
        Layer.CGROUP_NAMESPACE: 0x02000000,
    }
)
"""Those that need a capability, which the user namespace, entered first, gives."""
INSIDE_ID: Final = 65534
"""User and group that a jailed process sees itself as, whoever it is outside."""
_HOST_NAME: Final = b"sandbox"
_USER: Final = 0x10000000
_READ_ONLY: Final = 0x1
_NO_SUID_DEV_EXEC: Final = 0x2 | 0x4 | 0x8
_REMOUNT: Final = 0x20
_BIND: Final = 0x1000
_RECURSIVE_PRIVATE: Final = 0x4000 | 0x40000
_DETACH: Final = 0x2
_MOUNT_POINTS: Final = ("/tmp", "/proc", "/sys", "/dev")  # noqa: S108 - only covered by a mount, never written to


def enter_user_namespace() -> None:
    """Become a user of an own namespace, mapped to the one user that this process is outside.

    Raises:
        OSError: The kernel refused the namespace or the map.
    """
    user, group = os.geteuid(), os.getegid()
    syscall("unshare", _USER)
    _write_kernel_file("/proc/self/setgroups", "deny")
    _write_kernel_file("/proc/self/uid_map", f"{INSIDE_ID} {user} 1")
    _write_kernel_file("/proc/self/gid_map", f"{INSIDE_ID} {group} 1")


def enter(layer: Layer) -> None:
    """Enter an own namespace of one kind; for the pid namespace that holds from the next fork on.

    Raises:
        OSError: The kernel refused.
    """
    syscall("unshare", NAMESPACES[layer])
    if layer is Layer.UTS_NAMESPACE:
        # A new one starts with a copy of the host's name.
        name = ctypes.create_string_buffer(_HOST_NAME)
        for call in ("sethostname", "setdomainname"):
            syscall(call, ctypes.addressof(name), len(_HOST_NAME))


def forbid_nested() -> None:
    """Allow no further user namespace in this one: they open much of the kernel to attack.

    Raises:
        OSError: /proc is missing or read-only, or this process has no user namespace of its own.
    """
    _write_kernel_file("/proc/sys/user/max_user_namespaces", "0")


def enter_empty_root() -> None:
    """Make the root an empty read-only directory, with nothing of the host left mounted.

    Raises:
        OSError: A mount or pivot_root was refused.
    """
    _mount(None, "/", None, _RECURSIVE_PRIVATE)
    mount_point = next((each for each in _MOUNT_POINTS if os.path.isdir(each)), "/")  # noqa: PTH112 - no pathlib in a zygote
    _mount("none", mount_point, "tmpfs", _NO_SUID_DEV_EXEC, "size=4k,nr_inodes=2,mode=555")
    os.chdir(mount_point)
    here = ctypes.create_string_buffer(b".")
    address = ctypes.addressof(here)
    # Both names may be the same: the old root is then stacked on the new one and is taken off again.
    syscall("pivot_root", address, address)
    syscall("umount2", address, _DETACH)
    os.chdir("/")
    _mount(None, "/", None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID_DEV_EXEC)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    arguments = (_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags))
    if LIBC.mount(*arguments, _bytes(options)) != 0:
        raise failure(f"mount({kind or 'change'} on {target})")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _write_kernel_file(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
