"""A module that is taken apart and put together again means to wasmtime what the change says."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.wasm.binary import (
    DATA,
    KIND_FUNC,
    KIND_GLOBAL,
    KIND_MEMORY,
    KIND_NAMES,
    MAGIC,
    Export,
    Module,
    WasmFormatError,
    name_bytes,
    read_unsigned,
    signed,
    unsigned,
)

TEXT = """
(module $named
  (type $t (func (param i32) (result i32)))
  (import "env" "f" (func $f (type $t)))
  (import "env" "g" (global $g i32))
  (import "env" "gm" (global $gm (mut i64)))
  (import "env" "t" (table $tab 1 9 funcref))
  (import "env" "t2" (table 2 externref))
  (memory $m (export "memory") 1 8)
  (global $counter (export "counter") (mut i32) (i32.const -5))
  (global $wide i64 (i64.const 9000000000))
  (global $real f64 (f64.const 2.5))
  (global $single f32 (f32.const 1.5))
  (global $ref funcref (ref.null func))
  (global $own funcref (ref.func $read))
  (global $sum i32 (i32.add (global.get $g) (i32.const 70000)))
  (func $read (export "read") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "sum") (result i32) (global.get $sum))
  (data (i32.const 8) "hello")
  (data (i32.const 65530) "end")
)
"""


@pytest.fixture
def module() -> Module:
    return Module(bytes(wasmtime.wat2wasm(TEXT)))


def instance(module: Module) -> tuple[wasmtime.Store, Any]:
    """Run what a module has become; what it exports is of many types."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    compiled = wasmtime.Module(engine, module.encode())
    i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
    given: dict[str, wasmtime.Func | wasmtime.Global | wasmtime.Table] = {
        "f": wasmtime.Func(store, wasmtime.FuncType([i32], [i32]), lambda n: n),
        "g": wasmtime.Global(store, wasmtime.GlobalType(i32, mutable=False), wasmtime.Val.i32(7)),
        "gm": wasmtime.Global(store, wasmtime.GlobalType(i64, mutable=True), wasmtime.Val.i64(7)),
        "t": wasmtime.Table(
            store,
            wasmtime.TableType(wasmtime.ValType.funcref(), wasmtime.Limits(1, 9)),
            wasmtime.Val.funcref(None),
        ),
        "t2": wasmtime.Table(
            store,
            wasmtime.TableType(wasmtime.ValType.externref(), wasmtime.Limits(2, None)),
            wasmtime.Val.externref(None),
        ),
    }
    needed = [given[str(one.name)] for one in compiled.imports]
    return store, wasmtime.Instance(store, compiled, needed)


def test_a_module_that_is_not_changed_is_the_same_bytes(module: Module) -> None:
    assert module.encode() == wasmtime.wat2wasm(TEXT)


def test_imports_are_read_in_order_with_their_kinds(module: Module) -> None:
    found = [(one.module, one.name, KIND_NAMES[one.kind]) for one in module.imports()]

    assert found == [
        ("env", "f", "func"), ("env", "g", "global"), ("env", "gm", "global"),
        ("env", "t", "table"), ("env", "t2", "table"),
    ]
    assert module.imported_globals() == 2


def test_exports_are_read_and_can_be_cut(module: Module) -> None:
    assert module.exports() == [
        Export("memory", KIND_MEMORY, 0), Export("counter", KIND_GLOBAL, 2),
        Export("read", KIND_FUNC, 1), Export("sum", KIND_FUNC, 2),
    ]

    module.set_exports([one for one in module.exports() if one.name == "read"])

    store, made = instance(module)
    assert list(made.exports(store)) == ["read"]
    assert made.exports(store)["read"](store, 8) == ord("h")


def test_globals_of_every_type_are_read(module: Module) -> None:
    found = module.globals()

    assert [one.value_type.hex() for one in found] == ["7f", "7e", "7c", "7d", "70", "70", "7f"]
    assert [one.mutable for one in found] == [True, *[False] * 6]
    assert found[0].init == b"\x41\x7b\x0b"
    assert found[2].init == b"\x44" + struct.pack("<d", 2.5) + b"\x0b"


@pytest.mark.parametrize("value", [0, -1, 123_456, -(2**31), 2**31 - 1])
def test_a_global_is_given_another_value(module: Module, value: int) -> None:
    module.set_global_values({0: value})

    store, made = instance(module)
    assert made.exports(store)["counter"].value(store) == value
    assert made.exports(store)["sum"](store) == 70_007


def test_a_global_that_is_no_i32_cannot_be_given_one(module: Module) -> None:
    with pytest.raises(WasmFormatError, match="global 1 is not an i32"):
        module.set_global_values({1: 5})


def test_a_memory_is_given_another_size(module: Module) -> None:
    module.set_memory_pages(3)

    store, made = instance(module)
    memory = made.exports(store)["memory"]
    assert memory.size(store) == 3
    assert memory.type(store).limits.max == 8


def test_data_is_replaced_as_a_whole(module: Module) -> None:
    assert module.data_is_active()

    module.set_data([(0, b"abc"), (100, b"\0\xff" * 300), (65_535, b"z")])

    store, made = instance(module)
    memory = made.exports(store)["memory"]
    content = memory.read(store, 0, 65_536)
    assert content[:3] == b"abc"
    assert content[8:13] == bytes(5)
    assert content[100:700] == b"\0\xff" * 300
    assert content[65_535:] == b"z"


def test_data_is_added_behind_what_is_there_and_over_it(module: Module) -> None:
    module.add_data([(9, b"E"), (200, b"new")])

    store, made = instance(module)
    memory = made.exports(store)["memory"]

    assert bytes(memory.read(store, 8, 13)) == b"hEllo"
    assert bytes(memory.read(store, 200, 203)) == b"new"


def test_the_size_of_a_memory_is_read(module: Module) -> None:
    assert module.memory_pages() == 1


def test_data_above_half_of_the_address_space_is_put_there() -> None:
    module = Module(bytes(wasmtime.wat2wasm('(module (memory 1) (data (i32.const 0) "x"))')))
    module.set_data([((1 << 31) + 16, b"high")])

    assert module.section(DATA) == b"\x01\0\x41" + signed(-(1 << 31) + 16) + b"\x0b\x04high"
    assert wasmtime.Module(wasmtime.Engine(), module.encode()) is not None


def test_the_count_of_data_is_kept_right() -> None:
    text = '(module (memory 1) (data $d "x") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))))'
    module = Module(bytes(wasmtime.wat2wasm(text)))
    assert not module.data_is_active()

    module.set_data([(0, b"a"), (1, b"b")])

    assert wasmtime.Module(wasmtime.Engine(), module.encode()) is not None


def test_custom_sections_are_dropped_except_those_that_are_wanted(module: Module) -> None:
    binary = module.encode() + b"\0" + unsigned(6) + name_bytes("keep") + b"!"
    with_custom = Module(binary)
    assert b"named" in with_custom.encode()

    with_custom.drop_custom_sections(keep=["keep"])

    assert b"named" not in with_custom.encode()
    assert with_custom.encode().endswith(name_bytes("keep") + b"!")
    instance(with_custom)


def test_a_section_that_is_not_there_counts_as_empty() -> None:
    empty = Module(MAGIC)

    assert (empty.exports(), list(empty.imports()), empty.globals()) == ([], [], [])
    empty.replace(DATA, None)
    with pytest.raises(WasmFormatError, match="the module has no section 11 to replace"):
        empty.replace(DATA, b"\0")


def test_what_is_no_module_is_refused(module: Module) -> None:
    whole = module.encode()
    component = b"\0asm\x0d\0\x01\0"

    for binary in (b"", b"\0asm", component + whole[8:], b"x" + whole[1:]):
        with pytest.raises(WasmFormatError, match="not a WebAssembly core module"):
            Module(binary)
    for end in range(9, len(whole)):
        try:
            shorter = Module(whole[:end])
        except WasmFormatError:
            continue
        assert shorter.encode() == whole[:end]  # cut exactly between two sections


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_unsigned_numbers_are_read_as_they_are_written(number: int, rest: bytes) -> None:
    written = unsigned(number)

    assert read_unsigned(written + rest, 0) == (number, len(written))
    with pytest.raises(WasmFormatError, match="is cut off or too long"):
        read_unsigned(written[:-1], 0)


@settings(max_examples=30)
@given(st.integers(-(2**31), 2**31 - 1))
def test_signed_numbers_are_what_wasmtime_takes_them_for(number: int) -> None:
    body = b"\x01\x7f\0\x41" + signed(number) + b"\x0b"
    exported = b"\x01" + name_bytes("n") + b"\x03\0"
    binary = (
        MAGIC + b"\x06" + unsigned(len(body)) + body + b"\x07" + unsigned(len(exported)) + exported
    )
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    made: Any = wasmtime.Instance(store, wasmtime.Module(engine, binary), [])

    assert made.exports(store)["n"].value(store) == number


def test_a_number_without_end_is_refused() -> None:
    with pytest.raises(WasmFormatError):
        read_unsigned(b"\x80" * 20 + b"\0", 0)


SECTIONS = {
    2: lambda module: list(module.imports()),
    5: lambda module: module.set_memory_pages(1),
    6: lambda module: module.globals(),
    7: lambda module: module.exports(),
    11: lambda module: module.data_is_active(),
}
"""How each section that is looked into is read, by its number."""


@pytest.mark.parametrize("number", SECTIONS)
def test_a_section_that_is_cut_anywhere_is_refused(module: Module, number: int) -> None:
    whole = module.section(number)
    for size in range(len(whole)):
        module.replace(number, whole[:size])
        with pytest.raises(WasmFormatError):
            SECTIONS[number](module)


@given(number=st.sampled_from(list(SECTIONS)), body=st.binary(max_size=40))
@settings(max_examples=300)
def test_any_bytes_are_a_section_or_refused(number: int, body: bytes) -> None:
    module = Module(bytes(wasmtime.wat2wasm(TEXT)))
    module.replace(number, body)
    try:
        SECTIONS[number](module)
    except WasmFormatError:
        return
