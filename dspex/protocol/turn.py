"""Whose turn it is: the supervisor's view of one conversation with one worker.

Bytes go in, checked messages come out; what to do with them is the supervisor's business. A worker
that speaks out of turn, of another run, or more than the budget allows breaks the conversation.
"""

from __future__ import annotations

from dspex.protocol.framing import FrameDecoder, FrameError
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    Budget,
    Ended,
    FromWorker,
    MessageError,
    Output,
    Run,
    WrittenFile,
    decode_from_worker,
)

OUTPUT_SLACK_BYTES = 64 * 1024
"""A worker cuts exactly at the limit; one that sends this much more is lying."""


class TurnError(ValueError):
    """The worker broke the rules of the conversation; it is not listened to any more."""


class Conversation:
    """One worker's socket, seen as turns: `Run` out, then outputs and files in, then `Ended`."""

    __slots__ = ("_budget", "_decoder", "_file_bytes", "_files", "_output_bytes", "run")

    def __init__(self) -> None:
        """Wait for the first turn; until then nothing may arrive."""
        self._decoder = FrameDecoder(0)
        self._budget: Budget | None = None
        self.run = -1
        self._output_bytes = self._files = self._file_bytes = 0

    @property
    def idle(self) -> bool:
        """Whether no turn is under way."""
        return self._budget is None

    def begin(self, message: Run) -> None:
        """Start a turn.

        Raises:
            TurnError: if the last one has not ended; the caller's mistake, not the worker's.
        """
        if self._budget is not None:
            msg = f"run {self.run} has not ended"
            raise TurnError(msg)
        budget = message.budget
        self._budget = budget
        self.run = message.run
        self._output_bytes = self._files = self._file_bytes = 0
        largest = max(budget.value_bytes, budget.file_bytes, budget.output_bytes)
        self._decoder.frame_bytes_max = largest + 8 * ENVELOPE_BYTES

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

    def _checked(self, message: FromWorker) -> FromWorker:
        budget = self._budget
        if budget is None:
            msg = f"{type(message).__name__} arrived though no run is under way"
            raise TurnError(msg)
        if message.run != self.run:
            msg = f"{type(message).__name__} of run {message.run} arrived in run {self.run}"
            raise TurnError(msg)
        if isinstance(message, Output):
            self._output_bytes += len(message.data)
            _within("output bytes", self._output_bytes, budget.output_bytes + OUTPUT_SLACK_BYTES)
        elif isinstance(message, WrittenFile):
            self._files += 1
            self._file_bytes += len(message.data)
            _within("files", self._files, budget.file_count)
            _within("file bytes", self._file_bytes, budget.file_bytes)
        elif isinstance(message, Ended):
            _within("value bytes", len(message.value), budget.value_bytes)
            self._budget = None
            self._decoder.frame_bytes_max = 0
        return message


def _within(what: str, got: int, allowed: int) -> None:
    if got > allowed:
        msg = f"{what}: {got} arrived, {allowed} are allowed"
        raise TurnError(msg)
