"""Faults in an engine that serves: every request is answered once, and the engine serves on."""

from __future__ import annotations

import ast
import errno
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy
from dspex.runtimes.store import Store
from dspex.supervisor.restart import RestartBudget
from dspex.testing import storm as storm_module
from dspex.testing.fake_engine import FakeEngine
from dspex.testing.faults import (
    KILLS,
    Fault,
    Faults,
    descendants,
    few_descriptors,
    full_disk,
    open_descriptors,
)
from dspex.testing.storm import POLICY, storm

if TYPE_CHECKING:
    from collections.abc import Iterator

ALONE = [kind for kind in Fault if kind is not Fault.FEW_DESCRIPTORS]
PACKAGE = Path(dspex.__file__).parent


@pytest.fixture
def engine() -> Iterator[dspex.Engine]:
    with dspex.Engine(policy=POLICY, workers_max=8, idle_max=3) as engine:
        yield engine


def busy(engine: dspex.Engine, seconds: float) -> dspex.RunningJob:
    """Begin a run that sleeps, and wait until it does."""
    began = threading.Event()
    code = f"import time\nprint('began', flush=True)\ntime.sleep({seconds})\n'slept'"
    job = engine.submit(code, on_output=lambda *_: began.set())
    assert began.wait(20)
    return job


def wait_served(engine: dspex.Engine) -> None:
    """Wait until five runs in a row end well; one that meets a dying worker may be lost, no more."""
    deadline, in_a_row = time.monotonic() + 10, 0
    while in_a_row < 5:
        assert time.monotonic() < deadline, "not served again"
        outcome = engine.run("6 * 7")
        assert (outcome.status, outcome.value) in {("ok", 42), ("lost", None)}
        in_a_row = in_a_row + 1 if outcome.ok else 0


@pytest.mark.slow
def test_sixty_kills_lose_no_request_and_leave_nothing() -> None:
    report = storm(seed=20_261_121, kills=60, kinds=ALONE)

    assert report.broken == [], f"seed {report.seed}"
    assert report.kills >= 60
    assert report.requests >= report.answers["ok"] > 60
    assert set(report.answers) <= {
        "ok", "lost", "limit", "SessionClosed", "CancelledError", "WorkerCrashed",
    }


@pytest.mark.parametrize("kind", ALONE)
def test_each_fault_is_survived_by_the_engine(engine: dspex.Engine, kind: Fault) -> None:
    jobs = [busy(engine, 0.3) for _ in range(4)]
    faults = Faults(engine, seed=1)

    if not faults.do(kind):
        assert kind is Fault.NO_FORKS
        pytest.skip("this machine lets nobody limit another user's processes")
    outcomes = [job.outcome(timeout_s=20) for job in jobs]

    assert faults.done == {kind: 1}
    assert all(one.value == "slept" for one in outcomes if one.ok)
    answers = {one.status for one in outcomes} - {"ok"}
    if kind in KILLS:
        assert answers <= {"lost"}
    elif kind in (Fault.STOP_WORKER, Fault.STOP_ZYGOTE):
        assert answers <= {"limit"}
    else:
        assert answers == set()
    wait_served(engine)


def test_a_moment_without_free_descriptors_costs_no_more_than_a_run(engine: dspex.Engine) -> None:
    job = busy(engine, 0.4)

    with few_descriptors():
        time.sleep(0.3)

    assert job.outcome(timeout_s=20).value == "slept"
    assert [engine.run("6 * 7").value for _ in range(5)] == [42] * 5


def test_no_more_descriptors_can_be_opened_than_are_left() -> None:
    with few_descriptors(left=0), pytest.raises(OSError) as raised:
        os.open("/dev/null", os.O_RDONLY)

    assert raised.value.errno == errno.EMFILE
    os.close(os.open("/dev/null", os.O_RDONLY))


def test_the_same_seed_draws_the_same_faults() -> None:
    with FakeEngine(idle_max=1) as engine:
        drawn = []
        for seed in (7, 7, 8):
            faults = Faults(engine, seed=seed)
            kinds: list[Fault] = []
            faults.do = lambda kind, kinds=kinds: kinds.append(kind) is None  # type: ignore[method-assign]
            for _ in range(30):
                assert faults.next(gap_s=0.0001)
            drawn.append(kinds)

    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert set(drawn[0]) <= set(Fault)


def test_a_storm_that_finds_wrong_answers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm_module, "_QUICK", "print({0})\n{0} + 1")

    report = storm(seed=1, kills=10, kinds=[Fault.KILL_WORKER])

    assert any("another's answer" in one for one in report.broken)


def test_a_storm_that_leaves_something_behind_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm_module, "SETTLE_TIMEOUT_S", 0.0)
    left: list[int] = []
    close = dspex.Engine.close

    def leak(engine: dspex.Engine) -> None:
        close(engine)
        left.extend(os.pipe())

    monkeypatch.setattr(dspex.Engine, "close", leak)
    report = storm(seed=1, kills=3, kinds=[Fault.KILL_WORKER])
    for descriptor in left:
        os.close(descriptor)

    assert any(one.startswith("descriptors left: ") for one in report.broken)


def test_forks_that_fail_delay_requests_and_lose_none() -> None:
    with FakeEngine("cannot_fork_at_first", workers_max=4, idle_max=2) as engine:
        jobs = [engine.submit("honest") for _ in range(12)]

        assert [job.outcome(timeout_s=30).value for job in jobs] == ["honest"] * 12


def test_memory_under_pressure_costs_only_those_who_want_too_much(engine: dspex.Engine) -> None:
    hogs = [
        engine.submit("data = bytearray(100 << 20)\nlen(data)", timeout_s=30) for _ in range(4)
    ]
    greedy = [
        engine.submit("data = [bytearray(20 << 20) for _ in range(50)]", timeout_s=30)
        for _ in range(2)
    ]
    quick = [engine.submit(f"{number}") for number in range(10)]

    assert [job.outcome(timeout_s=30).value for job in quick] == list(range(10))
    assert [job.outcome(timeout_s=60).value for job in hogs] == [100 << 20] * 4
    limits = [job.outcome(timeout_s=60).error for job in greedy]
    assert [one and one.limit for one in limits] == ["memory_bytes"] * 2


def test_a_full_disk_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    store, key = Store(tmp_path / "cache"), "ab" * 32
    content = bytes(100_000)

    with full_disk(4096), pytest.raises(OSError) as raised:
        store.get("runtime", key, lambda folder: (folder / "code").write_bytes(content))

    assert raised.value.errno == errno.EFBIG
    assert not store.has("runtime", key)
    assert store.entries() == []
    assert [path.name for path in store.root.iterdir()] == ["runtime.lock"]
    folder = store.get("runtime", key, lambda folder: (folder / "code").write_bytes(content))
    assert (folder / "code").read_bytes() == content


def test_a_full_disk_keeps_an_engine_running() -> None:
    with full_disk(4096), dspex.Engine(idle_max=1) as engine:
        outcome = engine.run("open('out', 'wb').write(bytes(100_000))")

    assert outcome.status == "ok"
    assert len(outcome.files["out"]) == 100_000


def test_nothing_that_supervises_reads_the_wall_clock() -> None:
    wall = {"time.time", "time.time_ns", "datetime.now", "datetime.datetime.now"}
    found = [
        f"{path.name}: {ast.unparse(node)}"
        for path in [
            *PACKAGE.glob("supervisor/*.py"),
            *(PACKAGE / f"{name}.py" for name in ("engine", "loops", "running", "session", "submission")),
        ]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in wall
    ]

    assert found == []


@pytest.mark.parametrize("jump_s", [-1e6, -10.0, 10.0, 29.9])
def test_a_clock_that_jumps_never_allows_more_restarts_at_once(jump_s: float) -> None:
    budget = RestartBudget(restarts_max=3, within_s=30.0)
    now_s = 1e7

    delays = [budget.next_delay_s(now_s + jump_s * (number % 2)) for number in range(6)]

    assert sum(delay is not None for delay in delays) == 3


def test_a_stopped_process_of_a_closed_engine_is_killed() -> None:
    before = descendants()
    engine = dspex.Engine(policy=Policy(
        name="stopped", languages={"python"}, limits=Limits(wall_s=60, memory_bytes=64 * MIB),
    ), idle_max=1)
    busy(engine, 30)
    for pid in descendants() - before:
        os.kill(pid, signal.SIGSTOP)

    began = time.monotonic()
    engine.close()

    assert time.monotonic() - began < 10
    deadline = time.monotonic() + 5
    while descendants() - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert descendants() - before == set()


def test_what_is_open_is_told_without_what_telling_needs() -> None:
    before = open_descriptors()
    read_end, write_end = os.pipe()

    assert open_descriptors() - before == {read_end, write_end}
    os.close(read_end)
    os.close(write_end)
    assert open_descriptors() == before
    assert psutil.Process().pid not in descendants()
