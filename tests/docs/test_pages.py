"""The pages are true: their files are written, their code and commands run, and print what they say."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    "README.md",
    "docs/how-to/files-and-network.md",
    "docs/how-to/give-tools.md",
    "docs/how-to/grade-submissions.md",
    "docs/how-to/limit-a-run.md",
    "docs/how-to/sessions.md",
    "docs/how-to/stream-output.md",
    "docs/how-to/write-a-policy.md",
    "docs/reference/engine.md",
    "docs/reference/outcome.md",
    "docs/reference/cli.md",
    "docs/reference/policies.md",
    "docs/reference/wasm.md",
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# file: (\S+)\n")
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)(?:#[^)]*)?\)")
COMMAND_TIMEOUT_S = 60.0


def shell(command: str) -> str:
    """Run one command line as the page's reader would, and return its standard output."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S, check=False,
        env={**os.environ, "PATH": path},
    )
    return done.stdout


def check_commands(block: str, place: str) -> None:
    """Compare each `$ command` of a block with the lines below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        assert shell(command) == printed, f"{place}: {command}"


def run_python(code: str, names: dict[str, object], page: Path, line: int) -> str:
    compiled = compile("\n" * line + code, str(page), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compiled, names)
    return printed.getvalue()


@pytest.mark.parametrize("name", PAGES)
def test_everything_on_the_page_works_and_prints_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    blocks = [(m[1], m[2], text[: m.start(2)].count("\n")) for m in FENCE.finditer(text)]
    names: dict[str, object] = {"__name__": "page"}
    tried = 0
    for position, (language, content, line) in enumerate(blocks):
        place = f"{name}:{line + 1}"
        if file := FILE.match(content):
            (tmp_path / file[1]).write_text(content)
        elif language == "python":
            follows = blocks[position + 1] if position + 1 < len(blocks) else ("", "", 0)
            wanted = follows[1] if follows[0] == "text" else ""
            assert run_python(content, names, page, line) == wanted, place
            tried += 1
        elif language == "console":
            check_commands(content, place)
            tried += 1

    assert tried > 0


def every_page() -> list[str]:
    top = [path.name for path in ROOT.glob("*.md")]
    below = [
        str(path.relative_to(ROOT))
        for folder in ("docs", "sandbox_policies", "requirements", "runtimes", "benchmarks")
        for path in (ROOT / folder).rglob("*.md")
    ]
    return sorted(top + below)


@pytest.mark.parametrize("name", every_page())
def test_every_link_of_the_page_leads_somewhere(name: str) -> None:
    page = ROOT / name
    links = LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link).resolve() for link in LINK.findall(index)}
    pages = {
        path.resolve()
        for path in (ROOT / "docs").rglob("*.md")
        if path.parent.name != "news" and path != ROOT / "docs" / "README.md"
    }

    assert {str(path) for path in pages - linked} == set()
