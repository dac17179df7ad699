"""What a process brings along from its birth: environment, session, descriptors, user.

The engine starts a zygote clean; these steps check that it did, and finish what only the child can do.
"""

import fcntl
import os
import stat
from collections.abc import Collection
from errno import EINVAL, ENOSYS, ENOTSUP
from typing import Final

from dspex.worker.jail import capabilities
from dspex.worker.jail.syscalls import syscall

_STANDARD_FDS: Final = (0, 1, 2)
_JOIN_SESSION_KEYRING: Final = 1
_FD_MAX: Final = 1 << 16
"""Descriptors may lie above a limit that was lowered after they were opened."""


def check_environment(allowed: Collection[str]) -> None:
    """Demand that the process was started with a clean environment.

    The bytes given at exec stay readable in memory whatever is deleted later, so a leftover cannot be mended here.

    Raises:
        OSError: A name is present that is not allowed; values are not repeated.
    """
    left_over = sorted(set(os.environ) - set(allowed))
    if left_over:
        raise OSError(EINVAL, f"started with {', '.join(left_over)} in its environment")


def enter_own_session() -> None:
    """Leave the terminal and the process group of whoever started this process.

    Raises:
        OSError: The process leads a group and so cannot leave it.
    """
    if os.getsid(0) != os.getpid():
        os.setsid()


def open_descriptors() -> frozenset[int]:
    """Return the descriptors that are open now; the difference of two answers is what something opened in between.

    wasmtime keeps the file of a compiled module open and maps each new instance's memory from it, so that one
    descriptor has to be among those kept.

    Raises:
        OSError: There is no /proc to read them from.
    """
    listed = map(int, os.listdir("/proc/self/fd"))  # noqa: PTH208 - no pathlib in a zygote
    # The one through which the list was read is on it and closed by now.
    return frozenset(fd for fd in listed if _is_open(fd))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def close_descriptors(kept: Collection[int]) -> None:
    """Close every descriptor but those named; 0 to 2 become /dev/null unless named.

    Raises:
        OSError: A kept descriptor leads back to the host: a directory, a disk, or a named file open for writing; or
            it is not open at all.
    """
    for fd in kept:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            raise OSError(ENOTSUP, f"descriptor {fd} is a directory or a disk and would lead out")
        named_file = stat.S_ISREG(found.st_mode) and found.st_nlink > 0
        if named_file and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(ENOTSUP, f"descriptor {fd} is a file of the host, open for writing")
    null_fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in _STANDARD_FDS:
        if fd not in kept:
            os.dup2(null_fd, fd)
    close_all_but({*kept, *_STANDARD_FDS})


def close_all_but(kept: Collection[int]) -> None:
    """Close every descriptor that is not named."""
    low = 0
    for fd in sorted(kept):
        # An empty range that starts at 0 would be taken for all of them.
        if fd > low:
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, max(low, _FD_MAX, os.sysconf("SC_OPEN_MAX")))


def leave_root(unprivileged_id: int) -> None:
    """Change to a user without rights if this is root; an ordinary user stays who he is.

    Raises:
        OSError: Root may not change its user here.
    """
    if os.geteuid() != 0 and os.getuid() != 0:
        return
    capabilities.keep_over_user_change()
    os.setgroups([])
    os.setresgid(unprivileged_id, unprivileged_id, unprivileged_id)
    os.setresuid(unprivileged_id, unprivileged_id, unprivileged_id)
    capabilities.raise_kept()
    # Changing the user makes a process undumpable, and then it could not write its own user map.
    capabilities.set_dumpable(dumpable=True)


def enter_own_keyring() -> None:
    """Leave the session's keyring, which forks inherit, for an empty one.

    Raises:
        OSError: The kernel refused. One without keyrings has nothing to leave, which is no failure.
    """
    try:
        syscall("keyctl", _JOIN_SESSION_KEYRING, 0)
    except OSError as error:
        if error.errno != ENOSYS:
            raise


def check_single_thread() -> None:
    """Demand that nothing else runs in this process: most walls would cover the calling thread only.

    Raises:
        RuntimeError: There is more than one thread.
    """
    try:
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - no pathlib in a zygote
    except FileNotFoundError:
        # No /proc to count in; the kernel itself then refuses a user namespace to more than one.
        return
    if threads != 1:
        message = f"the jail needs a single thread, this process has {threads}"
        raise RuntimeError(message)
