"""Honest programs are not hurt: in the sandbox they do what they always did.

The programs and what they must do are in `tests/programs`; `tests.programs.check_native` makes sure
that a native CPython agrees. Here every one runs in a sandbox of its own and is compared exactly.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.programs.expectation import read_expectation, read_value, same, split_header

if TYPE_CHECKING:
    import dspex

FOLDER = Path(__file__).parent.parent / "programs"
PROGRAMS = sorted(FOLDER.glob("*/*.py"))
PROGRAMS_MIN = 110
NOT_IN_THE_SANDBOX = {
    *("ctypes", "curses", "dbm", "readline", "tkinter", "turtle", "turtledemo", "idlelib"),
    *("ensurepip", "venv", "lib2to3", "pydoc_data"),
    *("grp", "pwd", "resource", "syslog", "msvcrt", "nt", "winreg", "winsound"),
}
"""What needs a screen, a user, another system, or native code that this build does not have."""


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_ordinary_program_does_what_it_promises(engine: dspex.Engine, path: Path) -> None:
    expected = read_expectation(path)

    outcome = engine.run(
        path.read_text(encoding="utf-8"),
        variables=expected.given_variables(),
        files=expected.given_files(),
        stdin=expected.stdin,
        args=list(expected.args),
        env=dict(expected.env),
    )

    error = outcome.error
    ending = {"type": error.type, "message": error.message} if error else None
    trace = error.traceback if error else ""
    assert ending == expected.raises, trace
    assert outcome.status == ("raised" if expected.raises else "ok")
    assert outcome.stdout == expected.stdout
    assert outcome.stderr == expected.stderr
    assert same(outcome.value, read_value(expected.value)), outcome.value
    assert set(outcome.files) == {*expected.wrote, *expected.wrote_also}
    for name, text in expected.wrote.items():
        assert outcome.files[name] == text.encode(), name
    assert not outcome.truncated
    assert outcome.notes == ()


def test_every_module_of_the_standard_library_that_the_sandbox_can_have_is_there(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(
        "import contextlib, importlib, io, sys\n"
        "missing = {}\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    for name in sorted(sys.stdlib_module_names - {'antigravity', 'this'}):\n"
        "        try:\n"
        "            importlib.import_module(name)\n"
        "        except Exception as error:\n"
        "            missing[name] = type(error).__name__\n"
        "missing"
    )

    assert outcome.status == "ok", outcome.error
    public = {name for name in outcome.value if not name.startswith("_")}
    assert public <= NOT_IN_THE_SANDBOX
    assert set(outcome.value.values()) <= {"ModuleNotFoundError", "ImportError"}


def test_there_are_enough_programs_and_each_says_what_it_does() -> None:
    about = [read_expectation(path).about for path in PROGRAMS]

    assert len(PROGRAMS) >= PROGRAMS_MIN
    assert len(set(about)) == len(about)
    assert all(line.endswith(".") for line in about)


def test_a_program_without_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="a program starts with"):
        split_header("print(1)\n")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (1, 1.0),
        ([1], (1,)),
        (0.0, -0.0),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ("", b""),
    ],
    ids=repr,
)
def test_values_that_python_calls_equal_can_still_be_told_apart(
    left: object, right: object
) -> None:
    assert not same(left, right)


def test_equal_values_are_the_same_whatever_they_contain() -> None:
    for text in ("nan", "[1, (2.0, None)]", "{'a': {1, 2}}", "Decimal('1.50')", "b'x'"):
        assert same(read_value(text), read_value(text)), text
