"""A contestant's process as the harness sees it: started, asked, ended.

Speaks the JSON lines of `benchmarks.peers.loop`. Every wait has a bound; a child that breaks
is reported with the last line of its standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Final

import psutil

from benchmarks.environments import ROOT, publishable

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestants import Ready

START_TIMEOUT_S: Final = 300.0
"""Generous: the first start of dspex on a machine builds its runtime."""
REPLY_TIMEOUT_S: Final = 300.0
_END_TIMEOUT_S: Final = 20.0
_READ_BYTES: Final = 1 << 16


class ChildBrokeError(Exception):
    """A contestant's process ended, hung or answered nonsense; the message says which."""


def _start(ready: Ready, errors: IO[bytes], *extra: str) -> subprocess.Popen[bytes]:
    """Start an adapter with an environment that says nothing about this interpreter."""
    contestant = ready.contestant
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    module = f"benchmarks.peers.{contestant.adapter}"
    return subprocess.Popen(
        [ready.python, "-m", module, "--mode", contestant.mode, *extra],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT)},
    )


class Child:
    """One adapter process that answers requests.

    Raises:
        ChildBrokeError: From every method but `close`.
    """

    def __init__(self, ready: Ready, *extra: str) -> None:
        """Start the process and wait until its contestant has started."""
        self.contestant = ready.contestant
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it.
        self._buffer = b""
        self._process = _start(ready, self._errors, *extra)
        try:
            self.first_reply = self.receive(timeout_s=START_TIMEOUT_S)
        except ChildBrokeError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def request(self, op: str, **arguments: object) -> dict[str, Any]:
        """Ask and wait for the answer."""
        self.send(op, **arguments)
        return self.receive()

    def send(self, op: str, **arguments: object) -> None:
        """Ask without waiting."""
        if self._process.stdin is None:
            message = "started without standard input"
            raise ChildBrokeError(message)
        try:
            self._process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ChildBrokeError(self._last_words("ended")) from error

    def receive(
        self,
        *,
        timeout_s: float = REPLY_TIMEOUT_S,
        meanwhile: Callable[[], None] | None = None,
        every_s: float = 0.25,
    ) -> dict[str, Any]:
        """Wait for one reply.

        Args:
            timeout_s: Bound on the wait.
            meanwhile: Called again and again during the wait.
            every_s: Pause between its calls.
        """
        if self._process.stdout is None:
            message = "started without standard output"
            raise ChildBrokeError(message)
        output = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ChildBrokeError(self._last_words(f"did not answer in {timeout_s:.0f} s"))
            pause = left if meanwhile is None else min(left, every_s)
            if not select.select([output], [], [], pause)[0]:
                if meanwhile is not None:
                    meanwhile()
                continue
            part = os.read(output, _READ_BYTES)
            if not part:
                raise ChildBrokeError(self._last_words("ended"))
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\n", 1)
        reply = json.loads(line)
        if not isinstance(reply, dict):
            message = f"answered {reply!r}"
            raise ChildBrokeError(message)
        return reply

    def _last_words(self, what: str) -> str:
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        return f"{what}: {publishable(text)}"

    def close(self) -> None:
        """End the process by closing its input; kill it and its descendants if that fails."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            below = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            self._process.wait()
            for process in below:
                if process.is_running():
                    process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()


def cold_start(ready: Ready) -> float:
    """Start a process, let it run one program, and end it.

    Returns:
        Seconds from the start of the process until its result was read.

    Raises:
        ChildBrokeError: There was no result.
    """
    start = time.perf_counter()
    child = Child(ready, "--cold")
    taken = time.perf_counter() - start
    child.close()
    if "failed" in child.first_reply:
        raise ChildBrokeError(child.first_reply["failed"])
    return taken
