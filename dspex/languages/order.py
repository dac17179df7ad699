"""What the two sides of compiled languages have agreed on; free of wasmtime, for the caller's side."""

from __future__ import annotations

from typing import Final

COMPILE: Final = b"\x01"
RUN: Final = b"\x02"
"""First byte of a worker's orders; the rest is a program, or what a worker made of it."""

COMPILED: Final = "program"
"""Name of the file that a worker sends what it compiled as."""

CALL: Final = "call"
ARGUMENTS: Final = "arguments"
"""Variables that ask for one exported function instead of a whole program."""
