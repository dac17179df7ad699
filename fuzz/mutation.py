"""New inputs from known ones: flipped, cut, repeated, spliced, and with awkward numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

INPUT_BYTES_MAX = 4096

_AWKWARD = [
    b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xff\xff\xff\x7f",
    b"-1", b"1e999", b"NaN", b"\xed\xa0\x80", b'{"$":', b"[" * 40, b"]" * 40, b"\xdc\xff\xff",
    b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xcb\x7f\xf8\0\0\0\0\0\0", b"''", b'"""',
]
_Edit = tuple[str, int, bytes]

_edits = st.lists(
    st.tuples(
        st.sampled_from(["put", "insert", "cut", "repeat", "splice"]),
        st.integers(0, INPUT_BYTES_MAX),
        st.sampled_from(_AWKWARD) | st.binary(min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=4,
)


def mutated(known: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy of inputs that are one to four edits away from a known one."""
    if not known:
        return st.binary(max_size=64)
    return st.builds(_edited, st.sampled_from(known), st.sampled_from(known), _edits)


def _edited(data: bytes, other: bytes, edits: list[_Edit]) -> bytes:
    for kind, number, piece in edits:
        at = number % (len(data) + 1)
        if kind == "put":
            data = data[:at] + piece + data[at + len(piece) :]
        elif kind == "insert":
            data = data[:at] + piece + data[at:]
        elif kind == "cut":
            data = data[:at] + data[at + len(piece) :]
        elif kind == "repeat":
            data = data[:at] + data[max(0, at - 8 * len(piece)) :]
        else:
            data = data[:at] + other[at % (len(other) + 1) :]
    return data[:INPUT_BYTES_MAX]
