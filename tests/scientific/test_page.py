"""The page about the image is true, and so is its example."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.docs.test_pages import FENCE, run_python
from tests.scientific.image import needs_image

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "scientific-image.md"


@needs_image
def test_the_pages_programs_print_what_it_says() -> None:
    blocks = [(match[1], match[2]) for match in FENCE.finditer(PAGE.read_text(encoding="utf-8"))]
    names: dict[str, object] = {"__name__": "page"}
    tried = 0
    for position, (language, content) in enumerate(blocks):
        if language == "python":
            assert run_python(content, names, PAGE, 0) == blocks[position + 1][1]
            tried += 1
    names["engine"].close()  # type: ignore[attr-defined]

    assert tried == 2


@needs_image
def test_the_example_makes_a_picture(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "examples" / "scientific_report.py", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr
    assert "centres: float64, shape (3, 2)" in done.stdout
    assert (tmp_path / "groups.png").read_bytes().startswith(b"\x89PNG")
