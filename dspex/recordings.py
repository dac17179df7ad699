"""What a run was asked and told: written down while it runs, and told again to a repetition of it.

A guest gets nothing from outside but its request, its clock and random numbers, and the answers to
its host calls. Under a policy that fixes the clock and the seed, the same request and the same
answers in the same order make the same run. Here answers are put in order, kept and compared; what
tools do is `dspex.tools`', and how a run is begun `dspex.submission`'s.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from dspex.errors import ReplayDiffers, RequestError
from dspex.protocol.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.protocol.messages import Call, Run

FORMAT = 1
FILE_BYTES_MAX = 1 << 30
"""Most bytes of a recording's file."""
_SHOWN_CHARS = 200
_Short = Annotated[str, msgspec.Meta(max_length=1000)]

OnCall = Any
"""What a `dspex.supervisor.job.Job` calls: with itself and a `Call`."""


class RecordedCall(msgspec.Struct, forbid_unknown_fields=True):
    """One host call and how it ended; values are encoded as they travelled."""

    tool: _Short
    arguments: bytes
    answered: bool = False
    value: bytes = b""
    error_type: str = ""
    error_message: str = ""


class RecordedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked, as far as the guest can tell."""

    language: _Short
    image: _Short | None
    source: bytes
    filename: _Short
    variables: bytes
    files: dict[str, bytes]
    stdin: bytes
    args: list[str]
    env: dict[str, str]
    tools: bytes
    clock_ns: Annotated[int, msgspec.Meta(ge=0)] | None
    seed: Annotated[int, msgspec.Meta(ge=0)] | None
    """Both None if the run had real time and real entropy."""


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    request: RecordedRequest
    calls: list[RecordedCall]
    status: _Short
    stdout: str
    stderr: str


_decoder = msgspec.json.Decoder(_Written)


class Recording:
    """A run with all that it was told: made by `run(..., record=...)`, used by `replay`.

    It holds one run. Under a policy with `deterministic` its repetition is exact; under another the
    program may ask for something else the next time, which `replay` then says.

    Attributes:
        request: What was asked; None before the run.
        calls: The host calls, in their order.
        status: How the run ended; empty before.
        stdout: What it wrote there.
        stderr: And there.

    Example:
        >>> import dspex
        >>> recording = dspex.Recording()
        >>> with dspex.Engine() as engine:
        ...     outcome = engine.run("f(20) + 1", tools={"f": lambda n: n * 2}, record=recording)
        ...     again = engine.replay(recording)
        >>> outcome.value, again.value, recording.calls[0].tool
        (41, 41, 'f')
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.request: RecordedRequest | None = None
        self.calls: list[RecordedCall] = []
        self.status = self.stdout = self.stderr = ""

    def begin(self, message: Run, language: str, image: str | None) -> None:
        """Take note of what is asked.

        Raises:
            RequestError: There is a run in it already.
        """
        if self.request is not None:
            msg = "record: the recording holds a run already"
            raise RequestError(msg)
        fixed = message.repeatable
        self.request = RecordedRequest(
            language, image, message.source, message.filename, message.variables, message.files,
            message.stdin, list(message.args), dict(message.env), message.tools,
            None if fixed is None else fixed.clock_ns, None if fixed is None else fixed.seed,
        )

    def finish(self, status: str, stdout: str, stderr: str) -> None:
        """Take note of how it ended."""
        self.status, self.stdout, self.stderr = status, stdout, stderr

    def save(self, path: str | Path) -> None:
        """Write it to a file, as JSON.

        Raises:
            RequestError: There is no run in it.
            OSError: The file cannot be written.
        """
        written = _Written(
            FORMAT, self.asked(), self.calls, self.status, self.stdout, self.stderr
        )
        Path(path).write_bytes(msgspec.json.encode(written))

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read it from a file, which may come from anybody: what is replayed is a guest like any other.

        Raises:
            RequestError: It is not a recording.
            OSError: The file cannot be read.
        """
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        try:
            written = _decoder.decode(data[:FILE_BYTES_MAX])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            msg = f"{path}: not a recording: {error}"
            raise RequestError(msg) from error
        if written.format != FORMAT:
            msg = f"{path}: a recording of format {written.format}; this dspex reads format {FORMAT}"
            raise RequestError(msg)
        found = cls()
        found.request, found.calls = written.request, written.calls
        found.finish(written.status, written.stdout, written.stderr)
        return found

    def asked(self) -> RecordedRequest:
        """Return what was asked.

        Raises:
            RequestError: There is no run in it.
        """
        if self.request is None:
            msg = "the recording holds no run"
            raise RequestError(msg)
        return self.request


class InOrder:
    """Answers calls in the order in which they were made, whichever tool is done first."""

    def __init__(
        self, deliver: Callable[[Any, Answer], None], recording: Recording | None = None
    ) -> None:
        """Give answers to `deliver`, and note them if there is a recording."""
        self._deliver = deliver
        self._recording = recording
        self._lock = threading.Lock()
        self._next = 1
        self._held: dict[int, Answer] = {}

    def answer(self, job: object, answer: Answer) -> None:
        """Take an answer, from any thread; it is delivered once all before it were."""
        with self._lock:
            self._held[answer.call] = answer
            while (following := self._held.pop(self._next, None)) is not None:
                if self._recording is not None:
                    call = self._recording.calls[self._next - 1]
                    call.answered, call.value = True, following.value
                    call.error_type = following.error_type
                    call.error_message = following.error_message
                self._next += 1
                self._deliver(job, following)

    def around(self, on_call: OnCall) -> OnCall:
        """Return what takes calls in place of `on_call`, which answers through `answer` where it is late."""

        def taken(job: object, call: Call) -> None:
            if self._recording is not None:
                self._recording.calls.append(RecordedCall(call.tool, call.arguments))
            work = on_call(job, call)
            if work is not None:
                threading.Thread(
                    target=lambda: self.answer(job, work()), name="dspex-tool", daemon=True
                ).start()

        return taken


class Replay:
    """Answers calls as they were answered before; notes the first one that is another."""

    def __init__(self, recording: Recording, deliver: Callable[[Any, Answer], None]) -> None:
        """Answer from a recording, through `deliver`."""
        self._calls = recording.calls
        self._deliver = deliver
        self._made = 0
        self._difference: ReplayDiffers | None = None

    def take(self, job: object, call: Call) -> None:
        """Answer a call; calls come one after the other."""
        self._made += 1
        number = self._made
        known = self._calls[number - 1] if number <= len(self._calls) else None
        if self._difference is None and (
            known is None or (known.tool, known.arguments) != (call.tool, call.arguments)
        ):
            expected = "no call" if known is None else _shown(known.tool, known.arguments)
            self._difference = ReplayDiffers(number, expected, _shown(call.tool, call.arguments))
        if self._difference is not None or known is None:
            text = "the run differs from the recording"
            self._deliver(job, Answer(call.run, call.call, b"", "RuntimeError", text))
        elif known.answered:
            answer = (known.value, known.error_type, known.error_message)
            self._deliver(job, Answer(call.run, call.call, *answer))

    def check(self) -> None:
        """Say whether all was as it was.

        Raises:
            ReplayDiffers: It was not.
        """
        if self._difference is None and self._made < len(self._calls):
            missing = self._calls[self._made]
            expected = _shown(missing.tool, missing.arguments)
            self._difference = ReplayDiffers(self._made + 1, expected, "no call")
        if self._difference is not None:
            raise self._difference


def _shown(tool: str, arguments: bytes) -> str:
    """Describe a call for people; its arguments as they travel are JSON or close to it."""
    text = arguments.decode("utf-8", "backslashreplace")
    return f"{tool}{text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + '…'}"
