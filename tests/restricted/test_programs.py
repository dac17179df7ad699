"""Honest programs run: those written for the complete Python, with the reason for each that cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import dspex
from tests.programs.expectation import read_expectation, read_value, same
from tests.restricted.conftest import LANGUAGE

FOLDER = Path(__file__).parent.parent / "programs"
MODULE = "uses a module that is not offered"
CANNOT = {
    "errors/deep_recursion": MODULE, "errors/warnings_filters": MODULE, "files/compression": "gzip.open, lzma.LZMAFile",
    "files/folder_tree": "os.scandir, symbolic links, shutil.copytree", "files/logging_setup": MODULE,
    "files/shelf_of_settings": MODULE, "files/sqlite_books": MODULE, "files/temporary_files": MODULE,
    "files/zip_and_tar": MODULE, "formats/base64_and_friends": MODULE, "formats/xml_catalog": MODULE,
    "functional/closures_and_scope": "looks into a closure's cells", "functional/context_managers": "help()",
    "functional/decorators": MODULE, "interpreters/stack_machine": "ast.parse", "io/module_files": "importlib, exec()",
    "oop/observer_shop": MODULE, "stdlib/doctest_inside": MODULE, "stdlib/inspect_functions": MODULE,
    "stdlib/network_addresses": MODULE, "stdlib/refused_by_the_machine": MODULE, "stdlib/unittest_inside": MODULE,
    "text/template_letters": "string.Formatter", "types/descriptors_metaclass": "a metaclass",
}  # fmt: skip
LANGUAGE_SHARE_MIN = 0.95
"""Of the programs whose modules are offered."""


def programs() -> list[Path]:
    found = sorted(FOLDER.glob("*/*.py"))
    return [path for path in found if read_expectation(path).since <= sys.version_info[:2]]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


CAN = [path for path in programs() if name_of(path) not in CANNOT]


@pytest.mark.parametrize("path", CAN, ids=name_of)
def test_an_honest_program_does_what_it_promises(restricted: dspex.Engine, path: Path) -> None:
    expected = read_expectation(path)

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


def test_of_the_programs_whose_modules_are_offered_nearly_all_run() -> None:
    other = [name for name, reason in CANNOT.items() if reason != MODULE]
    few = ("help()", "ast.parse", "string.Formatter", "os.scandir", "gzip.open", "importlib")
    of_the_language = [name for name in other if not CANNOT[name].startswith(few)]

    assert len(CAN) / (len(CAN) + len(of_the_language)) >= LANGUAGE_SHARE_MIN
