"""Whether Rust can be compiled here; where it cannot, the tests are skipped and say what is missing."""

from __future__ import annotations

import pytest

import dspex
from dspex.runtimes import rust


def missing() -> str:
    """Return what is missing, or nothing."""
    try:
        rust.ready()
    except dspex.LanguageUnavailable as error:
        return str(error)
    return ""


MISSING = missing()
needs_toolchain = pytest.mark.skipif(bool(MISSING), reason=f"NO RUST TOOLCHAIN: {MISSING}")
