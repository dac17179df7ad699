"""State that lives from run to run, timers, and the caller's tools."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import dspex
from tests.javascript.running import Run, value_of


def test_declarations_live_on(engine: dspex.Engine) -> None:
    with engine.session(language="javascript") as session:
        first = session.run("let a = 1; const b = 2; var c = 3; class K { m() { return a } } function f() { return b + c } async function g() { return a }")
        again = session.run("a += 10; [a, b, c, new K().m(), f(), await g()]")
        more = session.run("import { join } from 'node:path'; const later = await Promise.resolve(join('x', 'y')); later")
        last = session.run("import { join } from 'node:path'; [later, typeof join, a]")

    assert value_of(first) is None
    assert value_of(again) == [11, 2, 3, 11, 5, 11]
    assert value_of(more) == "x/y"
    assert value_of(last) == ["x/y", "function", 11]


def test_a_session_survives_errors_limits_and_exits(engine: dspex.Engine) -> None:
    with engine.session(language="javascript") as session:
        session.run("let n = 1; const files = require('fs')")
        endings = [
            session.run("n++; throw new Error('x')"),
            session.run("n++; let = ;"),
            session.run("n++; for (;;);", timeout_s=0.2),
            session.run("n++; setInterval(() => { n += 100 }, 1)", timeout_s=0.2),
            session.run("n++; process.exit(2); n++"),
            session.run("n++; const a = []; for (;;) a.push(new Uint8Array(1e6))"),
            session.run("(function f() { f() })()"),
            session.run("await new Promise(() => {})"),
        ]
        last = session.run("n > 100 ? n % 100 : n")

    assert [one.status for one in endings] == ["raised", "refused", "limit", "limit", "raised", "limit", "raised", "raised"]
    assert (last.status, last.value) == ("ok", 6)


def test_files_and_modules_live_on_in_a_session(engine: dspex.Engine) -> None:
    with engine.session(language="javascript") as session:
        session.run("require('fs').writeFileSync('kept.txt', 'kept')")
        session.run("export const nothing = 1", files={"m.js": "export let n = 1; export const up = () => ++n;"})
        second = session.run("import { up, n } from './m.js'; up(); n")
        third = session.run("import { n } from './m.js'; [n, require('fs').readFileSync('kept.txt', 'utf8')]")

    assert value_of(second) == 2
    assert (value_of(third), third.files) == ([2, "kept"], {})


def test_each_run_of_a_session_has_a_name_of_its_own(engine: dspex.Engine) -> None:
    with engine.session(language="javascript") as session:
        session.run("function old() {\n  throw new Error('x') }")
        outcome = session.run("\nold()")

    assert outcome.error is not None
    assert outcome.error.traceback == "Error: x\n    at old (main.js:2:13)\n    at main-2.js:2:1"


def test_a_variable_replaces_what_a_run_before_declared(engine: dspex.Engine) -> None:
    with engine.session(language="javascript") as session:
        session.run("let x = 1; const fixed = 1; var y = 1")
        outcome = session.run("[x, y]", variables={"x": 2, "y": 3})

    assert value_of(outcome) == [2, 3]


def test_timers_of_a_run_end_with_it(engine: dspex.Engine) -> None:
    with engine.session(language="javascript") as session:
        session.run("globalThis.ticks = 0; setInterval(() => { ticks++ }, 5)", timeout_s=0.2)
        before = session.run("ticks").value
        session.run("await new Promise((r) => setTimeout(r, 50))")
        after = session.run("ticks").value

    assert before == after > 0


TIMERS = {
    "in the order of their time": (
        ("const out = []; setTimeout(() => out.push('b'), 20); setTimeout(() => out.push('a'), 5); setTimeout(() => out.push('first'));\n"
        "await new Promise((r) => setTimeout(r, 40)); out"),
        ["first", "a", "b"],
    ),
    "with arguments": ("await new Promise((r) => setTimeout((a, b) => r([a, b]), 1, 'x', 2))", ["x", 2]),
    "cleared": ("let n = 0; const t = setTimeout(() => { n = 1 }, 1); clearTimeout(t); clearTimeout(undefined); await new Promise((r) => setTimeout(r, 20)); n", 0),
    "repeated": (
        "const out = []; await new Promise((r) => { const t = setInterval(() => { out.push(out.length); if (out.length === 3) { clearInterval(t); r() } }, 2) }); out",
        [0, 1, 2],
    ),
    "microtasks between": (
        "const out = []; setTimeout(() => { out.push(1); Promise.resolve().then(() => out.push('m')) }, 1); setTimeout(() => out.push(2), 1); await new Promise((r) => setTimeout(r, 20)); out",
        [1, "m", 2],
    ),
    "from promises": ("import { setTimeout as sleep } from 'node:timers/promises'; await sleep(2, 'v')", "v"),
    "immediately": ("await new Promise((r) => setImmediate(r, 'now'))", "now"),
    "with odd delays": ("await new Promise((r) => setTimeout(r, NaN)); await new Promise((r) => setTimeout(r, -5)); await new Promise((r) => setTimeout(r, '1')); 'ok'", "ok"),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMERS)
def test_timers_run(js: Run, name: str) -> None:
    code, expected = TIMERS[name]

    assert value_of(js(code)) == expected


def test_a_program_runs_until_its_timers_have_run(js: Run) -> None:
    outcome = js("setTimeout(() => console.log('late'), 30); console.log('early'); 'value'")

    assert (value_of(outcome), outcome.stdout) == ("value", "early\nlate\n")
    assert 0.03 <= outcome.usage.wall_s < 2
    assert outcome.usage.cpu_s < 0.5


def test_output_streams_while_a_program_waits(js: Run) -> None:
    seen: list[tuple[float, str]] = []
    outcome = js(
        "console.log('one'); await new Promise((r) => setTimeout(r, 300)); console.log('two')",
        on_output=lambda _stream, text: seen.append((time.monotonic(), text)),
    )

    assert outcome.status == "ok"
    assert "".join(text for _, text in seen) == "one\ntwo\n"
    assert seen[-1][0] - seen[0][0] > 0.2


# Tools


def add(a: int, b: int = 10) -> int:
    """Add two numbers."""
    return a + b


def by_name(first: int, *, factor: int = 2, label: str = "") -> str:
    return f"{label}{first * factor}"


def failing() -> None:
    msg = "no such row"
    raise KeyError(msg)


async def slow(n: int) -> int:
    await asyncio.sleep(0.15)
    return n * n


def anything(*args: Any) -> list[Any]:
    return list(args)


TOOLS = {"add": add, "by_name": by_name, "failing": failing, "slow": slow, "anything": anything}

CALLS = {
    "by position": ("add(1, 2)", 3),
    "with a default": ("add(1)", 11),
    "undefined is a default": ("add(1, undefined)", 11),
    "what is too much is dropped": ("[1, 2].map(add)", [1, 3]),
    "an object gives what is named": ("by_name(3, { factor: 5, label: 'x' })", "x15"),
    "an object in a position is a value": ("anything({ a: 1 })", [{"a": 1}]),
    "rest parameters take all": ("anything(1, 'x', [2n ** 70n], new Map([[1, 2]]))", [1, "x", [2**70], {1: 2}]),
    "async tools are promises": ("const p = slow(3); [p instanceof Promise, await p]", [True, 9]),
    "they are functions with names": ("[add.name, add.length, add.doc, typeof slow]", ["add", 1, "Add two numbers.", "function"]),
    "exceptions are errors": (
        "let e; try { failing() } catch (error) { e = error } [e instanceof Error, e.name, e.message, String(e)]",
        [True, "KeyError", "no such row", "KeyError: no such row"],
    ),
    "wrong arguments are TypeErrors": ("let e; try { add('x') } catch (error) { e = error } [e instanceof TypeError, e.name]", [True, "TypeError"]),
    "a missing argument is a TypeError": ("let e; try { add() } catch (error) { e = error } e instanceof TypeError", True),
    "async exceptions reject": ("await slow('x').catch((e) => e.name)", "TypeError"),
    "what cannot cross is a TypeError": (
        "let e; try { anything(() => 1) } catch (error) { e = error } [e instanceof TypeError, e.message]",
        [True, "an argument of anything cannot cross: arguments[0][0]: function cannot cross, its text is given"],
    ),
    "they can be hidden": ("{ const add = () => 'mine'; globalThis.r = add() } r", "mine"),
    "inside timers": ("await new Promise((r) => setTimeout(async () => r(add(1, 1) + await slow(2)), 1))", 6),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_tool_is_an_ordinary_function(js: Run, name: str) -> None:
    code, expected = CALLS[name]

    assert value_of(js(code, tools=TOOLS)) == expected


def test_async_tools_run_at_the_same_time(js: Run) -> None:
    outcome = js("const began = Date.now(); const r = await Promise.all([1, 2, 3, 4].map((n) => slow(n))); [r, Date.now() - began < 500]", tools=TOOLS)

    assert value_of(outcome) == [[1, 4, 9, 16], True]


def test_timers_run_while_tools_work(js: Run) -> None:
    code = "let n = 0; const t = setInterval(() => { n++ }, 10); const r = await slow(2); clearInterval(t); [r, n > 3]"

    assert value_of(js(code, tools=TOOLS)) == [4, True]


def test_waiting_for_a_tool_is_not_the_programs_time(js: Run) -> None:
    def nap() -> str:
        time.sleep(0.6)
        return "woke"

    outcome = js("nap()", tools={"nap": nap}, timeout_s=0.4)

    assert value_of(outcome) == "woke"
    assert outcome.usage.waited_s > 0.5


def test_calls_are_counted(js: Run) -> None:
    policy = dspex.Policy.load("compute")
    few = policy.model_copy(update={"limits": policy.limits.model_copy(update={"host_calls": 2})})

    outcome = js("add(1); add(1); add(1)", tools=TOOLS, policy=few)

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert outcome.error.message == "host_calls: all 2 calls of this run are made"


def test_an_uncaught_exception_of_a_tool_names_its_type(js: Run) -> None:
    outcome = js("function f() {\n  failing() }\nf()", tools=TOOLS)

    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("KeyError", "no such row")
    assert outcome.error.traceback == "KeyError: no such row\n    at f (main.js:2:3)\n    at main.js:3:1"
