"""One engine for the tests of WebAssembly; Python's runtime is not needed for any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dspex

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def engine() -> Iterator[dspex.Engine]:
    """Start an engine with workers for WebAssembly only."""
    with dspex.Engine(policy="compute", languages=["wasm"], idle_max=2) as engine:
        yield engine
