"""Messages are decoded totally: whatever the bytes, a message of that side or `MessageError`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.protocol.messages import (
    Adopt,
    Answer,
    Budget,
    BudgetUsedUp,
    Call,
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
    Interrupt,
    MessageError,
    MountedFile,
    MountedRemoval,
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
    decode_from_worker,
    decode_from_zygote,
    decode_report,
    decode_to_worker,
    decode_to_zygote,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET = Budget(1.0, 1.0, 1, 2, 3, 4, 5, 6, 7)
RUN = Run(
    run=1, source=b"x", filename="main.py", variables=b"", files={"f": b"\0"}, stdin=b"",
    args=["a"], env={"A": "b"}, budget=BUDGET, stream=False, single=True,
)
ENDED = Ended(
    run=1, report=b"{}", value=b"", used_up=BudgetUsedUp("wall_s", 1.0, 2.0), turned_down=None,
    gone=InstanceGone("exited", "why", -1), truncated=False, wall_s=0.5, cpu_s=0.25,
    peak_memory_bytes=1, output_bytes=2, files_left_out=["f"],
)
FROM_WORKER = [
    Output(1, 2, b"x"), WrittenFile(1, "é", b""), Call(1, 1, "tool", b"v"), ENDED,
    MountedFile(1, 0, "a/b", b"x"), MountedRemoval(1, 0, ["a", "b"]),
    Saved(1, 4096), Restored(1, "why"), Ready(True), Copied(1), Twin(1),
]
FROM_ZYGOTE = [
    Started(1, ["wasm"], {"seccomp": "why"}, {"wasm": 1.0}), Forked(1, 2), ForkFailed(1, 11),
    Exited(1, -9), CannotStart("why"),
]
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "worker": decode_from_worker, "zygote": decode_from_zygote, "supervisor": decode_to_worker,
    "pool": decode_to_zygote,
}
OF_SIDE: dict[str, Any] = {
    "worker": FROM_WORKER, "zygote": FROM_ZYGOTE,
    "supervisor": [
        RUN, Answer(1, 2, b"v"), Answer(1, 3, b"", "E", "why"), Interrupt(1), Save(1, 4096),
        Restore(1, 4096, True, False, 1, 2, 3, 4), Copy(1),
    ],
    "pool": [Fork(1, 2, 3, 4), Fork(1, 2, 3, 4, warm=False), Adopt(1, 2)],
}
ALL = [message for messages in OF_SIDE.values() for message in messages]

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=14) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=30,
)


def body(message: Any) -> bytes:
    """Return what the frame of a message holds."""
    return encode(message)[4:]


@pytest.mark.parametrize("side", DECODERS)
def test_each_side_understands_its_own_messages_and_no_other(side: str) -> None:
    for message in ALL:
        if message in OF_SIDE[side]:
            assert DECODERS[side](body(message)) == message
        else:
            with pytest.raises(MessageError, match=f"not a message that a {side} may send"):
                DECODERS[side](body(message))


@pytest.mark.parametrize("side", DECODERS)
@given(noise=st.binary(max_size=100))
def test_any_bytes_are_a_message_or_refused(side: str, noise: bytes) -> None:
    try:
        message = DECODERS[side](noise)
    except MessageError:
        return
    assert DECODERS[side](body(message)) == message


@pytest.mark.parametrize("side", DECODERS)
@given(tag=st.integers(0, 18), fields=st.lists(PLAIN, max_size=14))
def test_any_array_behind_a_tag_is_a_message_or_refused(
    side: str, tag: int, fields: list[Any]
) -> None:
    noise = msgspec.msgpack.encode([tag, *fields])
    try:
        message = DECODERS[side](noise)
    except MessageError:
        return
    assert any(isinstance(message, type(known)) for known in OF_SIDE[side])


@given(st.sampled_from(FROM_WORKER), st.data())
def test_a_message_with_one_byte_changed_is_a_message_or_refused(
    message: Any, data: st.DataObject
) -> None:
    honest = bytearray(body(message))
    honest[data.draw(st.integers(0, len(honest) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_from_worker(bytes(honest))
    except MessageError:
        return


@pytest.mark.parametrize("message", ALL, ids=lambda one: type(one).__name__)
def test_a_message_that_is_cut_or_followed_by_something_is_refused(message: Any) -> None:
    side = next(side for side, messages in OF_SIDE.items() if message in messages)
    whole = body(message)

    for end in range(len(whole)):
        with pytest.raises(MessageError):
            DECODERS[side](whole[:end])
    with pytest.raises(MessageError):
        DECODERS[side](whole + b"\xc0")


@pytest.mark.parametrize(
    "fields",
    [
        [2, -1, 1, b""],
        [2, 2**53 + 1, 1, b""],
        [2, 1, 3, b""],
        [2, 1, True, b""],
        [2, 1, 1, "text"],
        [2, 1, 1],
        [2, 1, 1, b"", None],
        [2, 1.5, 1, b""],
        [3, 1, "n" * 4097, b""],
        [3, 1, b"name", b""],
        [1, 1, 1, b""],
        [99, 1],
        [],
        {"2": 1},
        2,
        None,
    ],
    ids=str,
)
def test_what_is_almost_a_message_of_a_worker_is_refused(fields: Any) -> None:
    with pytest.raises(MessageError):
        decode_from_worker(msgspec.msgpack.encode(fields))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 2.0**54])
def test_amounts_are_finite_and_not_negative(number: float) -> None:
    honest = body(ENDED)
    spent = honest.index(b"\xcb" + struct.pack(">d", 0.5))
    changed = honest[: spent + 1] + struct.pack(">d", number) + honest[spent + 9 :]

    with pytest.raises(MessageError):
        decode_from_worker(changed)


def test_nesting_beyond_any_bound_is_refused() -> None:
    for opener in (b"\x91", b"\x81\xa1a"):
        with pytest.raises(MessageError):
            decode_from_worker(b"\x94\x02\x01\x01" + opener * 1_000_000)


def test_a_length_that_is_not_there_takes_no_memory() -> None:
    for claim in (b"\xc6\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"):
        with pytest.raises(MessageError):
            decode_from_worker(b"\x94\x02\x01\x01" + claim)


def test_lists_of_a_worker_are_bounded() -> None:
    with pytest.raises(MessageError):
        decode_from_worker(body(msgspec.structs.replace(ENDED, files_left_out=["f"] * 21)))


# The guest's report.


@given(st.binary(max_size=100) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["status", "type", "message", "notes", "findings", "limit", "x"]), inner
    ),
).map(msgspec.json.encode))
def test_any_report_is_a_report_or_refused(data: bytes) -> None:
    try:
        report = decode_report(data)
    except MessageError:
        return
    assert report.status in {"ok", "raised", "refused", "limit"}


def test_a_report_is_what_the_guest_says_with_defaults_for_the_rest() -> None:
    report = decode_report(b'{"status": "raised", "type": "E", "unknown": [1]}')

    assert report == GuestReport(status="raised", type="E")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"null", b'{"status": "fine"}', b'{"status": "ok", "message": 5}',
        b'{"status": "ok", "message": "' + b"x" * 262_145 + b'"}',
        b'{"status": "ok", "notes": [' + b'"",' * 100 + b'""]}',
        b'{"status": "ok", "spent": -1}', b'{"status": "ok", "spent": NaN}',
        b'{"status": "refused", "findings": [{"message": "m", "line": -1}]}',
        b'{"status": "ok", "notes": ' + b"[" * 100_000, b'{"status": "ok"', b"\xff",
    ],
    ids=lambda data: data[:40].decode("latin-1"),
)
def test_what_is_almost_a_report_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError, match="not a report of a guest"):
        decode_report(data)
