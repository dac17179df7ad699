"""The page about DSPy is true: its programs run, and print what it says."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from pathlib import Path

import pytest

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else fetched when it is imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports has deprecations of its own
    pytest.importorskip("dspy", reason="NOT TESTED: dspy is missing; pip install 'dspex[dspy]'")

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "dspy.md"
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_every_program_prints_what_stands_below_it():
    names: dict[str, object] = {"__name__": "page"}
    found = PROGRAM.findall(PAGE.read_text(encoding="utf-8"))

    assert len(found) == 2
    for program, wanted in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program, names)
        assert printed.getvalue() == wanted
