"""Functions taken apart: types, bodies, where instructions end, what the table holds."""

from __future__ import annotations

import pytest
import wasmtime

from dspex.wasm import code as wasm
from dspex.wasm.binary import Module, WasmFormatError

EVERY_FORM = """(module
(import "env" "given" (func $given (param i32) (result i64)))
(memory 1)
(table 4 funcref)
(global $g (mut i32) (i32.const 0))
(tag $tag (param i32))
(type $two (func (param i32 f64) (result f32)))
(elem (i32.const 1) $big $small)
(func $big (param i32 f64) (result f32)
  (local $n i64) (local $v v128) (local $r externref)
  (block $out (result i32)
    (loop $again
      (br_if $again (i32.eqz (local.get 0)))
      (block $a (block $b (br_table $a $b $again (i32.const -70000)))))
    (try_table (catch $tag $out) (throw $tag (i32.const 7)))
    (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 200000))))
  global.set $g
  (local.set $n (call $given (i32.const 1000000)))
  (drop (i64.const -9000000000))
  (i32.store offset=70000 align=1 (i32.const 0) (memory.grow (memory.size)))
  (memory.copy (i32.const 0) (i32.const 8) (i32.const 8))
  (memory.fill (i32.const 0) (i32.const 8) (i32.const 8))
  (local.set $v (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (v128.const i64x2 1 2) (v128.load (i32.const 0))))
  (drop (i32x4.extract_lane 3 (v128.load32_lane offset=300 1 (i32.const 0) (local.get $v))))
  (drop (i32.trunc_sat_f64_s (f64.const 1.5)))
  (drop (select (result externref) (local.get $r) (ref.null extern) (i32.const 1)))
  (drop (ref.is_null (ref.func $small)))
  (drop (ref.test (ref $two) (table.get (i32.const 1))))
  (drop (call_indirect (type $two) (i32.const 1) (f64.const 2) (i32.const 1)))
  (return (f32.const 3.5)))
(func $small (result i32) (i32.const 5)))"""


def parsed(text: str) -> Module:
    return Module(bytes(wasmtime.wat2wasm(text)))


def test_instructions_of_every_form_end_where_the_next_one_begins() -> None:
    functions = wasm.Code(parsed(EVERY_FORM))
    codes = [code for code, _, _ in wasm.instructions(functions.body(1))]
    assert codes[-2:] == [wasm.RETURN, wasm.END]
    assert codes.count(wasm.CALL) == 1
    assert codes.count(wasm.CALL_INDIRECT) == 1
    opened = sum(code in wasm.OPENERS for code in codes)
    assert codes.count(wasm.END) == opened + 1


def test_types_and_locals_are_read() -> None:
    functions = wasm.Code(parsed(EVERY_FORM))
    assert (functions.imported, len(functions)) == (1, 3)
    assert functions.type(1) == ((wasm.I32, wasm.F64), (wasm.F32,))
    assert functions.body(1).local_types == [wasm.I64, wasm.V128, b"\x6f"]


def test_the_table_is_read_by_entry() -> None:
    assert wasm.table_functions(parsed(EVERY_FORM)) == {1: 1, 2: 2}


def test_a_code_section_survives_being_taken_apart() -> None:
    module = parsed(EVERY_FORM)
    before = module.section(wasm.CODE)
    functions = wasm.Code(module)
    body = functions.body(2)
    functions.replace(2, body.locals, body.data[body.start :])
    assert functions.section() == before


def test_an_unknown_instruction_is_refused() -> None:
    body = wasm.Body(b"\x00\xfe\x00\x0b", (), 1)
    with pytest.raises(WasmFormatError, match=r"instruction 0xfe at byte 1 is unknown here"):
        list(wasm.instructions(body))


def test_a_body_that_is_cut_off_is_refused() -> None:
    body = wasm.Body(b"\x00\x43\x00\x00", (), 1)
    with pytest.raises(WasmFormatError, match="cut off"):
        list(wasm.instructions(body))
