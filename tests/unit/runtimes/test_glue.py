"""What is changed in upstream's module before it is started."""

from __future__ import annotations

import pytest
import wasmtime

from dspex.runtimes import glue
from dspex.wasm.binary import Module, WasmFormatError
from dspex.wasm.engine import new_engine

COUNTER, FLAG = 1024, 4_000_000
PLACE = f"""
(i32.store (i32.const {COUNTER})
  (i32.sub (i32.load (i32.const {COUNTER})) (i32.load (i32.const {FLAG}))))
"""


def module(places: int) -> Module:
    return Module(
        wasmtime.wat2wasm(f"""(module
            (memory (export "memory") 64)
            (global (export "{glue.SIGNAL_FLAG}") i32 (i32.const {FLAG}))
            (func (export "turn") {PLACE * places}))""")
    )


def test_a_counter_goes_down_by_one_whatever_signal_is_in_the_flag() -> None:
    changed = module(1)
    glue.count_by_ones(changed)

    engine = new_engine()
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, changed.encode()), [])
    memory, turn = instance.exports(store)["memory"], instance.exports(store)["turn"]
    assert isinstance(memory, wasmtime.Memory)
    assert isinstance(turn, wasmtime.Func)
    memory.write(store, bytes((50, 0, 0, 0)), COUNTER)
    memory.write(store, bytes((14, 0, 0, 0)), FLAG)
    turn(store)

    assert bytes(memory.read(store, COUNTER, COUNTER + 4)) == bytes((49, 0, 0, 0))
    assert bytes(memory.read(store, FLAG, FLAG + 4)) == bytes((14, 0, 0, 0))


@pytest.mark.parametrize("places", [0, 2])
def test_a_module_that_counts_elsewhere_too_is_refused(places: int) -> None:
    with pytest.raises(WasmFormatError, match=f"in {places} places, 1 expected"):
        glue.count_by_ones(module(places))
