"""Fixtures of the JavaScript tests: a run in a fresh sandbox, and its twin after each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import dspex
from tests.javascript.running import Run


@pytest.fixture
def js(engine: dspex.Engine) -> Run:
    """Return `Engine.run` for JavaScript."""

    def run(code: str, **given: Any) -> dspex.Outcome:
        return engine.run(code, language="javascript", **given)

    return run


@pytest.fixture
def ts(engine: dspex.Engine) -> Run:
    """Return `Engine.run` for TypeScript."""

    def run(code: str, **given: Any) -> dspex.Outcome:
        return engine.run(code, language="typescript", **given)

    return run


@pytest.fixture
def the_next_one_works(js: Run) -> Iterator[None]:
    """Check after a test that the next sandbox is as new."""
    yield
    after = js(
        "import fs from 'node:fs';\nconsole.log('still', ['here']);\n"
        "fs.writeFileSync('out', fs.readFileSync('in', 'utf8')); [n, { a: 1 }]",
        files={"in": "fine"}, variables={"n": 2**70},
    )  # fmt: skip
    assert (after.status, after.stdout, after.value) == ("ok", "still [ 'here' ]\n", [2**70, {"a": 1}])
    assert after.files == {"out": b"fine"}
