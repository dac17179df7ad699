"""The refusal to start names each missing wall, the reason, and what to change."""

import pytest

from dspex.isolation.advice import ADVICE, missing
from dspex.isolation.layers import JAIL, Layer

ALL = [layer.value for layer in Layer]


def test_nothing_is_missing_when_all_that_is_required_stands() -> None:
    assert missing([], []) is None
    assert missing(ALL, reversed(ALL)) is None
    assert missing(["seccomp"], ["seccomp", "landlock"], {"user_namespace": "refused"}) is None


@pytest.mark.parametrize("layer", JAIL)
def test_a_missing_wall_is_named_with_reason_and_remedy(layer: Layer) -> None:
    others = [name for name in ALL if name != layer.value]
    assert missing(ALL, others, {layer.value: "[Errno 1] refused"}) == (
        "1 required isolation layer could not be armed:\n"
        f"{layer.value}: [Errno 1] refused.\n"
        f"  without it: {ADVICE[layer].absence}\n"
        f"  to change it: {ADVICE[layer].remedy}"
    )


def test_several_are_told_once_each_in_the_order_required() -> None:
    message = missing(["wasm", "landlock", "wasm"], [])
    assert message is not None
    assert message.startswith(
        "2 required isolation layers could not be armed:\n"
        "wasm: not reported as armed.\nlandlock: not reported as armed.\n"
    )


def test_a_required_name_that_is_no_layer_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="'fortress' is not a valid Layer"):
        missing(["fortress"], ALL)
