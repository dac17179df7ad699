"""WASI preview 1 over the memory file system: what a program compiled for it finds around it.

wasmtime's own WASI is never used: it would open files of the host. Nothing here knows wasmtime, so
all of it is tested on a bytearray; `dspex.wasm.program` connects it to a real program.
"""

from dspex.wasm.wasi.preview1 import Preview1 as Preview1
