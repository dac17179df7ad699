"""Workers that speak the real protocol and break it on request: what a fallen guest could do.

`FakeEngine` is an engine whose zygote is this file. Its workers read the *source* of a run as the
name of what they shall do. They stand for native code that an attacker controls, so what they send
is written by hand where the honest encoder would refuse it; the supervisor's side is all real.
"""

from __future__ import annotations

import array
import errno
import json
import os
import signal
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dspex.isolation.copying import COPY_FLAGS
from dspex.protocol.framing import FRAME_BYTES_LIMIT, FrameDecoder
from dspex.protocol.messages import (
    VERSION,
    CannotStart,
    Copied,
    Copy,
    Ended,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    Output,
    Ready,
    Run,
    Started,
    Twin,
    WrittenFile,
    decode_to_worker,
    decode_to_zygote,
    encode,
)
from dspex.worker.jail.syscalls import syscall

if TYPE_CHECKING:
    from collections.abc import Callable

RECEIVE_BYTES = 1 << 16
FOREVER_S = 3600.0
TRICKLE_S = 0.001
STRAY_S = 30.0


def ended(run: Run, /, **changed: Any) -> bytes:
    """Return an honest end of a run as a frame, with some fields changed."""
    fields: dict[str, Any] = {
        "run": run.run, "report": b'{"status": "ok"}', "value": b'"honest"', "used_up": None,
        "turned_down": None, "gone": None, "truncated": False, "wall_s": 0.0, "cpu_s": 0.0,
        "peak_memory_bytes": 0, "output_bytes": 0, "files_left_out": [],
    }
    return encode(Ended(**{**fields, **changed}))


def output(run: Run, data: bytes, stream: int = 1) -> bytes:
    """Return output as a frame."""
    return encode(Output(run.run, stream, data))  # type: ignore[arg-type]


class Misbehaviour:
    """What a fake worker does with a run: one method per name that a source may have."""

    def __init__(self, connection: socket.socket) -> None:
        """Speak through the worker's end of the socket pair."""
        self._connection = connection
        self._send = connection.sendall

    def serve(self, run: Run) -> None:
        """Do what the source of the run says."""
        behave: Callable[[Run], None] = getattr(self, run.source.decode())
        behave(run)

    def honest(self, run: Run) -> None:
        """Answer as the real one would."""
        self._send(output(run, b"honest\n") + ended(run, output_bytes=7))

    def honest_byte_by_byte(self, run: Run) -> None:
        """Answer rightly, in the smallest pieces."""
        for byte in output(run, b"honest\n") + ended(run, output_bytes=7):
            self._send(bytes([byte]))

    def wrong_id(self, run: Run) -> None:
        """End another run."""
        self._send(ended(run, run=run.run + 1))

    def wrong_output_id(self, run: Run) -> None:
        """Speak for another run."""
        self._send(encode(Output(run.run - 1, 1, b"x")) + ended(run))

    def wrong_side(self, run: Run) -> None:
        """Say what only a zygote says."""
        self._send(encode(Forked(1, 1)))

    def request_back(self, run: Run) -> None:
        """Say what only a supervisor says."""
        self._send(encode(run))

    def twice(self, run: Run) -> None:
        """End twice."""
        self._send(ended(run) + ended(run))

    def output_after_the_end(self, run: Run) -> None:
        """Go on talking in the same breath."""
        self._send(ended(run) + output(run, b"more"))

    def output_long_after_the_end(self, run: Run) -> None:
        """Go on talking when nobody asks any more."""
        self._send(ended(run))
        time.sleep(0.05)
        self._send(output(run, b"more"))
        time.sleep(FOREVER_S)

    def unknown_tag(self, run: Run) -> None:
        """Send a message that there is not."""
        self._send(b"\x03\0\0\0\x92\x63\x01")

    def garbage(self, run: Run) -> None:
        """Send noise."""
        while True:
            self._send(os.urandom(1 << 16))

    def empty_frames(self, run: Run) -> None:
        """Send frames without content."""
        while True:
            self._send(bytes(1 << 16))

    def oversized(self, run: Run) -> None:
        """Announce more than fits into any memory."""
        self._send(b"\xff\xff\xff\xff" + bytes(1 << 16))

    def endless_partial_frame(self, run: Run) -> None:
        """Announce a frame that is allowed, and send it byte by byte without end."""
        self._send((1 << 16).to_bytes(4, "little"))
        while True:
            self._send(b"\x97")
            time.sleep(TRICKLE_S)

    def silence(self, run: Run) -> None:
        """Say nothing."""
        time.sleep(FOREVER_S)

    def deaf_silence(self, run: Run) -> None:
        """Say nothing and ignore every signal that can be ignored, at full speed."""
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass

    def eats_memory(self, run: Run) -> None:
        """Take memory without end, as native code can whatever the guest may."""
        taken = []
        while True:
            taken.append(b"x" * (8 << 20))
            time.sleep(TRICKLE_S)

    def half_an_answer(self, run: Run) -> None:
        """Begin to answer and fall silent."""
        self._send(output(run, b"half") + ended(run)[:-5])
        time.sleep(FOREVER_S)

    def too_much_output(self, run: Run) -> None:
        """Print one byte more than is allowed."""
        self._send(output(run, b"x" * run.budget.output_bytes) + output(run, b"x"))
        time.sleep(FOREVER_S)

    def output_flood(self, run: Run) -> None:
        """Print single bytes for as long as anybody reads."""
        one = output(run, b"x") * 1000
        while True:
            self._send(one)

    def empty_output_flood(self, run: Run) -> None:
        """Print nothing, without end."""
        one = output(run, b"") * 1000
        while True:
            self._send(one)

    def file_flood(self, run: Run) -> None:
        """Hand over empty files, without end."""
        number = 0
        while True:
            number += 1
            self._send(encode(WrittenFile(run.run, f"f{number}", b"")))

    def too_large_file(self, run: Run) -> None:
        """Hand over a file that is larger than the budget."""
        self._send(encode(WrittenFile(run.run, "f", bytes(run.budget.file_bytes + 1))))
        time.sleep(FOREVER_S)

    def file_outside(self, run: Run) -> None:
        """Hand over a file whose name leads out of the caller's folder."""
        self._send(encode(WrittenFile(run.run, "../../outside", b"x")) + ended(run))

    def file_absolute(self, run: Run) -> None:
        """Hand over a file whose name is a place of the host."""
        self._send(encode(WrittenFile(run.run, "/etc/outside", b"x")) + ended(run))

    def too_large_value(self, run: Run) -> None:
        """Return a value that is larger than the budget."""
        self._send(ended(run, value=b'"' + b"x" * run.budget.value_bytes + b'"'))

    def undecodable_value(self, run: Run) -> None:
        """Return what is no value."""
        self._send(ended(run, value=b'{"$":["bytes","*"]}'))

    def deep_value(self, run: Run) -> None:
        """Return a value that would overrun any recursive decoder."""
        self._send(ended(run, value=b"[" * 100_000 + b"]" * 100_000))

    def no_report(self, run: Run) -> None:
        """Report what is no report."""
        self._send(ended(run, report=b'{"status": "fine"}'))

    def not_a_number(self, run: Run) -> None:
        """Say that nan seconds were spent, with an encoder of its own."""
        honest = ended(run)
        at = honest.index(b"\xcb" + struct.pack(">d", 0.0))
        self._send(honest[:at] + b"\xcb" + struct.pack(">d", float("nan")) + honest[at + 9 :])

    def ends_and_stays(self, run: Run) -> None:
        """Answer rightly and live on, as a miner would."""
        self._send(ended(run))
        self.deaf_silence(run)

    def hangs_up_and_stays(self, run: Run) -> None:
        """Hang up in the middle and live on."""
        self._connection.close()
        self.deaf_silence(run)

    def exits(self, run: Run) -> None:
        """Leave in the middle, as if all were well."""
        os._exit(0)

    def exits_with_status(self, run: Run) -> None:
        """Leave in the middle with a status."""
        os._exit(3)

    def crashes(self, run: Run) -> None:
        """Crash."""
        os.kill(os.getpid(), signal.SIGSEGV)

    # What it does when it is told to copy itself: names that a session's run may have.

    def no_copy(self, run: Run) -> None:
        """Say later that it was copied though it was not."""
        self._when_copied(run, lambda _order, _far: None)

    def speaks_for_its_copy(self, run: Run) -> None:
        """Say later what the copy would say."""
        self._when_copied(run, lambda order, far: far.sendall(encode(Twin(order.errand))))

    def copy_speaks_garbage(self, run: Run) -> None:
        """Say later, for the copy, what is no message."""
        self._when_copied(run, lambda _order, far: far.sendall(b"\x03\0\0\0abc"))

    def copy_is_another(self, run: Run) -> None:
        """Say later, for the copy, another one's name."""
        self._when_copied(run, lambda order, far: far.sendall(encode(Twin(order.errand + 1))))

    def copy_is_not_the_zygotes(self, run: Run) -> None:
        """Fork later by other means, so that the zygote is not the copy's parent."""
        def fork(order: Copy, far: socket.socket) -> None:
            if os.fork() == 0:
                far.sendall(encode(Twin(order.errand)))
                far.recv(1)
                os._exit(0)

        self._when_copied(run, fork)

    def copy_is_silent(self, run: Run) -> None:
        """Make a copy later that says nothing and stays; not for ever, as no namespace ends it with its zygote."""
        def clone(_order: Copy, _far: socket.socket) -> None:
            if syscall("clone", COPY_FLAGS, 0, 0, 0, 0) == 0:
                time.sleep(STRAY_S)
                os._exit(0)

        self._when_copied(run, clone)

    def _when_copied(self, run: Run, act: Callable[[Copy, socket.socket], None]) -> None:
        self._act = act
        self.honest(run)

    def copy(self, order: Copy, descriptors: list[int]) -> None:
        """Do what the last run said."""
        far = socket.socket(fileno=descriptors[0])
        self._act(order, far)
        self._send(encode(Copied(order.errand)))

    def runs_out_of_processor_time(self, run: Run) -> None:
        """Die of the kernel's bound on processor time."""
        os.kill(os.getpid(), signal.SIGXCPU)


def main(arguments: str) -> None:
    """Be a zygote; the last part of `runtime` is the name of what it shall do."""
    wanted = json.loads(arguments)
    zygote = _FakeZygote(socket.socket(fileno=wanted["control"]))
    behave: Callable[[], None] = getattr(zygote, Path(wanted["runtime"]).name)
    behave()


class _FakeZygote:
    """Forks fake workers; one method per misbehaviour of its own."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}

    def honest(self) -> None:
        """Fork as the real one does."""
        self._start()
        for order in self._orders():
            self._fork(order)

    def silent(self) -> None:
        """Never start."""
        time.sleep(FOREVER_S)

    def dies_at_once(self) -> None:
        """Never start, and leave."""
        os._exit(9)

    def cannot_start(self) -> None:
        """Give a reason."""
        self._control.sendall(encode(CannotStart("the reason")))

    def speaks_garbage(self) -> None:
        """Start with noise."""
        self._control.sendall(b"\x05\0\0\0noise")
        time.sleep(FOREVER_S)

    def speaks_another_version(self) -> None:
        """Start as a newer one would."""
        self._start(version=VERSION + 1)
        time.sleep(FOREVER_S)

    def starts_and_dies(self) -> None:
        """Start, and be gone."""
        self._start()
        os._exit(0)

    def cannot_fork(self) -> None:
        """Find the system out of processes every time."""
        self._start()
        for order in self._orders():
            self._control.sendall(encode(ForkFailed(order.worker, errno.EAGAIN)))

    def cannot_fork_at_first(self) -> None:
        """Find the system out of processes twenty times, then no more."""
        self._start()
        for count, order in enumerate(self._orders()):
            if count < 20:
                self._control.sendall(encode(ForkFailed(order.worker, errno.EAGAIN)))
            else:
                self._fork(order)

    def forks_unasked(self) -> None:
        """Hand over a worker that was not ordered."""
        self._start()
        self._fork(Fork(999_999, 1, 0, 0))
        time.sleep(FOREVER_S)

    def workers_speak_first(self) -> None:
        """Fork workers that do not wait for a request; every second one is honest."""
        self._start()
        for count, order in enumerate(self._orders()):
            self._fork(order, first=b"\x01\0\0\0x" if count % 2 == 0 else b"")

    def _start(self, version: int = VERSION) -> None:
        self._control.sendall(encode(Started(version, ["wasm", "process"], {}, {})))

    def _orders(self) -> Any:
        decoder = FrameDecoder(FRAME_BYTES_LIMIT)
        self._control.settimeout(0.01)
        while True:
            try:
                data = self._control.recv(RECEIVE_BYTES)
            except TimeoutError:
                self._reap()
                continue
            if not data:
                self._end()
            for frame in decoder.feed(data):
                yield decode_to_zygote(frame)

    def _fork(self, order: Fork, first: bytes = b"") -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._control.close()
            _be_worker(theirs, order.requests, first)
        self._children[pid] = order.worker
        handle = os.pidfd_open(pid)
        passed = array.array("i", [ours.fileno(), handle])
        self._control.sendmsg(
            [encode(Forked(order.worker, pid))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)]
        )
        os.close(handle)
        ours.close()
        theirs.close()

    def _reap(self) -> None:
        while self._children:
            pid, state = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            worker, status = self._children.pop(pid), os.waitstatus_to_exitcode(state)
            if status:
                self._control.sendall(encode(Exited(worker, status)))

    def _end(self) -> NoReturn:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os._exit(0)


def _be_worker(connection: socket.socket, requests: int, first: bytes) -> NoReturn:
    """Serve runs as their sources say; the process ends with the socket."""
    try:
        if first:
            connection.sendall(first)
        misbehaviour = Misbehaviour(connection)
        if not requests:  # a gate at which nobody ever asks
            socket.send_fds(connection, [encode(Ready(True))], [os.pipe()[0]])
        decoder, served = FrameDecoder(FRAME_BYTES_LIMIT), 0
        while served != (requests or -1):
            data, descriptors, _, _ = socket.recv_fds(connection, RECEIVE_BYTES, 2)
            if not data:
                break
            for frame in decoder.feed(data):
                message = decode_to_worker(frame)
                if isinstance(message, Run):
                    misbehaviour.serve(message)
                    served += 1
                elif isinstance(message, Copy):
                    misbehaviour.copy(message, descriptors)
    except OSError:
        os._exit(0)  # the supervisor hung up
    os._exit(0)
