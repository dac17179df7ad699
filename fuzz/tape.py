"""Bytes read as decisions, so that any bytes are a program and a smaller input a smaller one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Tape:
    """Reads decisions off an input; past its end every decision is the first one."""

    def __init__(self, data: bytes) -> None:
        """Stand at the start."""
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        """Whether all has been read."""
        return self._at >= len(self._data)

    def number(self) -> int:
        """Return the next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def bytes(self, count: int) -> bytes:
        """Return the next bytes, which may be fewer."""
        self._at += count
        return self._data[self._at - count : self._at]

    def choose(self, options: Sequence[T]) -> T:
        """Return one of up to 256 options."""
        return options[self.number() % len(options)]
