"""The examples run as `make run` runs them, and say what they should."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True, timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_grader_is_just() -> None:
    printed = run("grade_submissions.py", "--submissions", "60")

    assert "60 submissions graded" in printed
    assert ", 0 of them unjustly" in printed


def test_the_analysis_ends_in_a_plot(tmp_path: Path) -> None:
    printed = run("analysis_session.py", "--output", str(tmp_path))

    assert "'2024-05': [941, 229349]" in printed
    bars = ET.parse(tmp_path / "per_month.svg").getroot().findall(".//{*}rect")
    assert len(bars) == 1 + 6


def test_the_agent_finds_the_answer_after_a_failed_program() -> None:
    printed = run("tool_agent.py")

    assert "program 2: ValueError: invalid literal for int()" in printed
    assert printed.endswith("answer: Kitchen: 443 pieces in 168 orders\n")
