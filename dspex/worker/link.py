"""The worker's end of its socket, during a run: messages out, answers in.

What the messages mean is the language's business; the turns themselves are `dspex.worker.serve`'s.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from dspex.protocol.framing import FRAME_BYTES_LIMIT, FrameDecoder
from dspex.protocol.messages import Answer, Run, decode_to_worker, encode

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from dspex.protocol.messages import FromWorker

RECEIVE_BYTES = 1 << 16


class SocketLink:
    """A `dspex.languages.base.Link` over the worker's socket."""

    __slots__ = ("_answers", "_connection", "_decoder", "_poll")

    def __init__(self, connection: socket.socket) -> None:
        """Read from and write to `connection`, which stays the caller's."""
        self._connection = connection
        self._decoder = FrameDecoder(FRAME_BYTES_LIMIT)
        self._answers: list[Answer] = []
        self._poll: select.poll | None = None

    def runs(self) -> Iterator[Run]:
        """Yield each run as it arrives, until the supervisor hangs up."""
        while data := self._connection.recv(RECEIVE_BYTES):
            for frame in self._decoder.feed(data):
                message = decode_to_worker(frame)
                if isinstance(message, Run):
                    self._answers.clear()
                    yield message
                # An answer that comes after the end of its run is nobody's any more.

    def send(self, message: FromWorker) -> None:
        """Send a message of the run."""
        self._connection.sendall(encode(message))

    def answers(self, wait_s: float) -> list[Answer]:
        """Return the answers that have arrived, waiting up to `wait_s` for the first one.

        Raises:
            BrokenPipeError: The supervisor has hung up.
        """
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
        found, self._answers = self._answers, []
        return found
