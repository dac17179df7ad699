"""With the wasm wall gone and any one of the others down as well, native code still reaches nothing of the host."""

import os
from collections.abc import Iterator

import pytest

from dspex.isolation.layers import JAIL, Layer
from tests.ablation.ablation import HOST, KNOWN, Jail
from tests.ablation.arena import Arena


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with Arena() as arena:
        yield arena


ordinary = pytest.mark.parametrize(
    "as_ordinary_user",
    [False, True][os.geteuid() != 0 :],
    ids=lambda each: "ordinary" if each else "root",
)


@ordinary
def test_with_all_walls_up_nothing_is_reached(arena: Arena, *, as_ordinary_user: bool) -> None:
    ablation = arena.run(as_ordinary_user=as_ordinary_user)
    assert not ablation.absent
    assert not ablation.reached()


@ordinary
@pytest.mark.parametrize("layer", JAIL)
def test_with_one_wall_down_the_others_hold(
    arena: Arena, layer: Layer, *, as_ordinary_user: bool
) -> None:
    ablation = arena.run(without=(layer,), as_ordinary_user=as_ordinary_user)
    assert layer.value in ablation.absent
    assert not Jail(f"all but {layer}", (layer,), ablation).breaches()


@ordinary
@pytest.mark.parametrize("layer", KNOWN)
def test_what_is_known_to_get_through_does(
    arena: Arena, layer: Layer, *, as_ordinary_user: bool
) -> None:
    ablation = arena.run(without=(layer,), as_ordinary_user=as_ordinary_user)
    assert ablation.reached() & HOST == KNOWN[layer]
