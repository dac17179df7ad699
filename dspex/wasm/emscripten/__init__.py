"""The machine that a program compiled by Emscripten finds around it, without any JavaScript.

`MemoryFileSystem` holds a guest's files, `Syscalls` answers its system calls on them, `Clock` tells it
the time, and `BaseLayer` is what all guests share. Nothing here knows wasmtime or touches the host's
files, so all of it is tested on a bytearray; `dspex.wasm.instance` connects it to a real guest.
"""

from dspex.wasm.emscripten.baselayer import BaseLayer as BaseLayer
from dspex.wasm.emscripten.clock import Clock as Clock
from dspex.wasm.emscripten.descriptors import Channel as Channel
from dspex.wasm.emscripten.errno import Errno as Errno
from dspex.wasm.emscripten.errno import SyscallError as SyscallError
from dspex.wasm.emscripten.filesystem import HOME as HOME
from dspex.wasm.emscripten.filesystem import MemoryFileSystem as MemoryFileSystem
from dspex.wasm.emscripten.machine_calls import GuestAborted as GuestAborted
from dspex.wasm.emscripten.machine_calls import GuestExit as GuestExit
from dspex.wasm.emscripten.memory import GuestMemory as GuestMemory
from dspex.wasm.emscripten.quotas import Quotas as Quotas
from dspex.wasm.emscripten.syscalls import IMPLEMENTED as IMPLEMENTED
from dspex.wasm.emscripten.syscalls import LEFT_TO_BINDING as LEFT_TO_BINDING
from dspex.wasm.emscripten.syscalls import Syscalls as Syscalls
