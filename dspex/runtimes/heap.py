"""A guest's heap before the snapshot: its holes are filled, so that what a run allocates lies together.

Starting leaves thousands of small holes between what stays. A run would put its objects into them and so write a
page for every few; each page that is written is copied for each worker. Filled, they cost some memory and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM_BYTES = 1 << 16
"""Free memory of this size in one piece is no hole: what is allocated there lies together."""
_HALVED_DOWN_TO = 1 << 10
_GRAIN_BYTES = 16
_BETWEEN_BYTES_MAX = 2 * _GRAIN_BYTES
"""What an allocator puts between two neighbours: a header, and what rounding takes."""


def fill_holes(call: Callable[..., int]) -> int:
    """Allocate the holes of a guest's heap, for good; return how much that was, in bytes.

    Args:
        call: Calls the guest's `malloc` and `free` by name.
    """
    return sum(_fill(call, size) for size in _sizes())


def _sizes() -> list[int]:
    """Return the sizes that are tried, the largest first: the rest of a hole takes the smaller ones."""
    sizes = []
    size = ROOM_BYTES // 2
    while size > _HALVED_DOWN_TO:
        sizes.append(size)
        size //= 2
    return [*sizes, *range(_HALVED_DOWN_TO, 0, -_GRAIN_BYTES)]


def _fill(call: Callable[..., int], size: int) -> int:
    """Allocate pieces of a size until they lie side by side; give those back."""
    filled = 0
    neighbours: list[int] = []
    while len(neighbours) * size < ROOM_BYTES:
        address = call("malloc", size)
        if not address:
            msg = f"the guest has no {size} bytes left while it is built"
            raise MemoryError(msg)
        if neighbours and not 0 <= address - neighbours[-1] - size <= _BETWEEN_BYTES_MAX:
            filled += len(neighbours) * size
            neighbours.clear()
        neighbours.append(address)
    for address in neighbours:
        call("free", address)
    return filled
