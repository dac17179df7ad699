"""A worker's life: wait for a run, serve it, say how it ended.

It trusts its supervisor and nobody else. What a run means is the language's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.protocol.framing import FRAME_BYTES_LIMIT, FrameDecoder
from dspex.protocol.messages import decode_run, encode

if TYPE_CHECKING:
    import socket

    from dspex.languages.base import Language

RECEIVE_BYTES = 1 << 16


def serve(connection: socket.socket, language: Language, requests: int) -> None:
    """Serve runs until the supervisor hangs up, `requests` are served or the guest is gone.

    Args:
        connection: The worker's end of the socket pair.
        language: A booted guest; a single run gets a fresh one each.
        requests: Most runs to serve; 0 for no bound, which is for sessions.
    """
    decoder = FrameDecoder(FRAME_BYTES_LIMIT)
    served = 0
    while data := connection.recv(RECEIVE_BYTES):
        for frame in decoder.feed(data):
            run = decode_run(frame)
            ended = language.serve(run, connection.sendall)
            connection.sendall(encode(ended))
            served += 1
            if ended.gone is not None or served == requests:
                return
            if run.single:
                language.boot()
                language.warm()
