"""Way out: wearing the supervisor down with guests that die, and workers that are killed."""

from __future__ import annotations

import os
import signal
import time

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names
from tests.escape.memory_exploit import OWN_THE_INTERPRETER

ABORT = "lost GuestAborted: the guest's interpreter gave up: abort() was called"

CRASHES = [
    Attempt("exit", "import os\nos._exit(7)", "lost GuestExited: the guest ended its own process: exit status 7"),
    Attempt("abort", "import os\nos.abort()", ABORT),
    Attempt("kill itself", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "lost GuestExited: the guest ended its own process: exit status 137"),
    Attempt("fault handler", "import faulthandler\nfaulthandler._sigsegv()", ABORT),
    Attempt("abort signal", "import signal\nsignal.raise_signal(signal.SIGABRT)", ABORT),
    Attempt("division", "import faulthandler\nfaulthandler._sigfpe()", "lost GuestTrapped: the guest was stopped by the wasm runtime: integer divide by zero"),
    Attempt("bad bytecode", "c = (lambda: 0).__code__\neval(c.replace(co_code=b'\\x65\\xff' * 50, co_names=(), co_stacksize=0))", "lost GuestTrapped: the guest was stopped by the wasm runtime: out of bounds memory access"),
    Attempt("recursion unguarded", "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()", "limit LimitExceeded: memory_bytes: 256 MiB spent of 256 MiB, noticed by the inner guard"),
    Attempt("deep expression", "eval('-' * 200_000 + '1')", "raised MemoryError: Parser stack overflowed - Python source too complex to parse"),
    Attempt("deep comparison", "a = []\nfor _ in range(200_000): a = [a]\na == a[0]", "lost GuestTrapped: the guest was stopped by the wasm runtime: call stack exhausted"),
    Attempt("deep repr", "a = []\nfor _ in range(100_000): a = [a]\nrepr(a)", "raised RecursionError: Stack overflow (used 1008 kB) while getting the repr of an object"),
    Attempt("freed view", OWN_THE_INTERPRETER + "poke(id(Keeper) + 4, 3)\nKeeper()", "raised TypeError: '' object is not callable"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", CRASHES, ids=names(CRASHES))
def test_a_guest_that_dies_costs_only_its_own_run(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


def test_a_hundred_crashes_in_a_row_are_each_reported_and_harm_nobody(
    engine: dspex.Engine, canary: Canary, the_next_request_works: None
) -> None:
    ways = ["import os\nos._exit(7)", "import os\nos.abort()", CRASHES[6].code, "1 + 1"]
    jobs = [engine.submit(ways[n % 4]) for n in range(100)]

    endings = [ending(job.outcome(), canary) for job in jobs]

    assert endings == [CRASHES[0].ending, ABORT, CRASHES[6].ending, "ok 2"] * 25


def test_crashes_do_not_slow_the_next_request_down(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    for _ in range(20):
        assert engine.run("import os\nos.abort()").status == "lost"

    began = time.monotonic()
    assert engine.run("1").value == 1
    assert time.monotonic() - began < 5  # a worker or two have to be forked, by a busy machine perhaps


def test_workers_that_are_killed_from_outside_are_replaced_and_each_run_is_answered_once(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    jobs = [engine.submit("import time\ntime.sleep(0.6)\n'done'") for _ in range(4)]
    time.sleep(0.3)
    for pid in engine._running().worker_pids():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it was about to end
            continue

    outcomes = [job.outcome(timeout_s=10) for job in jobs]

    assert {outcome.status for outcome in outcomes} <= {"lost", "ok"}
    lost = [outcome.error.type for outcome in outcomes if outcome.error is not None]
    assert lost
    assert set(lost) == {"WorkerCrashed"}


def test_twin_a_program_that_fails_in_python_leaves_its_session_alive(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    with engine.session() as session:
        session.run("x = 1")
        for code in ("1 / 0", "def f(): f()\nf()", "raise SystemExit(3)", "(", "[]['x']"):
            assert session.run(code).status in {"raised", "refused"}
        assert session.run("x").value == 1
