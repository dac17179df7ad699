"""Fixtures of the scientific image's tests: one engine, and a run in a fresh sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dspex
from tests.scientific.image import MISSING


@pytest.fixture(scope="session")
def numeric() -> Iterator[dspex.Engine]:
    """Start an engine with the policy that is meant for such programs."""
    if MISSING:
        pytest.skip(f"NO SCIENTIFIC IMAGE: {MISSING}")
    with dspex.Engine(policy="numeric", languages=[]) as engine:
        yield engine


@pytest.fixture
def run(numeric: dspex.Engine) -> Callable[..., dspex.Outcome]:
    """Return `Engine.run` for the image."""

    def run(code: str, **given: Any) -> dspex.Outcome:
        return numeric.run(code, image="scientific", **given)

    return run


@pytest.fixture
def value(run: Callable[..., dspex.Outcome]) -> Callable[..., Any]:
    """Return a function that runs a program which must go well, and returns its value."""

    def value(code: str, **given: Any) -> Any:
        outcome = run(code, **given)
        assert (outcome.status, outcome.error, outcome.notes) == ("ok", None, ())
        return outcome.value

    return value
