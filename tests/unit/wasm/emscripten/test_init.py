"""The package's face is the names it says it has."""

from __future__ import annotations

import dspex.wasm.emscripten as package

NAMES = {
    "HOME", "IMPLEMENTED", "LEFT_TO_BINDING", "BaseLayer", "Channel", "Clock", "Errno", "GuestAborted",
    "GuestExit", "GuestMemory", "MemoryFileSystem", "Quotas", "SyscallError", "Syscalls",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    public = {name for name in vars(package) if not name.startswith("_") and name[0].isupper()}
    assert public == NAMES
