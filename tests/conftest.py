"""Fixtures that more than one folder of tests uses: one real engine for the whole session."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dspex

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:  # so that `tests.programs` can be imported however pytest is started
    sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def engine() -> Iterator[dspex.Engine]:
    """Start an engine as a caller does: usual policy, real workers, one request each."""
    with dspex.Engine(policy="compute") as engine:
        yield engine
