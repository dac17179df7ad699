"""pydantic-monty: a session per call out of a pool of worker processes.

Mode `process` recycles a worker after every checkout, which is one process per program; mode
`shared` is the library's default, where a worker serves one session after another.
"""

from __future__ import annotations

import platform
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchmarks.peers.loop import Conversation, Sandboxes, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code

# Workers used up by one-checkout recycling are not replaced ahead of need, so a larger
# `min_processes` only helps the first few calls; the library's default is left alone.
PROCESSES_MAX = 16
SESSIONS_MAX = 1_100


def _source(code: Code) -> str:
    return f"{code.body}\n{code.expression}\n"


class MontyConversation:
    """One checked-out session."""

    def __init__(self, checkout: Any) -> None:
        self._checkout = checkout
        self._session = checkout.__enter__()

    def run(self, code: Code) -> object:
        """Run a program and return its value."""
        value: object = self._session.feed_run(_source(code))
        return value

    def close(self) -> None:
        """Hand the worker back."""
        self._checkout.__exit__(None, None, None)


class Monty:
    """A session per program."""

    def __init__(self, mode: str) -> None:
        monty: Any = import_module("pydantic_monty")  # A cold start includes the import.
        options = {"process": {"max_checkouts_per_worker": 1}, "shared": {}}[mode]
        self._monty = monty
        self._options = options
        self.failures: tuple[type[Exception], ...] = (monty.MontyError,)
        self._pool = monty.Monty(max_processes=PROCESSES_MAX, **options)
        self._pool.__enter__()
        self._sessions: Any = None

    def versions(self) -> dict[str, str]:
        """Return the library's version; its guest language is its own."""
        return {
            "pydantic-monty": version("pydantic-monty"),
            "python": platform.python_version(),
        }

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new session."""
        with self._pool.checkout() as session:
            value: object = session.feed_run(_source(code))
        return value

    def open_session(self) -> Conversation:
        """Check a session out, from a second pool without a tight bound on processes."""
        if self._sessions is None:
            self._sessions = self._monty.Monty(max_processes=SESSIONS_MAX, **self._options)
            self._sessions.__enter__()
        return MontyConversation(self._sessions.checkout())

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Call a host function from a session."""
        program = f"for number in range({calls}):\n    tool(number)\n"
        with self._pool.checkout() as session:
            session.feed_run(program, external_lookup={"tool": tool})

    def close(self) -> None:
        """Stop the worker processes."""
        if self._sessions is not None:
            self._sessions.__exit__(None, None, None)
        self._pool.__exit__(None, None, None)


def _open(mode: str) -> Sandboxes:
    return Monty(mode)


if __name__ == "__main__":
    main(_open)
