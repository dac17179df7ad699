"""Frames survive every cut; what is announced too large is refused before it is kept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.protocol import framing
from dspex.protocol.framing import HEADER_BYTES, FrameDecoder, FrameError, encode_frame

FRAMES = st.lists(st.binary(max_size=40), max_size=6)


def test_frames_arrive_whole_whatever_the_two_cuts() -> None:
    bodies = [b"", b"a", b"bc" * 3]
    stream = b"".join(map(encode_frame, bodies))

    for first, second in itertools.combinations_with_replacement(range(len(stream) + 1), 2):
        decoder = FrameDecoder(100)
        pieces = (stream[:first], stream[first:second], stream[second:])
        assert [frame for piece in pieces for frame in decoder.feed(piece)] == bodies
        assert decoder.pending_bytes == 0


@given(FRAMES, st.data())
def test_frames_arrive_whole_and_in_order_however_they_are_cut(
    bodies: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(encode_frame, bodies))
    decoder, got = FrameDecoder(40), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += decoder.feed(stream[:size])
        stream = stream[size:]

    assert got == bodies


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_give_frames_within_the_bound_or_are_refused(noise: bytes, largest: int) -> None:
    decoder = FrameDecoder(largest)
    try:
        frames = decoder.feed(noise)
    except FrameError:
        return
    assert all(len(frame) <= largest for frame in frames)
    assert sum(HEADER_BYTES + len(f) for f in frames) + decoder.pending_bytes == len(noise)
    assert decoder.pending_bytes < HEADER_BYTES + largest


def test_a_frame_of_the_largest_size_passes_and_one_byte_more_does_not() -> None:
    assert FrameDecoder(3).feed(encode_frame(b"abc")) == [b"abc"]
    with pytest.raises(FrameError, match=r"^a frame of 4 bytes is announced, 3 are allowed$"):
        FrameDecoder(3).feed(encode_frame(b"abcd"))


def test_an_announcement_is_judged_by_its_header_alone() -> None:
    decoder = FrameDecoder(10)
    assert decoder.feed(b"\xff\xff\xff") == []
    with pytest.raises(FrameError, match="a frame of 4294967295 bytes is announced"):
        decoder.feed(b"\xff")


def test_frames_before_one_that_is_too_large_are_lost_with_it() -> None:
    with pytest.raises(FrameError):
        FrameDecoder(3).feed(encode_frame(b"ok") + encode_frame(b"large"))


def test_nothing_larger_than_any_receiver_takes_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "FRAME_BYTES_LIMIT", 5)

    assert encode_frame(b"12345") == b"\x05\0\0\x0012345"
    with pytest.raises(FrameError, match=r"^a frame of 6 bytes is over the limit of 5 bytes$"):
        encode_frame(b"123456")
