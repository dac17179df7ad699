"""Whether there is a Python index here to take packages from."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def index_reached(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip, and say so, where pip itself cannot fetch a package for this machine."""
    into = tmp_path_factory.mktemp("probe")
    probe = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(into), "typing-inspection"],
        capture_output=True, text=True, check=False, timeout=120,
    )
    if probe.returncode:
        pytest.skip(f"NO PYTHON INDEX CAN BE REACHED, nothing was tested: {probe.stderr.strip()[-200:]}")
