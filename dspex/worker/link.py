"""The worker's end of its socket, during a run: messages out, answers in.

What the messages mean is the language's business; the turns themselves are `dspex.worker.serve`'s.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from dspex.protocol.framing import FRAME_BYTES_LIMIT, FrameDecoder
from dspex.protocol.messages import Answer, Interrupt, Run, decode_to_worker, encode_in_two

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from dspex.protocol.messages import FromWorker

RECEIVE_BYTES = 1 << 16
LARGE_BYTES = 1 << 16
"""From here on another system call is cheaper than another copy."""


class SocketLink:
    """A `dspex.languages.base.Link` over the worker's socket."""

    __slots__ = ("_answers", "_connection", "_decoder", "_interrupted", "_poll")

    def __init__(self, connection: socket.socket) -> None:
        """Read from and write to `connection`, which stays the caller's."""
        self._connection = connection
        self._decoder = FrameDecoder(FRAME_BYTES_LIMIT)
        self._answers: list[Answer] = []
        self._interrupted = -1
        self._poll: select.poll | None = None

    def runs(self) -> Iterator[Run]:
        """Yield each run as it arrives, until the supervisor hangs up."""
        while data := self._connection.recv(RECEIVE_BYTES):
            run = None
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

    def send(self, message: FromWorker) -> None:
        """Send a message of the run."""
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
