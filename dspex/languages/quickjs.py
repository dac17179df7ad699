"""QuickJS as a WebAssembly module: its C interface, called with handles and bytes.

A handle is the address of a value in the guest's memory that the engine counts as a reference, until
`free`. What the programs mean is `dspex.languages.javascript`'s business; how the module comes
about, `dspex.runtimes.quickjs`'s.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dspex.wasm.ffi import ExportedFunction
    from dspex.wasm.instance import Machine

FUNCTIONS = {
    "malloc": 1, "free": 1, "qjs_eval": 4, "qjs_call": 4, "qjs_free_value": 1, "qjs_dup_value": 1,
    "qjs_new_string": 2, "qjs_get_string_len": 2, "qjs_free_cstring": 1, "qjs_is_exception": 1,
    "qjs_get_exception": 0, "qjs_throw": 1, "qjs_new_array_buffer": 2, "qjs_get_array_buffer": 2,
    "qjs_get_undefined": 0, "qjs_promise_state": 1, "qjs_promise_result": 1, "qjs_is_undefined": 1, "qjs_is_null": 1,
    "qjs_is_function": 1, "qjs_is_promise": 1, "qjs_get_value_ptr": 1, "qjs_get_proxy_target": 1, "qjs_is_proxy": 1,
    "qjs_set_memory_limit": 1, "qjs_compile": 6, "dspex_run_jobs": 0, "dspex_set_uncatchable": 1,
}
"""Exports that are called here, with the number of their arguments."""

_POINTER = struct.Struct("<I")
EVAL_GLOBAL, EVAL_MODULE, EVAL_ASYNC = 0, 1, 1 << 7
_SCRATCH_BYTES = 1 << 16


class PromiseState(IntEnum):
    """What `promise_state` answers."""

    PENDING = 0
    FULFILLED = 1
    REJECTED = 2


class Thrown(Exception):
    """The guest threw; what it threw is a handle that the catcher frees."""

    def __init__(self, value: int) -> None:
        """Keep the handle."""
        super().__init__("the guest threw")
        self.value = value


class QuickJS:
    """The engine in a machine's current instance."""

    def __init__(self, machine: Machine) -> None:
        """Belong to a machine; `attach` comes after each of its boots."""
        self._machine = machine
        self._memory = machine.memory
        self._scratch = 0

    def attach(self, scratch: int) -> None:
        """Take the functions of the current instance.

        Args:
            scratch: Address of `SCRATCH_BYTES` of the guest's memory that only this side uses.
        """
        for name, arity in FUNCTIONS.items():
            setattr(self, f"_{name.removeprefix('qjs_')}", self._machine.function(name, arity))
        self._scratch = scratch

    _malloc: ExportedFunction
    _free: ExportedFunction
    _eval: ExportedFunction
    _call: ExportedFunction
    _free_value: ExportedFunction
    _dup_value: ExportedFunction
    _new_string: ExportedFunction
    _get_string_len: ExportedFunction
    _free_cstring: ExportedFunction
    _is_exception: ExportedFunction
    _get_exception: ExportedFunction
    _throw: ExportedFunction
    _new_array_buffer: ExportedFunction
    _get_array_buffer: ExportedFunction
    _get_undefined: ExportedFunction
    _promise_state: ExportedFunction
    _promise_result: ExportedFunction
    _is_undefined: ExportedFunction
    _is_null: ExportedFunction
    _is_function: ExportedFunction
    _is_promise: ExportedFunction
    _get_value_ptr: ExportedFunction
    _get_proxy_target: ExportedFunction
    _is_proxy: ExportedFunction
    _set_memory_limit: ExportedFunction
    _compile: ExportedFunction
    _dspex_run_jobs: ExportedFunction
    _dspex_set_uncatchable: ExportedFunction

    # Bytes.

    def read(self, address: int, size: int) -> bytes:
        """Copy bytes out of the guest's memory."""
        self._memory.sync()
        address &= 0xFFFFFFFF
        return bytes(self._memory.view[address : address + size])

    def _placed(self, data: bytes) -> tuple[int, bool]:
        """Put bytes with a NUL behind them into the guest; say whether they must be freed."""
        size = len(data) + 1
        if size <= _SCRATCH_BYTES:
            address, owned = self._scratch, False
        else:
            address, owned = self.allocate(size), True
        self._memory.sync()
        view = self._memory.view
        view[address : address + size - 1] = data
        view[address + size - 1] = 0
        return address, owned

    def allocate(self, size: int) -> int:
        """Allocate memory of the guest; the caller, or the guest, frees it.

        Raises:
            MemoryError: if the guest may have no more.
        """
        address = self._malloc(size) & 0xFFFFFFFF
        if not address:
            raise MemoryError
        return address

    def place(self, data: bytes) -> int:
        """Allocate and fill memory of the guest, with a NUL behind it."""
        address = self.allocate(len(data) + 1)
        self._memory.sync()
        self._memory.view[address : address + len(data) + 1] = data + b"\0"
        return address

    def write_u32(self, address: int, number: int) -> None:
        """Store a number in the guest's memory."""
        self._memory.sync()
        _POINTER.pack_into(self._memory.view, address & 0xFFFFFFFF, number)

    def c_string(self, address: int) -> str:
        """Return the text at an address, up to its NUL."""
        self._memory.sync()
        view = self._memory.view
        address &= 0xFFFFFFFF
        size = 64
        while (end := (piece := bytes(view[address : address + size])).find(b"\0")) < 0:
            if address + size > len(view):
                return piece.decode("utf-8", "replace")
            size *= 4
        return piece[:end].decode("utf-8", "replace")

    # Values.

    def string(self, data: bytes) -> int:
        """Return a new string, of UTF-8 in which surrogates may be alone."""
        address, owned = self._placed(data)
        made = self._new_string(address, len(data))
        if owned:
            self._free(address)
        return made

    def text(self, value: int) -> bytes:
        """Return a value as a string, as UTF-8 in which surrogates may be alone.

        Raises:
            Thrown: The value has a `toString` that throws, or there is no memory.
        """
        at = self._get_string_len(value, self._scratch)
        if not at:
            raise Thrown(self._get_exception())
        self._memory.sync()
        view = self._memory.view
        at &= 0xFFFFFFFF
        (size,) = _POINTER.unpack_from(view, self._scratch)
        data = bytes(view[at : at + size])
        self._free_cstring(at)
        return data

    def buffer(self, data: bytes) -> int:
        """Return a new ArrayBuffer with a copy of these bytes."""
        address, owned = self._placed(data)
        made = self._new_array_buffer(address, len(data))
        if owned:
            self._free(address)
        return made

    def buffer_bytes(self, value: int) -> bytes:
        """Return the content of an ArrayBuffer.

        Raises:
            Thrown: It is none, or detached.
        """
        self.write_u32(self._scratch, 0)
        at = self._get_array_buffer(value, self._scratch)
        self._memory.sync()
        (size,) = _POINTER.unpack_from(self._memory.view, self._scratch)
        if not at and size:
            raise Thrown(self._get_exception())
        at &= 0xFFFFFFFF
        return bytes(self._memory.view[at : at + size])

    def undefined(self) -> int:
        """Return `undefined`."""
        return self._get_undefined()

    def is_undefined(self, value: int) -> bool:
        """Tell whether a value is `undefined`."""
        return bool(self._is_undefined(value))

    def is_null(self, value: int) -> bool:
        """Tell whether a value is `null`, which is also thrown where no memory for an error is left."""
        return bool(self._is_null(value))

    def is_function(self, value: int) -> bool:
        """Tell whether a value can be called."""
        return bool(self._is_function(value))

    def is_promise(self, value: int) -> bool:
        """Tell whether a value is a promise of the language's own kind."""
        return bool(self._is_promise(value))

    def identity(self, value: int) -> int:
        """Return what is the same for two handles of one object."""
        return self._get_value_ptr(value)

    def proxy_target(self, value: int) -> int:
        """Return a new handle of what a Proxy stands for, or of `undefined` if it is none."""
        if not self._is_proxy(value):
            return self._get_undefined()
        return self._get_proxy_target(value)

    def same(self, value: int) -> int:
        """Return another handle of a value."""
        return self._dup_value(value)

    def free(self, *values: int) -> None:
        """Give up handles."""
        for value in values:
            self._free_value(value)

    def release(self, address: int) -> None:
        """Free memory that `allocate` or `place` has returned."""
        self._free(address)

    # Running.

    def evaluate(self, source: bytes, filename: bytes, flags: int) -> int:
        """Compile and run a source.

        Returns:
            What it evaluates to: a promise for modules and with `EVAL_ASYNC`.

        Raises:
            Thrown: It does not compile, or it threw while no promise was there to say so.
            MemoryError: There is no room for the source.
        """
        name = self.place(filename)
        code = self.place(source)
        try:
            return self._checked(self._eval(code, len(source), name, flags))
        finally:
            self._free(code)
            self._free(name)

    def check(self, source: bytes, filename: bytes, flags: int) -> None:
        """Compile a source and forget what comes out.

        Raises:
            Thrown: It does not compile.
            MemoryError: There is no room for the source.
        """
        name = self.place(filename)
        code = self.place(source)
        try:
            made = self._compile(code, len(source), name, flags, 0, self._scratch)
            if not made:
                raise Thrown(self._get_exception())
            self._free(made)
        finally:
            self._free(code)
            self._free(name)

    def call(self, function: int, arguments: Sequence[int] = ()) -> int:
        """Call a function, with `undefined` as `this`; the arguments stay the caller's.

        Raises:
            Thrown: It threw.
        """
        this = self._get_undefined()
        at = self._scratch
        self._memory.sync()
        struct.pack_into(
            f"<{len(arguments)}I", self._memory.view, at, *(one & 0xFFFFFFFF for one in arguments)
        )
        result = self._call(function, this, len(arguments), at)
        self._free_value(this)
        return self._checked(result)

    def _checked(self, result: int) -> int:
        if self._is_exception(result):
            self._free_value(result)
            raise Thrown(self._get_exception())
        return result

    def throw(self, value: int, *, catchable: bool = True) -> None:
        """Throw an object from a host function, which then returns 0.

        Args:
            value: The object.
            catchable: Whether the program may catch it.
        """
        if not catchable:
            self._dspex_set_uncatchable(value)
        self._throw(value)

    def promise_state(self, promise: int) -> PromiseState:
        """Return the state of a promise."""
        return PromiseState(self._promise_state(promise))

    def promise_result(self, promise: int) -> int:
        """Return what a promise was settled with."""
        return self._promise_result(promise)

    def run_jobs(self) -> None:
        """Run everything that waits in the microtask queue.

        Raises:
            Thrown: One of them was interrupted.
        """
        if self._dspex_run_jobs() < 0:
            raise Thrown(self._get_exception())

    def limit_memory(self, size: int) -> None:
        """Throw what JavaScript throws for want of memory at this many bytes."""
        self._set_memory_limit(min(size, 0x7FFFFFFF))
