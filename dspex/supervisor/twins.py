"""Workers of sessions that copy themselves, one copy at a time and each with the supervisor's leave.

A worker may not fork. What it may do, if it was armed for it, is to ask the kernel for one kind of copy
of itself, and the kernel asks here (seccomp's user notification). Leave is given once, to the worker that
was told to copy itself, while it was told so; whoever else asks gets EPERM, or waits until it is killed.
What the copy says is not believed: the kernel tells whose child it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import psutil
import trio

from dspex.errors import ProtocolViolation
from dspex.isolation.copying import COPY_FLAGS
from dspex.protocol.framing import FrameDecoder, FrameError
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    Copied,
    Copy,
    MessageError,
    Twin,
    decode_from_worker,
    encode,
)
from dspex.supervisor.states import Errand, memory_file

if TYPE_CHECKING:
    from collections.abc import Collection

    from dspex.errors import DspexError
    from dspex.protocol.messages import ErrandAnswer
    from dspex.supervisor.worker import Worker

TWIN_S: Final = 10.0
"""How long a copy may take from leave to its first word."""
STRAY_S: Final = 1.0
"""How long a process of a zygote's may be unknown before it is taken for a stray."""
_ASK_AGAIN_S: Final = 0.001
_NOTICE: Final = struct.Struct("=QIIiIQ6Q")
"""struct seccomp_notif: cookie, process, flags; then number, architecture, instruction, arguments of the call."""
_ANSWER: Final = struct.Struct("=QqiI")
"""struct seccomp_notif_resp: cookie, value, error, flags."""
_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_GO_ON: Final = 1
"""SECCOMP_USER_NOTIF_FLAG_CONTINUE. The flags of clone() travel in a register: nobody can change them meanwhile."""
_CREDENTIALS: Final = struct.Struct("=iII")


class NoTwinError(Exception):
    """A worker has not been copied; the message says why. It goes on, unless it is dead."""


class CopyGate:
    """Where the kernel asks whether a worker, or one that was copied from it, may copy itself."""

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor over."""
        self._descriptor = descriptor
        self.lock = trio.Lock()
        """Held while one of its workers has leave."""

    async def give_leave(self, worker: Worker) -> None:
        """Let this worker copy itself once and refuse all else, until cancelled."""
        given = False
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            notice = bytearray(_NOTICE.size)
            try:
                fcntl.ioctl(self._descriptor, _RECEIVE, notice)
            except OSError:  # whoever asked is dead, or was interrupted and asks again
                await trio.sleep(_ASK_AGAIN_S)
                continue
            # The filter asks about one call only.
            cookie, pid, _, _, _, _, flags, *_ = _NOTICE.unpack(notice)
            wanted = not given and (pid, flags) == (worker.pid, COPY_FLAGS)
            number, how = (0, _GO_ON) if wanted else (-errno.EPERM, 0)
            with contextlib.suppress(OSError):  # the same
                fcntl.ioctl(self._descriptor, _SEND, bytearray(_ANSWER.pack(cookie, 0, number, how)))
                given = given or wanted

    def __del__(self) -> None:
        """Close it when none of its workers is left; from then on nobody gets leave."""
        os.close(self._descriptor)


class Made(NamedTuple):
    """A copy of a worker, as it was found."""

    connection: socket.socket
    handle: int
    """Its process descriptor."""
    inner_pid: int
    """Its number in its zygote's pid namespace."""


class CopyErrand(Errand):
    """Asks a worker to copy itself."""

    answer = Copied

    def __init__(self) -> None:
        """Make the copy's socket and its memory file.

        Raises:
            OSError: The system gives none.
        """
        super().__init__(self._note_failure)
        self.settled = trio.Event()
        self.failure: BaseException | None = None
        self.connection, theirs = socket.socketpair()
        self._theirs = [theirs.detach()]
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._theirs.append(memory_file(0))
        except OSError:
            self._close_theirs()
            self.connection.close()
            raise
        self.frame = encode(Copy(self.number))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The copy's socket and its memory file."""
        return tuple(self._theirs)

    def settle(self, message: ErrandAnswer) -> DspexError | None:
        """Note that there is a copy, or why there is none."""
        assert isinstance(message, Copied)
        if message.problem:
            self.failure = NoTwinError(message.problem)
        self._end()
        return None

    def check(self) -> None:
        """Raise why there is no copy, if there is none.

        Raises:
            NoTwinError: The worker could not copy itself.
            DspexError: The worker is dead.
        """
        if self.failure is not None:
            raise self.failure

    def _note_failure(self, error: BaseException) -> None:
        self.failure = error
        self._end()

    def _end(self) -> None:
        self._close_theirs()
        self.settled.set()

    def _close_theirs(self) -> None:
        while self._theirs:
            os.close(self._theirs.pop())


async def make_twin(worker: Worker, gate: CopyGate) -> Made:
    """Have a worker copied, which must be idle.

    Raises:
        NoTwinError: It could not be; the worker can go on.
        ProtocolViolation: There was a copy that did not behave; it may still be alive (see `strays_of`).
        DspexError: The worker is dead.
    """
    async with gate.lock:
        try:
            errand = CopyErrand()
        except OSError as error:
            raise NoTwinError(str(error)) from error
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(gate.give_leave, worker)
                worker.begin_errand(errand)
                await errand.settled.wait()
                nursery.cancel_scope.cancel()
            errand.check()
            return await _first_word(errand, worker)
        except BaseException:
            errand.connection.close()
            raise


async def _first_word(errand: CopyErrand, worker: Worker) -> Made:
    """Wait until the copy is ready.

    Raises:
        NoTwinError: It has died.
        ProtocolViolation: This is not what was asked for.
    """
    ours = errand.connection
    with trio.move_on_after(TWIN_S) as waiting:
        await trio.lowlevel.wait_readable(ours)
    if waiting.cancelled_caught:
        reason = f"a copy of a worker has said nothing for {TWIN_S:.0f} s"
        raise ProtocolViolation(reason)
    try:
        data, ancillary, _, _ = ours.recvmsg(
            ENVELOPE_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size), socket.MSG_DONTWAIT
        )
    except OSError as error:
        raise NoTwinError(str(error)) from error
    if not data:
        raise NoTwinError("the copy has died")
    try:
        said = [decode_from_worker(one) for one in FrameDecoder(ENVELOPE_BYTES).feed(data)]
    except (FrameError, MessageError) as error:
        raise ProtocolViolation(str(error)) from error
    if said != [Twin(errand.number)]:
        raise ProtocolViolation("a copy of a worker did not begin with its name")
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    speakers = [
        _CREDENTIALS.unpack(content)[0]
        for level, kind, content in ancillary
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS
    ]
    if not speakers:
        raise NoTwinError("the kernel did not say who the copy is")
    return _found(ours, speakers[0], worker)


def _found(connection: socket.socket, pid: int, original: Worker) -> Made:
    """Take hold of the process that spoke first through a copy's socket.

    Raises:
        NoTwinError: It is gone, or cannot be seen from here.
        ProtocolViolation: It is no copy of the original.
    """
    try:
        handle = os.pidfd_open(pid)
    except OSError as error:
        raise NoTwinError(f"the copy is gone: {error}") from error
    try:
        sibling = pid != original.pid and _parent_of(pid) == _parent_of(original.pid)
        # Only now is it sure that the number was not another process' in between.
        signal.pidfd_send_signal(handle, 0)
        inner = int(_fdinfo(handle)["NSpid"].split()[-1])
    except (OSError, KeyError, ValueError, IndexError) as error:
        os.close(handle)
        raise NoTwinError(f"the copy cannot be found: {error}") from error
    if not sibling:
        os.close(handle)
        raise ProtocolViolation("what speaks for a copy of a worker is not one")
    return Made(connection, handle, inner)


def _fdinfo(descriptor: int) -> dict[str, str]:
    text = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _parent_of(pid: int) -> int:
    """Return the number of a process' parent.

    Raises:
        OSError: There is no such process, or it cannot be seen.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return int(stat.rpartition(")")[2].split()[1])


def strays_of(known: Collection[int]) -> set[int]:
    """Return the processes that are siblings of known ones and not known themselves."""
    parents = set()
    for pid in known:
        with contextlib.suppress(OSError):
            parents.add(_parent_of(pid))
    found = set()
    for parent in parents:
        with contextlib.suppress(psutil.Error):
            found |= {one.pid for one in psutil.Process(parent).children()}
    return found - set(known)
