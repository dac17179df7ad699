"""What the worker's side of the scientific image reads from a guest's report."""

from __future__ import annotations

import json

import pytest

from dspex.languages.scientific import tells_of_too_little_memory


def report(kind: str, message: str, status: str = "raised") -> bytes:
    return json.dumps({"status": status, "type": kind, "message": message}).encode()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("MemoryError", ""),
        ("MemoryError", "std::bad_alloc"),
        ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 1.86 GiB for an array"),
    ],
)
def test_a_failed_allocation_is_told_from_its_message(kind: str, message: str) -> None:
    assert tells_of_too_little_memory(report(kind, message))


@pytest.mark.parametrize(
    "said",
    [
        report("MemoryError", "Parser stack overflowed - Python source too complex to parse"),
        report("MemoryError", "mine"),
        report("ValueError", ""),
        report("ValueError", 'a text that ends with MemoryError"'),
        report("", "", status="ok"),
        report("MemoryError", "", status="unheard of"),
        b"",
        b"[" * 100_000,
        b'{"status": "raised", "type": 1}',
    ],
)
def test_nothing_else_is_taken_for_one(said: bytes) -> None:
    assert not tells_of_too_little_memory(said)
