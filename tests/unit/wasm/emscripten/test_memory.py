"""No pointer of the guest's reaches past the end of its memory."""

from __future__ import annotations

import pytest

from dspex.wasm.emscripten import memory
from dspex.wasm.emscripten.errno import Errno, SyscallError

SIZE = 65536


@pytest.fixture
def view() -> memoryview:
    return memoryview(bytearray(SIZE))


@pytest.mark.parametrize(
    ("pointer", "length"),
    [(SIZE, 1), (SIZE - 1, 2), (0, SIZE + 1), (-1, 1), (-(2**31), 4), (16, -1), (2**40 + SIZE, 1)],
)
def test_a_range_that_ends_outside_is_efault(view: memoryview, pointer: int, length: int) -> None:
    with pytest.raises(SyscallError) as caught:
        memory.span(view, pointer, length)
    assert caught.value.errno is Errno.EFAULT


def test_a_range_up_to_the_very_end_is_as_long_as_asked_for(view: memoryview) -> None:
    assert len(memory.span(view, SIZE - 3, 3)) == 3
    assert len(memory.span(view, SIZE, 0)) == 0


def test_a_string_ends_at_its_nul(view: memoryview) -> None:
    view[100:106] = b"hello\0"
    assert memory.read_string(view, 100) == b"hello"
    assert memory.read_string(view, 105) == b""


@pytest.mark.parametrize("length", [0, 1, 127, 128, 129, 4095])
def test_a_string_may_have_any_length_below_the_bound(view: memoryview, length: int) -> None:
    view[100 : 100 + length] = b"x" * length
    assert memory.read_string(view, 100) == b"x" * length


def test_a_string_without_nul_in_reach_is_too_long(view: memoryview) -> None:
    view[100:4196] = b"x" * 4096
    with pytest.raises(SyscallError) as caught:
        memory.read_string(view, 100)
    assert caught.value.errno is Errno.ENAMETOOLONG


@pytest.mark.parametrize("pointer", [0, SIZE - 5, SIZE, -1])
def test_a_string_that_memory_ends_in_is_efault(view: memoryview, pointer: int) -> None:
    view[SIZE - 5 : SIZE] = b"xxxxx"
    with pytest.raises(SyscallError) as caught:
        memory.read_string(view, pointer)
    assert caught.value.errno is Errno.EFAULT


def test_a_written_string_is_cut_off_and_still_ends() -> None:
    view = memoryview(bytearray(b"#" * 8))
    memory.write_string(view, 1, b"abcdef", 4)
    assert bytes(view) == b"#abc\0###"
    memory.write_string(view, 0, b"abc", 0)
    assert bytes(view) == b"#abc\0###"


def test_numbers_keep_their_sign(view: memoryview) -> None:
    memory.write_i32(view, 8, -2)
    assert memory.read_i32(view, 8) == -2
    assert memory.read_u32(view, 8) == 2**32 - 2
    memory.write_i64(view, 16, -(2**63))
    assert bytes(view[16:24]) == bytes(7) + b"\x80"


def test_a_variable_is_found_where_the_program_put_it(view: memoryview) -> None:
    view[400:410] = b"TZX=1\0TZ=\0"
    view[410:418] = b"TZ=Asia\0"
    memory.write_i32(view, 200, 300)
    memory.write_i32(view, 300, 400)
    memory.write_i32(view, 304, 410)
    assert memory.find_variable(view, 200, b"TZ") == b"Asia"
    assert memory.find_variable(view, 200, b"HOME") is None


@pytest.mark.parametrize("table", [0, -4, SIZE - 2])
def test_a_table_of_variables_out_of_order_has_none(view: memoryview, table: int) -> None:
    memory.write_i32(view, 200, table)
    assert memory.find_variable(view, 200, b"TZ") is None
    assert memory.find_variable(view, -1, b"TZ") is None
