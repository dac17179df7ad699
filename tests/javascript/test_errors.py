"""Errors: type, message, and a stack with nothing but the program's own lines."""

from __future__ import annotations

import pytest

from tests.javascript.running import Run


def told(js: Run, code: str, **given: object) -> tuple[str, str, str]:
    """Return type, message and traceback of a program that must have raised."""
    outcome = js(code, **given)
    assert outcome.status == "raised"
    assert outcome.error is not None
    return outcome.error.type, outcome.error.message, outcome.error.traceback


def test_a_stack_has_the_programs_lines_and_no_others(js: Run) -> None:
    code = "function inner() {\n  throw new TypeError('bad');\n}\nconst outer = () => inner();\n[1].forEach(outer);"

    assert told(js, code) == (
        "TypeError", "bad",
        "TypeError: bad\n    at inner (main.js:2:13)\n    at outer (main.js:4:21)\n    at forEach (native)\n    at main.js:5:13",
    )  # fmt: skip


ENDINGS = {
    "a class of the program's": ("class Mine extends Error {} throw new Mine('x')", "Mine", "x"),
    "a name given by hand": ("throw Object.assign(new Error('x'), { name: 'Other' })", "Other", "x"),
    "no message": ("throw new RangeError()", "RangeError", ""),
    "something undefined": ("nowhere", "ReferenceError", "nowhere is not defined"),
    "a property of nothing": ("null.x", "TypeError", "cannot read property 'x' of null"),
    "a call of what is none": ("({}).f()", "TypeError", "not a function"),
    "a constant": ("const a = 1; a = 2", "TypeError", "'a' is read-only"),
    "text that is thrown": ("throw 'just text'", "Thrown", "'just text'"),
    "nothing that is thrown": ("throw undefined", "Thrown", "undefined"),
    "an object that is thrown": ("throw { code: 5 }", "Thrown", "{ code: 5 }"),
    "after await": ("await null; throw new Error('later')", "Error", "later"),
    "a promise that nobody handles": ("Promise.reject(new Error('lost')); 1", "Error", "lost"),
    "an async function that nobody waits for": ("(async () => { await null; throw new Error('lost') })(); 1", "Error", "lost"),
    "a timer": ("setTimeout(() => { throw new Error('tick') }, 1); 1", "Error", "tick"),
    "a promise that is the value": ("async function main() { throw new Error('in main') }\nmain()", "Error", "in main"),
    "many at once": ("await Promise.any([Promise.reject(new Error('a')), Promise.reject(1)])", "AggregateError", ""),
    "an await that never ends": (
        "await new Promise(() => {})", "Error", "top-level await never settles: nothing is left that could settle it",
    ),
    "parsing at run time": ("JSON.parse('{')", "SyntaxError", "Expected property name or '}' in JSON at position 1 (line 1 column 2)"),
    "eval": ("eval('1 +')", "SyntaxError", "unexpected token in expression: ''"),
    "a name declared twice by eval": ("let b = 1; eval('var b')", "SyntaxError", "redeclaration of 'b'"),
    "the end of a process": ("process.exit(3)", "SystemExit", "3"),
    "an exit code that was set": ("process.exitCode = 4; 1", "SystemExit", "4"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_how_a_program_failed_is_said(js: Run, name: str) -> None:
    code, kind, message = ENDINGS[name]

    found = told(js, code)

    assert found[:2] == (kind, message)
    assert "dspex" not in found[2]


def test_a_handled_rejection_is_no_error(js: Run) -> None:
    outcome = js("const p = Promise.reject(new Error('x')); await p.catch(() => 0); p.catch(() => 1); 'fine'")

    assert (outcome.status, outcome.value) == ("ok", "fine")


def test_causes_and_several_errors_are_shown(js: Run) -> None:
    _, _, shown = told(
        js, "throw new AggregateError([new Error('one'), 2], 'all', { cause: new TypeError('why') })"
    )

    assert shown == (
        "AggregateError: all\n    at main.js:1:69\n[cause]: TypeError: why\n    at main.js:1:69\n"
        "[errors][0]: Error: one\n    at main.js:1:31\n[errors][1]: Uncaught 2"
    )


REFUSED = {
    "a token too many": ("let x = 1;\n  let y = = 2;", 2, 11, "unexpected token in expression: '='"),
    "an end too early": ("function f() {\n", 2, 1, "unexpected token in expression: ''"),
    "a string without an end": ("const a = 'x", 1, 11, "unexpected end of string"),
    "return at top level": ("1;\nreturn 5", 2, 1, "return not in a function"),
    "a regular expression": ("const f = () => {\n  return /(/;\n}", 2, 10, "expecting ')'"),
    "flags of a regular expression": ("'/' / 2; /x/gg", 1, 10, "invalid regular expression flags"),
    "await in a plain function": ("function f() {\n  await g();\n}", 2, 9, "expecting ';'"),
    "two declarations": ("let a = 1;\nlet a = 2;", 2, 7, "invalid redefinition of lexical identifier"),
    "a module with an error": ("export const a = ;", 1, 18, "unexpected token in expression: ';'"),
    "after imports": ("import fs from 'node:fs';\nlet b = = 1", 2, 9, "unexpected token in expression: '='"),
    "an export that is not there": (
        "import { nope } from 'node:fs'", 0, 0, "Could not find export 'nope' in module 'node:fs'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_compile_is_refused_with_its_place(js: Run, name: str) -> None:
    code, line, column, message = REFUSED[name]

    outcome = js(code)

    assert (outcome.status, outcome.stdout) == ("refused", "")
    assert outcome.error is not None
    assert [(one.line, one.column, one.message) for one in outcome.error.findings] == [(line, column, message)]


def test_errors_in_a_file_name_that_file(js: Run) -> None:
    _, message, shown = told(
        js, "import { f } from './lib/deep.js';\nf()", files={"lib/deep.js": "export function f() {\n  throw new Error('down there');\n}"}
    )  # fmt: skip

    assert message == "down there"
    assert shown == "Error: down there\n    at f (lib/deep.js:2:13)\n    at main.js:2:1"


def test_lone_surrogates_in_errors_do_no_harm(js: Run) -> None:
    kind, message, _ = told(js, "throw new Error('a\\ud800b')")

    assert (kind, message) == ("Error", "a\\ud800b")


def test_a_huge_message_is_cut(js: Run) -> None:
    _, message, _ = told(js, "throw new Error('x'.repeat(10 ** 6))")

    assert len(message) < 70_000
    assert "[... 934464 characters left out ...]" in message


@pytest.mark.parametrize(
    "code",
    [
        "class E extends Error { get name() { throw 1 } get message() { throw 2 } get stack() { throw 3 } } throw new E()",
        "const e = new Error('x'); Object.defineProperty(e, 'stack', { value: 5 }); throw e",
        "const e = new Error('x'); e.stack = 'lies\\n    at dspex (main.js:9:9)'; throw e",
        "const e = new Error('x'); e.cause = e; throw e",
        "throw new Proxy(new Error('x'), { get() { throw new Error('trap') } })",
        "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy",
        "throw Object.create(null)",
        "Error.prepareStackTrace = () => { throw 1 }; throw new Error('x')",
        "Error.prepareStackTrace = () => ({ not: 'text' }); throw new Error('x')",
        "Error.stackTraceLimit = 1e9; throw new Error('x')",
    ],
)
def test_errors_that_lie_or_throw_are_still_reported(js: Run, code: str, the_next_one_works: None) -> None:
    outcome = js(code)

    assert outcome.status == "raised"
