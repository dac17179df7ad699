"""What Emscripten leaves to JavaScript and no host call should do: written as WebAssembly text.

Four kinds of import are answered inside the module itself, by merging in two small modules: the
`GOT.func` globals (names of graphics functions: null), CPython's call trampolines (a function is
called with as many arguments as its type takes), the call of a signal's handler, and the JavaScript bridge (never reached, because
CPython is started without it; what is reached all the same traps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import wasmtime

from dspex.wasm.binary import (
    KIND_FUNC,
    KIND_GLOBAL,
    KIND_TABLE,
    Export,
    Module,
    WasmFormatError,
    constant_i32,
    read_unsigned,
    signed,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

TRAMPOLINE = "dspex_trampoline"
GLOBAL_PREFIX = "dspex_global_"
SIGNAL_FLAG = "Py_EMSCRIPTEN_SIGNAL_HANDLING"
_BRIDGE_CALL = "_PyEM_TrampolineCall_JS"
_SIGNAL_CALL = "__call_sighandler"
_WRITTEN_OUT = (_BRIDGE_CALL, _SIGNAL_CALL)

QUIET = {
    # Asked on paths that programs reach: "is this an asynchronous stream?" (no), "is this a socket
    # of ours?" (no), and notes to a page that is not there.
    "_maybe_poll_async": "(ref.null extern)",
    "_maybe_connect_async": "(ref.null extern)",
    "_maybe_recvfrom_async": "(ref.null extern)",
    "_maybe_sendto_async": "(ref.null extern)",
    "_try_fcntl64": "(i32.const 0)",
    "_try_shutdown": "(i32.const 0)",
    "can_run_sync_js": "(i32.const 0)",
    "emscripten_set_up_async_input_device_js": "(i32.const 0)",
    "emscripten_runtime_keepalive_push": "",
    "emscripten_runtime_keepalive_pop": "",
    "__hiwire_deduplicate_new": "(ref.null extern)",
    "__hiwire_deduplicate_get": "(i32.const 0)",
    "__hiwire_deduplicate_set": "",
    "__hiwire_deduplicate_delete": "",
    "ffi_prep_closure_loc_js": "(i32.const 1)",
    # `_ctypes` takes and frees one closure when it is imported, and then never gets one prepared.
    "ffi_closure_alloc_js": "(i32.const 16)",
    "ffi_closure_free_js": "",
}
"""Imports that are answered here with a constant, because programs reach them."""


def write_glue(module: wasmtime.Module, offered: Container[tuple[str, str]], folder: Path) -> list[tuple[Path, str]]:
    """Write the modules that answer what the host does not offer.

    Args:
        module: The translated upstream module.
        offered: (module, name) of every import that the host will provide.
        folder: Where to write.

    Returns:
        Paths with the module names under which upstream imports from them.
    """
    env = [
        _HEAD, _trampoline(TRAMPOLINE, reports=True), _trampoline(_BRIDGE_CALL, reports=False),
        _SIGNAL_HANDLER,
    ]
    table = []
    for one in module.imports:
        name = one.name or ""
        if one.module == "GOT.func":
            table.append(f'(global (export "{name}") (mut i32) (i32.const 0))')
        elif one.module == "env" and ("env", name) not in offered and name not in _WRITTEN_OUT:
            ty = one.type
            if not isinstance(ty, wasmtime.FuncType):
                msg = f"upstream imports env.{name}, which is no function"
                raise WasmFormatError(msg)
            env.append(_stub(name, ty))
    written = []
    for name, lines in (("env", [*env, ")"]), ("GOT.func", ["(module", *table, ")"])):
        path = folder / f"glue-{name}.wasm"
        path.write_bytes(bytes(wasmtime.wat2wasm("\n".join(lines))))
        written.append((path, name))
    return written


_HEAD = """(module
(import "main" "memory" (memory 1))
(import "main" "__indirect_function_table" (table 0 funcref))
(type $three (func (param i32 i32 i32) (result i32)))
(type $two (func (param i32 i32) (result i32)))
(type $one (func (param i32) (result i32)))
(type $none (func (result i32)))"""


_SIGNAL_HANDLER = f"""(func (export "{_SIGNAL_CALL}") (param i32 i32)
(call_indirect (param i32) (local.get 1) (local.get 0)))"""
"""C's `raise` calls the handler that the program has set: table entry, signal."""


def _trampoline(name: str, *, reports: bool) -> str:
    """Call table entry `func` with 3, 2, 1 or 0 arguments, as its type has it.

    Most C functions of Python take two, so these come first.

    With `reports`, the first parameter is the address of an int that says whether one fitted.
    """
    at = 1 if reports else 0
    lines = [f'(func (export "{name}") (param {"i32 " * (4 + at)}) (result i32)']
    if reports:
        lines.append("(i32.store (local.get 0) (i32.const 1))")
    for count, kind in ((2, "$two"), (3, "$three"), (1, "$one"), (0, "$none")):
        arguments = " ".join(f"(local.get {at + 1 + i})" for i in range(count))
        lines.append(
            f"(if (ref.test (ref {kind}) (table.get (local.get {at}))) (then"
            f" (return (call_indirect (type {kind}) {arguments} (local.get {at})))))"
        )
    lines.append(
        "(i32.store (local.get 0) (i32.const 0)) (i32.const 0))" if reports else "unreachable)"
    )
    return "\n".join(lines)


def _stub(name: str, ty: wasmtime.FuncType) -> str:
    # wasmtime-py prints externref as "anyref".
    params = " ".join(str(one) for one in ty.params).replace("anyref", "externref")
    results = " ".join(str(one) for one in ty.results).replace("anyref", "externref")
    body = QUIET.get(name, "unreachable")
    return f'(func (export "{name}") (param {params}) (result {results}) {body})'


def open_up(merged: Module) -> int:
    """Make a merged module ready to be started and read: in place.

    Every mutable i32 global is exported (`dspex_global_N`), so that a snapshot can take its value, and the
    trampoline gets a slot of the function table.

    Returns:
        The slot.
    """
    imported = merged.imported_globals()
    exports = merged.exports()
    for position, one in enumerate(merged.globals()):
        if one.mutable and one.value_type == b"\x7f":
            exports.append(Export(f"{GLOBAL_PREFIX}{position}", KIND_GLOBAL, imported + position))
    merged.set_exports(exports)
    trampoline = next(
        one.item for one in exports if one.name == TRAMPOLINE and one.kind == KIND_FUNC
    )
    return _append_to_table(merged, trampoline, exports)


def count_by_ones(merged: Module) -> None:
    """Let CPython count down to its next look for signals by one, whatever the flag holds: in place.

    Where a function begins, upstream takes the flag itself off the counter. That is right as long as
    the flag is 0 or 1; but here it is a signal's number, with which the counter would jump over the
    zero that it waits for, and the signal be noticed a few thousand million calls later.

    Raises:
        WasmFormatError: There is not exactly one such place.
    """
    flag = next(one.item for one in merged.exports() if one.name == SIGNAL_FLAG)
    address = constant_i32(merged.globals()[flag - merged.imported_globals()].init)
    load = _CONST + signed(address) + _LOAD
    pieces = merged.section(_CODE).split(load + _SUBTRACT)
    if len(pieces) != 2:
        msg = f"the flag of signals is taken off a counter in {len(pieces) - 1} places, 1 expected"
        raise WasmFormatError(msg)
    one = (_CONST + signed(1)).ljust(len(load), _NOP)
    merged.replace(_CODE, (one + _SUBTRACT).join(pieces))


_TABLE, _ELEMENT, _CODE = 4, 9, 10
_NOP, _CONST, _LOAD, _SUBTRACT = b"\x01", b"\x41", b"\x28\x02\x00", b"\x6b"


def _append_to_table(merged: Module, function: int, exports: list[Export]) -> int:
    main = next(one for one in exports if one.name == "__indirect_function_table")
    if main.kind != KIND_TABLE or main.item != 0:
        msg = "the function table is not the module's first table"
        raise WasmFormatError(msg)
    body = merged.section(_TABLE)
    count, at = read_unsigned(body, 0)
    kind, flags = body[at], body[at + 1]
    slot, rest = read_unsigned(body, at + 2)
    limits = unsigned(slot + 1)
    if flags & 1:
        largest, rest = read_unsigned(body, rest)
        limits += unsigned(max(largest, slot + 1))
    merged.replace(_TABLE, unsigned(count) + bytes((kind, flags)) + limits + body[rest:])
    elements = merged.section(_ELEMENT)
    count, at = read_unsigned(elements, 0)
    added = b"\0\x41" + signed(slot) + b"\x0b\x01" + unsigned(function)
    merged.replace(_ELEMENT, unsigned(count + 1) + elements[at:] + added)
    return slot
