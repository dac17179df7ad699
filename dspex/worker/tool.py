"""Runs one native tool, a compiler, on one file that nobody trusts: behind walls, and once.

Whoever starts it gives the file on standard input and gets a header, what the tool said and what it
made on standard output. The process that talks stays; the tool is a child of it, the first process
of a pid namespace of its own where there is one. Which tool, and what it may see, is decided by
`dspex.runtimes.rust`; the walls are `dspex.worker.jail`'s. Nothing runs if too few of them stand.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import stat
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from dspex.isolation.layers import Layer
from dspex.worker.jail import (
    capabilities,
    filters,
    landlock,
    namespaces,
    surroundings,
    toolroot,
)
from dspex.worker.jail.seccomp import Filter
from dspex.worker.jail.syscalls import machine, prctl

if TYPE_CHECKING:
    from collections.abc import Callable

REQUIRED = (
    Layer.CLEAN_ENV, Layer.CLOSED_FDS, Layer.RLIMITS, Layer.CAPABILITIES, Layer.NO_NEW_PRIVS,
    Layer.SECCOMP,
)
ONE_OF = (Layer.EMPTY_ROOT, Layer.LANDLOCK)
"""One wall that keeps files shut is enough; where the machine gives both, both stand."""

EXIT_NO_JAIL = 71
SAID_BYTES_MAX = 4 << 20
_PR_SET_PDEATHSIG = 1
_CORE, _NICE_CEILING = resource.RLIMIT_CORE, 10
_OTHER_NAMESPACES = tuple(
    layer for layer in namespaces.NAMESPACES if layer is not Layer.MOUNT_NAMESPACE
)


class Order(NamedTuple):
    """What to run, and with how much."""

    command: list[str]
    visible: list[str]
    """Absolute paths that the tool sees, read-only."""
    source: str
    """Name of the file in the scratch folder that standard input becomes."""
    made: str
    """Name of the file in the scratch folder that the tool makes."""
    scratch: str
    """A folder of the host that is used where there is no mount namespace."""
    parent: int
    wall_s: float
    cpu_s: int
    data_bytes: int
    file_bytes: int


def main(arguments: str) -> NoReturn:
    """Run a tool and exit.

    Args:
        arguments: An `Order` as a JSON object.
    """
    order = Order(**json.loads(arguments))
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order.parent:
        os._exit(EXIT_NO_JAIL)
    source = sys.stdin.buffer.read()
    armed, absent = _arm(order)
    lacking = [layer.value for layer in REQUIRED if layer.value not in armed]
    if not any(layer.value in armed for layer in ONE_OF):
        lacking.append(" or ".join(layer.value for layer in ONE_OF))
    if lacking:
        _answer({"armed": armed, "absent": absent, "lacking": lacking}, b"", b"")
        os._exit(EXIT_NO_JAIL)
    descriptor = os.open(order.source, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    _write_all(descriptor, source)
    os.close(descriptor)
    status, said, timed_out = _run(order)
    made = _made(order.made) if status == 0 else b""
    header = {
        "armed": armed, "absent": absent, "lacking": [], "status": status, "timed_out": timed_out,
        "cpu_s": sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]),
    }
    _answer(header, said, made)
    os._exit(0)


def _arm(order: Order) -> tuple[list[str], dict[str, str]]:
    armed: list[str] = []
    absent: dict[str, str] = {}

    def attempt(layer: Layer, step: Callable[[], object]) -> None:
        try:
            step()
        except OSError as error:
            absent[layer.value] = str(error)
        else:
            armed.append(layer.value)

    attempt(Layer.CLEAN_ENV, lambda: surroundings.check_environment(("LC_CTYPE",)))
    attempt(Layer.OWN_SESSION, surroundings.enter_own_session)
    surroundings.close_all_but({0, 1, 2})
    attempt(Layer.CLOSED_FDS, _check_standard_streams)
    attempt(Layer.OWN_KEYRING, surroundings.enter_own_keyring)
    is_root = os.geteuid() == 0
    if not is_root:
        attempt(Layer.USER_NAMESPACE, namespaces.enter_user_namespace)
    for layer in _OTHER_NAMESPACES:
        attempt(layer, partial(namespaces.enter, layer))
    attempt(Layer.EMPTY_ROOT, lambda: toolroot.enter(order.visible, order.command[0], 2 * order.file_bytes))
    if Layer.EMPTY_ROOT.value not in armed:
        os.chdir(order.scratch)
    ruleset: list[int] = []
    attempt(Layer.LANDLOCK, lambda: ruleset.append(_rules(order)))
    if is_root:
        attempt(Layer.UNPRIVILEGED_USER, lambda: surroundings.leave_root(namespaces.INSIDE_ID))
    attempt(Layer.RLIMITS, lambda: _limit(order))
    attempt(Layer.CAPABILITIES, capabilities.drop_all)
    attempt(Layer.NO_NEW_PRIVS, capabilities.forbid_new_privileges)
    if ruleset:
        armed.remove(Layer.LANDLOCK.value)
        attempt(Layer.LANDLOCK, lambda: landlock.enter(ruleset[0]))
    attempt(Layer.SECCOMP, _filter)
    return armed, absent


def _check_standard_streams() -> None:
    for descriptor in (0, 1, 2):
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)):
            raise OSError(f"descriptor {descriptor} is a file of the host")


def _rules(order: Order) -> int:
    ruleset = landlock.open_ruleset()
    for path in order.visible:
        device = stat.S_ISCHR(os.stat(path).st_mode)  # noqa: PTH116 - no pathlib here
        landlock.allow_beneath(ruleset, path, landlock.WORK if device else landlock.READ_AND_RUN)
    landlock.allow_beneath(ruleset, ".", landlock.WORK)
    return ruleset


def _limit(order: Order) -> None:
    for kind, value in (
        (_CORE, 0),
        (resource.RLIMIT_CPU, order.cpu_s),
        (resource.RLIMIT_DATA, order.data_bytes),
        (resource.RLIMIT_FSIZE, order.file_bytes),
        (resource.RLIMIT_NOFILE, 512),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_RTPRIO, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))
    os.nice(_NICE_CEILING)


def _filter() -> None:
    architecture = machine()
    if architecture is None:
        raise OSError("no system call numbers are known for this machine")
    Filter(filters.tool(architecture)).arm()


def _run(order: Order) -> tuple[int, bytes, bool]:
    """Start the tool, take what it says, and end it when its time is over."""
    theirs_read, theirs_write = os.pipe()
    alive_read, alive_write = os.pipe()
    child = os.fork()
    if child == 0:
        _become(order, theirs_write, alive_read)
    os.close(theirs_write)
    os.close(alive_read)
    said, said_bytes = [], 0
    deadline = time.monotonic() + order.wall_s
    poll = select.poll()
    poll.register(theirs_read, select.POLLIN | select.POLLHUP)
    timed_out = False
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            timed_out = True
            break
        piece = os.read(theirs_read, 1 << 16)
        if not piece:
            break
        if said_bytes < SAID_BYTES_MAX:
            said.append(piece[: SAID_BYTES_MAX - said_bytes])
            said_bytes += len(said[-1])
    # The tool has closed its end, or has had its time; whatever else lives in its namespace goes too.
    status = _ended(child, deadline) if not timed_out else None
    if status is None:
        timed_out = True
        os.kill(child, signal.SIGKILL)
        _, state = os.waitpid(child, 0)
        status = os.waitstatus_to_exitcode(state)
    os.close(alive_write)
    return status, b"".join(said), timed_out


def _ended(child: int, deadline: float) -> int | None:
    while True:
        found, state = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(state)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def _become(order: Order, said_fd: int, alive_fd: int) -> NoReturn:
    """Turn the child into the tool; it dies with the process that waits for it."""
    try:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        poll = select.poll()
        poll.register(alive_fd, select.POLLIN)
        if poll.poll(0):
            os._exit(EXIT_NO_JAIL)
        os.dup2(said_fd, 2)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        surroundings.close_all_but({0, 1, 2})
        here = os.getcwd()  # noqa: PTH109 - no pathlib here
        os.execve(order.command[0], order.command, {"TMPDIR": here, "PATH": "/nowhere"})  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(said_fd, f"{order.command[0]} cannot be started: {error}\n".encode())
    finally:
        os._exit(EXIT_NO_JAIL)


def _made(name: str) -> bytes:
    """Read what the tool made, if it is a plain file."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    pieces = []
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        while piece := os.read(descriptor, 1 << 20):
            pieces.append(piece)
    os.close(descriptor)
    return b"".join(pieces)


def _answer(header: dict[str, object], said: bytes, made: bytes) -> None:
    head = json.dumps({**header, "said_bytes": len(said), "made_bytes": len(made)}).encode()
    _write_all(1, b"%b\n%b%b" % (head, said, made))


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
