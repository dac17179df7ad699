"""Telling a person how far a build is; a build itself only names its steps."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TextIO


class Progress(Protocol):
    """What a build reports to."""

    def step(self, text: str) -> None:
        """Say what happens from now on."""


class Silent:
    """Reports to nobody."""

    def step(self, text: str) -> None:
        """Ignore the step."""


class Terminal:
    """One line per step on a stream, with the seconds it took.

    Used as a context manager; the last step is closed at its end.
    """

    def __init__(self, title: str, stream: TextIO | None = None, *, lazy: bool = False) -> None:
        """Write to `stream`, by default standard error.

        Args:
            title: The first line.
            stream: Where to.
            lazy: Whether to write nothing at all if there is no step.
        """
        self._title = title
        self._stream = stream or sys.stderr
        self._began = self._step_began = time.monotonic()
        self._open = False
        self._silent = lazy

    def __enter__(self) -> Self:
        """Print the title."""
        if not self._silent:
            print(self._title, file=self._stream, flush=True)
        return self

    def step(self, text: str) -> None:
        """Close the line of the last step and open one for this."""
        if self._silent:
            self._silent = False
            print(self._title, file=self._stream, flush=True)
        self._close()
        self._step_began = time.monotonic()
        self._open = True
        self._stream.write(f"  {text} ... ")
        self._stream.flush()

    def _close(self, word: str = "") -> None:
        if self._open:
            self._open = False
            self._stream.write(f"{word}{time.monotonic() - self._step_began:.1f} s\n")
            self._stream.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Print how long it all took, or that it failed."""
        self._close("failed after " if kind else "")
        if kind is None and not self._silent:
            total = time.monotonic() - self._began
            print(f"  ready after {total:.1f} s", file=self._stream, flush=True)
