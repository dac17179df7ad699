"""Way out: using up the host. Each bomb ends at its own limit, and the supervisor notices little."""

from __future__ import annotations

import time

import psutil
import pytest

import dspex
from dspex.limits import MIB, Limits
from tests.escape.ending import Attack

MEMORY_BYTES = 96 * MIB
SMALL = dspex.Policy.load("compute").tightened(
    dspex.Policy(
        name="small",
        languages=frozenset({"python"}),
        limits=Limits(
            memory_bytes=MEMORY_BYTES, wall_s=1, cpu_s=1, file_bytes=8 * MIB, file_count=100
        ),
    )
)

MEMORY = {
    "list": "a = []\nwhile True: a.append(bytes(1 << 20))",
    "doubling": "a = 'x'\nwhile True: a += a",
    "one piece": "bytes(1 << 30)",
    "multiplied": "[0] * (1 << 28)",
    "dict": "a = {}\nn = 0\nwhile True:\n    a[n] = 'x' * 10_000\n    n += 1",
    "billion laughs": "a = 'x' * 20_000\na = a.replace('x', a)",
    "format": "'%0900000000d' % 1",
    "format width": "f'{1:>{10**9}}'",
    "center": "'x'.center(1 << 30)",
    "join": "','.join(['x' * (1 << 20)] * 200)",
    "zip bomb": "import zlib\nz = zlib.compressobj(1)\np = b''.join(z.compress(bytes(1 << 20)) for _ in range(128)) + z.flush()\nzlib.decompress(p)",
    "lzma bomb": "import lzma\nlzma.LZMADecompressor().decompress(lzma.compress(bytes(1 << 24)) , 1 << 30) * 20",
    "product": "import itertools\nlist(itertools.product(range(1000), repeat=3))",
    "parser": "import ast\nast.parse('[' + '1,' * 2_000_000 + ']')",
    "sqlite": "import sqlite3\nsqlite3.connect(':memory:').execute('select zeroblob(900000000)').fetchall()",
    "array": "import array\narray.array('d', [0]) * (1 << 27)",
}  # fmt: skip

TIME = {
    "loop": "while True: pass",
    "comprehension": "[0 for _ in iter(int, 1)]",
    "interrupt caught": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "finalizer": "class F:\n    def __del__(self):\n        while True: pass\nf = F()\ndel f",
    "exit function": "import atexit\ndef f():\n    while True: pass\natexit.register(f)",
    "regular expression": "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
    "power": "pow(3, 10**6) ** 300",
    "text of a number": "import sys\nsys.set_int_max_str_digits(0)\nstr(1 << 30_000_000)",
    "closing everything": "import os\nos.closerange(0, 2**31 - 1)",
    "sleep": "import time\ntime.sleep(3600)",
    "wait for input": "import select\nselect.select([], [], [], 3600)",
    "generator": "sum(1 for _ in iter(int, 1))",
    "hash collisions": "class H:\n    def __hash__(self): return 1\n    def __eq__(self, o): return False\nd = {H() for _ in range(100_000)}",
    "sorting": "import functools\nwhile True: sorted(range(10**5), key=functools.cmp_to_key(lambda a, b: -1))",
    "event loop": "import asyncio\nasync def f():\n    while True: await asyncio.sleep(0)\nawait f()",
    "repr": "a = []\nfor _ in range(40): a = [a, a]\nrepr(a)",
}  # fmt: skip

FILES = {
    "one large": ("f = open('f', 'wb')\nwhile True: f.write(bytes(1 << 20))", "file_bytes"),
    "sparse": ("open('f', 'wb').truncate(1 << 40)", "file_bytes"),
    "many": ("n = 0\nwhile True:\n    open(str(n), 'x').close()\n    n += 1", "file_count"),
    "many in tmp": ("import tempfile\na = []\nwhile True: a.append(tempfile.mkdtemp())", "file_count"),
    "links": ("import os\nn = 0\nwhile True:\n    os.symlink('x', str(n))\n    n += 1", "file_count"),
    "deep": ("import os\nwhile True:\n    os.mkdir('d')\n    os.chdir('d')", "file_count"),
    "pipes": ("import os\nwhile True: os.pipe()", "open_files"),
    "copies": ("import os\nwhile True: os.dup(0)", "open_files"),
    "deleted but open": ("import os\na = []\nwhile True:\n    f = open('f', 'wb')\n    os.unlink('f')\n    f.write(bytes(1 << 20))\n    a.append(f)", "file_bytes"),
}  # fmt: skip


@pytest.mark.parametrize("code", MEMORY.values(), ids=MEMORY)
def test_a_memory_bomb_ends_at_the_limit_of_memory(attack: Attack, code: str) -> None:
    outcome = attack(code, policy=SMALL, timeout_s=5)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("limit", "LimitExceeded"), outcome.error
    assert (outcome.error.limit, outcome.error.allowed) == ("memory_bytes", MEMORY_BYTES)
    assert outcome.usage.peak_memory_bytes <= MEMORY_BYTES


@pytest.mark.parametrize("code", TIME.values(), ids=TIME)
def test_a_time_bomb_ends_at_its_deadline(attack: Attack, code: str) -> None:
    began = time.monotonic()
    outcome = attack(code, policy=SMALL, timeout_s=0.3)
    took_s = time.monotonic() - began

    assert outcome.error is not None, outcome.value
    assert (outcome.status, outcome.error.type) == ("limit", "LimitExceeded")
    assert (outcome.error.limit, outcome.error.allowed) == ("wall_s", 0.3)
    assert took_s < 0.3 + SMALL.limits.grace_s + 2  # generous: the machine is shared


@pytest.mark.parametrize(("code", "limit"), FILES.values(), ids=FILES)
def test_a_bomb_of_files_ends_at_its_limit(attack: Attack, code: str, limit: str) -> None:
    outcome = attack(code, policy=SMALL, timeout_s=5)

    assert outcome.error is not None, outcome.value
    assert (outcome.status, outcome.error.type) == ("limit", "LimitExceeded"), outcome.error
    assert outcome.error.limit == limit


def test_maps_of_memory_count_as_memory(attack: Attack) -> None:
    outcome = attack(
        "import mmap\na = []\nwhile True: a.append(mmap.mmap(-1, 1 << 20))", policy=SMALL
    )

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type, outcome.error.limit) == (
        "limit", "LimitExceeded", "memory_bytes"
    )
    assert outcome.usage.peak_memory_bytes <= MEMORY_BYTES


def test_bombs_side_by_side_leave_the_supervisor_its_memory_and_others_their_turn(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    process = psutil.Process()
    before = process.memory_info().rss

    jobs = [
        engine.submit(code, policy=SMALL, timeout_s=1)
        for code in (MEMORY["list"], TIME["interrupt caught"], FILES["one large"][0]) * 2
    ]
    honest = engine.run("sum(range(100))")

    assert honest.value == 4950
    assert {job.outcome().status for job in jobs} == {"limit"}
    assert process.memory_info().rss - before < 64 * MIB


def test_twin_programs_that_stay_below_their_limits_end_well(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import os, zlib\n"
        "a = bytearray(32 << 20)\n"
        "for n in range(90): open(str(n), 'x').close()\n"
        "open('f', 'wb').write(bytes(7 << 20))\n"
        "[len(a), len(os.listdir('.')), len(zlib.decompress(zlib.compress(bytes(1 << 20))))]",
        policy=SMALL,
    )

    assert (outcome.status, outcome.value) == ("ok", [32 << 20, 91, 1 << 20])
