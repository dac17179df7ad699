"""The one wasmtime configuration for guests: what is compiled with it can be loaded with it.

Compiling and keying belong to `dspex.wasm.artifacts`, instances to `dspex.wasm.instance`.
"""

from __future__ import annotations

import wasmtime

from dspex.wasm import ffi

WASM_STACK_BYTES = 4 << 20
"""Native stack for guest frames; the main thread of a worker has 8 MiB by default."""

CONFIGURATION = "exceptions,gc,stack=4M,opt=speed"
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
