"""Way out: drowning the supervisor. Output, values, errors, notes, names and files are all cut."""

from __future__ import annotations

import psutil
import pytest

import dspex
from dspex.limits import KIB, MIB, Limits
from tests.escape.canary import Canary
from tests.escape.ending import Attack, ending

OUTPUT_BYTES = 64 * KIB
SMALL = dspex.Policy.load("compute").tightened(
    dspex.Policy(
        name="small",
        languages=frozenset({"python"}),
        limits=Limits(output_bytes=OUTPUT_BYTES, wall_s=3, file_bytes=4 * MIB, value_bytes=MIB),
    )
)
FLOODS = {
    "print": "while True:\n    print('x' * 1000)",
    "write": "import os\nwhile True:\n    os.write(1, b'x' * 100_000)",
    "standard error": "import sys\nwhile True:\n    sys.stderr.write('x' * 1000)",
    "one large write": "import os\nos.write(1, bytes(50_000_000))\nwhile True: pass",
    "one large print": "print('x' * 50_000_000)\nwhile True: pass",
    "single bytes": "import os\nwhile True:\n    os.write(2, b'x')",
    "copies of the descriptor": "import os\nfds = [os.dup(1) for _ in range(50)]\nwhile True:\n    for fd in fds:\n        os.write(fd, b'x' * 999)",
    "device": "f = open('/dev/stdout', 'w')\nwhile True:\n    f.write('x' * 9999)",
    "terminal codes": "while True:\n    print('\\x1b]0;x\\x07\\x1b[2J' * 100)",
    "vector": "import os\nwhile True:\n    os.writev(1, [b'x' * 1000] * 100)",
    "interrupt caught": "import os\nwhile True:\n    try:\n        os.write(1, b'x' * 1000)\n    except KeyboardInterrupt:\n        pass",
    "warnings": "import warnings\nwarnings.simplefilter('always')\nwhile True:\n    warnings.warn('x' * 1000)",
    "finalisers": "class F:\n    def __del__(self):\n        raise ValueError('x' * 1000)\nwhile True:\n    F()",
}  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_output_ends_at_the_limit_to_the_byte(attack: Attack, flood: str) -> None:
    outcome = attack(flood, policy=SMALL)

    assert (outcome.status, outcome.truncated) == ("limit", True)
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.limit) == ("LimitExceeded", "output_bytes")
    assert (outcome.error.allowed, outcome.error.spent) == (OUTPUT_BYTES, OUTPUT_BYTES + 1)
    assert len((outcome.stdout + outcome.stderr).encode()) == OUTPUT_BYTES


RETURNS = {
    "large value": ("'x' * 2_000_000", "value_bytes"),
    "wide value": ("[[]] * 1_000_000", "value_bytes"),
    "large number": ("1 << 20_000_000", "value_bytes"),
    "the same again and again": ("a = ['x' * 1000]\nfor _ in range(20): a = [a, a]\na", "value_bytes"),
    "deep value": ("a = []\nfor _ in range(150): a = [a]\na", "value_depth"),
    "large file": ("open('f', 'wb').write(bytes(5_000_000))", "file_bytes"),
    "many files": ("for n in range(1001): open(str(n), 'x').close()", "file_count"),
    "many folders": ("import os\nfor n in range(1001): os.mkdir(str(n))", "file_count"),
    "many open files": ("f = [open('/dev/null') for _ in range(300)]", "open_files"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "limit"), RETURNS.values(), ids=RETURNS)
def test_what_comes_back_is_cut_too(attack: Attack, code: str, limit: str) -> None:
    outcome = attack(code, policy=SMALL)

    assert outcome.error is not None, outcome.value
    assert (outcome.status, outcome.error.type, outcome.error.limit) == (
        "limit", "LimitExceeded", limit,
    )  # fmt: skip


MESSAGES = {
    "message": "raise ValueError('x' * 50_000_000)",
    "chain": "e = None\nfor n in range(20_000):\n    n = ValueError('x' * 100)\n    n.__cause__ = e\n    e = n\nraise e",
    "group": "raise ExceptionGroup('g', [ValueError('x' * 1000) for _ in range(5000)])",
    "notes": "e = ValueError('v')\ne.__notes__ = ['x' * 1000] * 10_000\nraise e",
    "key": "{}['x' * 10_000_000]",
    "exit": "raise SystemExit('x' * 10_000_000)",
    "syntax": "exec('(' * 1_000_000)",
}  # fmt: skip


@pytest.mark.parametrize("code", MESSAGES.values(), ids=MESSAGES)
def test_the_account_of_an_error_is_bounded(attack: Attack, code: str) -> None:
    outcome = attack(code, policy=SMALL)

    assert outcome.status in {"raised", "limit"}
    assert len(outcome.to_json()) < 2 * MIB


def test_notes_about_values_are_bounded(attack: Attack) -> None:
    outcome = attack("[object() for _ in range(10_000)]", policy=SMALL)

    assert outcome.status == "ok"
    assert len(outcome.to_json()) < 2 * MIB


def test_the_supervisor_does_not_grow_under_floods(
    engine: dspex.Engine, canary: Canary, the_next_request_works: None
) -> None:
    process = psutil.Process()
    engine.run(FLOODS["write"], policy=SMALL)
    before = process.memory_info().rss

    for name in ("write", "one large write", "interrupt caught", "vector"):
        assert engine.run(FLOODS[name], policy=SMALL).status == "limit"
    for code, _ in RETURNS.values():
        assert engine.run(code, policy=SMALL).status == "limit"

    assert process.memory_info().rss - before < 64 * MIB
    canary.check()


def test_twin_output_up_to_the_limit_arrives_whole(
    engine: dspex.Engine, canary: Canary, the_next_request_works: None
) -> None:
    outcome = engine.run(f"print('x' * {OUTPUT_BYTES - 1})\n'v' * 1000", policy=SMALL)

    assert ending(outcome, canary) == f"ok {'v' * 1000!r}"
    assert (outcome.stdout, outcome.truncated) == ("x" * (OUTPUT_BYTES - 1) + "\n", False)
