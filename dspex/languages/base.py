"""What a language promises to the worker that serves it.

A language is loaded once, in the zygote, and then lives in forked workers: whatever `load` and
`boot` leave in memory is what every worker begins with. Nothing here may start a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dspex.protocol.messages import Ended, Run


class Language(Protocol):
    """One guest at a time, of one language, in the current process."""

    def boot(self) -> None:
        """Make a fresh guest from the snapshot; the last one, if any, is gone."""

    def enter_worker(self) -> tuple[int, ...]:
        """Take hold of what belongs to one process, after a fork; return descriptors to keep."""

    def warm(self) -> None:
        """Touch what a run will touch, and draw fresh randomness: before any request is there."""

    def serve(self, run: Run, send: Callable[[bytes], None]) -> Ended:
        """Run a program; outputs and files go through `send` as encoded messages.

        It must return whatever the guest does, short of never giving control back.
        """


class Loader(Protocol):
    """Makes a `Language` from the folder of its compiled runtime."""

    def __call__(self, runtime: Path) -> Language:
        """Load the runtime; booting comes later."""
