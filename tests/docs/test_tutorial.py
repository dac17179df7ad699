"""The tutorial is true: each block of Python in it runs, and prints what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

TUTORIAL = Path(__file__).parent.parent.parent / "docs" / "tutorials" / "first-steps.md"
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\s*^```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)")


def test_every_block_of_the_tutorial_prints_what_the_page_says() -> None:
    page = TUTORIAL.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(page))
    names: dict[str, object] = {"__name__": "tutorial"}

    assert len(blocks) >= 10
    for block in blocks:
        line = page[: block.start("code")].count("\n")
        code = compile("\n" * line + block["code"], str(TUTORIAL), "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == (block["printed"] or ""), f"{TUTORIAL.name}:{line + 1}"


def test_every_box_of_output_belongs_to_a_block_of_python() -> None:
    page = TUTORIAL.read_text(encoding="utf-8")

    with_output = [block for block in BLOCK.finditer(page) if block["printed"] is not None]

    assert page.count("```text") == len(with_output)


def test_every_page_that_the_tutorial_links_to_exists() -> None:
    links = LINK.findall(TUTORIAL.read_text(encoding="utf-8"))

    assert links
    assert [link for link in links if not (TUTORIAL.parent / link).exists()] == []
