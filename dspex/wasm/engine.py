"""The one wasmtime configuration for guests: what is compiled with it can be loaded with it.

Compiling and keying belong to `dspex.wasm.artifacts`, instances to `dspex.wasm.instance`.
"""

from __future__ import annotations

import wasmtime

from dspex.wasm import ffi

WASM_STACK_BYTES = 32 << 20
"""Native stack for guest frames. A C function of the guest may use a hundred bytes here for each ten
that it uses of Emscripten's own stack, which is the only one that CPython watches."""

NATIVE_STACK_BYTES = WASM_STACK_BYTES + (16 << 20)
"""What a thread needs that runs such guests: the host's own frames lie beneath theirs."""

CONFIGURATION = "exceptions,gc,stack=32M,opt=speed"
"""Part of the key of everything compiled; changes with `new_engine`."""


def new_engine() -> wasmtime.Engine:
    """Return an engine for guests.

    No fuel and no epoch: they cost a tight loop about 22 %. A run is interrupted through the
    interpreter's own signal flag (`dspex.wasm.interrupt`) and, if that fails, by killing its process.
    """
    config = wasmtime.Config()
    config.wasm_exceptions = True
    config.wasm_gc = True
    ffi.set_stack_bytes(config, WASM_STACK_BYTES)
    return wasmtime.Engine(config)
