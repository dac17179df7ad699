"""One engine for the tests of Rust, and a cache of compiled programs of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dspex

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def engine() -> Iterator[dspex.Engine]:
    """Start an engine with workers for Rust only."""
    with dspex.Engine(policy="compute", languages=["rust"], idle_max=2) as engine:
        yield engine
