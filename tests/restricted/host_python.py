"""What differs between host Pythons: restricted programs run in the one that runs the tests."""

from __future__ import annotations

import tarfile

import pytest


def need_tar_filters(code: str) -> None:
    """Skip what asks for a filter where this Python's tarfile has none: restricted programs get the host's."""
    if "filter=" in code and "tarfile" in code and not hasattr(tarfile, "data_filter"):
        pytest.skip("THIS PYTHON IS OLDER THAN 3.11.4: its tarfile has no filters")
