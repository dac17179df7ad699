"""A run ends when its time is up: soon after the deadline, whatever it is busy with.

The bound in these tests is generous, because machines that run tests are busy; what is promised (p99 of
100 ms) is measured by `python -m tests.limits.overrun`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.limits.measuring import LOOPS, STUCK_IN_C, limited, overruns_s, percentile

if TYPE_CHECKING:
    import dspex

OVERRUN_S_MAX = 0.5


@pytest.mark.parametrize("programs", [LOOPS, STUCK_IN_C], ids=["loops", "stuck in C"])
def test_runs_end_soon_after_their_deadline(
    engine: dspex.Engine, programs: dict[str, str]
) -> None:
    found = overruns_s(engine, list(programs.values()), wall_s=0.1, grace_s=0.05, rounds=25)

    assert min(found) > -0.01, "ended before its time"
    assert percentile(found, 0.9) < OVERRUN_S_MAX


@pytest.mark.parametrize("name", STUCK_IN_C)
def test_the_outer_guard_alone_ends_what_cannot_be_interrupted(
    engine: dspex.Engine, name: str
) -> None:
    outcome = engine.run(STUCK_IN_C[name], policy=limited(wall_s=0.2, grace_s=0.05))

    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("wall_s", "outer")
    assert outcome.error.allowed == 0.2
    assert 0.2 < outcome.error.spent < 0.25 + OVERRUN_S_MAX


def test_just_under_the_time_a_run_ends_well(engine: dspex.Engine) -> None:
    policy = limited(wall_s=1.5, cpu_s=1.5, grace_s=0.1)

    slept = engine.run("import time\ntime.sleep(0.8)\n'slept'", policy=policy)
    worked = engine.run(
        "import time\nwhile time.process_time() < 0.3: pass\n'worked'", policy=policy
    )

    assert (slept.value, worked.value) == ("slept", "worked")


def test_just_over_the_processor_time_a_run_is_ended_by_the_inner_guard(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run("while True: pass", policy=limited(cpu_s=0.3, wall_s=20.0))

    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("cpu_s", "inner")
    # The kernel's timer counts ticks, not time: on a busy machine it may be some of them early.
    assert 0.5 * 0.3 <= outcome.error.spent < 0.3 + OVERRUN_S_MAX


def test_just_over_the_processor_time_the_outer_guard_ends_what_cannot_be_interrupted(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(
        STUCK_IN_C["max"], policy=limited(cpu_s=0.3, wall_s=20.0, grace_s=0.05)
    )

    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("cpu_s", "outer")
    assert 0.35 <= outcome.error.spent < 0.35 + OVERRUN_S_MAX
