"""Honest programs run: those written for the complete Python, with the reason for each that cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import dspex
from tests.programs.expectation import read_expectation, read_value, same
from tests.restricted.conftest import LANGUAGE
from tests.restricted.host_python import need_tar_filters

FOLDER = Path(__file__).parent.parent / "programs"
MODULE = "uses a module that is not offered"
EVERYTHING = "eval() is not offered"
CANNOT = {
    "files/sqlite_books": MODULE, "interpreters/stack_machine": EVERYTHING, "io/module_files": MODULE,
    "stdlib/inspect_functions": MODULE, "types/descriptors_metaclass": "a metaclass",
}  # fmt: skip
SHARE_MIN = 0.95
"""Of all programs that were written for the complete Python."""
FURTHER = FOLDER / "further" / "agents"
"""Programs of the kind that agents write; all of them must run."""
FURTHER_MIN = 20


def programs() -> list[Path]:
    found = [*sorted(FOLDER.glob("*/*.py")), *sorted(FURTHER.glob("*.py"))]
    return [path for path in found if read_expectation(path).since <= sys.version_info[:2]]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


CAN = [path for path in programs() if name_of(path) not in CANNOT]


@pytest.mark.parametrize("path", CAN, ids=name_of)
def test_an_honest_program_does_what_it_promises(restricted: dspex.Engine, path: Path) -> None:
    expected = read_expectation(path)
    need_tar_filters(path.read_text(encoding="utf-8"))

    outcome = restricted.run(
        path.read_text(encoding="utf-8"), language=LANGUAGE, variables=expected.given_variables(),
        files=expected.given_files(), stdin=expected.stdin, args=list(expected.args), env=dict(expected.env),
    )

    error = outcome.error
    ending = {"type": error.type, "message": error.message} if error else None
    assert ending == expected.raises, error
    assert outcome.stdout == expected.stdout
    assert outcome.stderr == expected.stderr
    assert same(outcome.value, read_value(expected.value)), outcome.value
    assert {name: outcome.files[name] for name in expected.wrote} == {
        name: text.encode() for name, text in expected.wrote.items()
    }


@pytest.mark.parametrize("path", [p for p in programs() if name_of(p) in CANNOT], ids=name_of)
def test_what_cannot_run_says_why(restricted: dspex.Engine, path: Path) -> None:
    expected = read_expectation(path)

    outcome = restricted.run(
        path.read_text(encoding="utf-8"), language=LANGUAGE, variables=expected.given_variables(),
        files=expected.given_files(), stdin=expected.stdin, args=list(expected.args), env=dict(expected.env),
    )

    if CANNOT[name_of(path)] == MODULE:
        assert outcome.status == "refused"
        assert any("module" in one.message for one in outcome.error.findings)
    else:
        assert outcome.status != "ok" or outcome.stdout != expected.stdout


def test_nearly_all_programs_run() -> None:
    for_complete_python = [path for path in programs() if path.parent != FURTHER]

    assert 1 - len(CANNOT) / len(for_complete_python) >= SHARE_MIN
    assert len(programs()) - len(for_complete_python) >= FURTHER_MIN
