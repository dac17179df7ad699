"""Fixtures that more than one folder of tests uses: one real engine for the whole session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dspex

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def engine() -> Iterator[dspex.Engine]:
    """Start an engine as a caller does: usual policy, real workers, one request each."""
    with dspex.Engine(policy="compute") as engine:
        yield engine


@pytest.fixture
def the_next_request_works(engine: dspex.Engine) -> Iterator[None]:
    """Check after a test that whatever it did to its own sandbox, the next one is as new."""
    yield
    after = engine.run(
        "print('still', 'here')\nopen('out.txt', 'w').write(open('in.txt').read())\n(n, {'a': b'x'})",
        files={"in.txt": b"fine"},
        variables={"n": 2**70},
    )
    assert (after.status, after.stdout, after.stderr) == ("ok", "still here\n", "")
    assert (after.value, after.notes) == ((2**70, {"a": b"x"}), ())
    assert after.files == {"out.txt": b"fine"}
