"""The worker's end of its socket: runs in turn, answers of this run only, interrupts not lost."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import msgspec
import pytest

from dspex.protocol.framing import FrameDecoder
from dspex.protocol.messages import (
    Answer,
    Budget,
    Interrupt,
    Run,
    WrittenFile,
    decode_from_worker,
    encode,
)
from dspex.worker.link import LARGE_BYTES, SocketLink

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Run(
    run=1, source=b"x", filename="main.py", variables=b"", files={}, stdin=b"", args=[], env={},
    budget=Budget(1.0, 1.0, 1, 2, 3, 4, 5, 6, 7), stream=False, single=False,
)
NEXT = msgspec.structs.replace(RUN, run=2)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, SocketLink]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, SocketLink(theirs)


def test_an_interrupt_that_comes_with_its_run_is_still_there_when_the_run_has_begun(ends) -> None:
    supervisor, link = ends
    supervisor.sendall(encode(RUN) + encode(Interrupt(1)))

    assert next(link.runs()) == RUN
    assert link.interrupted(1)


def test_an_interrupt_that_comes_a_moment_later_is_seen_too(ends) -> None:
    supervisor, link = ends
    supervisor.sendall(encode(RUN))

    assert next(link.runs()) == RUN
    assert not link.interrupted(1)
    supervisor.sendall(encode(Interrupt(1)))
    assert link.interrupted(1)


def test_an_interrupt_of_a_run_that_has_ended_is_not_the_next_ones(ends) -> None:
    supervisor, link = ends
    runs = link.runs()
    supervisor.sendall(encode(RUN))
    next(runs)
    supervisor.sendall(encode(Interrupt(1)) + encode(NEXT))

    assert next(runs) == NEXT
    assert not link.interrupted(2)


def test_answers_that_come_after_the_end_of_their_run_are_nobodys(ends) -> None:
    supervisor, link = ends
    runs = link.runs()
    supervisor.sendall(encode(RUN))
    next(runs)
    supervisor.sendall(encode(Answer(1, 1, b"late")) + encode(NEXT))

    assert next(runs) == NEXT
    assert link.answers(0) == []
    supervisor.sendall(encode(Answer(2, 1, b"now")))
    assert [one.value for one in link.answers(1)] == [b"now"]


def test_a_supervisor_that_has_hung_up_is_an_error(ends) -> None:
    supervisor, link = ends
    supervisor.close()

    assert list(link.runs()) == []
    with pytest.raises(BrokenPipeError):
        link.interrupted(1)


@pytest.mark.parametrize("size", [0, 1, LARGE_BYTES - 100, LARGE_BYTES, LARGE_BYTES + 1])
def test_messages_of_any_size_arrive_whole(ends, size: int) -> None:
    supervisor, link = ends
    sent = WrittenFile(1, "f", b"x" * size)
    link.send(sent)
    link.send(WrittenFile(1, "g", b""))

    decoder, frames = FrameDecoder(1 << 20), []
    while len(frames) < 2:
        frames += decoder.feed(supervisor.recv(1 << 16))
    assert [decode_from_worker(frame) for frame in frames] == [sent, WrittenFile(1, "g", b"")]
