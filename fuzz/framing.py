"""The frame decoder: the same frames whatever the cuts, the same refusal, and little kept.

What it does is compared with the shortest description of the format that can be written.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from hypothesis import strategies as st

from dspex.protocol.framing import HEADER_BYTES, FrameDecoder, FrameError
from fuzz.target import Target

FRAME_BYTES_MAX = 300


class Decoder(Protocol):
    """What is tried: `FrameDecoder`, and the canary's copy of it."""

    @property
    def pending_bytes(self) -> int:
        """How many bytes it keeps."""

    def feed(self, received: bytes) -> list[bytes]:
        """Take bytes, give frames."""


def check(data: bytes) -> str:
    """Feed a stream in several ways to the real decoder."""
    return check_decoder(FrameDecoder, data)


def check_decoder(make: Callable[[int], Decoder], data: bytes) -> str:
    """Feed a stream to new decoders: at once, byte by byte, and cut at random."""
    expected, refused, rest = _read(data)
    for pieces in _ways(data):
        decoder, broke = make(FRAME_BYTES_MAX), False
        frames: list[bytes] = []
        try:
            for piece in pieces:
                frames += decoder.feed(piece)
                most = FRAME_BYTES_MAX + HEADER_BYTES + len(piece)
                assert decoder.pending_bytes <= most, f"keeps {decoder.pending_bytes} bytes"
        except FrameError:
            broke = True
        assert broke == refused, f"refused: {broke}, expected: {refused}"
        if broke:
            assert frames == expected[: len(frames)], "other frames before the refusal"
        else:
            assert frames == expected, f"{frames} instead of {expected}"
            assert decoder.pending_bytes == rest, "keeps too much or too little"
    return f"{min(len(expected), 5)} frames, {'refused' if refused else min(rest, 5)}"


def _read(data: bytes) -> tuple[list[bytes], bool, int]:
    """Return the frames of a stream, whether it is refused then, and the bytes left over."""
    frames: list[bytes] = []
    while len(data) >= HEADER_BYTES:
        size = int.from_bytes(data[:HEADER_BYTES], "little")
        if size > FRAME_BYTES_MAX:
            return frames, True, 0
        if len(data) < HEADER_BYTES + size:
            break
        frames.append(data[HEADER_BYTES : HEADER_BYTES + size])
        data = data[HEADER_BYTES + size :]
    return frames, False, len(data)


def _ways(data: bytes) -> Iterator[list[bytes]]:
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    chance = random.Random(zlib.crc32(data))
    for _ in range(2):
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(4))
        ends = [0, *cuts, len(data)]
        yield [data[start:end] for start, end in itertools.pairwise(ends)]


_frames = st.binary(max_size=20).map(lambda body: len(body).to_bytes(4, "little") + body)
_headers = st.sampled_from([0, 1, 255, 256, 299, 300, 301, 2**31, 2**32 - 1]).map(
    lambda size: size.to_bytes(4, "little")
)
streams = st.lists(_frames | _headers | st.binary(max_size=8), max_size=6).map(b"".join)

TARGET = Target("framing", check, streams)
