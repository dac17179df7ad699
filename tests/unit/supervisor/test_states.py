"""States are sealed; a worker that lies about one, or keeps a hand on it, is found out."""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dspex.errors import ProtocolViolation, SnapshotUnusable, WorkerCrashed
from dspex.protocol.framing import HEADER_BYTES
from dspex.protocol.messages import Restored, Saved, decode_to_worker
from dspex.supervisor.states import RestoreErrand, SaveErrand, SealedState, StateTerms, sealed_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

TERMS = StateTerms(memory_bytes=1 << 20, file_bytes=1000, file_count=5, open_files=7)


class Told:
    """What became of an errand."""

    def __init__(self) -> None:
        self.states: list[Any] = []
        self.errors: list[BaseException] = []

    def save(self) -> SaveErrand:
        return SaveErrand(TERMS, self.states.append, self.errors.append)


@pytest.fixture
def told() -> Iterator[Told]:
    yield (told := Told())
    assert len(told.states) + len(told.errors) == 1


def saved(errand: SaveErrand, size: int, problem: str = "") -> Saved:
    return Saved(errand.number, size, problem)


def test_what_was_written_comes_out_sealed_and_of_its_size(told: Told) -> None:
    errand = told.save()
    os.pwrite(errand.descriptor, b"state", 0)
    assert errand.settle(saved(errand, 5)) is None

    state = told.states[0]
    with state.content() as content:
        assert bytes(content) == b"state"
    for change in (lambda: os.pwrite(state.descriptor, b"x", 0),
                   lambda: os.ftruncate(state.descriptor, 9),
                   lambda: os.ftruncate(state.descriptor, 1),
                   lambda: fcntl.fcntl(state.descriptor, fcntl.F_ADD_SEALS, 0)):
        with pytest.raises(PermissionError):
            change()
    with pytest.raises(PermissionError):
        mmap.mmap(state.descriptor, 5)


def test_a_worker_that_keeps_a_hand_on_its_state_is_found_out(told: Told) -> None:
    errand = told.save()
    with mmap.mmap(errand.descriptor, 4096):
        verdict = errand.settle(saved(errand, 5))

    assert isinstance(verdict, ProtocolViolation)
    assert "kept its hand" in str(verdict)
    assert told.errors == [verdict]


@pytest.mark.parametrize("size", [0, TERMS.state_bytes_max + 1, 2**40])
def test_a_worker_that_lies_about_the_size_is_found_out(told: Told, size: int) -> None:
    errand = told.save()
    verdict = errand.settle(saved(errand, size))

    assert isinstance(verdict, ProtocolViolation)
    assert isinstance(told.errors[0], SnapshotUnusable)
    assert errand.descriptor == -1


def test_a_worker_that_cannot_write_its_state_stays(told: Told) -> None:
    errand = told.save()
    assert errand.settle(saved(errand, 0, "it is too large")) is None
    assert str(told.errors[0]) == "session: it is too large"


def test_a_worker_that_dies_leaves_no_file(told: Told) -> None:
    errand = told.save()
    descriptor = errand.descriptor
    errand.fail(WorkerCrashed(1))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_what_is_asked_says_what_is_allowed(told: Told) -> None:
    errand = told.save()
    asked = decode_to_worker(errand.frame[HEADER_BYTES:])
    assert asked.bytes_max == os.fstat(errand.descriptor).st_size == TERMS.state_bytes_max
    errand.fail(WorkerCrashed(1))


def test_a_state_that_does_not_become_a_guest_costs_the_worker() -> None:
    state = sealed_copy(4, lambda view: view.__setitem__(slice(None), b"abcd"))
    done: list[None] = []
    errors: list[BaseException] = []
    errand = RestoreErrand(
        state, TERMS, lambda: done.append(None), errors.append, twin=True, mounted=False
    )
    asked = decode_to_worker(errand.frame[HEADER_BYTES:])
    assert (asked.size, asked.twin, asked.mounted, asked.file_count) == (4, True, False, 5)

    assert isinstance(errand.settle(Restored(errand.number, "no")), WorkerCrashed)
    assert (str(errors[0]), done) == ("state: no", [])
    assert errand.settle(Restored(errand.number)) is None
    assert done == [None]


def test_a_copy_that_fails_leaves_nothing() -> None:
    before = {path.name for path in Path("/proc/self/fd").iterdir()}

    def fill(view: memoryview) -> None:
        part = view[1:]
        raise ValueError(len(part))

    with pytest.raises(ValueError, match="3"):
        sealed_copy(4, fill)
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before


def test_a_state_closes_its_file_with_the_last_who_holds_it() -> None:
    state = sealed_copy(4, lambda view: None)
    descriptor = state.descriptor
    assert isinstance(state, SealedState)
    del state
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
