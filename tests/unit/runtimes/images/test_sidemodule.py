"""Native modules are taken apart and refused by name if they want what no linker's module would."""

from __future__ import annotations

import pytest
import wasmtime

from dspex.runtimes.images import sidemodule
from dspex.runtimes.images.errors import LinkRefused
from dspex.runtimes.images.sidemodule import constants, function_slots, rewrite, take_apart
from dspex.wasm.binary import KIND_FUNC, START, Module, WasmFormatError
from tests.images.making import TINY, side_module

BASE = '(import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))'

TABLE = (
    '(import "env" "__indirect_function_table" (table 0 funcref))'
    '(import "env" "__table_base" (global $t i32))'
)


def refusal(binary: bytes) -> str:
    with pytest.raises(LinkRefused) as caught:
        take_apart("/x.so", binary)
    return str(caught.value)


def test_a_module_is_taken_apart() -> None:
    side = take_apart("/a/tiny.so", side_module(TINY, needed=("libx.so",)))

    assert (side.memory_bytes, side.memory_alignment, side.table_slots) == (256, 16, 4)
    assert (side.file_name, side.needed, side.starts) == ("tiny.so", ["libx.so"], True)
    assert side.data == [(0, b"tiny\0answer\0shown\0")]
    assert sorted(side.slots.values()) == [0, 1]


def test_rewritten_it_has_no_data_no_start_and_its_entries_in_their_place() -> None:
    side = take_apart("/a/tiny.so", side_module(TINY))

    module = Module(rewrite(side, lambda one: ("here", one.name), 100, "p."))

    assert {one.module for one in module.imports()} == {"here"}
    assert {number for number, _ in module.sections}.isdisjoint({START, 11, 12})
    assert {one.name for one in module.exports()} == {
        "p.PyInit_tiny", "p.__dspex_start", "p.__wasm_apply_data_relocs", "p.__wasm_call_ctors",
    }
    slots = function_slots(module.section(9), sidemodule.constant_i32)
    assert sorted(slots.values()) == [100, 101]


def test_what_is_no_side_module_is_refused() -> None:
    plain = bytes(wasmtime.wat2wasm("(module)"))

    assert refusal(plain) == "/x.so: no side module: its first section is not dylink.0"
    assert "the first eight bytes are wrong" in refusal(b"\x7fELF" + bytes(100))
    assert "cut off" in refusal(side_module(TINY)[:-40])


def test_one_that_wants_too_much_memory_is_refused() -> None:
    assert "wants 1073741824 bytes" in refusal(side_module("(module)", memory_bytes=1 << 30))


@pytest.mark.parametrize(("text", "reason"), [
    (f'(module {BASE} (data "passive"))', "has passive data"),
    (f'(module {BASE} (data (i32.const 8) "x"))', "a segment is not placed from __memory_base"),
    (f'(module {BASE} (data (global.get $base) "{"x" * 300}"))', "data does not fit into the 256 bytes"),
    (f"(module {TABLE} (func $f) (elem (i32.const 0) $f))", "not placed from __table_base"),
    (f"(module {TABLE} (func $f) (elem (global.get $t) $f $f $f $f $f))", "do not fit into the 4"),
    ("(module (func $f) (start $f))", "has a start function and exports nothing"),
    ("(module (memory 65536))", "brings a memory of its own"),
    ("(module (table 1000000000 funcref))", "brings a table of its own"),
])
def test_segments_that_no_linker_makes_are_refused(text: str, reason: str) -> None:
    assert reason in refusal(side_module(text))


def test_variables_lie_where_their_constant_says() -> None:
    text = f'(module {BASE} (global (export "v") i32 (i32.const 12)) (func (export "f")))'
    side = take_apart("/x.so", side_module(text))

    assert side.data_offset("v") == 12
    assert side.exports["f"].kind == KIND_FUNC
    with pytest.raises(LinkRefused, match="f is no variable"):
        side.data_offset("f")


def test_constants_become_a_module_of_globals() -> None:
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, constants([("a", 7, True), ("b", 0xFFFF_FFF0, False)]))
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, module, []).exports(store)

    assert (exports["a"].value(store), exports["b"].value(store)) == (7, -16)


def test_entries_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(WasmFormatError, match="no linker makes"):
        function_slots(b"\x01\x02", sidemodule.constant_i32)
