"""A conversation lets through what the turn and the budget allow, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dspex.protocol.messages import Budget, Ended, Output, WrittenFile, encode
from dspex.protocol.turn import Conversation, TurnError

BUDGET = Budget(
    wall_s=1.0, cpu_s=1.0, memory_bytes=1, output_bytes=10, value_bytes=5, value_depth=3,
    file_bytes=8, file_count=2, open_files=3,
)
ENDED = Ended(
    run=1, report=b"{}", value=b"", used_up=None, turned_down=None, gone=None, truncated=False,
    wall_s=0.0, cpu_s=0.0, peak_memory_bytes=0, output_bytes=0, files_left_out=[],
)


def ended(run: int = 1, **changed: Any) -> bytes:
    return encode(msgspec.structs.replace(ENDED, run=run, **changed))


def output(data: bytes = b"x", run: int = 1, stream: Any = 1) -> bytes:
    return encode(Output(run, stream, data))


def file(name: str = "f", data: bytes = b"", run: int = 1) -> bytes:
    return encode(WrittenFile(run, name, data))


@pytest.fixture
def begun() -> Conversation:
    conversation = Conversation()
    conversation.begin(1, BUDGET)
    return conversation


def test_a_turn_goes_from_its_beginning_to_its_end(begun: Conversation) -> None:
    stream = output(b"ab") + file("a/b", b"1") + output(b"c", stream=2) + ended(value=b"12345")
    got = [message for at in range(len(stream)) for message in begun.receive(stream[at : at + 1])]

    assert [type(message).__name__ for message in got] == [
        "Output", "WrittenFile", "Output", "Ended",
    ]
    assert begun.idle


def test_turns_follow_one_another(begun: Conversation) -> None:
    begun.receive(output(b"x" * 10) + ended())
    begun.begin(2, BUDGET)

    assert len(begun.receive(output(b"x" * 10, run=2) + ended(run=2))) == 2


def test_a_turn_cannot_begin_before_the_last_has_ended(begun: Conversation) -> None:
    with pytest.raises(TurnError, match=r"^run 1 has not ended$"):
        begun.begin(2, BUDGET)


def test_nothing_may_arrive_before_the_first_turn() -> None:
    for early in (b"\x01\0\0\0x", ended(), output()):
        with pytest.raises(TurnError, match="bytes is announced, 0 are allowed"):
            Conversation().receive(early)
    with pytest.raises(TurnError, match="not a message that a worker may send"):
        Conversation().receive(b"\0\0\0\0")


def test_nothing_may_arrive_after_the_end(begun: Conversation) -> None:
    begun.receive(ended())
    with pytest.raises(TurnError, match="bytes is announced, 0 are allowed"):
        begun.receive(output())


@pytest.mark.parametrize("more", [ended(), output(), file()], ids=["Ended", "Output", "File"])
def test_nothing_may_follow_the_end_in_the_same_breath(begun: Conversation, more: bytes) -> None:
    with pytest.raises(TurnError, match="arrived though no run is under way"):
        begun.receive(ended() + more)


@pytest.mark.parametrize("message", [ended(2), output(run=0), file(run=3)])
def test_nothing_may_name_another_run(begun: Conversation, message: bytes) -> None:
    with pytest.raises(TurnError, match=r"of run \d arrived in run 1"):
        begun.receive(message)


def test_output_may_reach_the_budget_and_not_pass_it(begun: Conversation) -> None:
    begun.receive(output(b"x" * 6) + output(b"x" * 4, stream=2))
    with pytest.raises(TurnError, match=r"^output bytes: 11 arrived, 10 are allowed$"):
        begun.receive(output(b"x"))


def test_output_that_counts_for_nothing_is_refused(begun: Conversation) -> None:
    with pytest.raises(TurnError, match=r"^an empty Output arrived$"):
        begun.receive(output(b""))


def test_files_may_reach_the_budget_and_not_pass_it(begun: Conversation) -> None:
    begun.receive(file("a", b"1234") + file("b", b"5678"))
    with pytest.raises(TurnError, match=r"^files: 3 arrived, 2 are allowed$"):
        begun.receive(file("c"))


def test_the_bytes_of_files_are_summed(begun: Conversation) -> None:
    with pytest.raises(TurnError, match=r"^file bytes: 9 arrived, 8 are allowed$"):
        begun.receive(file("a", b"1234") + file("b", b"56789"))


@pytest.mark.parametrize(
    "name", ["", "/", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", ".", "./a", "a\0b"]
)
def test_a_file_is_named_below_the_working_directory(begun: Conversation, name: str) -> None:
    with pytest.raises(TurnError, match="is not a name below the working directory"):
        begun.receive(file(name))


@pytest.mark.parametrize("name", ["a", "a/b/c", "...", ".hidden", "a\\b", "-rf", "~", "C:", "\n"])
def test_odd_names_are_names(begun: Conversation, name: str) -> None:
    assert len(begun.receive(file(name))) == 1


def test_a_value_may_reach_the_budget_and_not_pass_it(begun: Conversation) -> None:
    with pytest.raises(TurnError, match=r"^value bytes: 6 arrived, 5 are allowed$"):
        begun.receive(ended(value=b"123456"))


def test_a_frame_may_not_be_larger_than_anything_the_budget_allows(begun: Conversation) -> None:
    with pytest.raises(TurnError, match="a frame of 1048576 bytes is announced"):
        begun.receive((1 << 20).to_bytes(4, "little"))


@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_refused(noise: bytes) -> None:
    conversation = Conversation()
    conversation.begin(1, BUDGET)
    try:
        conversation.receive(noise)
    except TurnError:
        return


class AnyOrder(RuleBasedStateMachine):
    """Messages in any order, judged by a second, much simpler account of the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.conversation = Conversation()
        self.run = 0
        self.open = self.broken = False
        self.output = self.files = self.file_bytes = 0

    @precondition(lambda self: self.broken)
    @rule()
    def talk_to_another_worker(self) -> None:
        self.conversation = Conversation()
        self.open = self.broken = False

    @precondition(lambda self: not self.open and not self.broken)
    @rule()
    def begin(self) -> None:
        self.run += 1
        self.conversation.begin(self.run, BUDGET)
        self.open = True
        self.output = self.files = self.file_bytes = 0

    def send(self, frame: bytes, *, allowed: bool) -> None:
        if allowed:
            assert len(self.conversation.receive(frame)) == 1
        else:
            with pytest.raises(TurnError):
                self.conversation.receive(frame)
            self.broken = True

    @precondition(lambda self: not self.broken)
    @rule(size=st.integers(0, 7), off=st.sampled_from([0, 0, 0, 1]))
    def print_something(self, size: int, off: int) -> None:
        self.output += size
        allowed = self.open and off == 0 and size > 0 and self.output <= 10
        self.send(output(b"x" * size, run=self.run + off), allowed=allowed)

    @precondition(lambda self: not self.broken)
    @rule(size=st.integers(0, 5), off=st.sampled_from([0, 0, 0, 1]))
    def hand_over_a_file(self, size: int, off: int) -> None:
        self.files += 1
        self.file_bytes += size
        allowed = self.open and off == 0 and self.files <= 2 and self.file_bytes <= 8
        self.send(file("f", b"x" * size, run=self.run + off), allowed=allowed)

    @precondition(lambda self: not self.broken)
    @rule(size=st.integers(0, 6), off=st.sampled_from([0, 0, 0, 1]))
    def end(self, size: int, off: int) -> None:
        allowed = self.open and off == 0 and size <= 5
        self.send(ended(self.run + off, value=b"x" * size), allowed=allowed)
        self.open = False

    @invariant()
    def it_knows_whether_a_turn_is_under_way(self) -> None:
        assert self.broken or self.conversation.idle is not self.open


TestAnyOrder = AnyOrder.TestCase
