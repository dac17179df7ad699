"""A memory that is a file: laid over each new instance, and never written to."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from dspex.wasm.binary import PAGE_BYTES
from dspex.wasm.engine import new_engine
from dspex.wasm.overlay import MemoryFile, OverlaidMachine, write_memory

TEXT = """
(module
  (memory (export "memory") 1 10)
  (func (export "first") (result i32) (i32.load (i32.const 8)))
  (func (export "last") (result i32) (i32.load (i32.const 131068)))
  (func (export "put") (param i32) (result i32)
    (i32.store (i32.const 8) (local.get 0)) (i32.const 0))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))
"""


def machine(folder: Path, pages: int = 2) -> OverlaidMachine:
    content = bytearray(pages * PAGE_BYTES)
    content[8] = 7
    content[-4] = 9
    write_memory(memoryview(content), folder / "memory.bin")
    engine = new_engine()
    compiled = folder / "module.cwasm"
    compiled.write_bytes(wasmtime.Module(engine, TEXT).serialize())
    made = OverlaidMachine.overlaid(engine, compiled, MemoryFile(folder / "memory.bin"))
    made.bind({})
    made.boot()
    return made


def test_an_instance_begins_with_the_files_content(tmp_path: Path) -> None:
    guest = machine(tmp_path)

    assert (guest.function("first", 0)(), guest.function("last", 0)()) == (7, 9)
    assert len(guest.memory.view) == 2 * PAGE_BYTES


def test_what_one_instance_writes_no_other_sees(tmp_path: Path) -> None:
    guest = machine(tmp_path)
    guest.function("put", 1)(55)
    assert guest.function("first", 0)() == 55
    guest.boot()

    assert guest.function("first", 0)() == 7
    assert (tmp_path / "memory.bin").read_bytes()[8] == 7


def test_an_instance_can_grow_beyond_the_file(tmp_path: Path) -> None:
    guest = machine(tmp_path)

    assert guest.function("grow", 1)(3) == 2
    guest.memory.sync()
    assert len(guest.memory.view) == 5 * PAGE_BYTES
    assert guest.memory.view[-1] == 0
    assert guest.function("first", 0)() == 7


def test_stretches_of_zeros_are_left_out_of_the_file(tmp_path: Path) -> None:
    content = bytearray(16 * PAGE_BYTES)
    content[500_000] = 1

    assert write_memory(memoryview(content), tmp_path / "sparse") == 4096
    assert (tmp_path / "sparse").read_bytes() == content


def test_a_file_that_no_instance_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MemoryError, match="cannot hold"):
        machine(tmp_path, pages=11)


def test_a_file_of_an_odd_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"x" * 1000)

    with pytest.raises(ValueError, match="1000 bytes"):
        MemoryFile(tmp_path / "odd")
