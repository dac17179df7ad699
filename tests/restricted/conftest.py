"""One engine of restricted Python for this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dspex

LANGUAGE = "python-restricted"


@pytest.fixture(scope="session")
def restricted() -> Iterator[dspex.Engine]:
    with dspex.Engine(policy="compute", languages=[LANGUAGE], idle_max=2) as engine:
        yield engine


@pytest.fixture
def run(restricted: dspex.Engine) -> Callable[..., dspex.Outcome]:
    def run(code: str, **given: Any) -> dspex.Outcome:
        return restricted.run(code, language=LANGUAGE, **given)

    return run
