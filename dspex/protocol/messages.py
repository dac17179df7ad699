"""The messages between supervisor, zygotes and workers: strict types, one version.

A message is a msgpack array whose first element is a tag. Decoding is total: whatever the bytes,
it gives a message of the expected side or raises `MessageError`. Order is `dspex.protocol.turn`'s.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from dspex.protocol.framing import encode_frame, frame_header

VERSION = 6
"""Raised with every change of a message; a zygote that speaks another version is refused."""

ENVELOPE_BYTES = 64 * 1024
"""What a message may need besides its payload."""

Name = Annotated[str, msgspec.Meta(max_length=4096)]
Text = Annotated[str, msgspec.Meta(max_length=256 * 1024)]
RunId = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=2**53)]


class MessageError(ValueError):
    """The frame is no message that this side may receive."""


class Budget(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`dspex.limits.Limits` as a worker needs it; the names and units are the same."""

    wall_s: float
    cpu_s: float
    memory_bytes: int
    output_bytes: int
    value_bytes: int
    value_depth: int
    file_bytes: int
    file_count: int
    open_files: int
    host_calls: int = 0
    host_wait_s: float = 0.0


class Repeatable(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`dspex.policy.Deterministic` as a worker needs it."""

    clock_ns: Annotated[int, msgspec.Meta(ge=0)]
    seed: Annotated[int, msgspec.Meta(ge=0)]


class MountGiven(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A path of the host as the guest sees it: a copy."""

    guest: Name
    """Absolute path in the guest."""
    writable: bool
    """Whether changes are carried back."""
    bytes_max: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    files: dict[str, bytes]
    """Content by relative name; the name of a mounted file itself is empty."""


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Arrays instead of maps: shorter on the wire, and no key to misspell."""


class Run(_Message, frozen=True, tag=1):
    """Supervisor to worker: run this program."""

    run: RunId
    source: bytes
    filename: Name
    variables: bytes
    files: dict[str, bytes]
    stdin: bytes
    args: list[str]
    env: dict[str, str]
    budget: Budget
    stream: bool
    """Write output line by line, because somebody listens."""
    single: bool
    """No other run will follow in this guest: it leaves as a process does."""
    repeatable: Repeatable | None = None
    """The clock and seed that the guest gets in place of real time and entropy."""
    tools: bytes = b""
    """The caller's tools that the guest may call, as JSON; see `dspex.tools`."""
    mounts: list[MountGiven] = []
    """In a session, those of its first run; they stay."""


class Output(_Message, frozen=True, tag=2):
    """Worker to supervisor: the guest wrote to stream 1 (standard output) or 2 (error)."""

    run: RunId
    stream: Literal[1, 2]
    data: bytes


class WrittenFile(_Message, frozen=True, tag=3):
    """Worker to supervisor: one regular file that the guest wrote, before `Ended`."""

    run: RunId
    name: Name
    data: bytes


class BudgetUsedUp(_Message, frozen=True, tag=4):
    """Part of `Ended`: which budget the inner guard saw used up."""

    limit: Name
    allowed: Amount
    spent: Amount


class InstanceGone(_Message, frozen=True, tag=5):
    """Part of `Ended`: the wasm instance cannot go on, though its worker can."""

    kind: Literal["exited", "aborted", "trapped"]
    detail: Text
    exit_status: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)] | None


class Ended(_Message, frozen=True, tag=6):
    """Worker to supervisor: the run is over; the last message of a turn."""

    run: RunId
    report: bytes
    """What the guest says, as JSON (`GuestReport`); empty if the instance is gone."""
    value: bytes
    """The encoded value; see `dspex.values`."""
    used_up: BudgetUsedUp | None
    """The budget that ended the run."""
    turned_down: BudgetUsedUp | None
    """The budget that refused the guest something: the reason only if the program failed of it."""
    gone: InstanceGone | None
    truncated: bool
    wall_s: Amount
    cpu_s: Amount
    peak_memory_bytes: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    output_bytes: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    files_left_out: Annotated[list[Name], msgspec.Meta(max_length=20)]
    waited_s: Amount = 0
    """Time within `wall_s` in which the guest waited for answers to its calls."""
    fuel: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    """Counted instructions; None where the language does not count them."""


class Fork(_Message, frozen=True, tag=7):
    """Supervisor to zygote: make one worker, known as `worker` from now on."""

    worker: RunId
    requests: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    """Runs it serves before it exits; 0 for a session, which it serves until told to stop."""
    cpu_s: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    """Processor seconds after which the kernel kills it; 0 for no such bound."""
    data_bytes: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    """Writable memory that it may add to what the zygote had."""
    warm: bool = True
    """Whether it is to be warmed before it reads its first request; otherwise that request warms it."""


class Started(_Message, frozen=True, tag=8):
    """Zygote to supervisor: ready to fork; the isolation layers that every worker will have."""

    version: int
    isolation: list[Name]
    absent: dict[Name, Text]
    """Layers that could not be armed, with the reasons."""
    cost_us: dict[Name, Amount]
    """What arming each layer cost, in microseconds."""


class Forked(_Message, frozen=True, tag=9):
    """Zygote to supervisor, with two descriptors beside it: the worker's socket and its pidfd."""

    worker: RunId
    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31)]


class ForkFailed(_Message, frozen=True, tag=10):
    """Zygote to supervisor: the system refused; the zygote itself can go on."""

    worker: RunId
    errno: Annotated[int, msgspec.Meta(ge=0, le=4096)]


class Exited(_Message, frozen=True, tag=11):
    """Zygote to supervisor: a worker ended abnormally: its exit code, or minus the signal."""

    worker: RunId
    exit_status: Annotated[int, msgspec.Meta(ge=-256, le=256)]


class CannotStart(_Message, frozen=True, tag=12):
    """Zygote to supervisor, in place of `Started`: why it gives up."""

    reason: Text


class Call(_Message, frozen=True, tag=13):
    """Worker to supervisor: the guest calls one of the caller's tools; an `Answer` will follow."""

    run: RunId
    call: RunId
    """Number of the call, counted from 1 in each run."""
    tool: Name
    arguments: bytes
    """The encoded value `[positional, named]`; see `dspex.values`."""


class Answer(_Message, frozen=True, tag=14):
    """Supervisor to worker: how a call ended; answers may come in another order than calls."""

    run: RunId
    call: RunId
    value: bytes
    """The encoded result; empty if the call failed."""
    error_type: Name = ""
    """Name of the exception that the call ended with; empty if it did not."""
    error_message: Text = ""


class Interrupt(_Message, frozen=True, tag=17):
    """Supervisor to worker: the run is to be interrupted; a signal follows.

    The signal alone would be lost if the worker has not yet begun the run; this waits for it.
    """

    run: RunId


class MountedFile(_Message, frozen=True, tag=15):
    """Worker to supervisor: a file below a mount that the guest wrote, before `Ended`."""

    run: RunId
    mount: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    name: Annotated[str, msgspec.Meta(max_length=4096)]
    data: bytes


class MountedRemoval(_Message, frozen=True, tag=16):
    """Worker to supervisor: files below a mount that the guest removed, before `Ended`."""

    run: RunId
    mount: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    names: Annotated[list[Name], msgspec.Meta(max_length=1000)]


class Save(_Message, frozen=True, tag=18):
    """Supervisor to worker, between runs, with a memory file beside it: write your guest's state."""

    errand: RunId
    bytes_max: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    """Size of the file."""


class Saved(_Message, frozen=True, tag=19):
    """Worker to supervisor: the state is written; nobody else writes to the file any more."""

    errand: RunId
    size: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    problem: Text = ""
    """Why there is no state; empty if there is."""


class Restore(_Message, frozen=True, tag=20):
    """Supervisor to worker, before its first run, with a sealed file: be the guest that is in it."""

    errand: RunId
    size: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    twin: bool
    """Whether the saved guest may live on elsewhere, so that this one needs randomness of its own."""
    mounted: bool
    """Whether its mounts go on; otherwise those of its first run here replace them."""
    memory_bytes: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    file_bytes: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    file_count: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    open_files: Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class Restored(_Message, frozen=True, tag=21):
    """Worker to supervisor: the guest is there, or what is wrong with its state."""

    errand: RunId
    problem: Text = ""


class Ready(_Message, frozen=True, tag=22):
    """Worker to supervisor, its first word if it serves a session; with a descriptor if it can be copied.

    The descriptor is where the kernel asks whether the worker may copy itself.
    """

    copyable: bool


class Copy(_Message, frozen=True, tag=23):
    """Supervisor to worker, between runs, with a socket and a memory file beside it: copy yourself.

    The copy speaks through that socket, and gets that file for its guest's interrupts.
    """

    errand: RunId


class Copied(_Message, frozen=True, tag=24):
    """Worker to supervisor: there is a copy, which has not been heard of yet, or why there is none."""

    errand: RunId
    problem: Text = ""


class Twin(_Message, frozen=True, tag=25):
    """Copy of a worker to supervisor, its first word, through its own socket: it is ready for a run."""

    errand: RunId


class Adopt(_Message, frozen=True, tag=26):
    """Supervisor to zygote: the copy of a worker that has become your child is known as `worker`."""

    worker: RunId
    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    """Its number in the zygote's pid namespace."""


class GuestFinding(msgspec.Struct, frozen=True):
    """One reason why a program was turned down."""

    message: Text
    line: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    column: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    hint: Text = ""


class GuestReport(msgspec.Struct, frozen=True):
    """What the guest's half of the conversation says about the run: never more than a claim."""

    status: Literal["ok", "raised", "refused", "limit"]
    type: Text = ""
    message: Text = ""
    traceback: Text = ""
    notes: Annotated[list[Text], msgspec.Meta(max_length=100)] = []
    findings: Annotated[list[GuestFinding], msgspec.Meta(max_length=1000)] = []
    limit: Literal["", "value_bytes", "value_depth"] = ""
    allowed: Amount = 0
    spent: Amount = 0


ErrandAnswer = Saved | Restored | Copied
FromWorker = (
    Output | WrittenFile | MountedFile | MountedRemoval | Call | Ended | ErrandAnswer | Ready | Twin
)
FromZygote = Started | Forked | ForkFailed | Exited | CannotStart
ToZygote = Fork | Adopt
Errand = Save | Restore | Copy
ToWorker = Run | Answer | Interrupt | Errand

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "worker": msgspec.msgpack.Decoder(FromWorker),
    "zygote": msgspec.msgpack.Decoder(FromZygote),
    "supervisor": msgspec.msgpack.Decoder(ToWorker),
    "pool": msgspec.msgpack.Decoder(ToZygote),
}
_report_decoder = msgspec.json.Decoder(GuestReport)


def encode(message: _Message) -> bytes:
    """Return a message as a frame, ready to be sent."""
    return encode_frame(_encoder.encode(message))


def encode_in_two(message: _Message) -> tuple[bytes, bytes]:
    """Return a message as the two parts of its frame, so that a large body is not copied again."""
    body = _encoder.encode(message)
    return frame_header(body), body


def _decode(side: str, frame: bytes) -> Any:
    try:
        return _decoders[side].decode(frame)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        msg = f"not a message that a {side} may send: {error}"
        raise MessageError(msg) from error


def decode_from_worker(frame: bytes) -> FromWorker:
    """Decode what a worker sent.

    Raises:
        MessageError: if it is anything else than a message that workers send.
    """
    return _decode("worker", frame)  # type: ignore[no-any-return]


def decode_from_zygote(frame: bytes) -> FromZygote:
    """Decode what a zygote sent.

    Raises:
        MessageError: if it is anything else than a message that zygotes send.
    """
    return _decode("zygote", frame)  # type: ignore[no-any-return]


def decode_to_worker(frame: bytes) -> ToWorker:
    """Decode what a supervisor sent to a worker.

    Raises:
        MessageError: if it is anything else than a message for workers.
    """
    return _decode("supervisor", frame)  # type: ignore[no-any-return]


def decode_to_zygote(frame: bytes) -> ToZygote:
    """Decode what a supervisor sent to a zygote.

    Raises:
        MessageError: if it is anything else than a message for zygotes.
    """
    return _decode("pool", frame)  # type: ignore[no-any-return]


def decode_report(data: bytes) -> GuestReport:
    """Decode what the guest says about its run.

    Raises:
        MessageError: if it is not a report.
    """
    try:
        return _report_decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        msg = f"not a report of a guest: {error}"
        raise MessageError(msg) from error
