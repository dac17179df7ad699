"""Who cannot take part is told why."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.contestants import CONTESTANTS, Absent, Contestant, Ready, resolve
from benchmarks.measure import SUITES

ROW = Contestant("x", "the x", "python_peer", "native", frozenset({"cpu"}))


def test_every_contestant_has_a_name_of_its_own_and_suites_that_exist() -> None:
    assert len({row.name for row in CONTESTANTS}) == len(CONTESTANTS)
    named = frozenset().union(*(row.suites for row in CONTESTANTS))
    assert {name.partition(".")[0] for name in named} == set(SUITES)


def test_without_a_wish_this_interpreter_is_taken() -> None:
    assert resolve(ROW, {}) == Ready(ROW, Path(sys.executable))


def test_a_missing_interpreter_makes_absent_with_the_reason() -> None:
    exact = Contestant("x", "the x", "python_peer", "native", frozenset(), exactly=(3, 14))
    newer = Contestant("x", "the x", "python_peer", "native", frozenset(), oldest=(3, 12))
    found = {(3, 11): Path("python3.11")}

    assert resolve(exact, found) == Absent("x", "the x", "no Python 3.14 on this machine")
    assert resolve(newer, found) == Absent("x", "the x", "no Python 3.12 or newer on this machine")


def test_the_newest_interpreter_that_fits_is_taken() -> None:
    newer = Contestant("x", "the x", "python_peer", "native", frozenset(), oldest=(3, 12))
    found = {(3, minor): Path(f"python3.{minor}") for minor in (11, 12, 13)}

    assert resolve(newer, found) == Ready(newer, Path("python3.13"))
