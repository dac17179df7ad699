"""Types of imported and exported functions are read from any valid module."""

from __future__ import annotations

import wasmtime

from dspex.wasm.signatures import ImportedFunction, Signature, read


def test_functions_are_read_with_vectors_references_and_types_of_the_collector_around_them() -> None:
    binary = bytes(
        wasmtime.wat2wasm("""(module
      (rec (type $s (sub (struct (field i8) (field (mut (ref null $s)))))) (type $a (array (mut i64))))
      (type $sub (sub final $s (struct (field i8) (field (mut (ref null $s))))))
      (import "env" "f" (func (param v128 funcref) (result externref)))
      (import "env" "g" (global i32))
      (import "env" "h" (func))
      (func (export "one") (param i32 i64) (result f32 f64) (f32.const 0) (f64.const 0))
      (func (export "two") (param (ref null $a) (ref $s) anyref))
      (memory (export "memory") 1))""")
    )

    imports, exports = read(binary)

    assert imports == [
        ImportedFunction("env", "f", Signature(["v128", "funcref"], ["externref"])),
        ImportedFunction("env", "g", None),
        ImportedFunction("env", "h", Signature([], [])),
    ]
    assert exports == {
        "one": Signature(["i32", "i64"], ["f32", "f64"]),
        "two": Signature(["ref", "ref", "ref"], []),
    }
    assert exports["one"].shown("one") == "one(i32, i64) -> f32, f64"


def test_an_exported_import_has_its_type_too() -> None:
    binary = bytes(wasmtime.wat2wasm('(module (import "a" "b" (func $f (param i64))) (export "c" (func $f)))'))

    assert read(binary)[1] == {"c": Signature(["i64"], [])}


def test_an_empty_module_has_neither() -> None:
    assert read(b"\0asm\1\0\0\0") == ([], {})
