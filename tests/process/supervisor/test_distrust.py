"""A worker that lies costs itself and nothing else: real supervisor, workers that misbehave."""

from __future__ import annotations

import contextlib
import resource
import time
from typing import TYPE_CHECKING

import psutil
import pytest

import dspex
from dspex.limits import Limits
from dspex.policy import Policy
from dspex.protocol.messages import VERSION
from dspex.testing.fake_engine import FakeEngine
from dspex.testing.fake_worker import STRAY_S

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(
    wall_s=0.5, grace_s=0.1, output_bytes=50_000, file_bytes=100_000, file_count=50,
    value_bytes=10_000, value_depth=20,
)
POLICY = Policy(name="fake", languages=frozenset({"python"}), limits=LIMITS)


@pytest.fixture(scope="module")
def fakes() -> Iterator[FakeEngine]:
    with FakeEngine(policy=POLICY, idle_max=2) as engine:
        yield engine


@pytest.fixture(scope="module")
def reused() -> Iterator[FakeEngine]:
    with FakeEngine(policy=POLICY, idle_max=1, workers_max=2, requests_per_worker=5) as engine:
        yield engine


VIOLATIONS = {
    "wrong_id": r"Ended of run \d+ arrived in run \d+",
    "wrong_output_id": r"Output of run \d+ arrived in run \d+",
    "wrong_side": "not a message that a worker may send",
    "request_back": "not a message that a worker may send",
    "twice": "Ended arrived though no run is under way",
    "output_after_the_end": "Output arrived though no run is under way",
    "unknown_tag": "not a message that a worker may send",
    "garbage": "a frame of|not a message",
    "empty_frames": "not a message that a worker may send",
    "oversized": "a frame of 4294967295 bytes is announced",
    "too_much_output": "output bytes: 50001 arrived, 50000 are allowed",
    "output_flood": "output bytes: 50001 arrived, 50000 are allowed",
    "empty_output_flood": "an empty Output arrived",
    "file_flood": "files: 51 arrived, 50 are allowed",
    "too_large_file": "file bytes: 100001 arrived, 100000 are allowed",
    "file_outside": "'../../outside' is not a name below the working directory",
    "file_absolute": "'/etc/outside' is not a name below the working directory",
    "too_large_value": "value bytes: 10002 arrived, 10000 are allowed",
    "undecodable_value": "its value: ",
    "no_report": "not a report of a guest",
    "not_a_number": "not a message that a worker may send",
}


@pytest.mark.parametrize("lie", VIOLATIONS)
def test_a_worker_that_breaks_the_protocol_costs_only_its_own_run(
    fakes: FakeEngine, lie: str
) -> None:
    sibling = fakes.submit("honest_byte_by_byte")

    outcome = fakes.run(lie)

    assert (outcome.status, outcome.value) == ("lost", None)
    with pytest.raises(dspex.ProtocolViolation, match=VIOLATIONS[lie]):
        outcome.value_or_raise()
    assert sibling.outcome().value == "honest"
    assert fakes.run("honest").stdout == "honest\n"


@pytest.mark.parametrize(
    "lie", ["silence", "deaf_silence", "endless_partial_frame", "half_an_answer"]
)
def test_a_worker_that_does_not_come_to_an_end_is_killed_at_the_deadline(
    fakes: FakeEngine, lie: str
) -> None:
    began = time.monotonic()
    outcome = fakes.run(lie, timeout_s=0.2)

    assert time.monotonic() - began < 1
    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.error.noticed_by) == (
        "limit", "wall_s", "outer",
    )
    assert fakes.run("honest").value == "honest"


@pytest.mark.parametrize(
    ("lie", "status"), [("exits_with_status", 3), ("crashes", -11), ("exits", None)]
)
def test_a_worker_that_dies_is_lost_with_its_exit_status(
    fakes: FakeEngine, lie: str, status: int | None
) -> None:
    outcome = fakes.run(lie)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.exit_status) == ("lost", status)
    assert fakes.run("honest").value == "honest"


def test_the_kernels_bound_on_processor_time_is_reported_as_a_limit(fakes: FakeEngine) -> None:
    outcome = fakes.run("runs_out_of_processor_time")

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit) == ("limit", "cpu_s")


def test_a_value_nested_too_deeply_is_over_its_limit(fakes: FakeEngine) -> None:
    outcome = fakes.run("deep_value", policy=POLICY.model_copy(
        update={"limits": LIMITS.model_copy(update={"value_bytes": 500_000})}
    ))

    assert outcome.status in {"limit", "lost"}
    assert fakes.run("honest").value == "honest"


@pytest.mark.parametrize("lie", ["ends_and_stays", "hangs_up_and_stays"])
def test_a_worker_that_lives_on_after_its_end_is_killed(fakes: FakeEngine, lie: str) -> None:
    supervisor = fakes._running()
    time.sleep(0.2)
    before = children()
    outcome = fakes.run(lie)
    assert outcome.status == ("ok" if lie == "ends_and_stays" else "lost")

    deadline = time.monotonic() + 3
    while not children() <= set(supervisor.worker_pids()) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert before
    assert children() <= set(supervisor.worker_pids())


def test_what_a_worker_says_between_runs_costs_no_run(reused: FakeEngine) -> None:
    for _ in range(3):
        assert reused.run("output_long_after_the_end").value == "honest"
        time.sleep(0.15)
        assert reused.run("honest").value == "honest"


def test_a_worker_that_ends_before_it_has_read_its_request_is_not_reused(
    reused: FakeEngine,
) -> None:
    assert reused.run("honest", files={"large": bytes(90_000)}).value == "honest"
    assert reused.run("twice").status == "lost"
    assert reused.run("honest").value == "honest"


def test_a_flood_leaves_the_supervisor_small_and_its_siblings_served(fakes: FakeEngine) -> None:
    fakes.run("output_flood")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loose = POLICY.model_copy(
        update={"limits": LIMITS.model_copy(update={"output_bytes": 1 << 20, "wall_s": 5.0})}
    )
    with FakeEngine(policy=loose, idle_max=2) as engine:
        flood = [engine.submit("output_flood"), engine.submit("garbage")]
        slowest_s = 0.0
        while not all(job.done for job in flood):
            began = time.monotonic()
            assert engine.run("honest").value == "honest"
            slowest_s = max(slowest_s, time.monotonic() - began)

        assert [job.outcome().status for job in flood] == ["lost", "lost"]
    assert slowest_s < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


# The outer guards alone: no inner guard, and no bound of the kernel, helps the fakes.


def test_processor_time_is_bounded_from_outside() -> None:
    limits = LIMITS.model_copy(update={"cpu_s": 0.2, "wall_s": 5.0})
    with FakeEngine(policy=POLICY.model_copy(update={"limits": limits}), idle_max=1) as engine:
        began = time.monotonic()
        outcome = engine.run("deaf_silence")
        took_s = time.monotonic() - began

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.error.allowed) == ("limit", "cpu_s", 0.2)
    assert outcome.error.noticed_by == "outer"
    assert outcome.error.spent is not None
    assert 0.3 <= outcome.error.spent < 1
    assert took_s < 3


def test_memory_is_bounded_from_outside() -> None:
    limits = LIMITS.model_copy(update={"memory_bytes": 64 << 20, "wall_s": 5.0})
    with FakeEngine(policy=POLICY.model_copy(update={"limits": limits}), idle_max=1) as engine:
        outcome = engine.run("eats_memory")

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit) == ("limit", "memory_bytes")
    assert outcome.error.noticed_by == "outer"
    assert outcome.error.spent is not None
    assert outcome.error.spent < 1 << 30


# Zygotes.


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("dies_at_once", "the zygote ended with status 9 before it was ready"),
        ("cannot_start", "the reason"),
        ("speaks_garbage", "broke the protocol: not a message that a zygote may send"),
        ("speaks_another_version", f"it speaks version {VERSION + 1}, not {VERSION}"),
    ],
)
def test_a_zygote_that_cannot_start_is_a_clear_error(behaviour: str, message: str) -> None:
    with pytest.raises(dspex.LanguageUnavailable, match=message):
        FakeEngine(zygote=behaviour)


def test_a_zygote_that_keeps_dying_is_given_up_and_those_who_wait_are_told() -> None:
    with FakeEngine(zygote="starts_and_dies", idle_max=1) as engine:
        job = engine.submit("honest")
        with pytest.raises(dspex.RestartsExhausted, match="given up after 5 restarts") as raised:
            job.outcome(timeout_s=20)
        assert raised.value.last_reason == "it ended"
        with pytest.raises(dspex.RestartsExhausted) as again:
            engine.run("honest")
        assert again.value is not raised.value
        with pytest.raises(dspex.RestartsExhausted):
            engine.session()


def test_a_system_without_room_for_a_process_is_a_clear_error() -> None:
    with FakeEngine(zygote="cannot_fork", idle_max=2) as engine:
        began = time.monotonic()
        with pytest.raises(dspex.WorkerCrashed, match="the system refused to fork: Resource temp"):
            engine.run("honest")
        assert 0.5 < time.monotonic() - began < 10
        with pytest.raises(dspex.WorkerCrashed, match="the system refused to fork"):
            engine.session()


def test_a_system_that_finds_room_again_serves_those_who_wait() -> None:
    with FakeEngine(zygote="cannot_fork_at_first", idle_max=4) as engine:
        jobs = [engine.submit("honest") for _ in range(6)]
        assert [job.outcome(timeout_s=20).value for job in jobs] == ["honest"] * 6


def test_a_worker_that_nobody_ordered_makes_its_zygote_useless() -> None:
    with FakeEngine(zygote="forks_unasked", idle_max=1) as engine:
        job = engine.submit("honest")
        with pytest.raises(dspex.RestartsExhausted, match="999999 was not ordered"):
            job.outcome(timeout_s=30)


def test_workers_that_speak_before_they_are_asked_are_replaced() -> None:
    with FakeEngine(zygote="workers_speak_first", policy=POLICY, idle_max=2) as engine:
        time.sleep(0.2)
        outcomes = [engine.run("honest") for _ in range(10)]

    assert {outcome.status for outcome in outcomes} <= {"ok", "lost"}
    assert sum(outcome.ok for outcome in outcomes) >= 5


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("speaks_for_its_copy", "what speaks for a copy of a worker is not one"),
        ("copy_speaks_garbage", "not a message that a worker may send"),
        ("copy_is_another", "a copy of a worker did not begin with its name"),
        ("copy_is_not_the_zygotes", "what speaks for a copy of a worker is not one"),
        ("copy_is_silent", "a copy of a worker has said nothing for 0 s"),
    ],
)
def test_a_copy_that_is_none_is_refused_and_costs_nobody_else_anything(
    lie: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dspex.supervisor.twins.TWIN_S", 0.3)
    monkeypatch.setattr("dspex.supervisor.pool.STRAY_S", 0.1)
    with FakeEngine(policy=POLICY, idle_max=1) as engine, engine.session() as other:
        with engine.session() as session:
            assert session.run(lie).value == "honest"
            with pytest.raises(dspex.ProtocolViolation, match=reason):
                session.fork()
            assert session.run("honest").value == "honest"
        assert other.run("honest").value == "honest"
        assert engine.run("honest").value == "honest"


def test_a_copy_that_nobody_knows_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.supervisor.twins.TWIN_S", 0.3)
    monkeypatch.setattr("dspex.supervisor.pool.STRAY_S", 0.3)
    with FakeEngine(policy=POLICY, idle_max=1) as engine, engine.session() as session:
        session.run("copy_is_silent")
        before = children()
        with pytest.raises(dspex.ProtocolViolation):
            session.fork()
        strays = children() - before
        assert strays
        until_s = time.monotonic() + STRAY_S / 2
        while strays & children() and time.monotonic() < until_s:
            time.sleep(0.05)
        assert not strays & children()
        assert session.run("honest").value == "honest"


def test_a_worker_that_was_not_copied_though_it_says_so_has_its_state_asked_for() -> None:
    with FakeEngine(policy=POLICY, idle_max=1) as engine, engine.session() as session:
        session.run("no_copy")
        job = session.order_fork()
        time.sleep(0.2)  # it does not know how to save itself, and is asked to
        session.close()
        with pytest.raises((dspex.WorkerLost, dspex.SessionClosed)):
            job.ready.result(timeout=10)


def children() -> set[int]:
    """Return the fake workers of this process that are alive: grandchildren, by their command."""
    me, found = psutil.Process(), set()
    for process in me.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            fake = any("dspex.testing.fake_worker" in word for word in process.cmdline())
            if fake and process.status() != psutil.STATUS_ZOMBIE and process.ppid() != me.pid:
                found.add(process.pid)
    return found
