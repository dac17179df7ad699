"""Every language keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import dspex
from dspex.languages import table
from dspex.testing.contracts import CHECKS, Dialect, DoesNotApply
from tests.contract.dialects import DIALECTS
from tests.rust.toolchain import needs_toolchain


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "language",
    [pytest.param(name, marks=needs_toolchain if name == "rust" else ()) for name in DIALECTS],
)
def test_the_language_keeps_its_promise(
    engine: dspex.Engine, language: str, check: Callable[[dspex.Engine, Dialect], None]
) -> None:
    try:
        check(engine, DIALECTS[language])
    except DoesNotApply as reason:
        pytest.skip(str(reason))


def test_every_language_of_ours_has_a_dialect() -> None:
    assert set(table.OURS) == set(DIALECTS)
