"""Each limit that counts something holds exactly: at the limit all is well, one more ends the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import dspex
from tests.limits.measuring import limited

if TYPE_CHECKING:
    from collections.abc import Callable

SAVE = """
def save(name, size):
    with open(name, 'wb') as file:
        file.write(b'x' * size)
"""
WRITE = "import os\nos.write({0}, b'x' * {1})\nNone"


def nested(depth: int) -> list[Any]:
    """Return a list in as many lists."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


EDGES: dict[str, tuple[dict[str, int], Callable[[int], dict[str, Any]], int]] = {
    "output_bytes": ({}, lambda n: {"code": f"print('x' * {n}, end='')"}, 1000),
    "output_bytes, standard error": ({}, lambda n: {"code": WRITE.format(2, n)}, 1000),
    "output_bytes, both streams": (
        {}, lambda n: {"code": WRITE.format(2, 500) + "\n" + WRITE.format(1, n - 500)}, 1000,
    ),
    "output_bytes, in small pieces": (
        {}, lambda n: {"code": f"for _ in range({n}): print('x', end='', flush=True)"}, 300,
    ),
    "output_bytes, characters of four bytes": (
        {}, lambda n: {"code": f"print('😀' * {n // 4} + 'x' * {n % 4}, end='')"}, 1000,
    ),
    "value_bytes": ({}, lambda n: {"code": f"'x' * ({n} - 2)"}, 1000),
    "value_bytes, variables": (
        {}, lambda n: {"code": "None", "variables": {"v": "x" * (n - 8)}}, 1000,
    ),
    "value_depth": ({}, lambda n: {"code": f"v = []\nfor _ in range({n} - 1): v = [v]\nv"}, 20),
    "value_depth, variables": (
        {}, lambda n: {"code": "None", "variables": {"v": nested(n - 1)}}, 20,
    ),
    "file_bytes": ({}, lambda n: {"code": SAVE + f"save('f', {n})"}, 5000),
    "file_bytes, several files": (
        {},
        lambda n: {
            "code": SAVE + f"for i in range(10): save(f'f{{i}}', 100)\nsave('last', {n} - 1000)"
        },
        5000,
    ),
    "file_count": ({}, lambda n: {"code": f"for i in range({n}): open(f'f{{i}}', 'w').close()"}, 20),
    "file_count, directories": (
        {}, lambda n: {"code": f"import os\nfor i in range({n}): os.mkdir(f'd{{i}}')"}, 20,
    ),
    "open_files": (
        {},
        lambda n: {
            "code": f"import os\nheld = [os.open('.', os.O_RDONLY) for _ in range({n} - 3)]\nNone"
        },
        20,
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_at_the_limit_all_is_well_and_one_more_is_too_much(
    engine: dspex.Engine, edge: str
) -> None:
    limit = edge.partition(",")[0]
    others, ask, allowed = EDGES[edge]
    policy = limited(**{limit: allowed}, **others)

    under = engine.run(policy=policy, **ask(allowed - 1))
    at = engine.run(policy=policy, **ask(allowed))
    over = engine.run(policy=policy, **ask(allowed + 1))

    assert (under.status, at.status) == ("ok", "ok"), (under.error, at.error)
    assert over.error is not None
    assert (over.status, over.error.limit, over.error.allowed) == ("limit", limit, allowed)
    assert over.error.noticed_by == "inner"
    if limit == "output_bytes":
        assert len((at.stdout + at.stderr).encode()) == allowed
        assert over.usage.output_bytes == allowed
        assert over.truncated
        assert not at.truncated


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_the_size_of_the_source_is_exact(engine: dspex.Engine, by: int) -> None:
    outcome = engine.run("#" * (1000 + by), policy=limited(source_bytes=1000))

    assert outcome.status == ("refused" if by > 0 else "ok")
    if outcome.error is not None:
        assert outcome.error.findings[0].message == "source_bytes: 1001 given, 1000 allowed"


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_the_size_of_given_files_is_exact(engine: dspex.Engine, by: int) -> None:
    outcome = engine.run("None", files={"f": bytes(1000 + by)}, policy=limited(file_bytes=1000))

    assert outcome.status == ("limit" if by > 0 else "ok")


@pytest.mark.parametrize("output_bytes", [0, 1, 65_535, 65_536, 65_537, 1_000_003])
def test_a_flood_is_cut_at_exactly_so_many_bytes(engine: dspex.Engine, output_bytes: int) -> None:
    heard: list[str] = []

    outcome = engine.run(
        "while True: print('x' * 4096)", policy=limited(output_bytes=output_bytes),
        on_output=lambda _, text: heard.append(text),
    )

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit) == ("limit", "output_bytes")
    assert len(outcome.stdout) == output_bytes == outcome.usage.output_bytes
    assert "".join(heard) == outcome.stdout
    assert outcome.truncated
