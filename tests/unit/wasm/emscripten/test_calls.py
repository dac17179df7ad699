"""Errors become return values, and nothing else does."""

from __future__ import annotations

import pytest

from dspex.wasm.emscripten.calls import encode_environment, negative_errno, positive_errno
from dspex.wasm.emscripten.errno import Errno, SyscallError


def refuse() -> int:
    raise SyscallError(Errno.EACCES)


def run_out() -> int:
    raise MemoryError


def break_down() -> int:
    message = "a mistake of ours"
    raise RuntimeError(message)


def test_the_two_families_differ_in_sign() -> None:
    assert negative_errno(refuse)() == -2
    assert positive_errno(refuse)() == 2


def test_the_hosts_lack_of_memory_is_the_guests() -> None:
    assert negative_errno(run_out)() == -Errno.ENOMEM
    assert positive_errno(run_out)() == Errno.ENOMEM


def test_a_mistake_of_the_host_is_not_hidden() -> None:
    for family in (negative_errno, positive_errno):
        with pytest.raises(RuntimeError, match="a mistake of ours"):
            family(break_down)()


def test_variables_cannot_end_each_other_early() -> None:
    encoded = encode_environment({"A": "1\0B=2", "C": "\udcff"})
    assert encoded == (b"A=1B=2", b"C=\xff")
