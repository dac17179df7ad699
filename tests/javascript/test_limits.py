"""Limits and bad input: each ends as it should, soon, and the next program finds all as new."""

from __future__ import annotations

import time

import pytest

import dspex
from tests.javascript.running import Run

pytestmark = pytest.mark.usefixtures("the_next_one_works")
PROMPT_S = 6.0
MANY = 40
"""More at once than there are workers in stock: the others are forked for who waits, and so not warmed."""


def policy(**changed: float) -> dspex.Policy:
    found = dspex.Policy.load("compute")
    return found.model_copy(update={"limits": found.limits.model_copy(update=changed)})


ENDLESS = {
    "a loop": "for (;;);",
    "a loop with a catch": "for (;;) { try { for (;;); } catch { } }",
    "a loop with finally": "for (;;) { try { for (;;); } finally { continue } }",
    "microtasks": "(function again() { queueMicrotask(again) })()",
    "awaits": "for (;;) await null",
    "a catastrophic regular expression": "/^(a+)+$/.test('a'.repeat(40) + 'b')",
    "another one": r"/(x+x+)+y/.exec('x'.repeat(60))",
    "an interval": "setInterval(() => {}, 1)",
    "a long timer": "setTimeout(() => {}, 1e9)",
    "timers that make timers": "(function again() { setTimeout(again, 0) })()",
    "a generator": "function* g() { for (;;) yield 1 } for (const x of g());",
    "an async generator": "async function* g() { for (;;) yield 1 } for await (const x of g());",
    "a getter": "const o = { get x() { for (;;); } }; o",
    "toString in an error": "class E extends Error { get message() { for (;;); } } throw new E()",
    "a getter in console": "console.log({ [Symbol.toStringTag]: 1, get x() { for (;;); } }); for (;;);",
    "a Proxy's trap": "const p = new Proxy({}, { ownKeys() { for (;;); } }); p",
    "a callback of sort": "[3, 2, 1].sort(() => { for (;;); })",
    "a callback of replace": "'aaa'.replace(/a/g, () => { for (;;); })",
    "a callback of JSON": "JSON.stringify({ toJSON() { for (;;); } })",
    "a class's static block": "class A { static { for (;;); } }",
    "a module": "export const x = (() => { for (;;); })()",
    "a thenable": "await { then() { for (;;); } }",
    "a proxy chain": "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); for (;;) { try { p.x } catch { } }",
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_ended(js: Run, name: str) -> None:
    began = time.monotonic()

    outcome = js(ENDLESS[name], timeout_s=0.3)

    assert (outcome.status, outcome.error and outcome.error.limit) == ("limit", "wall_s")
    assert time.monotonic() - began < PROMPT_S


def test_what_was_printed_before_the_end_is_there(js: Run) -> None:
    outcome = js("console.log('before'); for (;;);", timeout_s=0.3)

    assert (outcome.status, outcome.stdout) == ("limit", "before\n")


def test_processor_time_is_a_limit_of_its_own(js: Run) -> None:
    outcome = js("for (;;);", policy=policy(cpu_s=0.3))

    assert (outcome.status, outcome.error and outcome.error.limit) == ("limit", "cpu_s")


GREEDY = {
    "arrays": "const a = []; for (;;) a.push(new Array(1000).fill(0))",
    "one large buffer": "new Uint8Array(2 ** 30)",
    "buffers": "const a = []; for (;;) a.push(new Uint8Array(1e6))",
    "text that doubles": "let s = 'x'; for (;;) { s += s; s.charCodeAt(5) }",
    "objects": "let o = null; for (;;) o = { o }",
    "a Map": "const m = new Map(); for (let i = 0; ; i++) m.set(i, i)",
    "closures": "const a = []; for (;;) a.push(() => a)",
    "a BigInt": "let b = 2n; for (;;) b *= b",
    "promises": "const a = []; for (;;) a.push(new Promise(() => {}))",
    "a sparse array made dense": "new Array(2 ** 28).fill(1)",
}  # fmt: skip


@pytest.mark.parametrize("name", GREEDY)
def test_memory_is_limited(js: Run, name: str) -> None:
    outcome = js(GREEDY[name], policy=policy(memory_bytes=64 << 20))

    bounded = (outcome.status, outcome.error and outcome.error.limit) == ("limit", "memory_bytes")
    refused_by_the_language = outcome.error is not None and outcome.error.type == "RangeError"
    assert bounded or refused_by_the_language
    assert outcome.usage.peak_memory_bytes <= 64 << 20


def test_a_program_can_catch_that_memory_is_out_and_go_on(js: Run) -> None:
    code = "let said = ''; try { const a = []; for (;;) a.push(new Uint8Array(1e6)) } catch (e) { said = e.message } said"

    outcome = js(code, policy=policy(memory_bytes=64 << 20))

    assert (outcome.status, outcome.value) == ("ok", "out of memory")


DEEP = {
    "a function": "function f() { return f() + 1 } f()",
    "two functions": "const a = () => b() + 1, b = () => a() + 1; a()",
    "a getter": "const o = { get x() { return this.x } }; o.x",
    "a constructor": "class A { constructor() { new A() } } new A()",
    "parsing JSON": "JSON.parse('['.repeat(1e6))",
    "flat": "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity)",
    "a Proxy of Proxies": "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x",
    "toString": "const a = []; a.toString = () => String(a); String(a)",
    "replace": "const f = () => 'a'.replace('a', f); f()",
    "nested source": "eval('('.repeat(1e5))",
    "nested arrays in source": "new Function('['.repeat(1e5))",
    "a nested regular expression": "new RegExp('('.repeat(1e4) + 'a' + ')'.repeat(1e4))",
    "structuredClone": "let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; structuredClone(o)",
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
def test_depth_ends_as_an_ordinary_error(js: Run, name: str) -> None:
    outcome = js(DEEP[name])

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert outcome.error.type in ("RangeError", "SyntaxError")


def test_deep_recursion_can_be_caught_and_is_deep_enough(js: Run) -> None:
    outcome = js("let n = 0; const f = () => { n++; f() }; try { f() } catch (e) { [e instanceof RangeError, n > 5000] }")

    assert (outcome.status, outcome.value) == ("ok", [True, True])


def test_deep_source_is_refused(js: Run) -> None:
    outcome = js("(" * 100_000)

    assert outcome.status == "refused"


@pytest.mark.parametrize(
    "code",
    [
        "for (;;) console.log('x'.repeat(1000))",
        "console.log('x'.repeat(5e6)); for (;;);",
        "for (;;) console.error('e')",
        "for (;;) process.stdout.write('w')",
    ],
)
def test_output_is_cut_to_the_byte(js: Run, code: str) -> None:
    outcome = js(code, policy=policy(output_bytes=10_000))

    assert (outcome.status, outcome.error and outcome.error.limit) == ("limit", "output_bytes")
    assert outcome.truncated
    assert len(outcome.stdout) + len(outcome.stderr) == 10_000


STRANGE = {
    "a NUL byte": "1\0",
    "a lone surrogate": "'\ud800'",
    "nothing but brackets": "}" * 1000,
    "a word that never was": "\u2028\u2029💥",
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_sources_are_refused(engine: dspex.Engine, name: str) -> None:
    try:
        outcome = engine.run(STRANGE[name], language="javascript")
    except dspex.GuestRefused:
        return

    assert outcome.status == "refused"


def test_bytes_that_are_no_text_are_refused(engine: dspex.Engine) -> None:
    outcome = engine.run(b"'\xff'", language="javascript")

    assert outcome.status == "refused"


def test_a_giant_source_runs_or_is_refused_by_its_size(js: Run) -> None:
    large = js("".join(f"var v{i} = {i};\n" for i in range(20_000)) + "v19999")
    giant = js("/*" + "x" * 20_000_000 + "*/ 1")

    assert large.value == 19_999
    assert giant.status == "refused"
    assert giant.error is not None
    assert "source_bytes: 20000006 given" in giant.error.message


POLLUTION = """
const hostile = () => { throw new Error('polluted') };
const { defineProperty, deleteProperty, ownKeys } = Reflect;
const classes = [Object, Array, String, Number, Boolean, Function, Map, Set, Date, RegExp, Promise, Error, Symbol, BigInt,
  ArrayBuffer, Uint8Array, DataView, WeakMap, TypeError, Iterator, Object.getPrototypeOf(Uint8Array)];
const targets = [];
for (const C of classes) for (const name of ownKeys(C.prototype)) targets.push([C.prototype, name]);
for (const one of [[][Symbol.iterator](), new Map().entries(), 'x'[Symbol.iterator]()]) {
  const prototype = Object.getPrototypeOf(one);
  for (const name of ownKeys(prototype)) targets.push([prototype, name]);
}
const globals = ['JSON', 'Math', 'Reflect', 'Object', 'Array', 'String', 'Promise', 'Symbol', 'Map', 'Set', 'Date', 'Error',
  'Uint8Array', 'ArrayBuffer', 'console', 'process', 'performance', 'eval', 'Function', 'InternalError', 'TypeError'];
for (let i = 0; i < globals.length; i++) deleteProperty(globalThis, globals[i]);
for (let i = targets.length - 1; i >= 0; i--) {
  const target = targets[i];
  const change = { __proto__: null, get: hostile, set: hostile, configurable: true };
  if (target[1] !== '__proto__') defineProperty(target[0], target[1], change);
}
"""


def test_polluted_prototypes_do_not_reach_the_report(js: Run) -> None:
    setters = "Object.defineProperty(Object.prototype, 'status', { set() { throw 1 }, get() { return 'lie' } });"

    value = js(f"const value = {{ a: [1, 2n, {{ b: 'x' }}], $: 2 }};{setters}{POLLUTION};value")
    raised = js(f"const error = new TypeError('told');{setters}{POLLUTION};throw error")

    assert (value.status, value.value) == ("ok", {"a": [1, 2, {"b": "x"}], "$": 2})
    assert raised.status == "raised"
    assert raised.error is not None
    assert "dspex" not in raised.error.traceback


def test_polluted_prototypes_do_not_reach_variables_files_and_tools(engine: dspex.Engine) -> None:
    with engine.session(language="javascript", tools={"double": lambda n: 2 * n}) as session:
        session.run("const stash = { double, log: console.log, JSON };")
        polluted = session.run(f"{POLLUTION}; stash.double(4)")
        after = session.run("[x.a, stash.double(x.b[0])]", variables={"x": {"a": 1, "b": [5]}})

    assert (polluted.status, polluted.value) == ("ok", 8)
    assert (after.status, after.value) == ("ok", [1, 10])


@pytest.mark.parametrize(
    "code",
    [
        "Object.freeze(globalThis); Object.freeze(Object.prototype); 1",
        "globalThis.__proto__ = null; 1",
        "Object.setPrototypeOf(globalThis, new Proxy({}, { get() { return 5 }, has() { return true } })); 1",
        "Object.defineProperty(globalThis, 'undefined2', { get() { for (;;); } }); 1",
        "queueMicrotask = setTimeout = clearTimeout = null; Promise = null; 1",
        "for (const name of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[name] } catch { } } 1",
        "var undefined; var NaN; 1",
    ],
)
def test_a_ruined_global_object_hurts_only_its_program(js: Run, code: str) -> None:
    outcome = js(code)

    assert (outcome.status, outcome.value) == ("ok", 1)


def test_a_run_may_be_repeated_exactly(js: Run) -> None:
    fixed = dspex.Policy.load("compute").model_copy(update={"deterministic": dspex.policy.Deterministic(seed=7)})
    code = (
        "await new Promise((r) => setTimeout(r, 5000)); "
        "[Math.random(), Math.random(), crypto.randomUUID(), Date.now(), performance.now() >= 5000, new Date().toISOString()]"
    )

    first, second, other = js(code, policy=fixed), js(code, policy=fixed), js(code.replace("await", "// await", 1) + "\n1")

    assert first.value == second.value
    assert first.value[4] is True
    assert first.usage.wall_s < PROMPT_S
    assert other.value == 1


def test_randomness_is_different_in_every_sandbox(js: Run) -> None:
    found = [tuple(js("[Math.random(), crypto.randomUUID()]").value) for _ in range(4)]

    assert len({one[0] for one in found}) == 4
    assert len({one[1] for one in found}) == 4


def test_randomness_is_different_where_nothing_was_warmed(engine: dspex.Engine) -> None:
    jobs = [engine.submit("Math.random()", language="javascript") for _ in range(MANY)]

    assert len({job.outcome().value for job in jobs}) == MANY
