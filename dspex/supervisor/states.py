"""States of guests as the supervisor holds them: sealed memory files, which it never looks into.

A worker writes its guest's state into a memory file of a fixed size. Then the file is sealed: from
that moment neither that worker nor anybody else can change it, and it may be given to another one,
or be written to a disk. A worker that keeps a hand on it is found out by the sealing.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import mmap
import os
from typing import TYPE_CHECKING, NamedTuple

from dspex.errors import ProtocolViolation, SnapshotUnusable, WorkerCrashed
from dspex.protocol.messages import Restore, Restored, Save, Saved, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dspex.errors import DspexError
    from dspex.protocol.messages import ErrandAnswer

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_OVERHEAD_BYTES = 64 << 20
"""What a state may need beside its guest's memory and files: names, open files, tables."""
_NUMBERS = itertools.count(1)


class StateTerms(NamedTuple):
    """What a session's guest may have, wherever it comes from; see `dspex.limits.Limits`."""

    memory_bytes: int
    file_bytes: int
    file_count: int
    open_files: int

    @property
    def state_bytes_max(self) -> int:
        """How large a state can be: the files that the host gives count as well."""
        return self.memory_bytes + 2 * self.file_bytes + _OVERHEAD_BYTES


class SealedState:
    """A state in a memory file that nobody can change any more."""

    def __init__(self, descriptor: int, size: int) -> None:
        """Seal a memory file and take it over.

        Raises:
            OSError: Somebody can still write to it; it is closed.
        """
        self.descriptor = descriptor
        self.size = size
        try:
            os.ftruncate(descriptor, size)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        except OSError:
            self.close()
            raise

    @contextlib.contextmanager
    def content(self) -> Iterator[memoryview]:
        """Lend its bytes; the mapping ends with the last view of it."""
        yield memoryview(mmap.mmap(self.descriptor, self.size, prot=mmap.PROT_READ))

    def close(self) -> None:
        """Let go of it; closing twice is closing once."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        """Let go of what nobody wants any more."""
        self.close()


def memory_file(size: int) -> int:
    """Return a new memory file that takes up no memory yet.

    Raises:
        OSError: The system gives none.
    """
    descriptor = os.memfd_create("dspex-state", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def sealed_copy(size: int, fill: Callable[[memoryview], None]) -> SealedState:
    """Return a state that `fill` writes into a view of `size` bytes.

    Raises:
        OSError: The system gives no memory file.
        Exception: What `fill` raises.
    """
    descriptor = memory_file(size)
    try:
        mapped = mmap.mmap(descriptor, size)
        view = memoryview(mapped)
        fill(view)
    except BaseException:  # which may hold on to parts of the view: the mapping ends with them
        os.close(descriptor)
        raise
    view.release()
    mapped.close()
    return SealedState(descriptor, size)


class Errand:
    """What a session's worker is asked between two runs; exactly one of its callbacks is called, once."""

    answer: type[ErrandAnswer]

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        """Number an errand; the answer must name the number."""
        self.number = next(_NUMBERS)
        self.frame = b""
        self.descriptor = -1
        self._failed = failed

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What goes with the frame."""
        return (self.descriptor,)

    def settle(self, message: ErrandAnswer) -> DspexError | None:
        """Take the answer; return what the worker is to be killed for, if anything."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Learn that there will be no answer."""
        self._failed(error)


class SaveErrand(Errand):
    """Asks for the state of a worker's guest."""

    answer = Saved

    def __init__(
        self,
        terms: StateTerms,
        done: Callable[[SealedState], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Make the file that the state comes into.

        Raises:
            OSError: The system gives none.
        """
        super().__init__(failed)
        self._done = done
        self._bytes_max = terms.state_bytes_max
        self.descriptor = memory_file(self._bytes_max)
        self.frame = encode(Save(self.number, self._bytes_max))

    def settle(self, message: ErrandAnswer) -> DspexError | None:
        """Seal the file and hand it on."""
        assert isinstance(message, Saved)
        descriptor, self.descriptor = self.descriptor, -1
        if message.problem or not 0 < message.size <= self._bytes_max:
            os.close(descriptor)
            reason = message.problem or f"a worker says that it is {message.size} bytes large"
            self._failed(SnapshotUnusable("session", reason))
            return None if message.problem else ProtocolViolation(reason)
        try:
            state = SealedState(descriptor, message.size)
        except OSError as error:
            verdict = ProtocolViolation(f"it kept its hand on a state that it had saved: {error}")
            self._failed(verdict)
            return verdict
        self._done(state)
        return None

    def fail(self, error: BaseException) -> None:
        """Close the file."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        super().fail(error)


class RestoreErrand(Errand):
    """Asks a fresh worker to be the guest of a state."""

    answer = Restored

    def __init__(
        self,
        state: SealedState,
        terms: StateTerms,
        done: Callable[[], None],
        failed: Callable[[BaseException], None],
        *,
        twin: bool,
        mounted: bool,
    ) -> None:
        """Prepare it; the state stays the caller's."""
        super().__init__(failed)
        self._done = done
        self._state = state
        self.descriptor = state.descriptor
        self.frame = encode(Restore(self.number, state.size, twin, mounted, *terms))

    def settle(self, message: ErrandAnswer) -> DspexError | None:
        """Say whether it is that guest now."""
        assert isinstance(message, Restored)
        if message.problem:
            error = SnapshotUnusable("state", message.problem)
            self._failed(error)
            return WorkerCrashed(None, reason=f"its state could not be restored: {message.problem}")
        self._done()
        return None
