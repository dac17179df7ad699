"""The wasmtime configurations for guests: what is compiled with one can be loaded with it.

One is for interpreters, which are interrupted through their own flag. The other is for programs that
are compiled as they come: they count fuel and compare epochs, and are compiled without threads.

Compiling and keying belong to `dspex.runtimes.locate`, instances to `dspex.wasm.instance`.
"""

from __future__ import annotations

import wasmtime

from dspex.wasm import ffi
from dspex.wasm.configuration import WASM_STACK_BYTES
from dspex.wasm.memories import GuestMemories

NATIVE_STACK_BYTES = WASM_STACK_BYTES + (16 << 20)
"""What a thread needs that runs such guests: the host's own frames lie beneath theirs."""


def new_engine() -> wasmtime.Engine:
    """Return an engine for guests.

    No fuel and no epoch: they cost a tight loop about 22 %. A run is interrupted through the
    interpreter's own signal flag (`dspex.wasm.interrupt`) and, if that fails, by killing its process.
    """
    config = wasmtime.Config()
    config.wasm_exceptions = True
    config.wasm_gc = True
    ffi.read_branch_hints(config)
    ffi.set_stack_bytes(config, WASM_STACK_BYTES)
    return wasmtime.Engine(config)


def new_program_engine(memories: GuestMemories) -> wasmtime.Engine:
    """Return an engine for programs nobody has prepared.

    Fuel is for `usage.fuel`. The epoch interrupts: a loop checks it, and a signal's number is
    written to it (`dspex.wasm.interrupt`). Several memories, 64-bit memories and threads are off: no
    limit of ours counts them, or no clock.

    Args:
        memories: Makes the memories of all programs, and counts them.
    """
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.wasm_exceptions = True
    config.wasm_gc = True
    config.wasm_multi_memory = False
    config.wasm_memory64 = False
    config.wasm_threads = False
    ffi.compile_serially(config)
    ffi.copy_initial_memory(config)
    memories.install(config)
    ffi.set_stack_bytes(config, WASM_STACK_BYTES)
    return wasmtime.Engine(config)
