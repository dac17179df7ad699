"""Holes of a heap are filled, large free pieces are not, and nothing else is kept."""

from __future__ import annotations

import random

import pytest

from dspex.runtimes.heap import ROOM_BYTES, fill_holes

GRAIN, HEADER = 16, 8


class Heap:
    """An allocator that takes the smallest piece that fits, and joins what is given back."""

    def __init__(self, free: list[tuple[int, int]]) -> None:
        self.free, self.taken = free, dict[int, int]()

    def call(self, name: str, argument: int) -> int:
        return self.malloc(argument) if name == "malloc" else self.give_back(argument)

    def malloc(self, size: int) -> int:
        wanted = -(-(size + HEADER) // GRAIN) * GRAIN
        fitting = [piece for piece in self.free if piece[1] >= wanted]
        if not fitting:
            return 0
        start, length = min(fitting, key=lambda piece: piece[1])
        self.free.remove((start, length))
        if length > wanted:
            self.free.append((start + wanted, length - wanted))
        self.taken[start + HEADER] = wanted
        return start + HEADER

    def give_back(self, address: int) -> int:
        pieces = sorted([*self.free, (address - HEADER, self.taken.pop(address))])
        self.free = []
        for start, length in pieces:
            if self.free and sum(self.free[-1]) == start:
                self.free[-1] = (self.free[-1][0], self.free[-1][1] + length)
            else:
                self.free.append((start, length))
        return 0


def shattered() -> Heap:
    draw = random.Random(3)
    holes, at = [], GRAIN
    for _ in range(400):
        at += draw.randrange(1, 40) * GRAIN
        length = draw.choice((2, 3, 9, 40, 700)) * GRAIN
        holes.append((at, length))
        at += length + GRAIN
    return Heap([*holes, (at + GRAIN, 64 * ROOM_BYTES)])


def test_only_large_pieces_stay_free() -> None:
    heap = shattered()
    room = sum(length for _, length in heap.free if length >= ROOM_BYTES)

    filled = fill_holes(heap.call)

    assert all(length >= ROOM_BYTES - GRAIN for _, length in heap.free)
    assert sum(length for _, length in heap.free) > room * 0.99
    assert filled >= sum(heap.taken.values()) / 2


def test_a_heap_without_holes_keeps_all_that_is_free() -> None:
    heap = Heap([(GRAIN, 64 * ROOM_BYTES)])

    assert fill_holes(heap.call) == 0
    assert heap.free == [(GRAIN, 64 * ROOM_BYTES)]


def test_a_heap_that_has_no_room_at_all_is_no_heap_to_build_with() -> None:
    with pytest.raises(MemoryError, match="the guest has no 32768 bytes left"):
        fill_holes(Heap([(GRAIN, 64)]).call)
