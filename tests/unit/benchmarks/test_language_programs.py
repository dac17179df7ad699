"""The programs of other languages are text that answers and times itself in one shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import wasmtime

from benchmarks.language_programs import (
    HELLO_WAT,
    JAVASCRIPT,
    RUST,
    timed_javascript,
    timed_rust,
)

if TYPE_CHECKING:
    from benchmarks.programs import Program


@pytest.mark.parametrize("programs", [JAVASCRIPT, RUST])
def test_programs_have_names_of_their_own_and_a_work_function(
    programs: tuple[Program, ...],
) -> None:
    names = [one.name for one in programs]
    assert len(set(names)) == len(names)
    assert all("work()" in one.source for one in programs)


def test_javascript_is_timed_for_as_many_rounds_as_asked() -> None:
    code = timed_javascript(JAVASCRIPT[0], repeats=3, least_ms=7)

    assert "round <= 3" in code.body
    assert "spent < 7" in code.body
    assert code.expression == "[_answer, _times]"


def test_rust_prints_what_javascript_returns() -> None:
    code = timed_rust(RUST[0], repeats=3)

    assert "0..3 + 1" in code.body
    assert 'println!("[{}, [{}]]"' in code.body


def test_the_smallest_module_is_valid() -> None:
    assert wasmtime.wat2wasm(HELLO_WAT).startswith(b"\0asm")
