"""Bytes to frames and back: a four-byte little-endian length, then that many bytes.

What the bytes mean is `dspex.protocol.messages`' business; where they come from, the caller's.
"""

from __future__ import annotations

HEADER_BYTES = 4
FRAME_BYTES_LIMIT = 1 << 30
"""No frame is ever larger than this, whatever a caller allows."""


class FrameError(ValueError):
    """The peer announced a frame that it may not send."""


def encode_frame(body: bytes) -> bytes:
    r"""Return `body` as a frame.

    Raises:
        FrameError: if it is larger than any receiver takes.

    Example:
        >>> encode_frame(b"hi")
        b'\x02\x00\x00\x00hi'
    """
    return frame_header(body) + body


def frame_header(body: bytes) -> bytes:
    """Return what announces `body` in a frame.

    Raises:
        FrameError: if it is larger than any receiver takes.
    """
    if len(body) > FRAME_BYTES_LIMIT:
        msg = f"a frame of {len(body)} bytes is over the limit of {FRAME_BYTES_LIMIT} bytes"
        raise FrameError(msg)
    return len(body).to_bytes(HEADER_BYTES, "little")


class FrameDecoder:
    """Collects received bytes and hands out whole frames.

    It never holds more than one announced frame and one received piece, and it looks at an
    announced length before it keeps a byte of that frame.
    """

    __slots__ = ("_held", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        """Expect frames of at most `frame_bytes_max` bytes."""
        self.frame_bytes_max = frame_bytes_max
        self._held = bytearray()

    @property
    def pending_bytes(self) -> int:
        """How many received bytes wait for the rest of their frame."""
        return len(self._held)

    def feed(self, received: bytes) -> list[bytes]:
        r"""Add received bytes and return the frames that they complete, oldest first.

        Raises:
            FrameError: if a frame is announced that is too large; the stream is then useless.

        Example:
            >>> decoder = FrameDecoder(100)
            >>> decoder.feed(b"\x02\0\0\0h"), decoder.feed(b"i")
            ([], [b'hi'])
        """
        held = self._held
        held += received
        frames = []
        at, end = 0, len(held)
        while end - at >= HEADER_BYTES:
            size = int.from_bytes(held[at : at + HEADER_BYTES], "little")
            if size > self.frame_bytes_max:
                msg = f"a frame of {size} bytes is announced, {self.frame_bytes_max} are allowed"
                raise FrameError(msg)
            if end - at - HEADER_BYTES < size:
                break
            at += HEADER_BYTES
            frames.append(bytes(held[at : at + size]))
            at += size
        if at:
            del held[:at]
        return frames
