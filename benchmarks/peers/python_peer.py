"""CPython with no sandbox: `python -I -c` per call as the floor, or this very process.

Mode `fresh` starts a process for each program; mode `native` runs the program's text in the
adapter itself, which is what CPU-bound programs are compared with.
"""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.peers.loop import Conversation, Sandboxes, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code

_SESSION = """
import ast, sys
names = {}
for line in sys.stdin:
    body, expression = ast.literal_eval(line)
    exec(body, names)
    print(repr(eval(expression, names)), flush=True)
"""


class ProcessSession:
    """A Python process that executes what it reads."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _SESSION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, code: Code) -> object:
        """Send one program and read its value."""
        if self._process.stdin is None or self._process.stdout is None:
            message = "the process was started without pipes"
            raise RuntimeError(message)
        self._process.stdin.write(repr((code.body, code.expression)) + "\n")
        self._process.stdin.flush()
        return ast.literal_eval(self._process.stdout.readline())

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.communicate()


class FreshProcesses:
    """One `python -I -c` per program."""

    failures: tuple[type[Exception], ...] = (subprocess.SubprocessError, OSError)

    def versions(self) -> dict[str, str]:
        """Return the interpreter's version."""
        return {"python": platform.python_version()}

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new process."""
        done = subprocess.run(
            [sys.executable, "-I", "-c", f"{code.body}\nprint(repr({code.expression}))"],
            capture_output=True,
            check=True,
            text=True,
        )
        return ast.literal_eval(done.stdout)

    def open_session(self) -> Conversation:
        """Start a process that reads programs."""
        return ProcessSession()

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Refuse: another process' program has no functions of this one."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is kept running."""


class Native(FreshProcesses):
    """The program's text, executed in this process."""

    def run_fresh(self, code: Code) -> object:
        """Execute a program in a new namespace."""
        names: dict[str, object] = {}
        exec(code.body, names)
        return eval(code.expression, names)


def _open(mode: str) -> Sandboxes:
    return {"fresh": FreshProcesses, "native": Native}[mode]()


if __name__ == "__main__":
    main(_open)
