"""dspex's further languages, one of them per adapter process, each program in a fresh sandbox.

The mode names the language. `wasm` runs the smallest module as text; `rust-wasm` runs what the
Rust adapter compiles, given as a module, so that the two can be compared.
"""

from __future__ import annotations

import functools
import json
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.language_programs import HELLO_RUST, HELLO_WAT
from benchmarks.peers.loop import Conversation, Sandboxes, main
from benchmarks.programs import ONE_PLUS_ONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code


class Language:
    """A new sandbox per program, from one engine; the value is the outcome's."""

    def __init__(self, language: str) -> None:
        import dspex  # noqa: PLC0415 - a cold start includes the import.

        self.failures: tuple[type[Exception], ...] = (dspex.DspexError,)
        self._language = language
        self._engine = dspex.Engine(policy="compute", languages=[language])
        self._engine.__enter__()

    def versions(self) -> dict[str, str]:
        """Return the versions of the host."""
        return {
            "dspex": version("dspex"),
            "wasmtime": version("wasmtime"),
            "python": platform.python_version(),
        }

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new sandbox."""
        source = f"{code.body}\n{code.expression}\n"
        value: object = self._engine.run(source, language=self._language).value_or_raise()
        return value

    def open_session(self) -> Conversation:
        """Refuse: sessions are not compared here."""
        raise NotImplementedError

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Refuse: tools are not compared here."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop the engine."""
        self._engine.__exit__(None, None, None)


class Printed(Language):
    """A language whose programs print their value as JSON."""

    def __init__(self, language: str, program_of: Callable[[Code], str | bytes]) -> None:
        super().__init__(language)
        self._program_of = program_of

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new sandbox and read what it printed."""
        outcome = self._engine.run(self._program_of(code), language=self._language)
        outcome.value_or_raise()
        return json.loads(outcome.stdout)


def _wat(_code: Code) -> str:
    return HELLO_WAT  # the only program that takes part as text


def _rust(code: Code) -> str:
    return HELLO_RUST if code == ONE_PLUS_ONE else code.body


@functools.cache
def _compiled(source: str) -> bytes:
    from dspex.runtimes import rust  # noqa: PLC0415 - after the engine has been imported

    return rust.compile_source(source.encode())


def _open(mode: str) -> Sandboxes:
    if mode == "wasm":
        return Printed("wasm", _wat)
    if mode == "rust":
        return Printed("rust", _rust)
    if mode == "rust-wasm":
        return Printed("wasm", lambda code: _compiled(_rust(code)))
    return Language(mode)


if __name__ == "__main__":
    main(_open)
