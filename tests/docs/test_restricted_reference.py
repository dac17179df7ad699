"""The page that says what restricted Python offers is what its lists say."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11) or not hasattr(tarfile, "data_filter"),
    reason="THE PAGE LISTS WHAT PYTHON 3.11 (from 3.11.4 on) OFFERS, and this is another",
)
def test_the_page_is_what_the_generator_prints() -> None:
    done = subprocess.run(
        [sys.executable, "docs/reference/generate_restricted.py"], cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=True, env={"PYTHONPATH": str(ROOT), "LC_CTYPE": "C.UTF-8"},
    )

    assert done.stdout == (ROOT / "docs/reference/python-restricted.md").read_text(encoding="utf-8")
