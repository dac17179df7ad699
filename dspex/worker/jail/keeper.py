"""The process that stays outside the pid namespace and ties the zygote's life to the engine's.

The engine starts one process; that process becomes the keeper and its child the zygote, process 1 of the new pid
namespace. The kernel kills everything in the namespace with it, also a grandchild in a session of its own. The keeper
holds nothing and runs no guest: it waits for either death. It watches the engine by a pidfd and not by a
parent-death signal, since that signal comes when the *thread* that started the child ends.
"""

import contextlib
import os
import select
import signal
import sys
from errno import ESRCH
from typing import Final, NoReturn

from dspex.worker.jail import filters, surroundings
from dspex.worker.jail.seccomp import Filter
from dspex.worker.jail.syscalls import machine, prctl, syscall

_PR_SET_PDEATHSIG: Final = 1
STATUS_ENGINE_GONE: Final = 70
STATUS_SIGNAL_BASE: Final = 128


def watch_parent(expected_pid: int | None) -> int:
    """Return a pidfd that becomes readable when the parent process ends.

    Args:
        expected_pid: Process that started this one, if the caller knows.

    Raises:
        OSError: The parent is gone already, or the kernel has no pidfds.
    """
    parent = os.getppid()
    parent_fd = syscall("pidfd_open", parent, 0)
    if os.getppid() != parent or (expected_pid is not None and parent != expected_pid):
        os.close(parent_fd)
        raise OSError(ESRCH, "the process that started this one is gone")
    return parent_fd


def split(parent_fd: int | None, *, with_filter: bool) -> int:
    """Fork: the parent becomes the keeper and never returns, the child goes on as the zygote.

    Args:
        parent_fd: From `watch_parent`; None if there is nothing to watch.
        with_filter: Whether the keeper arms its own seccomp filter.

    Returns:
        In the child, a descriptor that reads as ended once the keeper is dead.
    """
    alive_fd, held_fd = os.pipe()
    child = os.fork()
    if child:
        os.close(alive_fd)
        _keep(child, held_fd, parent_fd, with_filter=with_filter)
    os.close(held_fd)
    if parent_fd is not None:
        os.close(parent_fd)
    return alive_fd


def die_with_keeper(alive_fd: int) -> None:
    """Have the kernel kill this process when the keeper dies, and make sure that it has not yet; closes the descriptor.

    Raises:
        OSError: The signal was refused, or the keeper is dead.
    """
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(alive_fd, select.POLLIN)
    ended = poll.poll(0)
    os.close(alive_fd)
    if ended:
        raise OSError(ESRCH, "the keeper is gone")


def _keep(child: int, held_fd: int, parent_fd: int | None, *, with_filter: bool) -> NoReturn:
    status = STATUS_ENGINE_GONE
    try:
        status = _wait(child, held_fd, parent_fd, with_filter=with_filter)
    except OSError as error:
        sys.stderr.write(f"keeper: {error}\n")
    finally:
        # Nothing of the zygote's own program may run here on the way out.
        os._exit(status)


def _wait(child: int, held_fd: int, parent_fd: int | None, *, with_filter: bool) -> int:
    child_fd = syscall("pidfd_open", child, 0)
    watched = [fd for fd in (child_fd, parent_fd) if fd is not None]
    surroundings.close_all_but({0, 1, 2, held_fd, *watched})
    architecture = machine()
    if with_filter and architecture is not None:
        # Where the kernel gives none, the zygote finds the same and reports it; the keeper has still to wait.
        with contextlib.suppress(OSError):
            Filter(filters.keeper(architecture)).arm()
    poll = select.poll()
    for fd in watched:
        poll.register(fd, select.POLLIN)
    ready = {fd for fd, _ in poll.poll()}
    if child_fd not in ready:
        # The kernel kills the zygote, and with it the namespace, as soon as this process has ended.
        return STATUS_ENGINE_GONE
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else STATUS_SIGNAL_BASE - code
