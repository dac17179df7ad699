"""The image keeps the contract of every language: it is Python, with another body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import dspex
from dspex.testing.contracts import CHECKS, Dialect, DoesNotApply
from tests.contract.dialects import PYTHON
from tests.scientific.image import needs_image

SCIENTIFIC = replace(PYTHON, image="scientific")


@needs_image
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_image_keeps_pythons_promise(
    engine: dspex.Engine, check: Callable[[dspex.Engine, Dialect], None]
) -> None:
    try:
        check(engine, SCIENTIFIC)
    except DoesNotApply as reason:
        pytest.skip(str(reason))
