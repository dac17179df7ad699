"""The loop measures what it is told to and takes no wrong answer."""

from __future__ import annotations

import pytest

from benchmarks.peers.loop import SESSION_CALL, Conversation, Loop
from benchmarks.programs import ONE_PLUS_ONE, Code


class OddSandboxes:
    """Answers as told, without running anything."""

    failures: tuple[type[Exception], ...] = (ConnectionError,)

    def __init__(self, value: object, *, broken: bool = False) -> None:
        self.value = value
        self.broken = broken
        self.calls: list[Code] = []
        self.open_sessions = 0

    def versions(self) -> dict[str, str]:
        return {"odd": "1"}

    def run_fresh(self, code: Code) -> object:
        self.calls.append(code)
        if self.broken:
            raise ConnectionError("gone")
        return self.value

    def open_session(self) -> Conversation:
        self.open_sessions += 1
        return OddConversation(self)

    def close(self) -> None:
        """Nothing to close."""


class OddConversation:
    """Counts itself."""

    def __init__(self, owner: OddSandboxes) -> None:
        self.owner = owner

    def run(self, code: Code) -> object:
        self.owner.calls.append(code)
        return self.owner.value

    def close(self) -> None:
        self.owner.open_sessions -= 1


def test_warming_up_is_done_but_not_counted() -> None:
    sandboxes = OddSandboxes(2)

    reply = Loop(sandboxes).answer({"op": "latency", "calls": 3, "warmup": 2, "pause_s": 0.0})

    assert len(reply["times_s"]) == 3
    assert sandboxes.calls == [ONE_PLUS_ONE] * 5


def test_a_wrong_answer_is_a_failure_and_not_a_number() -> None:
    reply = Loop(OddSandboxes(3)).answer({"op": "latency", "calls": 1, "warmup": 0, "pause_s": 0.0})

    assert reply == {"failed": "WrongAnswerError: got 3 instead of 2"}


def test_callers_bounded_by_calls_make_exactly_that_many() -> None:
    sandboxes = OddSandboxes(2)

    reply = Loop(sandboxes).answer(
        {"op": "callers", "callers": 4, "seconds": None, "calls_each": 5}
    )

    assert reply["calls"] == len(reply["times_s"]) == len(sandboxes.calls) == 20


def test_callers_that_fail_are_counted() -> None:
    reply = Loop(OddSandboxes(2, broken=True)).answer(
        {"op": "callers", "callers": 2, "seconds": None, "calls_each": 1}
    )

    assert reply["failed"] == "2 of 2 callers failed; first: ConnectionError: gone"


def test_a_session_is_closed_after_its_calls() -> None:
    sandboxes = OddSandboxes(2)

    reply = Loop(sandboxes).answer({"op": "session", "calls": 2, "warmup": 1})

    assert len(reply["times_s"]) == 2
    assert sandboxes.calls[1:] == [SESSION_CALL] * 3
    assert sandboxes.open_sessions == 0


def test_sessions_are_held_up_to_a_total_and_released() -> None:
    sandboxes = OddSandboxes(2)
    loop = Loop(sandboxes)

    assert loop.answer({"op": "hold", "total": 2})["held"] == 2
    assert len(loop.answer({"op": "hold", "total": 5})["times_s"]) == 3
    assert sandboxes.open_sessions == 5
    loop.answer({"op": "release"})
    assert sandboxes.open_sessions == 0


def test_a_guest_clock_that_runs_ahead_of_the_host_is_a_failure() -> None:
    reply = Loop(OddSandboxes([1, [60.0, 60.0]])).answer(
        {"op": "program", "body": "", "expression": ""}
    )

    assert reply["failed"].startswith("WrongAnswerError: the guest's clock counted 120.000 s of")


def test_a_program_that_brings_no_times_is_a_failure() -> None:
    reply = Loop(OddSandboxes([1, []])).answer({"op": "program", "body": "", "expression": ""})

    assert reply["failed"] == "WrongAnswerError: got [1, []] instead of an answer and its times"


def test_an_unknown_request_is_not_answered() -> None:
    with pytest.raises(KeyError, match="guess"):
        Loop(OddSandboxes(2)).answer({"op": "guess"})
