"""Memory is read from the real processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.memory import pss_bytes, tree_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PSS is a number of Linux")


def test_a_process_that_does_not_exist_has_no_size() -> None:
    assert pss_bytes(2**22 + 1) is None


def test_a_tree_counts_its_root_and_its_leaf() -> None:
    before = tree_memory(os.getpid())
    child = subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        tree = tree_memory(os.getpid())
    finally:
        child.kill()
        child.communicate()

    assert tree.processes == before.processes + 1
    assert len(tree.leaf_pss_bytes) == len(before.leaf_pss_bytes) + 1
    assert tree.pss_bytes > max(tree.leaf_pss_bytes) > 0
