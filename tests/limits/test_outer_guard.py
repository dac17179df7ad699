"""The outer guards alone: workers that have no inner one are held to every limit all the same."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dspex.limits import MIB
from dspex.testing.fake_engine import FakeEngine
from tests.limits.measuring import PeakMemory, limited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.languages.base import LanguageSpec
    from dspex.supervisor.pool import PoolSettings

LIMITS = {
    "wall_s": 3.0, "cpu_s": 0.6, "grace_s": 0.05, "output_bytes": 50_000, "file_bytes": MIB,
    "file_count": 50, "value_bytes": 10_000, "memory_bytes": 64 * MIB,
}
GROWTH_BYTES_MAX = 64 * MIB
OVERRUN_S_MAX = 2.0
"""Generous, as machines that run tests are busy; without the deadline it would be the 3 s of `LIMITS`."""


class GreedyEngine(FakeEngine):
    """An engine whose workers take what they like."""

    def _pool_settings(self, spec: LanguageSpec) -> PoolSettings:
        return replace(super()._pool_settings(spec), program="tests.limits.greedy_worker")


@pytest.fixture(scope="module")
def greedy() -> Iterator[GreedyEngine]:
    with GreedyEngine(policy=limited(**LIMITS), idle_max=2) as engine:
        yield engine


def test_processor_time_is_seen_from_outside(greedy: GreedyEngine) -> None:
    outcome = greedy.run("works")

    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("cpu_s", "outer")
    assert 0.65 <= outcome.error.spent < 1.5
    assert greedy.run("honest").value == "honest"


def test_memory_is_seen_from_outside(greedy: GreedyEngine) -> None:
    with PeakMemory(greedy) as peak:
        outcome = greedy.run("takes_memory")

    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("memory_bytes", "outer")
    assert outcome.error.spent > 64 * MIB
    # It takes a MiB each millisecond at most, and is looked at every 50 ms.
    assert peak.bytes < 64 * MIB + 64 * MIB + 100 * MIB
    assert greedy.run("honest").value == "honest"


@pytest.mark.parametrize("behaviour", ["silence", "deaf_silence", "half_an_answer"])
def test_the_deadline_is_kept_from_outside(greedy: GreedyEngine, behaviour: str) -> None:
    began = time.monotonic()

    outcome = greedy.run(behaviour, timeout_s=0.15)

    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("wall_s", "outer")
    assert time.monotonic() - began < 0.15 + 0.05 + OVERRUN_S_MAX


@pytest.mark.parametrize(
    "behaviour", ["output_flood", "file_flood", "too_large_file", "too_large_value", "too_much_output"]
)
def test_nothing_is_taken_beyond_what_is_allowed(greedy: GreedyEngine, behaviour: str) -> None:
    outcome = greedy.run(behaviour)

    assert outcome.status == "lost"
    assert outcome.error is not None
    assert outcome.error.type == "ProtocolViolation"
    assert len(outcome.stdout) <= LIMITS["output_bytes"]
    assert len(outcome.files) <= LIMITS["file_count"]
    assert sum(map(len, outcome.files.values())) <= LIMITS["file_bytes"]


FLOODED = """
import sys
from concurrent.futures import ThreadPoolExecutor
from tests.limits.measuring import limited, own_peak_bytes
from tests.limits.test_outer_guard import LIMITS, GreedyEngine
import dspex
kinds = sys.argv[1:]
with GreedyEngine(policy=limited(**LIMITS), idle_max=4) as engine, ThreadPoolExecutor(8) as threads:
    engine.run("honest")
    before = own_peak_bytes()
    for _ in threads.map(engine.run, kinds * 10):
        pass
    print((own_peak_bytes() - before) >> 20)
with dspex.Engine(idle_max=4) as engine, ThreadPoolExecutor(8) as threads:
    engine.run("1")
    before = own_peak_bytes()
    for _ in threads.map(engine.run, ["while True: print('x' * 10_000)"] * 40):
        pass
    print((own_peak_bytes() - before) >> 20)
"""


@pytest.mark.slow
def test_the_supervisor_hardly_grows_under_floods() -> None:
    kinds = [
        "output_flood", "garbage", "empty_frames", "empty_output_flood", "file_flood", "oversized",
        "too_large_file", "endless_partial_frame",
    ]
    done = subprocess.run(
        [sys.executable, "-c", FLOODED, *kinds], capture_output=True, text=True, timeout=100,
        check=False,
    )

    assert done.stderr == ""
    grown = [int(line) for line in done.stdout.split()]
    assert len(grown) == 2
    assert max(grown) * MIB < GROWTH_BYTES_MAX
