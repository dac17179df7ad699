"""Reading and taking out what a linker left in a module, on small modules of our own."""

from __future__ import annotations

import pytest
import wasmtime

from dspex.wasm import linked
from dspex.wasm.binary import Module, WasmFormatError

TEXT = """
(module
  (memory (export "memory") 2)
  (func $secret (result i32) i32.const 41)
  (func $open (export "open") (result i32) call $secret)
  (data (i32.const 100) "one")
  (data (i32.const 70000) "two, further up"))
"""


def module(text: str = TEXT) -> Module:
    return Module(bytes(wasmtime.wat2wasm(text)))


def test_the_names_of_functions_are_read() -> None:
    assert list(linked.function_names(module())) == [("secret", 0), ("open", 1)]


def test_a_module_without_names_has_none() -> None:
    bare = module()
    bare.drop_custom_sections()

    assert list(linked.function_names(bare)) == []


def test_a_function_is_exported_under_its_name_and_can_be_called() -> None:
    opened = module()
    linked.export_functions(opened, ["secret", "open"])
    store = wasmtime.Store()
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, opened.encode()), [])
    secret = instance.exports(store)["secret"]

    assert isinstance(secret, wasmtime.Func)
    assert secret(store) == 41
    assert [one.name for one in opened.exports()] == ["memory", "secret", "open"]


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(WasmFormatError, match="no function named elsewhere, nowhere"):
        linked.export_functions(module(), ["nowhere", "secret", "elsewhere"])


def test_data_is_taken_out_and_the_module_still_works() -> None:
    emptied = module()
    taken = linked.take_data(emptied)
    store = wasmtime.Store()
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, emptied.encode()), [])
    memory = instance.exports(store)["memory"]

    assert taken == [(100, b"one"), (70000, b"two, further up")]
    assert isinstance(memory, wasmtime.Memory)
    assert bytes(memory.read(store, 100, 103)) == bytes(3)


@pytest.mark.parametrize(
    "text",
    [
        '(module (memory 1) (data "passive"))',
        '(module (import "env" "at" (global i32)) (memory 1) (data (global.get 0) "there"))',
    ],
)
def test_data_without_a_fixed_address_is_refused(text: str) -> None:
    with pytest.raises(WasmFormatError, match="data segment"):
        linked.take_data(module(text))
