"""Restricted Python without its first wall: the compiler judges nothing, and everything is built in."""

from __future__ import annotations

import builtins
import types

from dspex.languages.python_restricted import RestrictedPythonGuest
from dspex.languages.restricted.transformer import RestrictedFinding


class UnwalledGuest(RestrictedPythonGuest):
    """Runs programs as they are, in a worker with the usual jail."""

    def boot(self) -> None:
        super().boot()
        self._main["__builtins__"] = builtins

    def _compile(
        self, source: bytes, filename: str
    ) -> tuple[types.CodeType | None, types.CodeType | None, list[RestrictedFinding]]:
        return compile(source.decode(), filename, "exec", dont_inherit=True), None, []
