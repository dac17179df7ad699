"""The message decoders: any bytes give a message or `MessageError`, and any end of a run an outcome.

The first byte of an input chooses the decoder. What is taken must survive being written again, keep
its bounds, and (from a worker) be told to the caller without an error.
"""

from __future__ import annotations

import math
import re

import msgspec
from hypothesis import strategies as st

from dspex.outcome import Outcome
from dspex.protocol import messages
from dspex.protocol.framing import HEADER_BYTES, encode_frame
from dspex.protocol.messages import (
    Adopt,
    Budget,
    BudgetUsedUp,
    CannotStart,
    Copied,
    Copy,
    Ended,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    GuestReport,
    InstanceGone,
    MessageError,
    Output,
    Ready,
    Restore,
    Restored,
    Run,
    Save,
    Saved,
    Started,
    Twin,
    WrittenFile,
)
from dspex.protocol.turn import Conversation, TurnError
from dspex.supervisor.ending import to_outcome
from dspex.supervisor.job import Job
from fuzz.target import Target

BUDGET = Budget(1.0, 1.0, 1 << 28, 50, 200, 10, 60, 3, 16)
RUN = Run(
    run=7, source=b"1", filename="main.py", variables=b"", files={"a": b"b"}, stdin=b"", args=["x"],
    env={"TZ": "UTC"}, budget=BUDGET, stream=False, single=True,
)
ENDED = Ended(
    run=7, report=b'{"status":"ok"}', value=b"[1]", used_up=None, turned_down=None, gone=None,
    truncated=False, wall_s=0.1, cpu_s=0.1, peak_memory_bytes=1, output_bytes=1, files_left_out=[],
)
SAMPLES: dict[str, list[msgspec.Struct]] = {
    "worker": [
        Output(7, 1, b"x"), WrittenFile(7, "a/b", b"x"), ENDED,
        msgspec.structs.replace(ENDED, used_up=BudgetUsedUp("wall_s", 1.0, 2.0)),
        msgspec.structs.replace(
            ENDED, gone=InstanceGone("trapped", "why", None),
            turned_down=BudgetUsedUp("memory_bytes", 1, 2),
        ),
        Saved(7, 4096), Restored(7, "why"), Ready(copyable=True), Copied(7), Twin(7),
    ],
    "zygote": [
        Started(1, ["wasm"], {"landlock": "no"}, {"wasm": 1.0}), Forked(1, 2), ForkFailed(1, 11),
        Exited(1, -9), CannotStart("why"),
    ],
    "supervisor": [RUN, Save(7, 4096), Restore(7, 4096, True, True, 1, 2, 3, 4), Copy(7)],
    "pool": [Fork(1, 1, 5, 1 << 20), Fork(1, 1, 5, 1 << 20, warm=False), Adopt(1, 2)],
}
REPORTS = [
    GuestReport("ok"), GuestReport("raised", "ValueError", "no", "Traceback"),
    GuestReport("limit", limit="value_depth", allowed=3, spent=4),
]
SIDES = (*SAMPLES, "report", "conversation")
_DECODERS = {
    "worker": messages.decode_from_worker,
    "zygote": messages.decode_from_zygote,
    "supervisor": messages.decode_to_worker,
    "pool": messages.decode_to_zygote,
}


def check(data: bytes) -> str:
    """Hand bytes to the decoder that the first of them chooses."""
    side, body = SIDES[data[0] % len(SIDES)] if data else "pool", data[1:]
    if side == "report":
        return _check_report(body)
    if side == "conversation":
        return _check_conversation(body)
    try:
        message = _DECODERS[side](body)
    except MessageError as error:
        return f"{side}: {re.sub(r'[0-9]+', '#', str(error))[:70]}"
    _check_bounds(message)
    written = messages.encode(message)[HEADER_BYTES:]
    again = messages.encode(_DECODERS[side](written))[HEADER_BYTES:]
    assert again == written, "does not survive being written"
    if isinstance(message, Ended):
        return f"{side}: {_told(message)}"
    return f"{side}: {type(message).__name__}"


def _check_report(body: bytes) -> str:
    try:
        report = messages.decode_report(body)
    except MessageError as error:
        return f"report: {re.sub(r'[0-9]+', '#', str(error))[:70]}"
    _check_bounds(report)
    assert messages.decode_report(msgspec.json.encode(report)) == report
    return f"report: {_told(msgspec.structs.replace(ENDED, report=body))}"


def _check_conversation(stream: bytes) -> str:
    """Let a worker say anything during one run; it never says more than the budget allows."""
    conversation = Conversation()
    conversation.begin(RUN.run, BUDGET)
    output = files = content = ends = 0
    try:
        for at in range(0, len(stream), 16):
            for message in conversation.receive(stream[at : at + 16]):
                assert not ends, f"{message} after the end"
                assert message.run == RUN.run, f"{message} of another run"
                if isinstance(message, Output):
                    output += len(message.data)
                elif isinstance(message, WrittenFile):
                    files += 1
                    content += len(message.data)
                    parts = message.name.split("/")
                    assert not {"", ".", ".."} & set(parts), f"{message.name} leads outside"
                else:
                    ends += 1
                    _told(message)
    except TurnError as error:
        said = re.sub(r"[0-9]+", "#", str(error))[:60]
    else:
        said = "idle" if conversation.idle else "under way"
    assert output <= BUDGET.output_bytes
    assert files <= BUDGET.file_count
    assert content <= BUDGET.file_bytes
    return f"conversation: {min(output, 1)}{files}{ends} {said}"


def _told(ended: Ended) -> str:
    """Tell the caller how the run ended, whatever its worker says."""
    outcomes = []
    for session in (False, True):
        job = Job(RUN, "python", 0.1)
        job.facts.ended = ended
        outcome = to_outcome(job, job.facts, session=session)
        assert isinstance(outcome, Outcome)
        assert outcome.ok == (outcome.error is None), "both well and not"
        assert repr(outcome)
        outcomes.append(outcome)
    error = outcomes[0].error
    return f"{outcomes[0].status} {error.type if error is not None else ''}"[:60]


def _check_bounds(message: object) -> None:
    """Require of everything in a message what its type says about numbers and texts."""
    if isinstance(message, Budget):
        return  # it comes from the supervisor, and may be anything
    if isinstance(message, msgspec.Struct):
        for name in message.__struct_fields__:
            _check_bounds(getattr(message, name))
    elif isinstance(message, list):
        for one in message:
            _check_bounds(one)
    elif isinstance(message, dict):
        _check_bounds([*message.keys(), *message.values()])
    elif isinstance(message, str):
        message.encode()  # text, no half of a surrogate pair
    elif isinstance(message, float):
        assert not math.isnan(message), "not a number"


_junk = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    | st.binary(max_size=8) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from([0, -1, 2**31, 2**40, 2**53, 2**53 + 1, "ok", "exited", b'{"status":"ok"}']),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=2),
    max_leaves=5,
)


def _as_list(message: msgspec.Struct) -> list[object]:
    decoded: list[object] = msgspec.msgpack.decode(msgspec.msgpack.encode(message))
    return decoded


def _replaced(fields: list[object], changes: list[tuple[int, object]]) -> bytes:
    changed = list(fields)
    for at, junk in changes:
        changed[at % len(changed)] = junk
    return msgspec.msgpack.encode(changed)


_changes = st.lists(st.tuples(st.integers(0, 12), _junk), max_size=2)
_bodies = {
    side: st.builds(_replaced, st.sampled_from([_as_list(one) for one in samples]), _changes)
    for side, samples in SAMPLES.items()
}
_reports = st.sampled_from([msgspec.to_builtins(one) for one in REPORTS])
_report_bodies = st.builds(
    lambda report, key, value: msgspec.json.encode({**report, key: value}),
    _reports,
    st.sampled_from(GuestReport.__struct_fields__),
    st.integers(-(2**60), 2**60) | st.sampled_from(["ok", "raised", "", [], [""], [{}], 1e300])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
_said = (
    st.builds(Output, st.just(7), st.sampled_from([1, 2]), st.binary(min_size=1, max_size=40))
    | st.builds(
        WrittenFile, st.just(7), st.sampled_from(["a", "b/c", "..", "/x", "d"]), st.binary(max_size=40)
    )
).map(messages.encode)
_streams = st.lists(
    _said | _said | _bodies["worker"].map(encode_frame) | st.binary(max_size=6), max_size=8
).map(b"".join)


def _for(side: str, bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return bodies.map(lambda body: bytes([SIDES.index(side)]) + body)


inputs = st.one_of(
    *(_for(side, bodies) for side, bodies in _bodies.items()),
    _for("report", _report_bodies), _for("conversation", _streams), st.binary(max_size=40),
)


def describe(data: bytes) -> str:
    """Show which decoder an input is for."""
    side = SIDES[data[0] % len(SIDES)] if data else "pool"
    return f"{data!r} ({side})"


TARGET = Target("messages", check, inputs, describe)
