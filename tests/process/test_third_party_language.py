"""A language that comes from elsewhere runs as ours do, and cannot stand in for one of them."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest

import dspex
from dspex.errors import CapabilityDenied, LanguageUnavailable
from dspex.languages import table

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-language.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# file: (\S+)\n")


def announce(folder: Path, **entries: str) -> None:
    """Write what pip would have written about an installed package."""
    about = folder / "rpn-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rpn\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (about / "entry_points.txt").write_text("\n".join(["[dspex.languages]", *lines, ""]))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Install the package of the page; return the page's other blocks."""
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    for _, content in blocks:
        if named := FILE.match(content):
            (tmp_path / named[1]).parent.mkdir(exist_ok=True)
            (tmp_path / named[1]).write_text(content)
    (entry,) = (content for kind, content in blocks if kind == "toml")
    name, value = re.findall(r'^(\w+) = "(.*)"$', entry, re.MULTILINE)[0]
    announce(tmp_path, **{
        name: value, "python": "rpn:SPEC", "gone": "no_such_module:SPEC", "wrong": "rpn:runtime",
        "misnamed": "rpn:SPEC",
    })
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rpn", raising=False)
    return [block for block in blocks if not FILE.match(block[1])]


def test_the_language_of_the_page_runs_and_prints_what_it_says(
    installed: list[tuple[str, str]],
) -> None:
    (program,) = (content for kind, content in installed if kind == "python")
    (wanted,) = (content for kind, content in installed if kind == "text")
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(compile(program, str(PAGE), "exec"), {"__name__": "page"})

    assert printed.getvalue() == wanted


def test_it_stands_behind_the_same_walls_and_needs_a_grant(installed: object) -> None:
    with dspex.Engine(dspex.Policy(languages={"rpn", "python"})) as engine:
        ours, theirs = engine.run("1"), engine.run("1", language="rpn")
        assert set(theirs.isolation) == set(ours.isolation) - {"wasm"}
        assert engine.run("1 +", language="rpn").error.type == "IndexError"  # type: ignore[union-attr]
        with pytest.raises(CapabilityDenied, match="'rpn' is not granted"):
            engine.run("1", language="rpn", policy=dspex.Policy(languages={"python"}))


def test_no_package_can_take_the_place_of_a_language_of_ours(installed: object) -> None:
    assert table.names().count("python") == 1
    assert table.spec("python") is table.OURS["python"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone", "No module named 'no_such_module'"),
        ("wrong", "rpn:runtime is not a LanguageSpec of that name"),
        ("misnamed", "rpn:SPEC is not a LanguageSpec of that name"),
    ],
)
def test_a_package_that_is_broken_is_named_and_costs_no_other_language(
    installed: object, name: str, said: str
) -> None:
    assert name in table.names()
    with pytest.raises(LanguageUnavailable, match=re.escape(said)):
        table.spec(name)
    assert table.spec("rpn").name == "rpn"
