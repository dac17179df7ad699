"""The worker's end of its socket, during a run: messages out, answers in.

What the messages mean is the language's business; the turns themselves are `dspex.worker.serve`'s.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket
from typing import TYPE_CHECKING

from dspex.protocol.framing import FRAME_BYTES_LIMIT, FrameDecoder
from dspex.protocol.messages import (
    Answer,
    Errand,
    Interrupt,
    Run,
    decode_to_worker,
    encode_in_two,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.protocol.messages import FromWorker

RECEIVE_BYTES = 1 << 16
LARGE_BYTES = 1 << 16
"""From here on another system call is cheaper than another copy."""
DESCRIPTORS_MAX = 2
"""How many come with one order at most."""


class SocketLink:
    """A `dspex.languages.base.Link` over the worker's socket."""

    __slots__ = (
        "_answers", "_connection", "_decoder", "_descriptors", "_interrupted", "_poll", "_received",
    )  # fmt: skip

    def __init__(self, connection: socket.socket, received: bytes = b"") -> None:
        """Read from and write to `connection`, which stays the caller's.

        Args:
            connection: See above.
            received: What has been read from it already.
        """
        self._use(connection)
        self._received = received

    def _use(self, connection: socket.socket) -> None:
        self._connection = connection
        self._decoder = FrameDecoder(FRAME_BYTES_LIMIT)
        self._answers: list[Answer] = []
        self._descriptors: list[int] = []
        self._interrupted = -1
        self._poll: select.poll | None = None

    def runs(self) -> Iterator[Run]:
        """Yield each run as it arrives, until the supervisor hangs up."""
        while data := self._received or self._connection.recv(RECEIVE_BYTES):
            self._received, run = b"", None
            for frame in self._decoder.feed(data):
                message = decode_to_worker(frame)
                if isinstance(message, Run):
                    run = message  # the next one is not sent before this one has ended
                elif isinstance(message, Interrupt):
                    self._interrupted = message.run
                # An answer that comes after the end of its run is nobody's any more.
            if run is not None:
                self._answers.clear()
                yield run

    def move(self, connection: socket.socket) -> None:
        """Go on over another socket, between two orders; this process' end of the last one is closed."""
        self._connection.close()
        self._use(connection)

    def orders(self) -> Iterator[Run | Errand]:
        """Yield each run, and what a session's worker is asked in between, until the supervisor hangs up.

        With what comes in between come descriptors; see `descriptors`.
        """
        while data := self._receive():
            arrived = []
            for frame in self._decoder.feed(data):
                message = decode_to_worker(frame)
                if isinstance(message, Run | Errand):
                    arrived.append(message)
                elif isinstance(message, Interrupt):  # noted before its run begins, which may be above
                    self._interrupted = message.run
            for order in arrived:
                self._answers.clear()
                yield order

    def _receive(self) -> bytes:
        room = socket.CMSG_SPACE(DESCRIPTORS_MAX * array.array("i").itemsize)
        data, ancillary, _flags, _address = self._connection.recvmsg(
            RECEIVE_BYTES, room, socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._descriptors += array.array("i", content)
        return data

    @contextlib.contextmanager
    def descriptors(self) -> Iterator[list[int]]:
        """Lend the descriptors that came with the last order; who takes one out of the list keeps it."""
        found, self._descriptors = self._descriptors, []
        try:
            yield found
        finally:
            for one in found:
                os.close(one)

    def send(self, message: FromWorker) -> None:
        """Send a message of the run, or the answer to what was asked between runs."""
        header, body = encode_in_two(message)
        if len(body) < LARGE_BYTES:
            self._connection.sendall(header + body)
            return
        self._connection.sendall(header)
        self._connection.sendall(body)

    def answers(self, wait_s: float) -> list[Answer]:
        """Return the answers that have arrived, waiting up to `wait_s` for the first one.

        Raises:
            BrokenPipeError: The supervisor has hung up.
        """
        self._take(wait_s)
        found, self._answers = self._answers, []
        return found

    def interrupted(self, run: int) -> bool:
        """Tell whether the supervisor wants a run interrupted: asked once, when it has begun.

        Raises:
            BrokenPipeError: The supervisor has hung up.
        """
        self._take(0)
        return self._interrupted == run

    def _take(self, wait_s: float) -> None:
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._connection, select.POLLIN)
        if self._poll.poll(wait_s * 1000):
            data = self._connection.recv(RECEIVE_BYTES)
            if not data:
                raise BrokenPipeError
            for frame in self._decoder.feed(data):
                message = decode_to_worker(frame)
                if isinstance(message, Answer):
                    self._answers.append(message)
                elif isinstance(message, Interrupt):
                    self._interrupted = message.run
