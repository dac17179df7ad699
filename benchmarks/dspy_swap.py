"""A pytest plugin that puts our interpreter in the place of DSPy's, for DSPy's own tests.

`benchmarks.dspy_tests` loads it. The class it puts there adds one thing to `dspex`'s: `deno_process`, an object
by which DSPy's tests look whether a session runs and kill it. Nothing else of Deno is imitated.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import dspy.primitives.python_interpreter as theirs

from dspex.integrations.dspy import Interpreter

REPORT = "DSPEX_DSPY_REPORT"
"""Environment variable with the file that outcomes are written to."""
OWN = "DSPEX_DSPY_OWN"
"""Environment variable: if it holds anything, theirs stays where it is."""
KILL_WAIT_S = 5.0

_outcomes: dict[str, dict[str, str]] = {}


class _Process:
    """What DSPy's tests ask of a process: of the one behind a session."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def poll(self) -> int | None:
        return -1 if self._session.closed else None

    def kill(self) -> None:
        worker = self._session._seat._worker
        os.kill(worker.pid, 9)

    def wait(self) -> None:
        until = time.monotonic() + KILL_WAIT_S
        while self.poll() is None and time.monotonic() < until:
            time.sleep(0.001)


class PythonInterpreter(Interpreter):
    """Ours, with the one attribute by which DSPy's tests look at the process."""

    _process: _Process | None = None

    def __init__(self, deno_command: object = None, **options: Any) -> None:
        """Take a command for Deno, as theirs does, and leave it aside."""
        super().__init__(**options)

    @property
    def deno_process(self) -> _Process | None:
        """Return the process behind the session, also when it is dead; None before and after."""
        if self._session is not None and self._process is None:
            self._process = _Process(self._session)
        return self._process

    def shutdown(self) -> None:
        """End the session and forget its process."""
        super().shutdown()
        self._process = None


def pytest_configure() -> None:
    """Replace their class wherever DSPy has it: names of modules, and defaults of parameters."""
    if os.environ.get(OWN):
        return
    original = theirs.PythonInterpreter
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "dspy" or not hasattr(module, "__dict__"):
            continue
        for attribute, value in list(vars(module).items()):
            if value is original:
                setattr(module, attribute, PythonInterpreter)
            elif isinstance(value, type) and value.__module__ == name:
                for method in list(vars(value).values()):
                    _replace_default(method, original)


def _replace_default(method: Any, original: type) -> None:
    """Replace a class in the defaults of a function and of those that it wraps."""
    while method is not None:
        if original in (getattr(method, "__defaults__", None) or ()):
            method.__defaults__ = tuple(
                PythonInterpreter if one is original else one for one in method.__defaults__
            )
        named = getattr(method, "__kwdefaults__", None) or {}
        for name, value in named.items():
            if value is original:
                named[name] = PythonInterpreter
        method = getattr(method, "__wrapped__", None)


def pytest_runtest_logreport(report: Any) -> None:
    """Remember how each test ended."""
    if report.when == "call" or report.outcome != "passed":
        why = "" if report.outcome == "passed" else str(report.longreprtext)[-400:]
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            why = str(report.longrepr[2])
        _outcomes[report.nodeid] = {"outcome": report.outcome, "why": why}


def pytest_sessionfinish() -> None:
    """Write down how all tests ended."""
    Path(os.environ[REPORT]).write_text(json.dumps(_outcomes))
