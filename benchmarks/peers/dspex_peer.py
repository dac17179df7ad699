"""dspex itself, through its public interface only.

Mode `fresh` is the default engine: one worker process per program. Mode `batch` reuses the
process for 50 programs, each still in a fresh instance.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchmarks.peers.loop import Conversation, Sandboxes, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code

WORKERS_MAX = 1100
"""Room for a thousand sessions at once; by default an engine has 64 workers."""
REQUESTS_PER_WORKER = {"fresh": 1, "batch": 50}


def _source(code: Code) -> str:
    return f"{code.body}\n{code.expression}\n"


class DspexConversation:
    """One `dspex` session."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._session = opened.__enter__()

    def run(self, code: Code) -> object:
        """Run a program and return its value."""
        value: object = self._session.run(_source(code)).value_or_raise()
        return value

    def close(self) -> None:
        """End the session and its worker."""
        self._opened.__exit__(None, None, None)


class Dspex:
    """A new sandbox per program, from one engine."""

    def __init__(self, mode: str) -> None:
        import dspex  # noqa: PLC0415 - a cold start includes the import.

        self.failures: tuple[type[Exception], ...] = (dspex.DspexError,)
        self._engine = dspex.Engine(
            policy="compute",
            requests_per_worker=REQUESTS_PER_WORKER[mode],
            workers_max=WORKERS_MAX,
        )
        self._engine.__enter__()

    def versions(self) -> dict[str, str]:
        """Return the versions of host and guest."""
        guest = self._engine.run("import platform\nplatform.python_version()").value_or_raise()
        return {
            "dspex": version("dspex"),
            "wasmtime": version("wasmtime"),
            "python": platform.python_version(),
            "guest": str(guest),
        }

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new sandbox."""
        value: object = self._engine.run(_source(code)).value_or_raise()
        return value

    def open_session(self) -> Conversation:
        """Open a session."""
        return DspexConversation(self._engine.session(language="python"))

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Call a host function from a fresh sandbox."""
        program = f"for number in range({calls}):\n    tool(number)\n"
        self._engine.run(program, tools={"tool": tool}).value_or_raise()

    def close(self) -> None:
        """Stop the engine."""
        self._engine.__exit__(None, None, None)


def _open(mode: str) -> Sandboxes:
    return Dspex(mode)


if __name__ == "__main__":
    main(_open)
