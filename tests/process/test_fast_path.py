"""Runs led by the fast path end as Python would have had them end, and ordinary ones do without it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import dspex
from dspex.languages import table
from dspex.limits import MIB, Limits
from dspex.policy import Deterministic, Policy
from dspex.runtimes import locate

ROOT = Path(__file__).parents[2]
BIG = "x" * 300_000
ORDINARY: dict[str, str] = {
    "value": "1 + 1",
    "nothing": "",
    "printing": "for i in range(300): print(i)\n'done'",
    "both streams": "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\nsys.stdout.flush()\nsys.stderr.flush()",
    "modules": "import json, re, math, datetime, collections, itertools\njson.dumps({'a': [1, None]})",
    "classes": "class A:\n    def __init__(self): self.x = 1\nsum(A().x for _ in range(1000))",
    "exception": "def f():\n    return 1 / 0\nf()",
    "exit": "import sys\nsys.exit(3)",
    "exit with words": "raise SystemExit('no')",
    "exit functions": "import atexit\natexit.register(print, 'late')\n5",
    "time": "import time\ntime.time() > 1e9, time.monotonic() > 0, time.process_time() >= 0",
    "randomness": "import random, os, uuid\nlen({random.random(), uuid.uuid4().int, os.urandom(8)})",
    "large value": f"{BIG!r} * 2",
    "large source": f"x = {BIG!r}\nlen(x)",
    "long computation": "sum(i * i for i in range(300_000))",
}
UNUSUAL: dict[str, tuple[str, dict[str, Any]]] = {
    "syntax error": ("a b c", {}),
    "await": ("import asyncio\nasync def f(): return 7\nasyncio.run(f())", {}),
    "file": ("open('out.txt', 'w').write('text')\nopen('out.txt').read()", {}),
    "file before output": ("open('out.txt', 'w').write('text')\nprint('then')", {}),
    "file after output": ("print('first', flush=True)\nopen('out.txt', 'w').write('text')\nprint('then')", {}),
    "folders": ("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\nsorted(os.listdir('.'))", {}),
    "module of the library": ("import this", {}),
    "unclosed file": ("f = open('out.txt', 'w')\nf.write('kept in a buffer')\n1", {}),
    "given files": ("open('in.txt').read()", {"files": {"in.txt": b"given"}}),
    "input": ("input()", {"stdin": "typed"}),
    "no input": ("input()", {}),
    "arguments": ("import sys\nsys.argv", {"args": ["a", "b c"]}),
    "environment": ("import os\nos.environ['LANG']", {"env": {"LANG": "é"}}),
    "variables": ("n * 2", {"variables": {"n": 2**80, "text": "é" * 50_000}}),
    "tool": ("double(21)", {"tools": {"double": lambda n: n * 2}}),
    "sleep": ("import time\ntime.sleep(0.01)", {}),
    "memory": ("len(bytearray(40_000_000))", {}),
    "too much memory": ("bytearray(2_000_000_000)", {}),
    "recursion": ("import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return f(n + 1)\nf(0)", {}),
    "exit at once": ("import os\nos._exit(4)", {}),
    "abort": ("print('x', flush=True)\nimport os\nos.abort()", {}),
    "signal": ("import signal\nsignal.raise_signal(signal.SIGINT)", {}),
    "closed streams": ("import os\nos.close(1)\nprint('lost')\nos.close(2)\n5", {}),
    "redirected stream": ("import os\nos.dup2(2, 1)\nprint('elsewhere')", {}),
    "no thread": ("import threading\nthreading.Thread(target=print).start()", {}),
    "no process": ("import subprocess\nsubprocess.run(['ls'])", {}),
    "no socket": ("import socket\nsocket.create_connection(('localhost', 1))", {}),
    "broken interpreter": ("import sys, builtins\nsys.modules.clear()\nbuiltins.__dict__.clear()", {}),
    "value over its limit": ("'x' * 20_000_000", {}),
    "value too deep": ("x = []\nfor _ in range(200): x = [x]\nx", {}),
    "output over its limit": ("print('y' * 3_000_000)\n5", {}),
    "output over its limit in two": ("print('y' * 600_000)\nopen('f', 'w').write('x')\nprint('z' * 600_000)", {}),
    "endless output": ("while True: print('y' * 1000)", {}),
    "time over": ("while True: pass", {"timeout_s": 0.2}),
    "processor time over": ("while True: pass", {"policy": Policy(languages={"python"}, limits=Limits(cpu_s=0.2))}),
    "time over in C": ("10 ** 10 ** 8", {"timeout_s": 0.2}),
    "time over, noticed": ("try:\n    while True: pass\nexcept KeyboardInterrupt:\n    5", {"timeout_s": 0.2}),
    "time over after a file": ("open('f', 'w').write('x')\nwhile True: pass", {"timeout_s": 0.2}),
    "repeatable": ("import random, time\nrandom.random(), time.time()", {"policy": Policy(languages={"python"}, deterministic=Deterministic(seed=3))}),
}
PROGRAMS: dict[str, tuple[str, dict[str, Any]]] = {**{name: (code, {}) for name, code in ORDINARY.items()}, **UNUSUAL}
NUMBER = re.compile(r"\d+\.\d+|0x[0-9a-f]+")
"""What a time or an address is in a message: two runs do not agree on it."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dspex.Engine]:
    """Start an engine whose runtime has no library."""
    folder = tmp_path_factory.mktemp("runtime")
    for file in locate.runtime("python").iterdir():
        if file.suffix != ".so":
            shutil.copyfile(file, folder / file.name)
    without = replace(table.OURS["python"], runtime=lambda _image, _progress: folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(table.OURS, "python", without)
        with dspex.Engine(policy="compute") as engine:
            yield engine


def shown(outcome: dspex.Outcome) -> dict[str, Any]:
    """Return what must be the same."""
    error = outcome.error
    return {
        "status": outcome.status, "value": outcome.value, "stdout": outcome.stdout, "stderr": outcome.stderr,
        "truncated": outcome.truncated, "notes": outcome.notes, "files": outcome.files,
        "error": None if error is None else (
            error.type, NUMBER.sub("N", error.message), NUMBER.sub("N", error.traceback), error.limit,
            error.allowed, error.noticed_by, error.exit_status,
        ),
        "output_bytes": outcome.usage.output_bytes, "peak_memory_bytes": outcome.usage.peak_memory_bytes,
        "host_calls": outcome.usage.host_calls, "isolation": outcome.isolation,
    }  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_run_ends_as_python_would_have_had_it_end(
    engine: dspex.Engine, plain: dspex.Engine, name: str
) -> None:
    code, options = PROGRAMS[name]
    fast, python = engine.run(code, **options), plain.run(code, **options)

    assert shown(fast) == shown(python)


def test_what_was_spent_before_python_was_woken_counts(engine: dspex.Engine) -> None:
    code = "a = sum(i for i in range(3_000_000))\nopen('f', 'w').write('x')\nimport time\ntime.process_time()"
    ended = engine.run(code)
    alone = engine.run("sum(i for i in range(3_000_000))")

    assert ended.usage.cpu_s > alone.usage.cpu_s / 2 > 0
    assert ended.usage.wall_s >= ended.usage.cpu_s / 2


def test_output_limit_holds_across_the_waking(engine: dspex.Engine) -> None:
    ended = engine.run("print('y' * 600, end='', flush=True)\nopen('f', 'w')\nprint('z' * 600, end='')",
                       policy=Policy(languages={"python"}, limits=Limits(output_bytes=1000)))

    assert ended.stdout == "y" * 600 + "z" * 400
    assert ended.error is not None
    assert ended.error.limit == "output_bytes"


@pytest.mark.parametrize("megabytes", [0.06, 0.065, 0.07, 1, 8])
def test_sources_of_any_size_arrive(engine: dspex.Engine, megabytes: float) -> None:
    source = f"{'#' * int(megabytes * MIB)}\nn"
    assert engine.run(source, variables={"n": 5}).value == 5


INSIDE = """
import os, socket, sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from dspex.languages.python import PythonGuest
from dspex.protocol.messages import Budget, Ended, Output, Run, decode_from_worker, encode
from dspex.wasm.fast_path import Stage
from dspex.worker.zygote import _Nowhere, _rehearsal
language = PythonGuest(Path(sys.argv[1]))
fast = language.fast
language.serve(_rehearsal(0, b"1"), _Nowhere()) if not language.boot() and language.enter_worker() else None
language.boot()
wake = language.enter_worker()[0]
language.offer_turns(fast)
fast.confine(wakeup_fd=wake, zygote_pid=None, landlock_fd=None, limits=False, may_multiply=True,
             filter_program=None, filter_bytes=None, filter_places=(), kept=(1, 2))
fast.on_take_over(lambda: (os.write(1, b"woken\\n"), os._exit(0)))
ours, theirs = socket.socketpair()
message = Run(run=1, source=Path(sys.argv[2]).read_bytes(), filename="main.py", variables=b"", files={}, stdin=b"",
              args=[], env={}, budget=Budget(9.0, 9.0, 1 << 28, 1 << 22, 1 << 22, 50, 1 << 16, 100, 64),
              stream=False, single=True)
pid = fast.fork(theirs.fileno(), cpu_s=-1, data_bytes=-1, warm=False)
if pid == 0:
    os.write(1, b"back in Python\\n")
    os._exit(0)
theirs.close()
ours.sendall(encode(message))
while ours.recv(1 << 20):
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def led(tmp_path: Path, code: str) -> str:
    program = tmp_path / "program.py"
    program.write_text(code)
    done = subprocess.run(
        [sys.executable, "-c", dedent(INSIDE), str(locate.runtime("python")), str(program), str(ROOT)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_run_needs_no_python_of_the_hosts(tmp_path: Path, name: str) -> None:
    assert led(tmp_path, ORDINARY[name]) == "0\n"


@pytest.mark.parametrize("name", ["file", "sleep", "memory", "exit at once", "closed streams"])
def test_one_that_wants_more_wakes_it_once(tmp_path: Path, name: str) -> None:
    assert led(tmp_path, UNUSUAL[name][0]) == "woken\n0\n"
