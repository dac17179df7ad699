"""How guests' modules are compiled, as far as those must know who compile or load none themselves."""

WASM_STACK_BYTES = 32 << 20
"""Native stack for guest frames. A C function of the guest may use a hundred bytes here for each ten
that it uses of Emscripten's own stack, which is the only one that CPython watches."""

CONFIGURATION = "exceptions,gc,hints,stack=32M,opt=speed"
"""Part of the key of everything compiled; changes with `dspex.wasm.engine.new_engine`."""
