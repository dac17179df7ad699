"""Outcomes: plain data, that turns into exactly the error it stands for."""

import dataclasses
import json
import pickle
import timeit
from decimal import Decimal

import pytest

from dspex.errors import (
    DspexError,
    Finding,
    GuestRaised,
    GuestRefused,
    InternalError,
    LimitExceeded,
    PolicyInvalid,
    ProtocolViolation,
    RestartsExhausted,
    WorkerCrashed,
    WorkerLost,
    WorkerSilent,
)
from dspex.limits import Usage
from dspex.outcome import GuestErrorReport, Outcome

ERRORS = [
    (GuestRaised("ValueError", "no", traceback="line 1"), "raised"),
    (GuestRaised("SystemExit", "3", session_usable=False), "raised"),
    (GuestRefused([Finding(1, 2, "bad", "good")]), "refused"),
    (LimitExceeded("cpu_s", 5.0, 5.3, "inner", session_usable=True), "limit"),
    (LimitExceeded("memory_bytes", 2**28, 2**29, "outer"), "limit"),
    (WorkerCrashed(-9, reason="out of memory"), "lost"),
    (WorkerSilent("answer", 2), "lost"),
    (ProtocolViolation("frame too long"), "lost"),
    (RestartsExhausted("zygote", restarts=1, within_s=2), "lost"),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda part: type(part).__name__)
def test_an_error_becomes_an_outcome_and_the_same_error_again(
    error: DspexError, status: str
) -> None:
    outcome = Outcome.of_error(error, stdout="so far")
    assert (outcome.status, outcome.ok, outcome.stdout) == (status, False, "so far")
    assert outcome.session_usable == error.session_usable
    for twin in (outcome, pickle.loads(pickle.dumps(outcome))):
        with pytest.raises(type(error)) as caught:
            twin.value_or_raise()
        assert caught.value is not error
        assert str(caught.value) == str(error)
        assert vars(caught.value) == vars(error)


def test_a_request_error_is_raised_and_never_an_outcome() -> None:
    with pytest.raises(InternalError, match=r"^an outcome cannot stand for PolicyInvalid: p: r$"):
        Outcome.of_error(PolicyInvalid("p", "r"))


def test_an_ok_outcome_gives_its_value() -> None:
    assert Outcome(status="ok", value=None).value_or_raise() is None
    assert Outcome(status="ok", value=[1]).value_or_raise() == [1]


def test_a_lost_worker_described_only_in_words_is_raised_as_lost() -> None:
    report = GuestErrorReport(type="GuestExited", message="the program ended its interpreter")
    with pytest.raises(WorkerLost, match=r"^the program ended its interpreter$"):
        Outcome(status="lost", error=report).value_or_raise()


def test_an_outcome_that_contradicts_itself_is_an_internal_error() -> None:
    with pytest.raises(InternalError, match=r"status 'raised' but without an error"):
        Outcome(status="raised").value_or_raise()
    with pytest.raises(InternalError, match=r"status 'limit' but error GuestErrorReport"):
        Outcome(status="limit", error=GuestErrorReport(type="LimitExceeded")).value_or_raise()


def test_an_outcome_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Outcome(status="ok").value = 1  # type: ignore[misc]


def test_as_json_it_says_everything_in_plain_types() -> None:
    outcome = Outcome(
        status="ok",
        value={"a": (1, Decimal("1.50"))},
        stdout="é\n",
        notes=("value['b']: x cannot cross, its repr is given",),
        files={"out.csv": b"a,b\n"},
        usage=Usage(wall_s=0.5, cpu_s=0.25, peak_memory_bytes=7, output_bytes=3, host_calls=1),
        isolation=("process", "wasm"),
        session_usable=True,
    )
    assert json.loads(outcome.to_json()) == {
        "status": "ok",
        "ok": True,
        "value": {"a": {"$": ["tuple", [1, {"$": ["decimal", "1.50"]}]]}},
        "stdout": "é\n",
        "stderr": "",
        "truncated": False,
        "error": None,
        "notes": ["value['b']: x cannot cross, its repr is given"],
        "files": {"out.csv": {"$": ["bytes", "YSxiCg=="]}},
        "usage": {
            "wall_s": 0.5,
            "waited_s": 0.0,
            "cpu_s": 0.25,
            "peak_memory_bytes": 7,
            "output_bytes": 3,
            "host_calls": 1,
            "fuel": None,
        },
        "language": "python",
        "isolation": ["process", "wasm"],
        "session_usable": True,
    }
    assert outcome.to_json().isascii()


def test_as_json_an_error_says_only_what_applies() -> None:
    error = Outcome.of_error(LimitExceeded("cpu_s", 5.0, 5.3, "inner")).as_dict()["error"]
    assert error == {
        "type": "LimitExceeded",
        "message": "cpu_s: 5.3 s spent of 5.0 s, noticed by the inner guard",
        "limit": "cpu_s",
        "allowed": 5.0,
        "spent": 5.3,
        "noticed_by": "inner",
    }
    refused = Outcome.of_error(GuestRefused([Finding(1, 2, "bad")])).as_dict()["error"]
    assert refused["findings"] == [{"line": 1, "column": 2, "message": "bad", "hint": None}]


def test_as_json_zero_is_a_number_and_not_left_out() -> None:
    error = Outcome.of_error(LimitExceeded("host_calls", 0, 1, "inner")).as_dict()["error"]
    assert (error["allowed"], error["spent"]) == (0, 1)


def test_as_json_a_value_of_the_hosts_own_is_given_as_its_repr() -> None:
    told = Outcome(status="ok", value=[..., 1]).as_dict()
    assert told["value"] == "[Ellipsis, 1]"
    assert told["notes"] == ["value[0]: ellipsis cannot cross; its repr is given"]


def test_building_one_takes_microseconds() -> None:
    each_s = min(timeit.repeat(lambda: Outcome(status="ok", value=1), number=2000, repeat=5)) / 2000
    assert each_s < 100e-6  # in truth 3e-6; the margin is for a busy machine
