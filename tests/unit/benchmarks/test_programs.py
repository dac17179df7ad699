"""The CPU-bound programs run natively, repeat themselves and time themselves."""

from __future__ import annotations

import pytest

from benchmarks.peers.loop import Loop
from benchmarks.peers.python_peer import Native
from benchmarks.programs import PROGRAMS, Program, timed


def test_the_kinds_of_work_that_the_docs_promise_are_there() -> None:
    names = {program.name for program in PROGRAMS}

    assert {"fib", "loops", "json", "sort", "strings", "dicts", "regex", "classes"} <= names
    assert len(names) == len(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_gives_the_same_answer_when_called_again(program: Program) -> None:
    loop = Loop(Native())
    once, twice = timed(program, repeats=0), timed(program, repeats=1)

    first = loop.answer({"op": "program", "body": once.body, "expression": once.expression})
    again = loop.answer({"op": "program", "body": twice.body, "expression": twice.expression})

    assert first["answer"] == again["answer"]
    assert (len(first["times_s"]), len(again["times_s"])) == (1, 2)
    assert all(time_s > 0 for time_s in again["times_s"])
