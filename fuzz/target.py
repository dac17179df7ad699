"""What a fuzz target is: any bytes in, one word about what happened out; a broken rule raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis.strategies import SearchStrategy


def _as_bytes(data: bytes) -> str:
    return repr(data)


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that must stand any input."""

    name: str
    check: Callable[[bytes], str]
    """Raises if a rule is broken; returns what happened in few different words, so that an input
    that makes something new happen can be told from one that does not."""
    inputs: SearchStrategy[bytes]
    """Inputs that go deeper than noise would."""
    describe: Callable[[bytes], str] = _as_bytes
    """Shows an input to people."""
    must_fail: bool = False
    """Whether a bug was planted, so that a round that finds nothing is the failure."""
