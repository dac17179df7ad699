"""The policy loader: any text gives a policy or `PolicyInvalid`; combining it never loosens anything."""

from __future__ import annotations

from hypothesis import strategies as st

from dspex.errors import PolicyInvalid
from dspex.policy import Policy, shipped_policies
from fuzz.target import Target

SHIPPED = [Policy.load(name) for name in shipped_policies()]


def check(data: bytes) -> str:
    """Load a policy from a text."""
    try:
        policy = Policy.parse(data.decode("utf-8", "replace"), source="fuzz")
    except PolicyInvalid as error:
        assert str(error), "a refusal without a word"
        return f"{error.key} {error.reason.split(' (and', maxsplit=1)[0][:30]}"
    assert policy == Policy.model_validate(policy.model_dump()), "does not survive being written"
    assert policy.tightened(policy) == policy, "combining with itself changes it"
    for other in SHIPPED:
        both = policy.tightened(other)
        assert both.is_no_looser_than(policy), f"looser than it was, with {other.name}"
        assert both.is_no_looser_than(other), f"looser than {other.name}"
        swapped = other.tightened(policy)
        assert both.model_dump(exclude={"description"}) == swapped.model_dump(
            exclude={"description"}
        ), "the order matters"
        Policy.model_validate(both.model_dump())
    return f"a policy with {sorted(policy.model_fields_set)}"


_keys = st.sampled_from(
    [*Policy.model_fields, *SHIPPED[0].limits.model_dump(), "limits.wall_s", "deterministic.seed"]
)
_scalars = (
    st.integers(-(2**70), 2**70).map(str)
    | st.sampled_from(
        ["true", "nan", "inf", "-inf", "1e400", "''", "'*'", "'python'", "'a:80'", "'/a/../b'", "0",
         "1979-05-27", "'[::1]:1'", "'host:0'", '"\\u0000"', "1.0", "-0.0", "4294967296"]
    )
    | st.text(st.characters(exclude_characters="'\n\r", max_codepoint=0x2FF), max_size=8).map(
        lambda text: f"'{text}'"
    )
)
_mount = st.tuples(_scalars, _scalars).map(lambda pair: f"{{guest={pair[0]}, host={pair[1]}}}")
_terms = st.recursive(
    _scalars | _mount,
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
    max_leaves=4,
)
_lines = st.tuples(_keys, _terms).map(" = ".join) | st.sampled_from(
    ["[limits]", "[[mounts]]", "[deterministic]", "guest = '/a'", "host = '/b'", "#"]
)
_texts = st.lists(_lines, max_size=6).map("\n".join) | st.text(max_size=20)

TARGET = Target("policy", check, _texts.map(lambda text: text.encode("utf-8", "replace")))
