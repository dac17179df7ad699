"""Pipes of a guest that is alone: bounded, and never waiting.

A single-threaded guest that waited for its own pipe would wait for ever, so what Linux would block on is
EAGAIN here. The descriptors around a `Pipe` are in `dspex.wasm.emscripten.descriptors`.
"""

from __future__ import annotations

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno, SyscallError


class Pipe:
    """Bytes on their way from the write end to the read end.

    Attributes:
        buffer: What was written and not read yet, at most 64 KiB.
        readers: Open read ends.
        writers: Open write ends.
    """

    __slots__ = ("buffer", "readers", "writers")

    def __init__(self) -> None:
        """Make an empty pipe with one end each."""
        self.buffer = bytearray()
        self.readers = 1
        self.writers = 1

    def read_into(self, target: memoryview) -> int:
        """Take what is there, up to the size of `target`.

        Returns:
            How many bytes were taken; 0 is the end of file: empty, and no write end is open.

        Raises:
            SyscallError: EAGAIN if it is empty but could still be written to.
        """
        buffer = self.buffer
        if not buffer:
            if self.writers:
                raise SyscallError(Errno.EAGAIN)
            return 0
        taken = min(len(buffer), len(target))
        target[:taken] = buffer[:taken]
        del buffer[:taken]
        return taken

    def write(self, data: memoryview) -> int:
        """Put in what fits; up to 4096 bytes are put in all together or not at all.

        Returns:
            How many bytes were put in.

        Raises:
            SyscallError: EPIPE if no read end is open, EAGAIN if nothing fits now.
        """
        if not self.readers:
            raise SyscallError(Errno.EPIPE)
        room = abi.PIPE_BYTES_MAX - len(self.buffer)
        if len(data) > room and (not room or len(data) <= abi.PIPE_ATOMIC_BYTES):
            raise SyscallError(Errno.EAGAIN)
        data = data[:room]
        self.buffer += data
        return len(data)
