"""The static linker answers every import, or names those that nobody answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import wasmtime

from dspex.runtimes.images.errors import LinkRefused
from dspex.runtimes.images.link import Layout, link, prefix_of
from dspex.runtimes.images.sidemodule import take_apart
from dspex.runtimes.toolchain import Binaryen
from dspex.wasm.binary import KIND_FUNC, Module
from tests.images.making import side_module

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAIN = """(module
  (memory (export "memory") 1)
  (table (export "__indirect_function_table") 10 funcref)
  (global (export "__heap_base") i32 (i32.const 1000))
  (global (export "variable") i32 (i32.const 400))
  (func $f (export "f"))
  (func $g (export "g"))
  (elem (i32.const 3) $f))"""


class Copies(Binaryen):
    """Passes modules through, so that what is linked can be looked at without the real programs."""

    def __init__(self) -> None:
        self.merged: list[tuple[str, Module]] = []

    def optimize(self, source: Path, target: Path, *passes: str) -> None:
        assert passes == ("--translate-to-exnref",)
        target.write_bytes(source.read_bytes())

    def merge(self, named: Sequence[tuple[Path, str]], target: Path) -> None:
        self.merged = [(name, Module(path.read_bytes())) for path, name in named]
        merged = self.merged[0][1]
        # As merging does: what the others export is there too, here in place of one of the first's functions.
        theirs = [one._replace(item=0) for _, part in self.merged[1:] for one in part.exports() if one.kind == KIND_FUNC]
        merged = Module(merged.encode())
        merged.set_exports([*merged.exports(), *theirs])
        target.write_bytes(merged.encode())


def linked(folder: Path, *texts: str, names: Sequence[str] = (), **options: object) -> tuple[Copies, Layout]:
    main = folder / "main.wasm"
    main.write_bytes(bytes(wasmtime.wat2wasm(MAIN)))
    sides = [
        take_apart(f"/{name}", side_module(text, **options))  # type: ignore[arg-type]
        for name, text in zip(names or [f"{n}.so" for n in range(len(texts))], texts, strict=True)
    ]
    binaryen = Copies()
    _, layout = link(binaryen, main, sides, folder, {("env", "offered")})
    return binaryen, layout


def test_what_nobody_gives_is_named(tmp_path: Path) -> None:
    text = """(module
      (import "env" "no_such_function" (func)) (import "GOT.mem" "no_such_variable" (global (mut i32)))
      (import "GOT.func" "neither" (global (mut i32))) (import "other" "f" (func)) (import "env" "f" (func)))"""

    with pytest.raises(LinkRefused) as caught:
        linked(tmp_path, text)

    assert str(caught.value) == (
        "/0.so: nobody here gives GOT.func.neither, GOT.mem.no_such_variable, env.no_such_function, other.f"
    )


def test_a_function_of_the_same_name_as_a_variable_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(LinkRefused, match=r"nobody here gives env\.variable"):
        linked(tmp_path, '(module (import "env" "variable" (func)))')


def test_modules_lie_behind_each_other_at_the_start_of_the_heap(tmp_path: Path) -> None:
    _, layout = linked(tmp_path, "(module)", "(module)", memory_bytes=100, slots=5)

    assert [one.place for one in layout.modules] == [(1008, 100, 10, 5), (1120, 100, 15, 5)]
    assert (layout.heap_start, layout.reserve_bytes) == (1000, 224)


def test_addresses_and_table_entries_become_constants(tmp_path: Path) -> None:
    text = """(module (import "GOT.mem" "variable" (global (mut i32))) (import "GOT.func" "f" (global (mut i32)))
      (import "GOT.func" "g" (global (mut i32))) (import "env" "__memory_base" (global i32))
      (import "env" "f" (func)) (import "env" "offered" (func)) (import "GOT.func" "own" (global (mut i32)))
      (func (export "own")) (func (export "PyInit_it")))"""
    binaryen, layout = linked(tmp_path, text)

    parts = dict(binaryen.merged)
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    got = wasmtime.Instance(store, wasmtime.Module(engine, parts["side0.got"].encode()), []).exports(store)
    values = {
        name: got[name].value(store)  # type: ignore[union-attr]
        for name in ("GOT.mem.variable", "GOT.func.f", "GOT.func.g", "env.__memory_base", "GOT.func.own")
    }
    # f has an entry of its own; g and own get new ones behind those of the module.
    assert values == {
        "GOT.mem.variable": 400, "GOT.func.f": 3, "GOT.func.g": 14, "env.__memory_base": 1008, "GOT.func.own": 15,
    }
    assert {(one.module, one.name) for one in parts["side0"].imports() if one.kind == 0} == {
        ("main", "f"), ("env", "offered"),
    }
    assert layout.modules[0].functions == {"PyInit_it": 16}


def test_a_library_is_placed_before_who_needs_it_and_answers_it(tmp_path: Path) -> None:
    user = '(module (import "env" "helped" (func)) (import "GOT.mem" "shared" (global (mut i32))))'
    library = '(module (func (export "helped")) (global (export "shared") i32 (i32.const 8)))'
    main = tmp_path / "main.wasm"
    main.write_bytes(bytes(wasmtime.wat2wasm(MAIN)))
    sides = [
        take_apart("/user.so", side_module(user, needed=("lib.so",))), take_apart("/a/lib.so", side_module(library)),
    ]
    binaryen = Copies()
    _, layout = link(binaryen, main, sides, tmp_path, ())

    assert [one.path for one in layout.modules] == ["/a/lib.so", "/user.so"]
    imports = list(dict(binaryen.merged)["side1"].imports())
    assert ("side0", prefix_of(0) + "helped") in {(one.module, one.name) for one in imports}


def test_a_library_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LinkRefused, match=r"nobody here gives the library lib\.so"):
        linked(tmp_path, "(module)", needed=("lib.so",))


def test_libraries_that_need_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    main = tmp_path / "main.wasm"
    main.write_bytes(bytes(wasmtime.wat2wasm(MAIN)))
    sides = [
        take_apart("/a.so", side_module("(module)", needed=("b.so",))),
        take_apart("/b.so", side_module("(module)", needed=("a.so",))),
    ]
    with pytest.raises(LinkRefused, match="in a circle"):
        link(Copies(), main, sides, tmp_path, ())


def test_all_together_have_a_bound(tmp_path: Path) -> None:
    with pytest.raises(LinkRefused, match="is the most"):
        linked(tmp_path, "(module)", "(module)", "(module)", memory_bytes=400 << 20)
