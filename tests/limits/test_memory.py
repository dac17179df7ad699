"""No program gets a process much larger than its limit, seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dspex.limits import MIB
from tests.limits.measuring import GREEDY, PeakMemory, limited

if TYPE_CHECKING:
    import dspex

ROOM_BYTES = 64 * MIB
"""What a process may have beyond its limit, the pages that all workers share included."""

FILES = "for n in range({0}):\n    open(f'f{{n}}', 'wb').write(bytes(1 << 20))\n"


@pytest.mark.parametrize("name", GREEDY)
def test_a_greedy_program_never_has_more_than_its_limit_and_some_room(
    engine: dspex.Engine, name: str
) -> None:
    limit = 80 * MIB

    with PeakMemory(engine) as peak:
        outcome = engine.run(GREEDY[name], policy=limited(memory_bytes=limit, wall_s=15.0, cpu_s=15.0))

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit) == ("limit", "memory_bytes")
    assert peak.bytes <= limit + ROOM_BYTES


def test_a_recursion_without_end_never_has_more_than_its_limit_and_its_stack(
    engine: dspex.Engine,
) -> None:
    code = "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): return f()\nf()"

    with PeakMemory(engine) as peak:
        outcome = engine.run(code, policy=limited(memory_bytes=80 * MIB, wall_s=15.0, cpu_s=15.0))

    assert outcome.status == "limit"
    # The stack of the compiled code grows beside the guest's memory.
    assert peak.bytes <= 80 * MIB + ROOM_BYTES + 48 * MIB


def test_a_program_that_fills_its_files_never_has_more_than_both_limits_allow(
    engine: dspex.Engine,
) -> None:
    policy = limited(memory_bytes=80 * MIB, file_bytes=20 * MIB)

    with PeakMemory(engine) as peak:
        outcome = engine.run(FILES.format(30), policy=policy)

    assert outcome.error is not None
    assert outcome.error.limit == "file_bytes"
    assert peak.bytes <= 80 * MIB + 20 * MIB + ROOM_BYTES


@pytest.mark.parametrize("mib", [1, 20, 60])
def test_just_under_the_memory_a_program_ends_well(engine: dspex.Engine, mib: int) -> None:
    # An interpreter that has started holds about 30 MiB.
    outcome = engine.run(
        f"len(bytearray({mib} << 20))", policy=limited(memory_bytes=(mib + 48) * MIB)
    )

    assert outcome.value == mib << 20


@pytest.mark.parametrize("mib", [20, 60])
def test_just_over_the_memory_a_program_ends_at_the_limit(engine: dspex.Engine, mib: int) -> None:
    outcome = engine.run(
        f"len(bytearray({mib + 30} << 20))", policy=limited(memory_bytes=(mib + 48) * MIB)
    )

    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("memory_bytes", "inner")


def test_a_program_just_under_both_limits_is_not_killed_while_its_files_leave(
    engine: dspex.Engine,
) -> None:
    """Memory below `memory_bytes`, one file below `file_bytes`: nothing is over."""
    code = (
        "data = bytearray(180 << 20)\n"
        "with open('big', 'wb') as file:\n"
        "    for _ in range(63): file.write(bytes(1 << 20))\n"
        "len(data)"
    )
    outcome = engine.run(code, policy=limited())

    assert (outcome.status, outcome.value) == ("ok", 180 << 20)
    assert len(outcome.files["big"]) == 63 << 20
