"""Whether the scientific image is here; it is large, so nothing makes it just for a test."""

from __future__ import annotations

import os

import pytest

from dspex.runtimes import scientific

ASKED = "DSPEX_TEST_SCIENTIFIC"


def missing() -> str:
    """Return what is missing, or nothing."""
    if os.environ.get(ASKED) == "1" or scientific.is_compiled():
        return ""
    return (
        "the image is not in the cache, and making it fetches 98 MB and compiles for minutes: "
        f"set {ASKED}=1, or use it once"
    )


MISSING = missing()
needs_image = pytest.mark.skipif(bool(MISSING), reason=f"NO SCIENTIFIC IMAGE: {MISSING}")
