"""The reference pages say what the code does."""

import importlib.util
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from dspex import values
from dspex.values import arrays_here, encode

PAGES = Path(__file__).parents[2] / "docs" / "reference"
NAMES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (date, datetime, time, timedelta, Decimal, Fraction, UUID, ZoneInfo)
} | {"UTC": UTC}

_ROW = re.compile(r"^\| ([^|]+) \| `([^|]+)` \| `([^|]+)` \|$", re.MULTILINE)
ROWS = _ROW.findall((PAGES / "values.md").read_text(encoding="utf-8"))


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", PAGES / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["limits.md", "errors.md"])
def test_a_generated_page_is_what_the_generator_prints(page: str) -> None:
    generated = load_generator().PAGES[page]()
    assert (PAGES / page).read_text(encoding="utf-8") == generated


@pytest.mark.parametrize(("kind", "example", "as_sent"), ROWS, ids=[row[0] for row in ROWS])
def test_each_example_is_sent_as_the_page_says(kind: str, example: str, as_sent: str) -> None:
    names = dict(NAMES)
    if kind.startswith("numpy"):
        numpy = pytest.importorskip("numpy")
        names |= {"array": numpy.array, "int16": numpy.int16}
    value = eval(example, names)
    sent = encode(value, bytes_max=1000, depth_max=9, arrays=arrays_here())
    assert sent.decode() == as_sent


def test_every_tag_has_an_example() -> None:
    shown = {tag for _, _, as_sent in ROWS for tag in re.findall(r'^\{"\$":\["(\w+)"', as_sent)}
    assert shown == set(values._READERS)
