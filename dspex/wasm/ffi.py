"""Calls across the wasm border without wasmtime-py's per-value objects.

wasmtime-py converts each argument through a `Val` and looks the type up at each call: 9 µs for a
host callback and 21 µs for a call into the guest. A fresh sandbox makes about thirty of them, so
this file goes one level down, to the raw ("unchecked") functions of the same C API: about 2 µs
each. It knows nothing of any language; `dspex.wasm.instance` decides what is defined and called.

wasmtime-py does not promise `wasmtime._ffi` to be stable, so nothing else in dspex imports it and
pyproject.toml bounds the wasmtime version from above.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from wasmtime import Module, Trap, WasmtimeError
from wasmtime import _ffi as raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmtime import Config, Engine, FuncType, Instance, Linker, Store

_VALUE_BYTES = 16  # sizeof(wasmtime_val_raw_t)
_I32_PER_VALUE = 4

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_size_t,  # a trap, or 0
    ctypes.c_void_p,  # env
    ctypes.c_void_p,  # caller
    ctypes.POINTER(ctypes.c_int32),  # arguments in, results out, 16 bytes each
    ctypes.c_size_t,
)
_define_unchecked = ctypes.CFUNCTYPE(
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_size_t,
    ctypes.c_char_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    _CALLBACK,
    ctypes.c_void_p,
    ctypes.c_void_p,
)(("wasmtime_linker_define_func_unchecked", raw.dll))
_call_unchecked = ctypes.CFUNCTYPE(
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
)(("wasmtime_func_call_unchecked", raw.dll))


class HostCallbacks:
    """The host functions of one process, and what a host function raised.

    A Python exception cannot travel through wasm frames. The callback keeps it here and returns a
    trap; `raise_pending` raises it once the guest's frames are gone.
    """

    def __init__(self, route: Callable[[str, int], tuple[int, int]] | None = None) -> None:
        """Hold no callback yet.

        Args:
            route: Called with an import's name and the callback's address; returns what is to be called in its
                place, and with which environment.
        """
        self._keep: list[object] = []
        self._route = route
        self.pending: BaseException | None = None

    def define(
        self, linker: Linker, module: str, name: str, ty: FuncType, function: Callable[..., Any]
    ) -> None:
        """Offer `function` to guests as the import `module`.`name`.

        Integers arrive signed (i32 and i64) and floats as floats; the result must fit the type.

        Raises:
            WasmtimeError: if the name is taken.
        """
        params = [str(one) for one in ty.params]
        results = [str(one) for one in ty.results]
        if all(one == "i32" for one in params) and results in ([], ["i32"]):
            body = _narrow(function, len(params), bool(results))
        else:
            body = _wide(function, params, results[0] if results else "")

        def callback(_env: int, _caller: int, values: Any, _count: int) -> int:
            try:
                body(values)
            except BaseException as error:  # noqa: BLE001 - kept, and raised by raise_pending
                self.pending = error
                trap = Trap(type(error).__name__)._consume()
                return ctypes.cast(trap, ctypes.c_void_p).value or 0
            return 0

        kept = _CALLBACK(callback)
        self._keep.append(kept)
        raw_module, raw_name = module.encode(), name.encode()
        called, environment = kept, None
        if self._route is not None:
            address = ctypes.cast(kept, ctypes.c_void_p).value
            assert address is not None
            instead, environment = self._route(name, address)
            called = ctypes.cast(instead, _CALLBACK)
        error = _define_unchecked(
            ctypes.cast(linker.ptr(), ctypes.c_void_p),
            raw_module,
            len(raw_module),
            raw_name,
            len(raw_name),
            ctypes.cast(ty.ptr(), ctypes.c_void_p),
            called,
            environment,
            None,
        )
        if error:
            raise _error_from(error)

    def raise_pending(self) -> None:
        """Raise what a host function raised during the last call, if anything."""
        pending, self.pending = self.pending, None
        if pending is not None:
            raise pending


def _narrow(function: Callable[..., Any], count: int, result: bool) -> Callable[[Any], None]:  # noqa: FBT001
    """Adapt a function of `count` i32 values; one closure per arity keeps the call short."""
    if count < len(_BY_ARITY):
        body = _BY_ARITY[count](function)
    else:
        at = [_I32_PER_VALUE * i for i in range(count)]

        def body(v: Any) -> Any:
            return function(*[v[i] for i in at])

    if not result:
        return body

    def with_result(values: Any) -> None:
        values[0] = body(values)

    return with_result


_BY_ARITY: tuple[Callable[[Callable[..., Any]], Callable[[Any], Any]], ...] = (
    lambda function: lambda _: function(),
    lambda function: lambda v: function(v[0]),
    lambda function: lambda v: function(v[0], v[4]),
    lambda function: lambda v: function(v[0], v[4], v[8]),
    lambda function: lambda v: function(v[0], v[4], v[8], v[12]),
)
"""Adapters for up to four values, which nearly all imports have; values are four i32 apart."""

_CTYPE: dict[str, Any] = {
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}


def _wide(function: Callable[..., Any], params: list[str], result: str) -> Callable[[Any], None]:
    """Adapt a function with 64-bit or floating values: rarer, so written once for all."""
    readers = [_CTYPE[one] for one in params]
    writer = _CTYPE[result] if result else None

    def body(values: Any) -> None:
        base = ctypes.addressof(values.contents)
        got = function(
            *[kind.from_address(base + _VALUE_BYTES * i).value for i, kind in enumerate(readers)]
        )
        if writer is not None:
            writer.from_address(base).value = got

    return body


class ExportedFunction:
    """One exported function of one instance, ready to be called with i32 values.

    Calls leave the GIL, as every wasm call does. Not re-entrant: the argument buffer is shared.
    """

    __slots__ = ("_buffer", "_callbacks", "_context", "_count", "_function", "_trap", "_values")

    def __init__(
        self, callbacks: HostCallbacks, store: Store, instance: Instance, name: str, arity: int
    ) -> None:
        """Look the export up by name.

        Raises:
            KeyError: if the instance exports no such function.
        """
        item = _export(store, instance, name)
        if item.kind != raw.WASMTIME_EXTERN_FUNC.value:
            raise KeyError(name)
        self._function = item.of.func
        self._callbacks = callbacks
        self._context = ctypes.cast(store._context(), ctypes.c_void_p).value
        self._count = max(arity, 1)
        self._values = (ctypes.c_int32 * (_I32_PER_VALUE * self._count))()
        self._buffer = ctypes.addressof(self._values)
        self._trap = ctypes.c_void_p()

    def __call__(self, *arguments: int) -> int:
        """Call the guest and return its i32 result as a signed int (meaningless if it has none).

        Raises:
            Trap: if the guest trapped.
            BaseException: whatever a host function raised on the way.
        """
        values = self._values
        for position, argument in enumerate(arguments):
            values[_I32_PER_VALUE * position] = argument
        error = _call_unchecked(
            self._context,
            ctypes.addressof(self._function),
            self._buffer,
            self._count,
            ctypes.addressof(self._trap),
        )
        if error or self._trap.value:
            trap, self._trap.value = self._trap.value, None
            self.raise_failure(error, trap)
        return values[0]

    def raise_failure(self, error: int | None, trap: int | None) -> None:
        """Raise what a call has ended with, made here or elsewhere, if it failed.

        Args:
            error: Address of wasmtime's error, or none.
            trap: Address of the guest's trap, or none.
        """
        if not error and not trap:
            return
        caught = (
            _error_from(error)
            if error
            else Trap._from_ptr(ctypes.cast(ctypes.c_void_p(trap), ctypes.POINTER(raw.wasm_trap_t)))
        )
        self._callbacks.raise_pending()
        raise caught

    @property
    def address(self) -> tuple[int, int, int]:
        """Where wasmtime's function that makes such calls is, its context, and the guest's function."""
        call = ctypes.cast(_call_unchecked, ctypes.c_void_p).value
        assert call is not None
        assert self._context is not None
        return call, self._context, ctypes.addressof(self._function)


class LinearMemory:
    """The guest's linear memory as a `memoryview`, replaced whenever it has grown.

    One object serves all instances of a process in turn; `attach` moves it to the next one.
    """

    __slots__ = ("_context", "_memory", "address", "view")

    def __init__(self) -> None:
        """Belong to no instance yet: the view is empty."""
        self._memory: Any = None
        self._context: Any = None
        self.address = 0
        self.view = memoryview(b"")

    def attach(self, store: Store, instance: Instance, name: str = "memory") -> None:
        """Become the memory that `instance` exports under a name.

        Raises:
            KeyError: if there is none.
        """
        item = _export(store, instance, name)
        if item.kind != raw.WASMTIME_EXTERN_MEMORY.value:
            raise KeyError(name)
        self._memory = item.of.memory
        self._context = store._context()
        self.refresh()

    def refresh(self) -> None:
        """Take the current base and size: call after anything that may have grown the memory."""
        size = raw.wasmtime_memory_data_size(self._context, ctypes.byref(self._memory))
        data = raw.wasmtime_memory_data(self._context, ctypes.byref(self._memory))
        self.address = ctypes.cast(data, ctypes.c_void_p).value or 0
        self.view = memoryview((ctypes.c_uint8 * size).from_address(self.address)).cast("B")

    def sync(self) -> None:
        """Take the current size if the guest has grown the memory by itself."""
        if self._memory is not None:
            size = raw.wasmtime_memory_data_size(self._context, ctypes.byref(self._memory))
            if size != len(self.view):
                self.refresh()

    def detach(self) -> None:
        """Belong to no instance: before the first has ended, or if one exports no memory."""
        self._memory = self._context = None
        self.address, self.view = 0, memoryview(b"")

    def grow(self, pages: int) -> bool:
        """Grow by `pages` of 64 KiB and tell whether that was allowed."""
        before = ctypes.c_uint64()
        error = raw.wasmtime_memory_grow(
            self._context, ctypes.byref(self._memory), pages, ctypes.byref(before)
        )
        if error:
            raw.wasmtime_error_delete(error)
            return False
        self.refresh()
        return True


def global_i32(store: Store, instance: Instance, name: str) -> int:
    """Return the value of an exported i32 global, as a signed int.

    Raises:
        KeyError: if the instance exports no such global.
    """
    item = _export(store, instance, name)
    if item.kind != raw.WASMTIME_EXTERN_GLOBAL.value:
        raise KeyError(name)
    value = raw.wasmtime_val_t()
    raw.wasmtime_global_get(
        store._context(), ctypes.byref(item.of.global_), ctypes.byref(value)
    )
    return int(value.of.i32)


def set_stack_bytes(config: Config, wasm_bytes: int) -> None:
    """Allow `wasm_bytes` of wasm stack.

    wasmtime aborts the process if the wasm stack may be larger than its async stack, even where no
    call is async, and wasmtime-py cannot set the latter.
    """
    raw.wasmtime_config_async_stack_size_set(config.ptr(), wasm_bytes + (1 << 20))
    config.max_wasm_stack = wasm_bytes


def read_branch_hints(config: Config) -> None:
    """Let the compiler use the branch hints that a module carries; wasmtime-py cannot switch them on."""
    raw.wasmtime_config_wasm_branch_hinting_set(config.ptr(), True)


def deserialize_module(engine: Engine, data: bytes, start: int) -> Module:
    """Load a compiled module that lies within `data`, without the copies that wasmtime-py makes.

    A fresh process pays for each page of a copy.

    Raises:
        WasmtimeError: It was compiled by another wasmtime or configuration.
    """
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    assert address is not None
    content = ctypes.cast(address + start, ctypes.POINTER(ctypes.c_uint8))
    made = ctypes.POINTER(raw.wasmtime_module_t)()
    error = raw.wasmtime_module_deserialize(
        engine.ptr(), content, len(data) - start, ctypes.byref(made)
    )
    if error:
        raise WasmtimeError._from_ptr(error)
    return Module._from_ptr(made)


def compile_serially(config: Config) -> None:
    """Compile in the calling thread alone, so that a process without threads can."""
    raw.wasmtime_config_parallel_compilation_set(config.ptr(), False)


def copy_initial_memory(config: Config) -> None:
    """Fill fresh memories by copying: mapping them needs memory files, which not all may make."""
    raw.wasmtime_config_memory_init_cow_set(config.ptr(), False)


def epoch_address(engine: Engine) -> int:
    """Find the counter that guests compiled with epochs compare with their deadline; raises it by one.

    Writing there interrupts a guest without calling wasmtime, so a signal handler's one write can.
    wasmtime tells nobody where it is; it is the one number of the engine's state that counts.

    Raises:
        RuntimeError: It was not found: this is another wasmtime.
    """
    owner = ctypes.cast(engine.ptr(), ctypes.c_void_p).value
    assert owner is not None
    state = ctypes.c_uint64.from_address(owner).value
    size = min(_ENGINE_STATE_BYTES_MAX, _usable_bytes(state)) // _WORD_BYTES * _WORD_BYTES
    seen = []
    for _ in range(_EPOCH_LOOKS):
        seen.append(memoryview(ctypes.string_at(state, size)).cast("Q"))
        raw.wasmtime_engine_increment_epoch(engine.ptr())
    first = seen[0]
    counting = [
        at for at in range(len(first)) if all(one[at] == first[at] + n for n, one in enumerate(seen))
    ]
    if len(counting) != 1:
        msg = f"the epoch counter of wasmtime was not found: {len(counting)} numbers count"
        raise RuntimeError(msg)
    return state + _WORD_BYTES * counting[0]


_WORD_BYTES = 8
_EPOCH_LOOKS = 4
_ENGINE_STATE_BYTES_MAX = 1 << 13


def _usable_bytes(address: int) -> int:
    """Return the size of an allocation: nothing beyond it is read."""
    measure = ctypes.CDLL(None).malloc_usable_size
    measure.restype, measure.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    return int(measure(address))


def _export(store: Store, instance: Instance, name: str) -> Any:
    """Look one export up; wasmtime-py would make an object of each of them."""
    item = raw.wasmtime_extern_t()
    encoded = name.encode()
    found = raw.wasmtime_instance_export_get(
        store._context(),
        ctypes.byref(instance._instance),
        ctypes.create_string_buffer(encoded),
        len(encoded),
        ctypes.byref(item),
    )
    if not found:
        raise KeyError(name)
    return item


def _error_from(pointer: int) -> Exception:
    return WasmtimeError._from_ptr(
        ctypes.cast(ctypes.c_void_p(pointer), ctypes.POINTER(raw.wasmtime_error_t))
    )
