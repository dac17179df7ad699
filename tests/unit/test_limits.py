"""Budgets: finite, strict, and combined only towards the stricter."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dspex.limits import MIB, Limits, Usage

DEFAULTS = {
    "wall_s": 10.0,
    "cpu_s": 10.0,
    "grace_s": 0.25,
    "memory_bytes": 256 * MIB,
    "output_bytes": MIB,
    "source_bytes": 10 * MIB,
    "value_bytes": 16 * MIB,
    "value_depth": 100,
    "file_bytes": 64 * MIB,
    "file_count": 1000,
    "open_files": 256,
    "host_wait_s": 60.0,
    "host_calls": 1000,
}

budgets = st.builds(
    Limits,
    wall_s=st.floats(0.01, 86_400),
    cpu_s=st.floats(0.01, 86_400),
    memory_bytes=st.integers(48 * MIB, 4096 * MIB),
    value_depth=st.integers(1, 200),
    file_count=st.integers(0, 1_000_000),
)


def test_the_defaults_are_what_the_docs_say() -> None:
    assert Limits().model_dump() == DEFAULTS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("wall_s", 0),
        ("wall_s", -1.0),
        ("wall_s", float("inf")),
        ("wall_s", float("nan")),
        ("wall_s", "10"),
        ("wall_s", 86_401),
        ("cpu_s", True),
        ("memory_bytes", 48 * MIB - 1),
        ("memory_bytes", 2**32 + 1),
        ("output_bytes", 1.0),
        ("output_bytes", -1),
        ("value_depth", 0),
        ("value_depth", 201),
        ("open_files", 2),
        ("host_calls", None),
        ("walls", 1),
    ],
)
def test_what_makes_no_sense_is_refused_naming_the_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Limits.model_validate({field: value})
    assert [finding["loc"] for finding in caught.value.errors()] == [(field,)]


def test_a_budget_cannot_be_changed_and_survives_pickling() -> None:
    limits = Limits(wall_s=1)
    with pytest.raises(ValidationError, match=r"frozen"):
        limits.wall_s = 2.0
    assert pickle.loads(pickle.dumps(limits)) == limits


def test_tightening_takes_the_smaller_of_each_field() -> None:
    mine, theirs = Limits(wall_s=1, host_calls=5), Limits(wall_s=2, host_calls=3)
    assert mine.tightened(theirs) == Limits(wall_s=1, host_calls=3)


@given(budgets, budgets, budgets)
def test_tightening_is_a_meet(one: Limits, two: Limits, three: Limits) -> None:
    both = one.tightened(two)
    assert both == two.tightened(one)
    assert both.tightened(three) == one.tightened(two.tightened(three))
    assert one.tightened(one) == one
    assert both.is_no_looser_than(one)
    assert both.is_no_looser_than(two)
    assert one.is_no_looser_than(two) == (both == one)


def test_usage_starts_at_nothing() -> None:
    assert Usage() == Usage(0.0, 0.0, 0.0, 0, 0, 0, None)
