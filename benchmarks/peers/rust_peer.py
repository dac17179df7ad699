"""Rust without a sandbox: compiled by the same compiler for this machine, a process per program."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.language_programs import HELLO_RUST
from benchmarks.peers.loop import Conversation, Sandboxes, main
from benchmarks.programs import ONE_PLUS_ONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code

FLAGS = ("--edition=2021", "-O", "-Cpanic=abort", "-Cstrip=symbols")


class NativeRust:
    """Compiles each program once, and runs it as often as asked."""

    failures: tuple[type[Exception], ...] = (subprocess.SubprocessError, OSError)

    def __init__(self) -> None:
        from dspex.runtimes import rust  # noqa: PLC0415 - only to find the same compiler

        self._rustc = rust.toolchain().rustc
        self._folder = tempfile.TemporaryDirectory()

    def versions(self) -> dict[str, str]:
        """Return the compiler's version."""
        said = subprocess.run(
            [self._rustc, "--version"], capture_output=True, check=True, text=True
        )
        return {"rustc": said.stdout.split()[1]}

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new process and read what it printed."""
        source = HELLO_RUST if code == ONE_PLUS_ONE else code.body
        program = Path(self._folder.name) / hashlib.sha256(source.encode()).hexdigest()
        if not program.exists():
            subprocess.run(
                [self._rustc, *FLAGS, "-o", program, "-"],
                input=source.encode(),
                capture_output=True,
                check=True,
            )
        done = subprocess.run([program], capture_output=True, check=True, text=True)
        return json.loads(done.stdout)

    def open_session(self) -> Conversation:
        """Refuse: sessions are not compared here."""
        raise NotImplementedError

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Refuse: tools are not compared here."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove what was compiled."""
        self._folder.cleanup()


def _open(_mode: str) -> Sandboxes:
    return NativeRust()


if __name__ == "__main__":
    main(_open)
