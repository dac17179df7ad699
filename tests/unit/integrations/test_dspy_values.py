"""What crosses has the form of a JSON body, and loses nothing that JSON can say."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from pydantic import BaseModel

from dspex.integrations import dspy_values


class Pair(NamedTuple):
    a: Any
    b: Any


class Color(enum.StrEnum):
    RED = "red"


class Model(BaseModel):
    at: dt.date


@pytest.mark.parametrize(("value", "expected"), [
    ((1, (2.0, {3})), [1, [2.0, [3]]]),
    ({"b", "a"}, ["a", "b"]),
    (2**70, 2**70),
    (Decimal("1.50"), "1.50"),
    (Decimal("NaN"), "NaN"),
    (dt.timedelta(days=1), "P1D"),
    (Fraction(1, 3), "1/3"),
    (b"\xff", "/w=="),
    (np.array([[1, 2]]), [[1, 2]]),
    (np.float64(0.5), 0.5),
    ({dt.date(2024, 1, 2): 1, 5: 2, None: 3}, {"2024-01-02": 1, 5: 2, None: 3}),
])
def test_every_value_of_a_guest_can_be_written_as_json(value, expected):
    found = dspy_values.from_guest(value)

    assert found == expected
    assert type(found) is type(expected) or isinstance(found, float)
    json.dumps(found)


def test_a_number_that_is_none_stays_one():
    assert math.isnan(dspy_values.from_guest([float("nan")])[0])


@pytest.mark.parametrize(("value", "expected"), [
    (Color.RED, "red"),
    (Model(at=dt.date(2024, 1, 2)), {"at": "2024-01-02"}),
    (Pair(1, 2), [1, 2]),
    ({"s": {2, 1}}, {"s": [1, 2]}),
    (b"text", "text"),
])
def test_variables_are_what_a_json_body_would_have(value, expected):
    assert dspy_values.variable(value) == expected


@pytest.mark.parametrize("value", [object(), [object()], {"a": print}, b"\xff"])
def test_a_variable_without_such_a_form_is_refused(value):
    with pytest.raises(dspy_values.Unserializable, match=r"^Unsupported value type: "):
        dspy_values.variable(value)


@pytest.mark.parametrize(("result", "expected"), [
    (None, ""),
    (math.inf, "inf"),
    ([None], [None]),
    (Pair(1, Pair(2, 3)), {"a": 1, "b": {"a": 2, "b": 3}}),
    ([Model(at=dt.date(2024, 1, 2))], [{"at": "2024-01-02"}]),
])
def test_results_of_tools_keep_names_of_fields(result, expected):
    assert dspy_values.tool_result(result) == expected


def test_a_tool_is_described_with_what_can_be_told_of_its_defaults():
    def tool(a: int, /, b: str = "x", *rest, c=print, d: list[int] = [1], **more):  # noqa: B006
        """Do it."""

    doc, parameters = dspy_values.describe_tool(tool)

    assert doc == "Do it."
    assert parameters == [
        {"name": "a", "kind": "positional", "annotation": "int"},
        {"name": "b", "kind": "any", "annotation": "str", "value": "x"},
        {"name": "rest", "kind": "rest"},
        {"name": "c", "kind": "named", "default": "<built-in function print>"},
        {"name": "d", "kind": "named", "annotation": "list[int]", "value": [1]},
        {"name": "more", "kind": "named_rest"},
    ]


def test_a_tool_that_does_not_tell_its_parameters_takes_named_ones():
    assert dspy_values.describe_tool(dict)[1] == [{"name": "kwargs", "kind": "named_rest"}]
