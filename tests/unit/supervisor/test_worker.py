"""A worker's end is nobody else's, wherever it comes between two tasks of the supervisor."""

from __future__ import annotations

import os
import socket

import trio

from dspex.supervisor.worker import Worker


def test_a_worker_that_is_gone_before_the_rest_of_a_request_is_sent_takes_nothing_along() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            worker = Worker(1, ours, os.open(os.devnull, os.O_RDONLY), 1, ())
            async with trio.open_nursery() as nursery:
                worker.rest(nursery)
                assert worker._send(bytes(1 << 22))
                assert worker.unsent
                os.close(worker.forget())

    trio.run(main)
