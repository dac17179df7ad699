"""Quotas count, refuse, and say which one refused."""

from __future__ import annotations

import pytest

from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.quotas import Quotas


def test_what_just_fits_is_allowed_and_one_byte_more_is_not() -> None:
    quotas = Quotas(file_bytes_max=10)
    quotas.bytes_used = 4
    quotas.require_bytes(6)
    assert quotas.hit is None
    with pytest.raises(SyscallError) as caught:
        quotas.require_bytes(7)
    assert caught.value.errno is Errno.ENOSPC
    assert quotas.hit == "file_bytes_max"


def test_the_first_quota_hit_is_kept_until_it_is_cleared() -> None:
    quotas = Quotas(file_count_max=0, directory_depth_max=1)
    with pytest.raises(SyscallError) as caught:
        quotas.require_entry()
    assert caught.value.errno is Errno.EDQUOT
    with pytest.raises(SyscallError):
        quotas.require_depth(2)
    assert quotas.hit == "file_count_max"
    quotas.hit = None
    with pytest.raises(SyscallError) as caught:
        quotas.require_depth(2)
    assert caught.value.errno is Errno.EDQUOT
    assert quotas.hit == "directory_depth_max"


def test_what_the_host_puts_in_does_not_use_up_the_guests_share() -> None:
    quotas = Quotas(file_bytes_max=10, file_count_max=1)
    quotas.grant_to_host(content_bytes=1000, entries=1)
    quotas.bytes_used, quotas.entries_used = 1000, 1
    quotas.require_entry()
    assert quotas.bytes_free == 10


def test_a_count_lowered_below_what_is_used_does_not_turn_the_host_down() -> None:
    quotas = Quotas(file_count_max=5)
    quotas.entries_used, quotas.file_count_max = 5, 2
    quotas.grant_to_host(entries=1)
    quotas.require_entry()


def test_names_held_by_open_directories_are_bounded() -> None:
    quotas = Quotas(file_count_max=0)
    quotas.require_listing(10_000)
    with pytest.raises(SyscallError) as caught:
        quotas.require_listing(1)
    assert caught.value.errno is Errno.ENOMEM
