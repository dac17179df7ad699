"""A worker's life: wait for a run, serve it, say how it ended.

It trusts its supervisor and nobody else. What a run means is the language's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.protocol.messages import Copy, Run
from dspex.worker import errands, twins
from dspex.worker.link import SocketLink

if TYPE_CHECKING:
    import socket

    from dspex.languages.base import Language


def serve(connection: socket.socket, language: Language, requests: int, received: bytes = b"") -> None:
    """Serve runs until the supervisor hangs up, `requests` are served or the guest is gone.

    Args:
        connection: The worker's end of the socket pair.
        language: A booted guest; a single run gets a fresh one each.
        requests: Most runs to serve; 0 for no bound, which is for sessions.
        received: What has been read from the socket already.
    """
    link = SocketLink(connection, received)
    if requests == 0:
        _serve_session(link, language)
        return
    for served, run in enumerate(link.runs(), 1):
        ended = language.serve(run, link)
        link.send(ended)
        if ended.gone is not None or served == requests:
            return
        if run.single:
            language.boot()
            language.warm()


def _serve_session(link: SocketLink, language: Language) -> None:
    """Serve runs in one guest, and what is asked of it in between, until one of them ends it."""
    for order in link.orders():
        if isinstance(order, Run):
            ended = language.serve(order, link)
            link.send(ended)
            if ended.gone is not None:
                return
            continue
        with link.descriptors() as descriptors:
            if isinstance(order, Copy):
                twins.make(order, descriptors, link, language)
            else:
                link.send(errands.answer(order, descriptors, language))
