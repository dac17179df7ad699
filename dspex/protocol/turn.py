"""Whose turn it is: the supervisor's view of one conversation with one worker.

Bytes go in, checked messages come out; what to do with them is the supervisor's business. A worker
that speaks out of turn, of another run, or more than the budget allows breaks the conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.protocol.framing import FrameDecoder, FrameError
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    Budget,
    Call,
    Ended,
    ErrandAnswer,
    FromWorker,
    MessageError,
    MountedFile,
    MountedRemoval,
    Output,
    Ready,
    Twin,
    WrittenFile,
    decode_from_worker,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class TurnError(ValueError):
    """The worker broke the rules of the conversation; it is not listened to any more."""


class Conversation:
    """One worker's socket, seen as turns: `Run` out, then outputs, calls and files in, then `Ended`.

    The worker of a session may greet with `Ready` before its first turn, and answers errands between turns.
    """

    __slots__ = ("_budget", "_decoder", "_errand", "_file_bytes", "_files", "_greets", "_mount_bytes",
                 "_output_bytes", "_removals", "_writable", "calls", "run")

    def __init__(self, *, greets: bool = False) -> None:
        """Wait for the first turn; until then nothing may arrive, but one greeting if the worker `greets`."""
        self._decoder = FrameDecoder(ENVELOPE_BYTES if greets else 0)
        self._greets = greets
        self._budget: Budget | None = None
        self._errand: tuple[type[ErrandAnswer], int] | None = None
        self._mount_bytes: list[int] = []
        self._writable: set[int] = set()
        self._removals = 0
        self.run = -1
        self.calls = 0
        """Calls of the turn under way, or of the last one."""
        self._output_bytes = self._files = self._file_bytes = 0

    @property
    def idle(self) -> bool:
        """Whether no turn is under way."""
        return self._budget is None

    def begin(self, run: int, budget: Budget, mounts: Sequence[int] = ()) -> None:
        """Start a turn.

        Args:
            run: Number of the run; what follows must name it.
            budget: What the worker may send.
            mounts: Bytes that it may send of each mount: 0 for one that is not written back.

        Raises:
            TurnError: if the last one has not ended; the caller's mistake, not the worker's.
        """
        if self._budget is not None:
            msg = f"run {self.run} has not ended"
            raise TurnError(msg)
        self._budget = budget
        self.run = run
        self.calls = 0
        self._output_bytes = self._files = self._file_bytes = 0
        self._mount_bytes = list(mounts)
        self._writable = {number for number, room in enumerate(mounts) if room}
        self._removals = 0
        largest = max(budget.value_bytes, budget.file_bytes, budget.output_bytes, *mounts)
        self._decoder.frame_bytes_max = largest + 8 * ENVELOPE_BYTES

    def begin_errand(self, answer: type[ErrandAnswer], number: int) -> None:
        """Expect one answer to what is asked between two turns.

        Raises:
            TurnError: if a turn has not ended; the caller's mistake, not the worker's.
        """
        if self._budget is not None or self._errand is not None:
            msg = f"run {self.run} or an errand has not ended"
            raise TurnError(msg)
        self._errand = (answer, number)
        self._decoder.frame_bytes_max = 8 * ENVELOPE_BYTES

    def receive(self, data: bytes) -> list[FromWorker]:
        """Take received bytes and return the messages they complete, each one checked.

        Raises:
            TurnError: if any of it is not allowed now; the conversation is over.
        """
        try:
            frames = self._decoder.feed(data)
            return [self._checked(decode_from_worker(frame)) for frame in frames]
        except (FrameError, MessageError) as error:
            raise TurnError(str(error)) from error

    def _check_mounted(self, message: MountedFile | MountedRemoval, budget: Budget) -> None:
        mount = message.mount
        if mount not in self._writable:
            msg = f"mount {mount} is not one that is written back"
            raise TurnError(msg)
        if isinstance(message, MountedRemoval):
            self._removals += len(message.names)
            _within("removals", self._removals, _MOUNTED_FILES_MAX)
            for name in message.names:
                _check_file_name(name)
            return
        self._files += 1
        _within("files", self._files, budget.file_count + _MOUNTED_FILES_MAX)
        self._mount_bytes[mount] -= len(message.data)
        _within("bytes of a mount beyond its room", -self._mount_bytes[mount], 0)
        if message.name:
            _check_file_name(message.name)

    def _checked_greeting(self, message: Ready | Twin) -> FromWorker:
        if not self._greets or not isinstance(message, Ready):
            msg = f"{type(message).__name__} arrived, which nobody waits for"
            raise TurnError(msg)
        self._greets = False
        if self._budget is None and self._errand is None:
            self._decoder.frame_bytes_max = 0
        return message

    def _checked_errand(self, message: ErrandAnswer) -> FromWorker:
        if self._errand != (type(message), message.errand):
            msg = f"{type(message).__name__} arrived, which nobody has asked for"
            raise TurnError(msg)
        self._errand = None
        self._decoder.frame_bytes_max = 0
        return message

    def _checked(self, message: FromWorker) -> FromWorker:
        if isinstance(message, ErrandAnswer):
            return self._checked_errand(message)
        if isinstance(message, Ready | Twin):
            return self._checked_greeting(message)
        self._greets = False
        return self._checked_in_turn(message)

    def _checked_in_turn(
        self, message: Output | WrittenFile | MountedFile | MountedRemoval | Call | Ended
    ) -> FromWorker:
        budget = self._budget
        if budget is None:
            msg = f"{type(message).__name__} arrived though no run is under way"
            raise TurnError(msg)
        if message.run != self.run:
            msg = f"{type(message).__name__} of run {message.run} arrived in run {self.run}"
            raise TurnError(msg)
        if isinstance(message, Output):
            if not message.data:
                msg = "an empty Output arrived"  # they would count for nothing, without end
                raise TurnError(msg)
            self._output_bytes += len(message.data)
            _within("output bytes", self._output_bytes, budget.output_bytes)
        elif isinstance(message, Call):
            self.calls += 1
            _within("host calls", self.calls, budget.host_calls)
            _within("value bytes", len(message.arguments), budget.value_bytes)
            if message.call != self.calls:
                msg = f"call {message.call} arrived in place of call {self.calls}"
                raise TurnError(msg)
        elif isinstance(message, WrittenFile):
            self._files += 1
            self._file_bytes += len(message.data)
            _within("files", self._files, budget.file_count)
            _within("file bytes", self._file_bytes, budget.file_bytes)
            _check_file_name(message.name)
        elif isinstance(message, MountedFile | MountedRemoval):
            self._check_mounted(message, budget)
        elif isinstance(message, Ended):
            _within("value bytes", len(message.value), budget.value_bytes)
            self._budget = None
            self._decoder.frame_bytes_max = 0
        return message


_MOUNTED_FILES_MAX = 100_000
"""Most files of mounts that one run may write or remove."""


def _check_file_name(name: str) -> None:
    """Refuse names that would lead out of a folder; callers may well write files by them."""
    if any(part in {"", ".", ".."} for part in name.split("/")) or "\0" in name:
        msg = f"WrittenFile: {name[:100]!r} is not a name below the working directory"
        raise TurnError(msg)


def _within(what: str, got: int, allowed: int) -> None:
    if got > allowed:
        msg = f"{what}: {got} arrived, {allowed} are allowed"
        raise TurnError(msg)
