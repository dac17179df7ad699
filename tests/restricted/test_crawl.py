"""What is free to read leads nowhere: everything reachable without a call is walked, in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MET_MIN = 5_000
_WITH_A_LEAK = (
    "import json, sys, os; sys.path.insert(0, '.')\n"
    "from dspex.languages.restricted import exports\n"
    "exports.EXPORTS['random'] = '_os'\n"
    "from tests.restricted.crawl import *\n"
    "os.write(1, json.dumps(reached(RestrictedPythonGuest(Path()))).encode())\n"
)


def crawl(*arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True,
        env={"PYTHONPATH": str(ROOT), "LC_CTYPE": "C.UTF-8"},
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_nothing_that_programs_reach_leads_to_the_interpreter() -> None:
    found = crawl("tests/restricted/crawl.py")

    assert found["bad"] == {}
    assert found["complete"]
    assert isinstance(found["met"], int)
    assert found["met"] > MET_MIN


def test_a_module_that_leaked_would_be_found() -> None:
    bad = crawl("-c", _WITH_A_LEAK)["bad"]

    assert isinstance(bad, dict)
    assert "random._os" in bad
