"""Fixtures of the escape tests: the canary, an engine per file, and the check after each attack.

The environment holds the canary's secret before the engine starts, and the attacker is told where
everything is. After each attack: nothing was touched, no worker has children, and the next request
works. After each file: no process is left, not even one that was handed to another parent.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from typing import Any

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack
from tests.escape.processes import children_of_workers, descendants

_PR_SET_CHILD_SUBREAPER = 36
_GONE_WITHIN_S = 5


@pytest.fixture(scope="session")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """Lay out what must stay unread; at the end, look whether the folder is as it was."""
    folder = tmp_path_factory.mktemp("host")
    with Canary(folder) as canary:
        before = {path.name for path in folder.iterdir()}
        canary._touches()
        yield canary
        canary.check()
        assert {path.name for path in folder.iterdir()} == before
        assert canary.file.read_text() == canary.secret


@pytest.fixture(scope="module")
def engine(canary: Canary) -> Iterator[dspex.Engine]:
    """Start an engine as a caller does, and see that its end is the end of all its processes."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans come to us
    before = descendants()
    with dspex.Engine(policy="compute", idle_max=2) as engine:
        yield engine
    try:
        deadline = time.monotonic() + _GONE_WITHIN_S
        while (left := descendants() - before) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left
    finally:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def attack(engine: dspex.Engine, canary: Canary, the_next_request_works: None) -> Iterator[Attack]:
    """Return `Engine.run` for attackers; whatever they do, the canary must live."""

    def attack(code: str, **given: Any) -> dspex.Outcome:
        outcome = engine.run(code, variables={"canary": canary.known}, **given)
        canary.check_outcome(outcome)
        return outcome

    yield attack
    canary.check()
    assert not children_of_workers(engine)
