"""WebAssembly under wasmtime: engine, instances, memory, interrupts, and the machine around a guest.

`emscripten` is that machine, `ffi` the only file that knows wasmtime's raw interface, `binary` the
module format. Nothing here knows a language.
"""
