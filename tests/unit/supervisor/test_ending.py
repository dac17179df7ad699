"""Of three accounts of a run's end the strongest counts: supervisor, worker, guest."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dspex.errors import LimitExceeded, WorkerCrashed
from dspex.outcome import Outcome
from dspex.protocol.messages import Budget, BudgetUsedUp, Ended, InstanceGone, Run
from dspex.supervisor.ending import to_outcome
from dspex.supervisor.job import Facts, Job

BUDGET = Budget(1.0, 1.0, 1 << 20, 100, 500, 5, 1000, 10, 10)
RUN = Run(
    run=1, source=b"", filename="main.py", variables=b"", files={}, stdin=b"", args=[], env={},
    budget=BUDGET, stream=False, single=True,
)
ENDED = Ended(
    run=1, report=b'{"status": "ok"}', value=b"", used_up=None, turned_down=None, gone=None,
    truncated=False, wall_s=0.5, cpu_s=0.25, peak_memory_bytes=7, output_bytes=3, files_left_out=[],
)
MEMORY = BudgetUsedUp("memory_bytes", 1 << 20, 2 << 20)
WALL = BudgetUsedUp("wall_s", 1.0, 1.1)


def outcome_of(*, session: bool = False, facts: dict[str, Any] | None = None, **ended: Any) -> Outcome:
    job = Job(RUN, "python", 0.1)
    end = msgspec.structs.replace(ENDED, **ended) if ended.pop("said", True) else None
    job.facts.ended = end
    for name, value in (facts or {}).items():
        setattr(job.facts, name, value)
    return to_outcome(job, job.facts, session=session)


def report(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_what_was_seen_is_in_every_outcome() -> None:
    outcome = outcome_of(
        facts={
            "stdout": bytearray("é".encode()) + b"\xff", "stderr": bytearray(b"e"),
            "files": {"f": b"x"}, "isolation": ("wasm",),
        },
        truncated=True,
    )

    assert (outcome.stdout, outcome.stderr, outcome.truncated) == ("é\\xff", "e", True)
    assert (outcome.files, outcome.isolation) == ({"f": b"x"}, ("wasm",))
    usage = outcome.usage
    assert (usage.wall_s, usage.cpu_s, usage.peak_memory_bytes, usage.output_bytes) == (
        0.5, 0.25, 7, 3,
    )


def test_without_an_account_of_the_worker_the_supervisor_measures() -> None:
    outcome = outcome_of(said=False, facts={"stdout": bytearray(b"abc"), "wall_s": 2.0})

    assert (outcome.status, outcome.usage.wall_s, outcome.usage.output_bytes) == ("lost", 2.0, 3)


def test_the_supervisors_verdict_overrules_what_the_worker_says() -> None:
    verdict = LimitExceeded("memory_bytes", 1, 2, "outer")

    outcome = outcome_of(facts={"verdict": verdict}, value=b"1", used_up=WALL)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.error.noticed_by, outcome.value) == (
        "limit", "memory_bytes", "outer", None,
    )


def test_the_workers_account_overrules_what_the_guest_says() -> None:
    outcome = outcome_of(used_up=WALL, value=b"1", report=report(status="ok"))

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.error.spent) == ("limit", "wall_s", 1.1)


@pytest.mark.parametrize(
    ("session", "gone", "usable"),
    [(True, None, True), (False, None, False), (True, InstanceGone("trapped", "", None), False)],
)
def test_a_session_goes_on_after_a_limit_if_its_guest_lives(
    *, session: bool, gone: InstanceGone | None, usable: bool
) -> None:
    assert outcome_of(session=session, used_up=WALL, gone=gone).session_usable is usable


@pytest.mark.parametrize(
    ("kind", "type_name"),
    [("exited", "GuestExited"), ("aborted", "GuestAborted"), ("trapped", "GuestTrapped")],
)
def test_a_guest_that_is_gone_is_lost_with_what_is_known(kind: Any, type_name: str) -> None:
    outcome = outcome_of(session=True, gone=InstanceGone(kind, "the detail", 3))

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type, outcome.error.exit_status) == (
        "lost", type_name, 3,
    )
    assert outcome.error.message.endswith(": the detail")
    assert outcome.session_usable is False
    with pytest.raises(WorkerCrashed, match="the detail"):
        outcome.value_or_raise()


@pytest.mark.parametrize("kind", ["aborted", "trapped"])
def test_a_guest_that_died_of_a_refused_request_ran_into_that_limit(kind: Any) -> None:
    outcome = outcome_of(gone=InstanceGone(kind, "", None), turned_down=MEMORY)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit) == ("limit", "memory_bytes")


def test_an_exception_that_a_refused_request_explains_is_that_limit() -> None:
    raised = report(status="raised", type="OSError", message="m")
    files = BudgetUsedUp("file_bytes", 10, 10)

    explained = outcome_of(report=raised, turned_down=files)
    unexplained = outcome_of(report=raised)
    another = outcome_of(report=report(status="raised", type="KeyError"), turned_down=files)

    assert [one.status for one in (explained, unexplained, another)] == ["limit", "raised", "raised"]


def test_the_interpreters_own_memory_error_is_a_limit_and_the_programs_is_not() -> None:
    own = outcome_of(report=report(status="raised", type="MemoryError"))
    pretended = outcome_of(report=report(status="raised", type="MemoryError", message="mine"))

    assert own.error is not None
    assert (own.status, own.error.limit, pretended.status) == ("limit", "memory_bytes", "raised")


def test_a_program_that_coped_with_a_refused_request_is_ok() -> None:
    assert outcome_of(turned_down=MEMORY, value=b"1").value == 1


def test_a_report_is_believed_for_what_only_the_guest_can_know() -> None:
    refused = outcome_of(
        report=report(
            status="refused", type="SyntaxError", message="m",
            findings=[{"line": 2, "column": 3, "message": "bad", "hint": "good"}],
        )
    )
    raised = outcome_of(report=report(status="raised", type="E", message="m", traceback="tb"))
    over = outcome_of(report=report(status="limit", limit="value_depth", allowed=5, spent=6))
    noted = outcome_of(report=report(status="ok", notes=["n"]), files_left_out=["big"])

    assert refused.error is not None
    assert [str(one) for one in refused.error.findings] == ["line 2, column 3: bad (good)"]
    assert raised.error is not None
    assert (raised.error.type, raised.error.traceback) == ("E", "tb")
    assert over.error is not None
    assert (over.status, over.error.limit, over.error.noticed_by) == ("limit", "value_depth", "inner")
    assert noted.notes == ("n", "file 'big': left out")


@pytest.mark.parametrize("said", [b"", b"{}", b"[]", b'{"status": "limit", "limit": "x"}', b"\xff"])
def test_what_is_no_report_is_a_violation_of_the_protocol(said: bytes) -> None:
    outcome = outcome_of(report=said, session=True)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("lost", "ProtocolViolation")


@pytest.mark.parametrize("value", [b"{", b"nul", b'{"$":["no"]}', b"\xff", b"[1] [2]"])
def test_what_is_no_value_is_a_violation_of_the_protocol(value: bytes) -> None:
    outcome = outcome_of(value=value)

    assert outcome.error is not None
    assert (outcome.status, outcome.value, outcome.error.type) == (
        "lost", None, "ProtocolViolation",
    )


def test_a_value_beyond_the_budget_is_over_its_limit_whatever_the_worker_checked() -> None:
    deep, large = outcome_of(value=b"[[[[[[1]]]]]]"), outcome_of(value=b'"' + b"x" * 600 + b'"')

    assert deep.error is not None
    assert large.error is not None
    assert (deep.error.limit, deep.error.noticed_by) == ("value_depth", "outer")
    assert (large.error.limit, large.error.noticed_by) == ("value_bytes", "outer")


def test_a_refusal_without_a_reason_is_a_refusal() -> None:
    outcome = outcome_of(report=report(status="refused"))

    assert outcome.error is not None
    assert (outcome.status, len(outcome.error.findings)) == ("refused", 1)


def test_facts_begin_empty() -> None:
    assert (bytes(Facts("python").stdout), Facts("python").files) == (b"", {})
