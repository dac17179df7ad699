"""Nothing of one run reaches another, though all guests come from one snapshot and one zygote."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dspex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.supervisor.worker import Worker

RUNS = 8
MANY = 40
"""More at once than there are workers in stock: the others are forked for who waits, and so not warmed."""


@pytest.fixture(params=[1, 100], ids=["a process each", "one process for all"], scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[dspex.Engine]:
    with dspex.Engine(requests_per_worker=request.param, idle_max=2, workers_max=2) as engine:
        yield engine


@pytest.mark.parametrize(
    ("leave", "look"),
    [
        ("x = 'left'", "'x' in globals()"),
        ("import builtins; builtins.left = 1", "hasattr(__import__('builtins'), 'left')"),
        ("import sys; sys.left = 1", "hasattr(__import__('sys'), 'left')"),
        ("import json; json.left = 1", "hasattr(__import__('json'), 'left')"),
        ("import sys, types; sys.modules['left'] = types.ModuleType('left')",
         "'left' in __import__('sys').modules"),
        ("import xml.dom.minidom", "'xml.dom.minidom' in __import__('sys').modules"),
        ("open('left', 'w').write('x')", "__import__('os').path.exists('left')"),
        ("open('/tmp/left', 'w').write('x')", "__import__('os').path.exists('/tmp/left')"),
        ("import os; os.mkdir('/left')", "__import__('os').path.exists('/left')"),
        ("import os; os.environ['LEFT'] = 'x'", "'LEFT' in __import__('os').environ"),
        ("import os; os.chdir('/tmp')", "__import__('os').getcwd() == '/tmp'"),
        ("import os; os.umask(0o777)", "__import__('os').umask(0) == 0o777"),
        ("f = open('left', 'w')", "open('x', 'w').fileno() > 3"),
        ("import sys; sys.setrecursionlimit(77777)",
         "__import__('sys').getrecursionlimit() == 77777"),
        ("import decimal; decimal.getcontext().prec = 3",
         "__import__('decimal').getcontext().prec == 3"),
        ("import time; time.altzone = 99", "__import__('time').altzone == 99"),
        ("import warnings; warnings.simplefilter('error')",
         "any(one[0] == 'error' for one in __import__('warnings').filters)"),
        ("import gc; gc.disable()", "not __import__('gc').isenabled()"),
        ("import sys; sys.stdout = None", "__import__('sys').stdout is None"),
        ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
         "__import__('signal').getsignal(2) == 1"),
        ("def left(): print('left')\nimport atexit; atexit.register(left)", "False"),
        ("import contextvars; contextvars.ContextVar('v').set(1)",
         "len(__import__('contextvars').copy_context()) > 0"),
    ],
)
def test_what_a_run_leaves_behind_the_next_does_not_find(
    engine: dspex.Engine, leave: str, look: str
) -> None:
    first = engine.run(leave)
    assert first.ok, first
    for _ in range(3):
        found = engine.run(look)
        assert (found.status, found.value, found.stdout) == ("ok", False, "")


def test_variables_files_input_and_environment_of_a_run_are_its_own(engine: dspex.Engine) -> None:
    look = (
        "import os, sys\n"
        "('v' in globals(), os.listdir(), sys.stdin.read(), sys.argv[1:], os.environ.get('LANG'))"
    )
    given = engine.run(
        look, variables={"v": 1}, files={"f": b"x"}, stdin="in", args=["a"], env={"LANG": "left"}
    )
    without = engine.run(look)

    assert given.value == (True, ["f"], "in", ["a"], "left")
    assert without.value == (False, [], "", [], "C.UTF-8")


@pytest.mark.parametrize(
    "draw",
    [
        "import random; random.random()",
        "import random; random.Random().random()",
        "import random; random.SystemRandom().random()",
        "import os; os.urandom(16)",
        "import uuid; uuid.uuid4()",
        "import secrets; secrets.token_hex()",
        "import tempfile; tempfile.mktemp()",
        "open('/dev/urandom', 'rb').read(16)",
    ],
)
def test_no_two_runs_draw_the_same_randomness(engine: dspex.Engine, draw: str) -> None:
    drawn = [engine.run(draw).value for _ in range(RUNS)]

    assert None not in drawn
    assert len(set(drawn)) == RUNS


def test_no_two_runs_draw_the_same_randomness_where_nothing_was_warmed() -> None:
    with dspex.Engine(idle_max=1) as engine:
        jobs = [engine.submit("import random; random.random()") for _ in range(MANY)]

        assert len({job.outcome().value for job in jobs}) == MANY


def test_sessions_side_by_side_share_nothing(engine: dspex.Engine) -> None:
    with engine.session() as one, engine.session() as other:
        one.run("x = 'one'\nopen('f', 'w').write('one')\nimport random")
        other.run("x = 'other'\nimport random")

        assert (one.run("x").value, other.run("x").value) == ("one", "other")
        assert other.run("import os; os.path.exists('f')").value is False
        assert one.run("random.random()").value != other.run("random.random()").value


def test_no_process_holds_what_belongs_to_another() -> None:
    """A canary is given to one guest; the memory of all other processes is searched for it."""
    with (
        dspex.Engine(idle_max=2) as engine,
        engine.session() as told,
        engine.session() as other,
    ):
        told_pid, other_pid = (worker_of(one).pid for one in (told, other))
        canary = secrets.token_bytes(24)
        told.run("kept = canary * 1000", variables={"canary": canary})
        engine.run("kept = canary * 1000", variables={"canary": canary})
        other.run("x = 1")

        if not readable(told_pid):
            pytest.skip("this user may not read the memory of the engine's processes")
        time.sleep(0.1)  # for the processes that are being replaced
        found = {pid: canary in memory_of(pid) for pid in engine._running().worker_pids()}

    assert {pid for pid, has in found.items() if has} == {told_pid}
    assert other_pid in found
    assert len(found) >= 3


def worker_of(session: dspex.Session) -> Worker:
    assert session._seat._worker is not None
    return session._seat._worker


def readable(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/mem").open("rb"):
            return True
    except PermissionError:
        return False


def memory_of(pid: int) -> bytes:
    """Return all that a process has written to its memory."""
    held = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/smaps").read_text().split("VmFlags:"):
            head = next((row for row in line.splitlines() if "-" in row.split(" ")[0]), "")
            if " rw" not in head or "Rss:                   0 kB" in line:
                continue
            start, end = (int(part, 16) for part in head.split(" ")[0].split("-"))
            try:
                memory.seek(start)
                held += memory.read(min(end - start, 256 << 20))
            except OSError:
                continue
    return bytes(held)
