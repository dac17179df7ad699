"""Pipes are bounded and never wait."""

from __future__ import annotations

import pytest

from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.pipe import Pipe


def take(pipe: Pipe, size: int) -> bytes:
    target = bytearray(size)
    return bytes(target[: pipe.read_into(memoryview(target))])


def test_bytes_come_out_in_the_order_they_went_in() -> None:
    pipe = Pipe()
    assert pipe.write(memoryview(b"one")) == 3
    assert pipe.write(memoryview(b"two")) == 3
    assert take(pipe, 4) == b"onet"
    assert take(pipe, 4) == b"wo"


def test_an_empty_pipe_says_eagain_and_after_the_last_writer_end_of_file() -> None:
    pipe = Pipe()
    with pytest.raises(SyscallError) as caught:
        take(pipe, 1)
    assert caught.value.errno is Errno.EAGAIN
    pipe.writers = 0
    assert take(pipe, 1) == b""


def test_a_pipe_holds_64_kib() -> None:
    pipe = Pipe()
    assert pipe.write(memoryview(bytes(70_000))) == 65_536
    with pytest.raises(SyscallError) as caught:
        pipe.write(memoryview(b"x"))
    assert caught.value.errno is Errno.EAGAIN


def test_a_small_write_is_not_torn() -> None:
    pipe = Pipe()
    pipe.write(memoryview(bytes(65_500)))
    with pytest.raises(SyscallError) as caught:
        pipe.write(memoryview(bytes(4096)))
    assert caught.value.errno is Errno.EAGAIN
    assert pipe.write(memoryview(bytes(4097))) == 36


def test_writing_to_nobody_is_epipe() -> None:
    pipe = Pipe()
    pipe.readers = 0
    with pytest.raises(SyscallError) as caught:
        pipe.write(memoryview(b"x"))
    assert caught.value.errno is Errno.EPIPE
