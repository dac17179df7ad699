"""The value codec: any bytes give a value or a refusal, and a value stays itself on every way.

What the host's decoder takes is sent on: host to guest, guest to guest's encoder, and back.
"""

from __future__ import annotations

import re

import msgspec
from hypothesis import strategies as st

from dspex import values
from dspex.errors import ValueNotTransferable
from dspex.languages.guest import python_values as guest
from fuzz.target import Target
from tests.unit.crossing import same
from tests.unit.crossing import values as python_objects

BYTES_MAX = 100_000
DEPTH_MAX = 30


def check(data: bytes) -> str:
    """Decode bytes as a guest's value; then send what they were around."""
    try:
        value = values.decode(data, bytes_max=BYTES_MAX, depth_max=DEPTH_MAX)
    except (values.ValueOverLimit, values.ValueUndecodable) as error:
        return re.sub(r"\d+|'.*'|\".*\"", "#", str(error))[:60]
    try:
        sent = values.encode(value, bytes_max=BYTES_MAX, depth_max=DEPTH_MAX)
    except values.ValueOverLimit as error:
        # The host writes some numbers longer than they came: 1e5 as 100000.0.
        assert error.limit == "value_bytes", f"decoded, but too deep to send: {error}"
        return "grew too large"
    except ValueNotTransferable as error:
        raise AssertionError(f"decoded, but cannot be sent: {error}") from error
    again = values.decode(sent, bytes_max=BYTES_MAX, depth_max=DEPTH_MAX)
    assert same(again, value), f"host to host: {again!r} instead of {value!r}"
    inside = guest.decode(sent)
    assert same(inside, value), f"host to guest: {inside!r} instead of {value!r}"
    back, notes = guest.encode(inside, BYTES_MAX, DEPTH_MAX)
    assert not notes, f"the guest could not send back what it got: {notes}"
    returned = values.decode(back, bytes_max=BYTES_MAX, depth_max=DEPTH_MAX)
    assert same(returned, value), f"guest to host: {returned!r} instead of {value!r}"
    tags = sorted(set(re.findall(rb'"\$":\["(\w+)"', sent)))
    return f"{type(value).__name__} {b' '.join(tags)[:60].decode()}"


def _sent(value: object) -> bytes:
    return values.encode(value, bytes_max=BYTES_MAX * 100, depth_max=100)


_leaves = (
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
)
_tags = st.sampled_from(sorted(values._READERS)) | st.text(max_size=3)
_trees = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["$", "a", "b"]), inner, max_size=2)
    | st.tuples(_tags, inner).map(lambda pair: {"$": list(pair)}),
    max_leaves=8,
).map(lambda tree: msgspec.json.encode(_writable(tree)))


def _writable(tree: object) -> object:
    """Make lists of tags' pairs writable: integers over 64 bits are not JSON numbers here."""
    if isinstance(tree, int) and not isinstance(tree, bool) and not -(2**63) <= tree < 2**64:
        return str(tree)
    if isinstance(tree, list):
        return [_writable(one) for one in tree]
    if isinstance(tree, dict):
        return {str(key).encode("utf-8", "replace").decode(): _writable(tree[key]) for key in tree}
    if isinstance(tree, str):
        return tree.encode("utf-8", "replace").decode()
    return tree


TARGET = Target("values", check, python_objects.map(_sent) | _trees)
