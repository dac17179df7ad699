"""The programs that the interpreters are trained with do in a sandbox what they say, and none is a measured one."""

from __future__ import annotations

from pathlib import Path

import pytest

import dspex
from benchmarks import language_programs, programs
from dspex import resources

RUNTIMES = resources.find("runtimes")
PROGRAMS = sorted((*RUNTIMES.glob("pyodide/training/*.py"), *RUNTIMES.glob("quickjs/training/*.js")))
LANGUAGES = {".py": "python", ".js": "javascript"}


def lines_of(text: str) -> set[str]:
    """Return the lines that say something of their own."""
    return {line.strip() for line in text.splitlines() if len(line.strip()) > 25}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_training_program_ends_well(engine: dspex.Engine, path: Path) -> None:
    outcome = engine.run(path.read_text(), language=LANGUAGES[path.suffix])
    assert (outcome.status, outcome.error, outcome.stdout) == ("ok", None, "")


def test_no_program_is_both_trained_with_and_measured() -> None:
    trained = set().union(*(lines_of(path.read_text()) for path in PROGRAMS))
    measured = [*programs.PROGRAMS, *language_programs.JAVASCRIPT]
    shared = {one.name: trained & lines_of(one.source) for one in measured}
    assert {name: lines for name, lines in shared.items() if lines} == {}
    assert len(PROGRAMS) > 20
