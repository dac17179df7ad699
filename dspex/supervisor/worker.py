"""One worker process as the supervisor sees it: a socket, a process handle, and at most one job.

It reads what the worker sends and settles jobs. Which job it gets, and what happens after, is
decided by its `owner` (a pool or a session). One worker's death is nobody else's business.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from typing import TYPE_CHECKING, Protocol

import trio

from dspex.errors import DspexError, LimitExceeded, ProtocolViolation, WorkerCrashed
from dspex.protocol.messages import Ended, Output, WrittenFile, encode
from dspex.protocol.turn import Conversation, TurnError

if TYPE_CHECKING:
    import socket

    from dspex.supervisor.job import Job

RECEIVE_BYTES = 1 << 18
KILL_SLACK_S = 0.05
"""The outer guard waits this much longer than the inner one, so that the better report wins."""
STATUS_WAIT_S = 1.0
"""How long a lost worker's exit status may take to arrive from its zygote."""


class Owner(Protocol):
    """Who is told what becomes of a worker."""

    def worker_idle(self, worker: Worker) -> None:
        """Take note that the worker has ended a turn and can take another."""

    def worker_gone(self, worker: Worker) -> None:
        """Take note that the worker will never serve again."""


class Worker:
    """The supervisor's end of one worker."""

    def __init__(  # noqa: PLR0913 - everything it is made of
        self,
        number: int,
        pid: int,
        connection: socket.socket,
        handle: int,
        requests: int,
        isolation: tuple[str, ...],
    ) -> None:
        """Take ownership of the socket and of the process descriptor `handle`."""
        connection.setblocking(False)  # noqa: FBT003 - its only form
        self.number = number
        self.pid = pid
        self.job: Job | None = None
        self.requests_left = requests if requests else -1
        self.isolation = isolation
        self.exit_status: int | None = None
        self.owner: Owner | None = None
        self._connection = connection
        self._handle = handle
        self._conversation = Conversation()
        self._deadline = trio.CancelScope()
        self._status_known = trio.Event()
        self._unsent = memoryview(b"")
        self._room_to_send: trio.Event | None = None
        self._verdict: DspexError | None = None
        self.gone = False

    def begin(self, job: Job) -> None:
        """Send a job to the worker; it must be idle."""
        job.worker = self
        self.job = job
        job.facts.isolation = self.isolation
        job.began_s = time.monotonic()
        self._conversation.begin(job.message)
        self.requests_left -= 1
        budget = job.message.budget
        self._deadline.deadline = (
            trio.current_time() + budget.wall_s + job.grace_s + KILL_SLACK_S
        )
        self._send(encode(job.message))

    def interrupt(self) -> None:
        """Ask the guest to stop, keeping its state: it gets a `KeyboardInterrupt`."""
        self._signal(signal.SIGUSR1)

    def kill(self, verdict: DspexError | None = None) -> None:
        """Kill the process; `verdict` says why, for the job that it was serving."""
        if verdict is not None and self._verdict is None:
            self._verdict = verdict
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def note_exit_status(self, status: int) -> None:
        """Take the exit status that the zygote reports."""
        self.exit_status = status
        self._status_known.set()

    def _send(self, frame: bytes) -> None:
        """Send what the socket takes at once; the rest is left to `_send_rest`."""
        try:
            sent = self._connection.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it is dead; `attend` finds out and says so
        if sent < len(frame):
            self._unsent = memoryview(frame)[sent:]
            if self._room_to_send is not None:
                self._room_to_send.set()

    async def attend(self) -> None:
        """Read until the worker is gone; settles its jobs and tells its owner."""
        try:
            async with trio.open_nursery() as nursery:
                self._room_to_send = trio.Event()
                if self._unsent:
                    self._room_to_send.set()
                nursery.start_soon(self._send_rest)
                await self._read_all()
                nursery.cancel_scope.cancel()
        finally:
            self.gone = True
            if self.job is not None:
                await self._lose_job(self.job)
            self._close()
            if self.owner is not None:
                self.owner.worker_gone(self)

    async def _send_rest(self) -> None:
        while True:
            assert self._room_to_send is not None
            await self._room_to_send.wait()
            self._room_to_send = trio.Event()
            while self._unsent:
                await trio.lowlevel.wait_writable(self._connection)
                try:
                    sent = self._connection.send(self._unsent)
                except BlockingIOError:
                    continue
                except OSError:
                    return
                self._unsent = self._unsent[sent:]

    async def _read_all(self) -> None:
        with self._deadline:
            while True:
                try:
                    data = self._connection.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self._connection)
                    continue
                except OSError:
                    return
                if not data:
                    return
                try:
                    for message in self._conversation.receive(data):
                        self._handle_message(message)
                except TurnError as error:
                    self.kill(ProtocolViolation(str(error)))
                    return
                if self.requests_left == 0 and self.job is None:
                    return
                # A worker that floods must not starve the others.
                if len(data) == RECEIVE_BYTES:
                    await trio.lowlevel.checkpoint()
        job = self.job
        if job is not None:
            allowed = job.message.budget.wall_s
            spent = time.monotonic() - job.began_s
            self.kill(LimitExceeded("wall_s", allowed, spent, "outer"))

    def _handle_message(self, message: Output | WrittenFile | Ended) -> None:
        job = self.job
        assert job is not None, "the conversation lets nothing through without a run"
        if isinstance(message, Output):
            job.facts.output.append((message.stream, message.data))
            if job.on_output is not None:
                job.on_output(message.stream, message.data)
        elif isinstance(message, WrittenFile):
            job.facts.files[message.name] = message.data
        else:
            self._deadline.deadline = math.inf
            self.job = job.worker = None
            job.facts.ended = message
            if message.gone is not None:
                self.requests_left = 0
            # Fill the place before the caller is told, who may ask for the next run at once.
            if self.requests_left and self.owner is not None:
                self.owner.worker_idle(self)
            job.settle()

    async def _lose_job(self, job: Job) -> None:
        """Say why the job's worker ended under it."""
        self.job = job.worker = None
        if self._verdict is None:
            with trio.CancelScope(shield=True), trio.move_on_after(STATUS_WAIT_S):
                await self._status_known.wait()
            self._verdict = _crash_verdict(self.exit_status, job)
        job.facts.verdict = self._verdict
        job.settle()

    def _close(self) -> None:
        self._signal(signal.SIGKILL if self.requests_left else 0)
        self._connection.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _crash_verdict(status: int | None, job: Job) -> DspexError:
    """Tell a used-up budget from a crash by the signal that the kernel sent."""
    if status == -signal.SIGXCPU:
        spent = time.monotonic() - job.began_s
        return LimitExceeded("cpu_s", job.message.budget.cpu_s, spent, "outer")
    return WorkerCrashed(status)
