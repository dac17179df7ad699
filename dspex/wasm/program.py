"""One program that came as WebAssembly: checked and compiled, loaded, called, and described.

A process compiles one, or loads what another process compiled, and then runs one. What the imports
do is `dspex.wasm.wasi`'s, when a run ends and what is made of it `dspex.languages.wasm`'s.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import wasmtime
from wasmtime import component

from dspex.wasm import ffi, signatures
from dspex.wasm.binary import WasmFormatError
from dspex.wasm.engine import new_program_engine
from dspex.wasm.memories import GuestMemories
from dspex.wasm.wasi import abi
from dspex.wasm.wasi.preview1 import SIGNATURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TABLE_ELEMENTS_MAX = 1_000_000
INSTANCES_MAX = 100
"""A module is one instance; a component is made of several, with their tables and memories."""
FUEL_MAX = (1 << 63) - 1
MODULE, COMPONENT = b"M", b"C"
"""First byte of what `compile_program` returns."""

_LENGTH = struct.Struct("<I")
_MAGIC = b"\0asm"
_COMPONENT_VERSION = b"\x0d\x00\x01\x00"
_PLACE = re.compile(r"-->\s*<anon>:(\d+):(\d+)")
_NAMES_MAX = 20
_I32, _I64 = range(-(1 << 31), 1 << 32), range(-(1 << 63), 1 << 64)
_VALUE_TYPES = {"i": "i32", "I": "i64"}


@dataclass(frozen=True, slots=True)
class Invalid(Exception):
    """The program cannot run: one reason, and its place in the text if it is one."""

    message: str
    line: int = 0
    column: int = 0
    hint: str = ""

    def __str__(self) -> str:
        """Return the reason."""
        return self.message


class Program:
    """The one program of a process, and the engine that it runs in.

    Attributes:
        memory: What it exports as `memory`; empty while it has none.
        memories: All that it has, counted.
        epoch_address: Where a number written interrupts it.
    """

    def __init__(self) -> None:
        """Make the engine; `offer` comes next, and then `load`."""
        self.memories = GuestMemories()
        self.memory = ffi.LinearMemory()
        self._engine = new_program_engine(self.memories)
        self.epoch_address = ffi.epoch_address(self._engine)
        self._callbacks = ffi.HostCallbacks()
        self._linker = wasmtime.Linker(self._engine)
        self._store: wasmtime.Store | None = None
        self._exports: dict[str, signatures.Signature] = {}
        self._module: wasmtime.Module | component.Component | None = None
        self._instance: wasmtime.Instance | component.Instance | None = None

    def offer(self, functions: Mapping[str, Callable[..., int | None]]) -> None:
        """Let programs import functions of WASI preview 1, by name."""
        for name, function in functions.items():
            params = [_value_type(one) for one in SIGNATURES[name]]
            results = [] if name == "proc_exit" else [wasmtime.ValType.i32()]
            ty = wasmtime.FuncType(params, results)
            self._callbacks.define(self._linker, abi.MODULE, name, ty, self._synced(function))

    def _synced(self, function: Callable[..., int | None]) -> Callable[..., int | None]:
        sync = self.memory.sync

        def call(*arguments: int) -> int | None:
            sync()
            return function(*arguments)

        return call

    # Compiling.

    def compile_program(self, source: bytes) -> bytes:
        """Check and compile a program, without running any of it.

        Args:
            source: A module or component, binary or text.

        Returns:
            What `load` takes.

        Raises:
            Invalid: It is no valid program, or imports what is not there.
        """
        binary = _binary(source)
        try:
            if binary[4:8] == _COMPONENT_VERSION:
                made = component.Component(self._engine, binary)
                self._check_component(made)
                return COMPONENT + bytes(made.serialize())
            module = wasmtime.Module(self._engine, binary)
        except wasmtime.WasmtimeError as error:
            raise Invalid(_first_lines(error)) from None
        try:
            imports, exports = signatures.read(binary)
        except (WasmFormatError, IndexError) as error:
            raise Invalid(f"its types are not known here: {error}") from None
        _check_imports(imports)
        head = json.dumps(exports).encode()
        return b"".join((MODULE, _LENGTH.pack(len(head)), head, module.serialize()))

    def _check_component(self, made: component.Component) -> None:
        imports = made.type.imports(self._engine)
        if imports:
            raise Invalid(
                f"the component imports {_listed(imports)}",
                hint="components get no imports here; compile to a module for WASI preview 1",
            )

    # Loading and starting.

    def load(self, compiled: bytes, at: int = 0) -> None:
        """Take what `compile_program` returned, in another process of the same kind; it begins at `at`.

        Its code is not checked and may do whatever this process may do: what comes from anywhere
        else must never come here.

        Raises:
            wasmtime.WasmtimeError: It was compiled by another wasmtime.
        """
        start = at + 1
        if compiled[at:start] == COMPONENT:
            self._module = component.Component.deserialize(self._engine, compiled[start:])
            return
        (length,) = _LENGTH.unpack_from(compiled, start)
        start += _LENGTH.size
        head = json.loads(compiled[start : start + length])
        self._exports = {name: signatures.Signature(*one) for name, one in head.items()}
        self._module = ffi.deserialize_module(self._engine, compiled, start + length)

    def start(self) -> None:
        """Make an instance; its start function runs, as far as it has one.

        Raises:
            wasmtime.Trap, wasmtime.WasmtimeError: It trapped, or its memory or tables are too large.
            BaseException: What a host function raised.
        """
        store = wasmtime.Store(self._engine)
        store.set_limits(
            table_elements=TABLE_ELEMENTS_MAX, instances=INSTANCES_MAX, tables=INSTANCES_MAX,
            memories=INSTANCES_MAX,
        )
        store.set_fuel(FUEL_MAX)
        store.set_epoch_deadline(1)
        self._store = store
        self.memory.detach()
        module = self._module
        assert module is not None
        if isinstance(module, component.Component):
            linker = component.Linker(self._engine)
            self._instance = self._guarded(lambda: linker.instantiate(store, module))
            return
        instance = self._guarded(lambda: self._linker.instantiate(store, module))
        self._instance = instance
        try:
            self.memory.attach(store, instance)
        except KeyError:
            self.memory.detach()

    def close(self) -> None:
        """Drop the instance and its memories, and the program."""
        self.memory.detach()
        store, self._store, self._instance, self._module = self._store, None, None, None
        if store is not None:
            store.close()

    @property
    def fuel(self) -> int:
        """Instructions that were counted so far."""
        return FUEL_MAX - self._store.get_fuel() if self._store is not None else 0

    def check_command(self) -> None:
        """Demand a `_start`, as programs have.

        Raises:
            Invalid: There is none.
        """
        if isinstance(self._module, wasmtime.Module) and "_start" in self._exports:
            return
        there = ", ".join(self.exports()[:_NAMES_MAX]) or "none"
        raise Invalid(
            "it exports no `_start`, so it is no program",
            hint=f'name a function: variables={{"call": ...}}; it exports {there}',
        )

    def exports(self) -> list[str]:
        """Return what can be called, written as `name(i32, i64) -> i32`."""
        if isinstance(self._module, component.Component):
            found = self._module.type.exports(self._engine)
            # wasmtime 50 wraps the types that 49 gives directly.
            types = {name: getattr(one, "ty", one) for name, one in found.items()}
            return [
                f"{name}{_component_signature(ty)}" for name, ty in types.items()
                if isinstance(ty, component.FuncType)
            ]
        return [one.shown(name) for name, one in self._exports.items()]

    # Calling.

    def run_command(self) -> None:
        """Call `_start`; raises what `start` does."""
        assert self._store is not None
        assert isinstance(self._instance, wasmtime.Instance)
        ffi.ExportedFunction(self._callbacks, self._store, self._instance, "_start", 0)()

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        """Call an exported function.

        Args:
            name: Its name.
            arguments: One for each parameter: int for i32 and i64, signed or not; int or float for
                f32 and f64; for a component what its types are in Python.

        Returns:
            Its result; None if there is none, a tuple if there are several.

        Raises:
            Invalid: There is no such function, or the arguments do not fit it.
            wasmtime.Trap, BaseException: As `start`.
        """
        store = self._store
        assert store is not None
        if isinstance(self._module, component.Component):
            return self._call_component(store, name, arguments)
        assert isinstance(self._instance, wasmtime.Instance)
        signature = self._exports.get(name)
        if signature is None:
            raise self._no_such(name)
        fitting = _fitted(name, signature, arguments)
        extern = self._instance.exports(store)
        if self._exports.get("_initialize") == ([], []) and name != "_initialize":
            initialize = extern["_initialize"]
            assert isinstance(initialize, wasmtime.Func)
            self._guarded(lambda: initialize(store))
        function = extern[name]
        assert isinstance(function, wasmtime.Func)
        result = self._guarded(lambda: function(store, *fitting))
        return tuple(result) if isinstance(result, list) else result

    def _call_component(self, store: wasmtime.Store, name: str, arguments: Sequence[Any]) -> Any:
        assert isinstance(self._instance, component.Instance)
        function = self._instance.get_func(store, name)
        if function is None:
            raise self._no_such(name)
        ty = function.type(store)
        if len(arguments) != len(ty.params):
            raise Invalid(f"{name} takes {len(ty.params)} arguments, {len(arguments)} given")
        try:
            return self._guarded(lambda: function(store, *arguments))
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Invalid(f"{name}{_component_signature(ty)}: {error}") from None

    def _no_such(self, name: str) -> Invalid:
        there = self.exports()[:_NAMES_MAX]
        return Invalid(
            f"it exports no function {name!r}", hint=f"it exports {', '.join(there) or 'none'}"
        )

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """Call into the guest; what a host function raised is raised in place of its trap."""
        try:
            return call()
        except (wasmtime.Trap, wasmtime.WasmtimeError):
            self._callbacks.raise_pending()
            raise


def _binary(source: bytes) -> bytes:
    if source.startswith(_MAGIC):
        return source
    try:
        text = source.decode()
    except UnicodeDecodeError:
        raise Invalid("neither a WebAssembly binary nor text") from None
    try:
        return bytes(wasmtime.wat2wasm(text))
    except wasmtime.WasmtimeError as error:
        said = str(error)
        place = _PLACE.search(said)
        line, column = (int(place[1]), int(place[2])) if place else (0, 0)
        raise Invalid(said.strip().splitlines()[0], line, column) from None


def _check_imports(imports: Sequence[signatures.ImportedFunction]) -> None:
    absent, different = [], []
    for one in imports:
        wanted = SIGNATURES.get(one.name) if one.module == abi.MODULE else None
        name = f"{one.module}.{one.name}"
        if wanted is None or one.signature is None:
            absent.append(name)
            continue
        results = [] if one.name == "proc_exit" else ["i32"]
        if one.signature != ([_VALUE_TYPES[letter] for letter in wanted], results):
            different.append(one.signature.shown(name))
    if absent:
        raise Invalid(
            f"it imports what is not there: {_listed(absent)}",
            hint=f"programs may import {abi.MODULE} only",
        )
    if different:
        raise Invalid(f"it imports functions of another type: {_listed(different)}")


def _fitted(
    name: str, signature: signatures.Signature, arguments: Sequence[Any]
) -> list[int | float]:
    """Check arguments against a type, strictly."""
    params, shown = signature.params, signature.shown(name)
    strange = [one for one in (*params, *signature.results) if one not in _READERS]
    if strange:
        raise Invalid(f"{shown}: {strange[0]} cannot cross", hint="i32, i64, f32 and f64 can")
    if len(arguments) != len(params):
        raise Invalid(f"{shown}: {len(params)} arguments wanted, {len(arguments)} given")
    fitting = []
    for position, (kind, given) in enumerate(zip(params, arguments, strict=True)):
        number = _READERS[kind](given)
        if number is None:
            raise Invalid(f"{shown}: arguments[{position}]: {given!r:.60} is no {kind}")
        fitting.append(number)
    return fitting


def _integer(given: object, allowed: range) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int) or given not in allowed:
        return None
    return given if given < -allowed.start else given - 2 * -allowed.start


def _float(given: object) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        return float(given)
    except OverflowError:
        return None


_READERS: dict[str, Callable[[object], int | float | None]] = {
    "i32": lambda given: _integer(given, _I32),
    "i64": lambda given: _integer(given, _I64),
    "f32": _float,
    "f64": _float,
}


def _value_type(letter: str) -> wasmtime.ValType:
    return wasmtime.ValType.i64() if letter == "I" else wasmtime.ValType.i32()


def _component_signature(ty: component.FuncType) -> str:
    params = ", ".join(f"{name}: {_shown(one)}" for name, one in ty.params)
    result = ty.result
    return f"({params})" + (f" -> {_shown(result)}" if result is not None else "")


def _shown(ty: object) -> str:
    return type(ty).__name__.removesuffix("Type").lower()


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    shown = [name[:200] for name in list(names)[:_NAMES_MAX]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _first_lines(error: Exception) -> str:
    """Return what the validator said, without the advice for people who call wasmtime themselves."""
    said = str(error).strip()
    _, _, cause = said.partition("Caused by:")
    lines = [re.sub(r"^\s*\d+:\s*", "", line).strip() for line in (cause or said).splitlines()]
    return ": ".join(line for line in lines if line)[:1000]
