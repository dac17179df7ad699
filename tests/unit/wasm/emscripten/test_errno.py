"""Error numbers are Emscripten's, not the host's."""

from __future__ import annotations

import errno

import pytest

from dspex.wasm.emscripten.errno import Errno, SyscallError


@pytest.mark.parametrize(
    ("name", "number"),
    [("ENOENT", 44), ("EBADF", 8), ("EINVAL", 28), ("ENOTDIR", 54), ("EROFS", 69), ("EACCES", 2)],
)
def test_a_number_is_the_one_the_guest_has(name: str, number: int) -> None:
    assert Errno[name] == number


def test_every_name_is_one_that_python_knows() -> None:
    assert [member.name for member in Errno if not hasattr(errno, member.name)] == []


def test_no_two_names_share_a_number() -> None:
    assert len(set(Errno)) == len(Errno.__members__)


def test_an_error_says_its_name_and_number() -> None:
    assert str(SyscallError(Errno.EMFILE)) == "EMFILE (33)"
