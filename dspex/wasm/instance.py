"""One guest: an instance of a snapshot, its memory and the host functions it may call.

`Machine` is made once per process (a zygote), and then gives fresh instances of the snapshot as
often as asked. It knows Emscripten's system calls but no language: what to call, and what the
bytes mean, is decided in `dspex.languages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wasmtime

from dspex.wasm import ffi
from dspex.wasm.binary import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class MissingImport(ValueError):
    """The module imports something that the host does not offer; the runtime is of another age."""


class Machine:
    """A compiled module with its host functions bound, ready to be instantiated.

    Attributes:
        memory: the current instance's linear memory.
        memory_bytes_max: how far it may grow; read at each growth, so it may change at any time.
        memory_refused: whether growth was refused since the last `boot` or since it was reset.
    """

    def __init__(
        self, engine: wasmtime.Engine, module: wasmtime.Module,
        route: Callable[[str, int], tuple[int, int]] | None = None,
    ) -> None:
        """Take a module that was compiled for `engine`; `bind` comes next.

        Args:
            engine: See above.
            module: See above.
            route: See `ffi.HostCallbacks`.
        """
        self._engine = engine
        self._module = module
        self._callbacks = ffi.HostCallbacks(route)
        self._pre: wasmtime.InstancePre | None = None
        self._store: wasmtime.Store | None = None
        self._instance: wasmtime.Instance | None = None
        self._original: tuple[wasmtime.Store, ffi.LinearMemory] | None = None
        self.memory = ffi.LinearMemory()
        self.memory_bytes_max = 1 << 31
        self.memory_refused = False

    @classmethod
    def load(
        cls, engine: wasmtime.Engine, compiled: Path,
        route: Callable[[str, int], tuple[int, int]] | None = None,
    ) -> Machine:
        """Map a module from the cache of `dspex.wasm.artifacts`; never from anywhere else.

        Raises:
            WasmtimeError: if it was compiled by another wasmtime or configuration.
        """
        return cls(engine, wasmtime.Module.deserialize_file(engine, str(compiled)), route)

    def bind(self, functions: Mapping[tuple[str, str], Callable[..., Any]]) -> None:
        """Offer host functions by (module, name).

        Raises:
            MissingImport: if the module imports anything else.
        """
        linker = wasmtime.Linker(self._engine)
        absent = []
        for one in self._module.imports:
            ty, name = one.type, one.name or ""
            function = functions.get((one.module, name))
            if function is None or not isinstance(ty, wasmtime.FuncType):
                absent.append(f"{one.module}.{name}")
                continue
            self._callbacks.define(linker, one.module, name, ty, function)
        if absent:
            msg = f"the host offers no {', '.join(absent)}"
            raise MissingImport(msg)
        self._pre = linker.instantiate_pre(self._module)

    def boot(self) -> None:
        """Drop the current instance, if any, and make a fresh one from the snapshot."""
        if self._pre is None:
            msg = "bind the host functions first"
            raise RuntimeError(msg)
        store = wasmtime.Store(self._engine)
        self._instance = self._pre.instantiate(store)
        self.memory.attach(store, self._instance)
        previous, self._store = self._store, store
        self.memory_refused = False
        if previous is not None:
            previous.close()

    def original(self) -> ffi.LinearMemory:
        """Return what every guest's memory begins as: that of another instance, which never runs."""
        if self._original is None:
            assert self._pre is not None, "there is an instance already"
            store = wasmtime.Store(self._engine)
            memory = ffi.LinearMemory()
            memory.attach(store, self._pre.instantiate(store))
            self._original = (store, memory)
        return self._original[1]

    def function(self, name: str, arity: int) -> ffi.ExportedFunction:
        """Return an exported function of the current instance; it dies with the instance.

        Raises:
            KeyError: if there is no such export.
        """
        store, instance = self._live()
        return ffi.ExportedFunction(self._callbacks, store, instance, name, arity)

    def exported_memory(self, name: str) -> ffi.LinearMemory:
        """Return another memory of the current instance than its first; it dies with the instance.

        Raises:
            KeyError: if there is no such export.
        """
        memory = ffi.LinearMemory()
        memory.attach(*self._live(), name)
        return memory

    def global_i32(self, name: str) -> int:
        """Return the value of an exported i32 global.

        Raises:
            KeyError: if there is no such export.
        """
        store, instance = self._live()
        return ffi.global_i32(store, instance, name)

    def limit_memory(self, bytes_max: int) -> None:
        """Bound the memory of the current instance, where the guest grows it by itself."""
        self._live()[0].set_limits(memory_size=bytes_max)

    def _live(self) -> tuple[wasmtime.Store, wasmtime.Instance]:
        if self._store is None or self._instance is None:
            msg = "boot first"
            raise RuntimeError(msg)
        return self._store, self._instance

    def resize_heap(self, bytes_wanted: int) -> int:
        """Answer `emscripten_resize_heap`: 1 if the memory is now that large, else 0."""
        bytes_wanted &= 0xFFFFFFFF
        size = len(self.memory.view)
        if bytes_wanted <= size:
            return 1
        if bytes_wanted <= self.memory_bytes_max:
            pages = -(-(bytes_wanted - size) // PAGE_BYTES)
            if self.memory.grow(pages):
                return 1
        self.memory_refused = True
        return 0
