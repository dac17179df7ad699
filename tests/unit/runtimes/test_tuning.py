"""Modules whose calls are counted and inlined, and branches marked: they do what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.runtimes.profile import COUNTERS, Profile, count
from dspex.runtimes.tuning import HINTS, Thresholds, tune
from dspex.wasm import code as wasm
from dspex.wasm.binary import Module, WasmFormatError, read_unsigned
from dspex.wasm.engine import new_engine
from dspex.wasm.ffi import LinearMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL = Thresholds(share_min=0.0, entry_share_min=0.0, body_bytes_max=10_000, growth_bytes_max=100_000)


class Running:
    """An instance whose function `main` is called."""

    def __init__(self, binary: bytes) -> None:
        engine = new_engine()
        self.store = wasmtime.Store(engine)
        self.instance = wasmtime.Instance(self.store, wasmtime.Module(engine, binary), [])

    def main(self, *arguments: int) -> Any:
        function = self.instance.exports(self.store)["main"]
        assert isinstance(function, wasmtime.Func)
        try:
            return function(self.store, *arguments)
        except wasmtime.Trap as trap:
            return str(trap.trap_code)

    def counters(self) -> memoryview:
        memory = LinearMemory()
        memory.attach(self.store, self.instance, COUNTERS)
        return memory.view


def compiled(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def profile_of(binary: bytes, inputs: Sequence[tuple[int, ...]]) -> Profile:
    counted = count(binary)
    running = Running(counted.module)
    for one in inputs:
        running.main(*one)
        counted.finish_program(running.counters())
    return counted.profile(running.counters())


def calls_in(binary: bytes, name: str = "main") -> list[int]:
    """Return the call instructions of an exported function."""
    module = Module(binary)
    function = next(one.item for one in module.exports() if one.name == name)
    codes = wasm.instructions(wasm.Code(module).body(function))
    return [code for code, _, _ in codes if code in (wasm.CALL, wasm.CALL_INDIRECT)]


def check(text: str, inputs: Sequence[tuple[int, ...]], thresholds: Thresholds = ALL) -> bytes:
    """Inline all that can be, compare results, and return the new module."""
    binary = compiled(text)
    inlined = tune(binary, profile_of(binary, inputs), thresholds)
    assert [Running(inlined).main(*one) for one in inputs] == [Running(binary).main(*one) for one in inputs]
    return inlined


def test_calls_of_calls_are_inlined_and_locals_begin_at_zero_in_each_turn() -> None:
    inlined = check(
        """(module (memory (export "memory") 1)
        (func $leaf (param i32 i32) (result i32) (local i32)
          ;; a local that is only set sometimes shows what it began as
          (if (i32.and (local.get 0) (i32.const 1)) (then (local.set 2 (i32.const 1000))))
          (i32.add (local.get 2) (i32.sub (local.get 0) (local.get 1))))
        (func $middle (param i32) (result i32)
          (i32.mul (call $leaf (local.get 0) (i32.const 3)) (call $leaf (i32.const 4) (local.get 0))))
        (func (export "main") (param i32) (result i32) (local i32)
          (loop $again
            (local.set 1 (i32.add (local.get 1) (call $middle (local.get 0))))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
          (local.get 1)))""",
        [(number,) for number in (1, 2, 7, 20)],
    )
    assert calls_in(inlined) == []


def test_a_return_leaves_the_copy_only() -> None:
    inlined = check(
        """(module (memory (export "memory") 1)
        (func $find (param i32) (result i32) (local i32)
          (block $out (loop $again
            (if (i32.eq (local.get 1) (local.get 0)) (then (return (i32.mul (local.get 1) (i32.const 10)))))
            (br_if $out (i32.gt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 5)))
            (br $again)))
          (i32.const -1))
        (func $quiet (param i32) (if (local.get 0) (then (return))) (i32.store (i32.const 0) (i32.const 9)))
        (func (export "main") (param i32) (result i32)
          (call $quiet (local.get 0))
          (i32.add (call $find (local.get 0)) (i32.load (i32.const 0)))))""",
        [(number,) for number in (0, 3, 5, 6, 100)],
    )
    assert calls_in(inlined) == []


def test_a_recursive_function_is_not_put_into_itself() -> None:
    inlined = check(
        """(module (memory (export "memory") 1)
        (func $even (param i32) (result i32)
          (if (result i32) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
        (func $odd (param i32) (result i32)
          (if (result i32) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))
        (func $self (param i32) (result i32)
          (if (result i32) (local.get 0)
            (then (i32.add (local.get 0) (call $self (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))
        (func (export "main") (param i32) (result i32)
          (i32.add (call $even (local.get 0)) (call $self (local.get 0)))))""",
        [(number,) for number in (0, 1, 8, 31)],
    )
    assert calls_in(inlined) == [wasm.CALL, wasm.CALL]


TABLE = """(module (memory (export "memory") 1) (table 6 funcref)
(type $two (func (param i32 i32) (result i32)))
(elem (i32.const 1) $add $sub $one)
(func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
(func $sub (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
(func $one (param i32) (result i32) (local.get 0))
(func (export "main") (param i32) (result i32)
  (call_indirect (type $two) (i32.const 50) (local.get 0) (local.get 0))))"""


def test_a_call_through_the_table_still_leads_elsewhere_and_still_traps() -> None:
    binary = compiled(TABLE)
    profile = profile_of(binary, [(2,), (2,), (1,)])
    ((site, shares),) = profile.indirect.items()
    assert shares == pytest.approx({2: 2 / 3, 1: 1 / 3})

    inlined = tune(binary, profile, ALL)
    assert calls_in(inlined) == [wasm.CALL_INDIRECT]
    inputs = [(2,), (1,), (3,), (4,), (6,), (-1,)]
    assert [Running(inlined).main(*one) for one in inputs] == [Running(binary).main(*one) for one in inputs]
    assert Running(inlined).main(2) == 48
    rare = tune(binary, profile, Thresholds(entry_share_min=0.7))
    assert Module(rare).section(wasm.CODE) == Module(binary).section(wasm.CODE)
    assert site.function == 3


def test_a_large_function_behind_the_table_is_called_directly() -> None:
    binary = compiled(TABLE)
    small = Thresholds(share_min=0.0, body_bytes_max=1)
    inlined = tune(binary, profile_of(binary, [(2,)]), small)
    assert calls_in(inlined) == [wasm.CALL, wasm.CALL_INDIRECT]
    assert Running(inlined).main(1) == 51


def test_nothing_grows_beyond_what_is_allowed() -> None:
    calls = "\n".join("(local.set 0 (call $f (local.get 0)))" for _ in range(50))
    text = f"""(module (memory (export "memory") 1)
    (func $g (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 77777)))
    (func $f (param i32) (result i32) (call $g (call $g (local.get 0))))
    (func (export "main") (param i32) (result i32) {calls} (local.get 0)))"""
    inlined = check(text, [(1,), (5,)], Thresholds(share_min=0.0, growth_bytes_max=200))
    sizes = [wasm.Code(Module(one)).size(2) for one in (compiled(text), inlined)]
    assert 100 < sizes[1] - sizes[0] < 500
    assert 0 < len(calls_in(inlined)) < 50


def test_what_was_counted_before_is_forgotten() -> None:
    counted = count(compiled(TABLE))
    running = Running(counted.module)
    running.main(1)
    counted.forget(running.counters())
    running.main(2)
    counted.finish_program(running.counters())
    ((_, shares),) = counted.profile(running.counters()).indirect.items()
    assert shares == {2: 1.0}


def test_each_program_weighs_the_same() -> None:
    binary = compiled("""(module (memory (export "memory") 1)
    (func $a) (func $b)
    (func (export "main") (param i32)
      (if (i32.eqz (local.get 0)) (then (call $b) (return)))
      (loop $again (call $a) (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))""")
    assert sorted(profile_of(binary, [(1000,), (0,)]).direct.values()) == [0.5, 0.5]


def test_a_module_without_a_memory_is_refused() -> None:
    with pytest.raises(WasmFormatError, match="one defined memory, found 0"):
        count(compiled("(module (func))"))


BRANCHES = """(module (memory (export "memory") 1)
(func $one (param i32) (result i32)
  (if (i32.lt_s (local.get 0) (i32.const 0)) (then (unreachable)))
  (block $out (br_if $out (i32.ge_s (local.get 0) (i32.const 0))) (return (i32.const 1)))
  (if (result i32) (i32.and (local.get 0) (i32.const 1)) (then (i32.const 3)) (else (i32.const 4))))
(func (export "main") (param i32) (result i32) (local i32)
  (loop $again (local.set 1 (i32.add (local.get 1) (call $one (local.get 0))))
    (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
  (local.get 1)))"""


def hints_of(binary: bytes) -> dict[int, list[tuple[int, bool]]]:
    """Return the marked branches of each function: the instruction and whether it is likely."""
    module = Module(binary)
    functions = wasm.Code(module)
    name = bytes((len(HINTS),)) + HINTS.encode()
    (section,) = [body for number, body in module.sections if number == 0 and body.startswith(name)]
    count, at = read_unsigned(section, len(name))
    found: dict[int, list[tuple[int, bool]]] = {}
    for _ in range(count):
        function, at = read_unsigned(section, at)
        marked, at = read_unsigned(section, at)
        codes = {offset: code for code, offset, _ in wasm.instructions(functions.body(function))}
        for _ in range(marked):
            offset, at = read_unsigned(section, at)
            assert section[at] == 1
            found.setdefault(function, []).append((codes[offset], bool(section[at + 1])))
            at += 2
    assert at == len(section)
    return found


def test_branches_that_go_one_way_are_marked_in_copies_too() -> None:
    binary = compiled(BRANCHES)
    profile = profile_of(binary, [(1000,)])
    assert sorted(profile.branches.values()) == [(1000, 0), (1000, 500), (1000, 999), (1000, 1000)]

    tuned = tune(binary, profile, ALL)
    inner = [(wasm.IF, False), (wasm.BRANCH_IF, True)]
    assert hints_of(tuned) == {0: inner, 1: [*inner, (wasm.BRANCH_IF, True)]}
    assert Running(tuned).main(9) == Running(binary).main(9)
    rare = tune(binary, profile, Thresholds(one_way_times_min=1001))
    assert not any(HINTS.encode() in body for number, body in Module(rare).sections if number == 0)


def test_wasmtime_reads_the_marks() -> None:
    binary = compiled(BRANCHES)
    tuned = tune(binary, profile_of(binary, [(1000,)]), Thresholds(share_min=2.0))
    bare = Module(tuned)
    assert bare.section(wasm.CODE) == Module(binary).section(wasm.CODE)
    bare.drop_custom_sections()
    engine = new_engine()
    machine_code = [bytes(wasmtime.Module(engine, one).serialize()) for one in (tuned, bare.encode())]
    assert _text(machine_code[0]) != _text(machine_code[1])


def _text(compiled: bytes) -> bytes:
    """Return the section `.text` of a 64-bit ELF file, which holds the machine code."""
    start, size, count, names = (
        int.from_bytes(compiled[at : at + width], "little") for at, width in ((40, 8), (58, 2), (60, 2), (62, 2))
    )
    headers = [compiled[start + size * number :][:size] for number in range(count)]

    def content(header: bytes) -> bytes:
        at, length = (int.from_bytes(header[place : place + 8], "little") for place in (24, 32))
        return compiled[at : at + length]

    strings = content(headers[names])
    named = {strings[int.from_bytes(one[:4], "little") :].split(b"\0")[0]: one for one in headers}
    return content(named[b".text"])


KINDS = ("i32", "i64", "f64")


@st.composite
def modules(draw: st.DrawFn) -> str:
    """Draw a module of functions that call each other directly, through the table, and themselves, in loops."""
    count = draw(st.integers(2, 6))
    texts = []
    for number in range(count):
        kind = draw(st.sampled_from(KINDS))
        lines = []
        for _ in range(draw(st.integers(1, 4))):
            callee = draw(st.integers(0, count - 1))
            argument = f"(i32.sub (local.get 0) (i32.const {draw(st.integers(1, 3))}))"
            form = draw(st.sampled_from(("direct", "table", "loop", "return", "local")))
            if form == "direct":
                call = f"(call $f{callee} {argument} (local.get 1))"
            elif form == "table":
                entry = draw(st.sampled_from((f"(i32.const {callee})", f"(i32.rem_u (local.get 1) (i32.const {count}))")))
                call = f"(call_indirect (type $t) {argument} (local.get 1) {entry})"
            elif form == "loop":
                lines.append(
                    f"(local.set $n (i32.const 2)) (loop $again (local.set 1 (call $f{callee} {argument} (local.get 1)))"
                    " (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
                )
                continue
            elif form == "return":
                lines.append("(if (i32.and (local.get 1) (i32.const 4)) (then (return (i32.xor (local.get 0) (local.get 1)))))")
                continue
            else:
                lines.append(
                    f"(local.set 1 (i32.add (local.get 1) (i32.wrap_i64 (i64.reinterpret_f64 (local.get $d)))))"
                    f" (local.set $d (f64.const {draw(st.integers(1, 9))}.5))"
                    f" (local.set $x ({kind}.add (local.get $x) ({kind}.const 1)))"
                )
                continue
            lines.append(f"(local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) {call}))")
        texts.append(
            f"(func $f{number} (type $t) (local $n i32) (local $x {kind}) (local $d f64)"
            " (if (i32.le_s (local.get 0) (i32.const 0)) (then (return (i32.add (local.get 1) (i32.const 1)))))"
            f" {' '.join(lines)} (i32.xor (local.get 1) (i32.const {number})))"
        )
    names = " ".join(f"$f{number}" for number in range(count))
    return (
        '(module (memory (export "memory") 1) (type $t (func (param i32 i32) (result i32)))'
        f" (table {count} funcref) (elem (i32.const 0) {names}) {' '.join(texts)}"
        ' (func (export "main") (param i32 i32) (result i32) (call $f0 (local.get 0) (local.get 1))))'
    )


@settings(max_examples=150, deadline=None)
@given(
    text=modules(), seed=st.integers(0, 1000), body=st.sampled_from((0, 60, 10_000)),
    share=st.sampled_from((0.0, 0.01, 0.2)),
)
def test_what_is_drawn_does_the_same_when_it_is_inlined(text: str, seed: int, body: int, share: float) -> None:
    inputs = [(depth, seed + depth) for depth in (0, 1, 4, 6)]
    check(text, inputs, Thresholds(share_min=share, entry_share_min=0.2, body_bytes_max=body, growth_bytes_max=5000))
