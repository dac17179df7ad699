"""Policies that ask for more isolation, or grant more, than an engine has."""

from __future__ import annotations

import json

import pytest

import dspex
from dspex.isolation.layers import Layer
from dspex.policy import Policy
from dspex.supervisor import zygote as zygote_module


def demanding(*layers: str, **grants: object) -> Policy:
    return Policy(
        name="demanding", languages=frozenset({"python"}), require_layers=frozenset(layers), **grants
    )


def test_an_outcome_lists_every_layer_that_was_armed(engine: dspex.Engine) -> None:
    outcome = engine.run("1")

    assert set(outcome.isolation) <= {layer.value for layer in Layer}
    assert {"wasm", "process", "seccomp", "no_new_privs"} <= set(outcome.isolation)


def test_a_run_may_require_what_the_engine_has(engine: dspex.Engine) -> None:
    assert engine.run("6 * 7", policy=demanding(*engine.isolation)).value == 42


def test_an_engine_refuses_to_start_without_a_required_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weaken(monkeypatch, "landlock")

    with pytest.raises(dspex.IsolationMissing) as caught:
        dspex.Engine(policy=demanding("landlock", "wasm"))

    text = str(caught.value)
    assert text.startswith("1 required isolation layer could not be armed:\nlandlock: ")
    assert "without it: " in text
    assert "to change it: " in text


def test_an_engine_that_lacks_a_layer_refuses_the_runs_that_require_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weaken(monkeypatch, "landlock")

    with dspex.Engine(policy=demanding("wasm")) as engine:
        assert "landlock" not in engine.run("1").isolation
        with pytest.raises(dspex.IsolationMissing, match="landlock"):
            engine.run("1", policy=demanding("landlock"))
        with pytest.raises(dspex.IsolationMissing, match="landlock"):
            engine.session(policy=demanding("landlock"))
        assert engine.run("6 * 7").value == 42


def test_an_unknown_layer_is_named_in_the_error() -> None:
    with pytest.raises(dspex.PolicyInvalid, match=r"'moat'.*; allowed: names of layers: wasm, process, "):
        demanding("moat")


def weaken(monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    """Have zygotes of this test leave one wall down, as a machine without it would."""
    leave_down = (
        "from dspex.worker import zygote; from dspex.isolation.layers import Layer; "
        "spec = zygote.JailSpec; zygote.JailSpec = "
        f"lambda **given: spec(**given, without=(Layer({json.dumps(layer)}),)); "
    )
    importing, running = zygote_module._BOOT.split("importlib.import_module", 1)
    boot = f"{importing}{leave_down}importlib.import_module{running}"
    monkeypatch.setattr(zygote_module, "_BOOT", boot)
