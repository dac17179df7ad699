"""Programs that want too much: time, memory, output, files; and the exact edge of each limit.

Every limit is provoked by real programs of several kinds; the outcome names the limit, the budget
and the guard that noticed, and the next request works.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy

pytestmark = pytest.mark.usefixtures("the_next_request_works")

OVERRUN_S_MAX = 3.0
"""How much longer than its limit a run may take on a machine that is shared with other work."""


def tight(**limits: Any) -> Policy:
    """Return the usual policy with some limits made stricter."""
    return Policy(name="tight", limits=Limits(**limits), languages=frozenset({"python"}))


def check_limit(outcome: dspex.Outcome, limit: str, allowed: float, noticed_by: str) -> None:
    """Assert that a run ended at one limit, and that everything about it was said."""
    assert outcome.status == "limit", outcome.error
    error = outcome.error
    assert error is not None
    assert (error.limit, error.allowed, error.noticed_by) == (limit, allowed, noticed_by)
    assert error.type == "LimitExceeded"
    assert error.message.startswith(f"{limit}: ")
    assert error.message.endswith(f"noticed by the {noticed_by} guard")


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    finally:\n        pass",
        "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')",
        "import time\ntime.sleep(1000)",
        "import asyncio\nasyncio.run(asyncio.sleep(1000))",
        "import itertools\nfor _ in itertools.count(): pass",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_loop_without_end_is_interrupted_at_its_deadline(engine: dspex.Engine, code: str) -> None:
    began = time.monotonic()

    outcome = engine.run(f"print('begin', flush=True)\n{code}", timeout_s=0.5)

    check_limit(outcome, "wall_s", 0.5, "inner")
    assert outcome.stdout == "begin\n"
    assert time.monotonic() - began < 0.5 + OVERRUN_S_MAX


@pytest.mark.parametrize(
    "code",
    [
        "10 ** 10 ** 8",
        "sum(1 for _ in iter(int, 1))",
        "def f():\n    while True: yield\nany(x for x in f())",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "import signal\nsignal.signal(signal.SIGINT, lambda *a: None)\nwhile True: pass",
        "[0] * 10**7 == [0] * 10**7 and max(range(10**12))",
        "len(str(7 ** 10**7))",
        "import itertools\nlist(itertools.compress(itertools.count(), iter(int, 1)))",
        "import collections, itertools\ncollections.deque(itertools.count(), maxlen=0)",
        "class A:\n    def __del__(self):\n        while True: pass\nA()\nNone",
        "import atexit\n@atexit.register\ndef last():\n    while True: pass\n",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_program_that_cannot_be_interrupted_is_killed_after_its_grace(
    engine: dspex.Engine, code: str
) -> None:
    began = time.monotonic()

    outcome = engine.run(f"import sys\nsys.set_int_max_str_digits(0)\n{code}", timeout_s=0.5)

    assert outcome.status == "limit", outcome.error
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("wall_s", 0.5)
    assert time.monotonic() - began < 0.5 + 0.25 + OVERRUN_S_MAX


def test_processor_time_is_limited_on_its_own(engine: dspex.Engine) -> None:
    outcome = engine.run("while True: pass", policy=tight(cpu_s=0.3, wall_s=8.0))

    check_limit(outcome, "cpu_s", 0.3, "inner")


def test_sleeping_costs_no_processor_time(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import time\ntime.sleep(0.6)\n'rested'", policy=tight(cpu_s=0.3, wall_s=8.0)
    )

    assert (outcome.status, outcome.value) == ("ok", "rested")
    assert outcome.usage.wall_s >= 0.6
    assert outcome.usage.cpu_s < 0.3


@pytest.mark.parametrize(
    "code",
    [
        "'a' * 10**9",
        "[0] * 10**8",
        "bytearray(2**31 - 1)",
        "x = []\nwhile True: x.append(bytes(2**20))",
        "x = 'abc'\nwhile True: x += x",
        "d = {}\nn = 0\nwhile True:\n    d[n] = [n]\n    n += 1",
        "list(range(10**9))",
        "import array\narray.array('d', bytes(8)) * 10**8",
        "1 << (8 * 2**30)",
        "'%2000000000d' % 1",
        "b'x' * 10**9",
        "x = []\nwhile True: x = [x, bytes(10**6)]",
        "import zlib\nzlib.decompress(zlib.compress(bytes(10**8)), bufsize=10**9)",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_program_that_wants_more_memory_than_it_has_ends_at_the_limit(
    engine: dspex.Engine, code: str
) -> None:
    outcome = engine.run(f"print('begin', flush=True)\n{code}", policy=tight(memory_bytes=64 * MIB))

    check_limit(outcome, "memory_bytes", 64 * MIB, "inner")
    assert outcome.stdout == "begin\n"
    assert outcome.usage.peak_memory_bytes <= 64 * MIB


def test_a_program_that_catches_its_memory_error_goes_on(engine: dspex.Engine) -> None:
    outcome = engine.run("try:\n    x = 'a' * 10**9\nexcept MemoryError:\n    x = 'less'\nx")

    assert (outcome.status, outcome.value) == ("ok", "less")


def test_a_memory_error_of_the_programs_own_is_an_ordinary_exception(engine: dspex.Engine) -> None:
    outcome = engine.run("raise MemoryError('pretended')")

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("MemoryError", "pretended")


@pytest.mark.parametrize(
    "code",
    [
        "for _ in range(1024): print('x' * 2**20)",
        "while True: print('flood')",
        "import sys\nwhile True: sys.stderr.write('flood')",
        "import os\nwhile True: os.write(1, b'flood' * 1000)",
        "import sys\nsys.stdout.write('x' * 2**24)\nsys.stdout.flush()",
        "while True:\n    try: print('flood')\n    except OSError: pass",
        "while True:\n    try: print('flood')\n    except BaseException: pass",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_flood_of_output_is_cut_exactly_at_the_limit(engine: dspex.Engine, code: str) -> None:
    outcome = engine.run(code)

    assert outcome.status == "limit", outcome.error
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("output_bytes", MIB)
    assert outcome.truncated
    assert len(outcome.stdout.encode()) + len(outcome.stderr.encode()) == MIB
    assert outcome.usage.output_bytes == MIB


def test_the_limit_of_the_output_is_exact(engine: dspex.Engine) -> None:
    policy = tight(output_bytes=100)

    just_fits = engine.run(
        "import sys\nprint('e' * 40, end='', file=sys.stderr, flush=True)\nprint('é' * 30, end='')",
        policy=policy,
    )
    one_more = engine.run(
        "import sys\nprint('e' * 40, end='', file=sys.stderr, flush=True)\nprint('é' * 30, end='!')",
        policy=policy,
    )

    assert (just_fits.status, just_fits.truncated) == ("ok", False)
    assert (just_fits.stdout, just_fits.stderr) == ("é" * 30, "e" * 40)
    check_limit(one_more, "output_bytes", 100, "inner")
    assert (one_more.truncated, one_more.stdout, one_more.stderr) == (True, "é" * 30, "e" * 40)


def test_output_that_is_cut_within_a_character_stays_text(engine: dspex.Engine) -> None:
    outcome = engine.run("print('€' * 100)", policy=tight(output_bytes=100))

    check_limit(outcome, "output_bytes", 100, "inner")
    assert outcome.stdout == "€" * 33 + "\\xe2"


def test_output_that_is_no_text_is_shown_as_far_as_it_can_be(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import sys\nsys.stdout.buffer.write(b'a\\xff\\x00b\\n')\nprint('\\x1b[31mred\\x00', '\\u2028')\n"
    )

    assert outcome.status == "ok"
    assert outcome.stdout == "a\\xff\0b\n\x1b[31mred\0 \u2028\n"


def test_printing_half_a_surrogate_pair_is_the_exception_that_python_has_for_it(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run("print('before')\nprint('\\ud800')")

    assert (outcome.status, outcome.stdout) == ("raised", "before\n")
    assert outcome.error is not None
    assert outcome.error.type == "UnicodeEncodeError"


@pytest.mark.parametrize(
    ("code", "limits", "limit"),
    [
        ("open('big', 'wb').write(bytes(3_000_000))", {"file_bytes": 1_000_000}, "file_bytes"),
        ("f = open('big', 'wb')\nf.truncate(10**12)", {"file_bytes": 1_000_000}, "file_bytes"),
        (
            "f = open('/tmp/big', 'wb')\nf.seek(10**9)\nf.write(b'x')\nf.flush()",
            {"file_bytes": 1_000_000},
            "file_bytes",
        ),
        ("for n in range(100): open(f'{n}', 'w').close()", {"file_count": 50}, "file_count"),
        ("import os\nfor n in range(100): os.mkdir(f'd{n}')", {"file_count": 50}, "file_count"),
        (
            "import os\nfor n in range(100): os.symlink('x', f'l{n}')",
            {"file_count": 50},
            "file_count",
        ),
        (
            "import os\nd = '.'\nfor n in range(60):\n    d += '/d'\n    os.mkdir(d)",
            {"file_count": 50},
            "file_count",
        ),
        ("fs = [open('one', 'w') for _ in range(100)]", {"open_files": 20}, "open_files"),
        ("import os\nwhile True: os.dup(1)", {"open_files": 20}, "open_files"),
        ("import os\nwhile True: os.pipe()", {"open_files": 20}, "open_files"),
    ],
    ids=lambda value: value.splitlines()[-1][:40] if isinstance(value, str) else "",
)
def test_a_program_that_fills_its_file_system_ends_at_the_limit(
    engine: dspex.Engine, code: str, limits: dict[str, int], limit: str
) -> None:
    outcome = engine.run(code, policy=tight(**limits))

    check_limit(outcome, limit, limits[limit], "inner")


def test_a_program_that_catches_the_full_disk_goes_on(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import errno\n"
        "try:\n    open('big', 'wb').write(bytes(3_000_000))\n"
        "except OSError as error:\n    kind = error.errno == errno.ENOSPC, error.strerror\n"
        "import os\nos.remove('big')\nopen('small', 'w').write('fits')\nkind",
        policy=tight(file_bytes=1_000_000),
    )

    assert (outcome.status, outcome.value) == ("ok", (True, "No space left on device"))
    assert outcome.files == {"small": b"fits"}
