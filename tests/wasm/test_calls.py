"""Single functions are called by name with checked arguments; components too, where they import nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

import dspex

ARITHMETIC = """(module
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "wide") (param i64) (result i64) (local.get 0))
  (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
  (func (export "single") (param f32) (result f32) (local.get 0))
  (func (export "both") (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
  (func (export "nothing"))
  (func (export "vector") (param v128))
  (func (export "reference") (result funcref) (ref.null func))
  (func (export "trap") unreachable)
  (global (export "number") i32 (i32.const 1))
  (memory (export "memory") 1))"""

REACTOR = """(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (global $ready (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $ready (i32.const 7)))
  (func (export "ready") (result i32) (global.get $ready))
  (func (export "leave") (call $exit (i32.const 4))))"""

COMPONENT = """(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "length") (param i32 i32) (result i32) (local.get 1)))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" s32) (param "b" s32) (result s32)
    (canon lift (core func $i "add")))
  (func (export "length") (param "text" string) (result u32)
    (canon lift (core func $i "length") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc")))))"""


def call(engine: dspex.Engine, name: str, *arguments: Any, source: str = ARITHMETIC) -> Any:
    return engine.run(source, language="wasm", variables={"call": name, "arguments": arguments})


def refusal(outcome: dspex.Outcome) -> tuple[str, str | None]:
    assert outcome.error is not None
    assert outcome.status == "refused", outcome.error
    [finding] = outcome.error.findings
    return finding.message, finding.hint


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("add", (2, 3), 5),
        ("add", (2**31 - 1, 1), -(2**31)),
        ("add", (2**32 - 1, 0), -1),
        ("wide", (-(2**63),), -(2**63)),
        ("wide", (2**64 - 1,), -1),
        ("half", (3,), 1.5),
        ("half", (math.inf,), math.inf),
        ("single", (1e39,), math.inf),
        ("single", (0.5,), 0.5),
        ("both", (7, 0.25), (0.25, 7)),
        ("nothing", (), None),
    ],
)
def test_results_are_values_of_their_types(
    engine: dspex.Engine, name: str, arguments: tuple[Any, ...], value: Any
) -> None:
    outcome = call(engine, name, *arguments)

    assert (outcome.status, outcome.value) == ("ok", value)
    assert type(outcome.value) is type(value)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("add", (1,), "add(i32, i32) -> i32: 2 arguments wanted, 1 given"),
        ("add", (1, 2.0), "add(i32, i32) -> i32: arguments[1]: 2.0 is no i32"),
        ("add", (1, True), "add(i32, i32) -> i32: arguments[1]: True is no i32"),
        ("add", (1, 2**32), "add(i32, i32) -> i32: arguments[1]: 4294967296 is no i32"),
        ("add", (-(2**31) - 1, 0), "add(i32, i32) -> i32: arguments[0]: -2147483649 is no i32"),
        ("wide", (2**64,), "wide(i64) -> i64: arguments[0]: 18446744073709551616 is no i64"),
        ("half", ("1",), "half(f64) -> f64: arguments[0]: '1' is no f64"),
        ("half", (10**400,), "half(f64) -> f64: arguments[0]: 1" + "0" * 59 + " is no f64"),
        ("vector", (1,), "vector(v128): v128 cannot cross"),
        ("reference", (), "reference() -> funcref: funcref cannot cross"),
        ("absent", (), "it exports no function 'absent'"),
        ("number", (), "it exports no function 'number'"),
        ("memory", (), "it exports no function 'memory'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_functions_type(
    engine: dspex.Engine, name: str, arguments: tuple[Any, ...], message: str
) -> None:
    assert refusal(call(engine, name, *arguments))[0] == message


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"call": 3}, "variables['call']: the name of an exported function wanted"),
        ({"call": "add", "arguments": 3}, "variables['arguments']: a list wanted"),
        ({"call": "add", "extra": 1}, "variables: 'extra' beside 'call'"),
    ],
)
def test_a_call_that_cannot_be_meant_is_the_callers_mistake(
    engine: dspex.Engine, variables: dict[str, Any], message: str
) -> None:
    with pytest.raises(dspex.RequestError) as caught:
        engine.run(ARITHMETIC, language="wasm", variables=variables)
    assert str(caught.value).startswith(message)


def test_a_module_without_a_start_says_what_could_be_called(engine: dspex.Engine) -> None:
    message, hint = refusal(engine.run(ARITHMETIC, language="wasm"))

    assert message == "it exports no `_start`, so it is no program"
    assert hint is not None
    assert hint.startswith('name a function: variables={"call": ...}; it exports add(i32, i32) -> i32, ')


def test_a_trap_and_an_exit_in_a_function_end_as_in_a_program(engine: dspex.Engine) -> None:
    trapped = call(engine, "trap")
    left = call(engine, "leave", source=REACTOR)

    assert (trapped.status, trapped.error.type) == ("raised", "Trap")
    assert (left.status, left.error.type, left.error.message) == ("raised", "SystemExit", "4")


def test_a_library_is_initialized_before_its_function_is_called(engine: dspex.Engine) -> None:
    assert call(engine, "ready", source=REACTOR).value == 7


def test_a_component_without_imports_is_called_with_its_own_types(engine: dspex.Engine) -> None:
    assert call(engine, "add", 40, 2, source=COMPONENT).value == 42
    assert call(engine, "length", "naïve", source=COMPONENT).value == 6


def test_a_component_is_told_what_does_not_fit(engine: dspex.Engine) -> None:
    assert refusal(call(engine, "add", 1, source=COMPONENT))[0] == "add takes 2 arguments, 1 given"
    assert refusal(call(engine, "add", 1, "x", source=COMPONENT))[0].startswith("add(a: s32, b: s32)")
    assert refusal(call(engine, "gone", source=COMPONENT)) == (
        "it exports no function 'gone'",
        "it exports add(a: s32, b: s32) -> s32, length(text: string) -> u32",
    )


def test_a_component_that_imports_something_is_refused_by_the_imports_name(
    engine: dspex.Engine,
) -> None:
    source = '(component (import "wasi:cli/environment@0.2.0" (instance)))'

    message, hint = refusal(call(engine, "run", source=source))

    assert message == "the component imports wasi:cli/environment@0.2.0"
    assert hint == "components get no imports here; compile to a module for WASI preview 1"
