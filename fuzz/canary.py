"""A target with a planted bug, which must fail: proof that a broken rule is seen and made small.

The bug: a header that arrives in two pieces loses its first byte.
"""

from __future__ import annotations

from dspex.protocol.framing import HEADER_BYTES, FrameDecoder
from fuzz.framing import check_decoder, streams
from fuzz.target import Target


class _Forgetful:
    """`FrameDecoder`, but for the planted bug."""

    def __init__(self, frame_bytes_max: int) -> None:
        self._decoder = FrameDecoder(frame_bytes_max)

    @property
    def pending_bytes(self) -> int:
        """How many bytes it keeps."""
        return self._decoder.pending_bytes

    def feed(self, received: bytes) -> list[bytes]:
        """Take bytes, give frames, and forget one."""
        frames = self._decoder.feed(received)
        if 1 < self._decoder.pending_bytes < HEADER_BYTES:
            del self._decoder._held[0]
        return frames


def check(data: bytes) -> str:
    """Feed a stream to the decoder with the bug."""
    return check_decoder(_Forgetful, data)


TARGET = Target("canary", check, streams, must_fail=True)
