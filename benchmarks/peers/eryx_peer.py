"""pyeryx: a new `Sandbox` per call, in the adapter's own process.

Each call pays what a user pays: the constructor and `execute`. The library keeps one
pre-instantiated instance ready in the background by default; the defaults are left alone.
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


def _source(code: Code) -> str:
    return f"{code.body}\nresult = {code.expression}\n"


class EryxSession:
    """One `eryx.Session`."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, code: Code) -> object:
        """Run a program and return its value."""
        return self._session.execute(_source(code)).result

    def close(self) -> None:
        """Drop the session, which frees its instance."""
        self._session = None


class Eryx:
    """A new sandbox per program."""

    def __init__(self) -> None:
        eryx: Any = import_module("eryx")  # Here, since a cold start includes the import.
        self._eryx = eryx
        self.failures: tuple[type[Exception], ...] = (eryx.EryxError,)

    def versions(self) -> dict[str, str]:
        """Return the versions of host and guest."""
        guest = self._eryx.Sandbox().execute("import platform\nresult = platform.python_version()")
        return {
            "pyeryx": version("pyeryx"),
            "python": platform.python_version(),
            "guest": str(guest.result),
        }

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new sandbox."""
        return self._eryx.Sandbox().execute(_source(code)).result

    def open_session(self) -> Conversation:
        """Open a session."""
        return EryxSession(self._eryx.Session())

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Call a host function from a fresh sandbox; they are awaited there."""
        registered = {
            "name": "tool",
            "fn": lambda number: {"number": tool(number)},
            "description": "Return a number.",
        }
        program = f"for number in range({calls}):\n    await tool(number=number)\n"
        self._eryx.Sandbox(callbacks=[registered]).execute(program)

    def close(self) -> None:
        """Nothing has to be closed."""


def _open(mode: str) -> Sandboxes:
    return {"fresh": Eryx}[mode]()


if __name__ == "__main__":
    main(_open)
