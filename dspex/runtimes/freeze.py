"""A running guest, frozen: its memory and globals become the initial state of a new module.

An instance of the new module is the running guest again, started by nothing but a copy-on-write
mapping. What the guest was doing is the recipe's business (`dspex.runtimes.pyodide`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.runtimes.glue import GLOBAL_PREFIX
from dspex.runtimes.tuning import HINTS
from dspex.wasm.binary import PAGE_BYTES as WASM_PAGE_BYTES
from dspex.wasm.binary import START, Module, WasmFormatError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dspex.wasm.instance import Machine

_GRAIN_BYTES = 4096
"""Empty stretches shorter than this are stored: a data segment costs more than a few zeros."""


def freeze(machine: Machine, source: bytes, keep_exports: Collection[str]) -> bytes:
    """Return `source` with the state of the machine's current instance built in.

    Args:
        machine: Holds an instance of `source`, between two calls.
        source: The module that the machine runs, after `glue.open_up`.
        keep_exports: The exports that the host needs; each other one would cost at every look-up,
            and keeps code alive that nobody calls.

    Raises:
        WasmFormatError: if the module has what cannot be frozen: a start function or passive data,
            imported globals, or an export of `keep_exports` is missing.
    """
    module = Module(source)
    if module.section(START) != b"\0":
        msg = "the module has a start function, which would run again in every instance"
        raise WasmFormatError(msg)
    if not module.data_is_active() or module.imported_globals():
        msg = "the module has passive data or imported globals, which a snapshot cannot hold"
        raise WasmFormatError(msg)
    exports = module.exports()
    values = {
        int(one.name.removeprefix(GLOBAL_PREFIX)): machine.global_i32(one.name)
        for one in exports
        if one.name.startswith(GLOBAL_PREFIX)
    }
    module.set_global_values(values)
    kept = [one for one in exports if one.name in keep_exports]
    if missing := set(keep_exports) - {one.name for one in kept}:
        msg = f"the module does not export {', '.join(sorted(missing))}"
        raise WasmFormatError(msg)
    module.set_exports(kept)
    machine.memory.refresh()
    memory = machine.memory.view
    module.set_memory_pages(len(memory) // WASM_PAGE_BYTES)
    module.set_data(_occupied(memory))
    module.drop_custom_sections(keep=[HINTS])
    return module.encode()


def _occupied(memory: memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield (address, content) of the stretches of memory that are not all zero."""
    empty = bytes(_GRAIN_BYTES)
    start = None
    for at in range(0, len(memory), _GRAIN_BYTES):
        if memory[at : at + _GRAIN_BYTES] != empty:
            if start is None:
                start = at
        elif start is not None:
            yield start, bytes(memory[start:at])
            start = None
    if start is not None:
        yield start, bytes(memory[start:])
