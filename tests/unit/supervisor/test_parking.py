"""Places in the file of parked states: none overlaps another, and all come back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.supervisor.parking import BLOCK_BYTES, ParkingLot
from dspex.supervisor.states import sealed_copy

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.supervisor.states import SealedState


def state(data: bytes) -> SealedState:
    def fill(view: memoryview) -> None:
        view[:] = data

    return sealed_copy(len(data), fill)


def content(found: SealedState) -> bytes:
    with found.content() as view:
        return bytes(view)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20_000), st.booleans(), st.integers(0, 99)), max_size=20))
def test_every_state_is_itself_until_it_is_freed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, int]]
) -> None:
    lot = ParkingLot(tmp_path_factory.getbasetemp())
    kept = []
    for number, (size, free, which) in enumerate(steps):
        data = bytes([number % 251 + 1]) * size
        kept.append((lot.put(state(data)), data))
        if free:
            place, _ = kept.pop(which % len(kept))
            lot.free(place)
        assert all(content(lot.get(place)) == data for place, data in kept)
        assert lot.size >= sum(len(data) for _, data in kept)
    for place, _ in kept:
        lot.free(place)
    assert lot.size == 0
    lot.close()


def test_the_file_has_no_name_and_is_made_when_it_is_needed(tmp_path: Path) -> None:
    lot = ParkingLot(tmp_path / "not" / "there")
    assert not (tmp_path / "not").exists()
    lot.put(state(b"x"))
    assert list((tmp_path / "not" / "there").iterdir()) == []
    lot.close()
    lot.close()
    with pytest.raises(OSError, match="closed"):
        lot.put(state(b"x"))


def test_the_disk_gets_back_what_lies_in_the_middle(tmp_path: Path) -> None:
    lot = ParkingLot(tmp_path)
    first, _last = lot.put(state(b"1" * 100 * BLOCK_BYTES)), lot.put(state(b"2"))
    taken = os.fstat(lot._descriptor).st_blocks
    lot.free(first)

    assert os.fstat(lot._descriptor).st_blocks <= taken - 700
    assert lot.put(state(b"3")).offset == 0
    lot.close()


def test_a_place_that_is_still_read_is_kept(tmp_path: Path) -> None:
    lot = ParkingLot(tmp_path)
    place = lot.put(state(b"kept"))
    lot.hold(place)
    lot.free(place)
    assert content(lot.get(place)) == b"kept"
    lot.free(place)
    assert lot.size == 0
    lot.close()


def test_what_cannot_be_written_is_said_and_takes_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    lot = ParkingLot(tmp_path / "file" / "below")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        lot.put(state(b"x"))
    assert lot.size == 0
    lot.close()
