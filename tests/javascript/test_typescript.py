"""TypeScript: types go, lines and columns stay, and what cannot be stripped is refused."""

from __future__ import annotations

import pytest

import dspex
from tests.javascript.running import Run, value_of

PROGRAMS = {
    "annotations": ("const f = (a: number, b?: string, ...c: any[]): string => `${a}${b}${c}`; f(1, 'x', 2)", "1x2"),
    "interfaces and aliases": ("interface A<T> { x: T; y?(): void }\ntype B = A<number> | { [k: string]: unknown };\nconst b: B = { x: 1 }; (b as A<number>).x", 1),
    "generics": ("function id<T extends object = {}>(x: T): T { return x } class Box<T> { constructor(public readonly v: T) {} }\nnew Box<number>(id<{ n: number }>({ n: 5 }).n).v", 5),
    "assertions": ("let x: unknown = 'abc'; const n = (<string>x).length + (x as string)!.length; const t = { a: 1 } satisfies Record<string, number>; n + t.a", 7),
    "enums": ("enum E { A, B = 5, C, S = 'str' } const enum K { X = 1 << 3 } [E.A, E.C, E[5], E.S, K.X]", [0, 6, "B", "str", 8]),
    "parameter properties": ("class P { constructor(private a: number, protected b = 2, readonly c?: string) {} sum(): number { return this.a + this.b } } new P(1).sum()", 3),
    "class members": ("abstract class A { declare x: number; abstract f(): number; static readonly n: number = 1; private y?: string; #z = 2; get z(): number { return this.#z } }\nclass B extends A implements Iterable<number> { override f() { return 3 } *[Symbol.iterator](): Generator<number> { yield this.f() } }\n[...new B(), A.n, new B().z, 'x' in new B()]", [3, 1, 2, False]),
    "overloads and this": ("function f(a: string): string; function f(a: number): number; function f(this: void, a: any) { return a } f(2)", 2),
    "predicates and never": ("const isS = (x: unknown): x is string => typeof x === 'string'; function fail(m: string): never { throw new Error(m) } function ok(x: any): asserts x { if (!x) fail('no') } ok(1); isS('a')", True),
    "declare": ("declare const nothing: number; declare function g(): void; declare module 'm' { export const x: number } declare global { interface Window { y: 1 } } declare namespace N { const z: number } typeof nothing", "undefined"),
    "type imports and exports": ("import type { A } from './nowhere'; import { type B, join } from 'node:path'; type C = A | B; join('a', 'b') as C", "a/b"),
    "unions, tuples, templates, conditionals": ("type T = [a: string, b?: number]; type U<X> = X extends infer Y extends string ? `${Y}!` : never; type M = { readonly [K in keyof T]-?: T[K] }; const t: T = ['x']; const u: U<'a'> = 'a!'; [t, u]", [["x"], "a!"]),
    "comparisons are not generics": ("const a: number = 1, b = 2, c = 3; [a < b, a < b && b > c]", [True, False]),
    "arrows with generics": ("const f = async <T,>(x: T): Promise<T> => x; await f<number>(3)", 3),
    "optional chaining and non-null": ("const o: { a?: { b: number[] } } = { a: { b: [7] } }; o.a!.b[0]! + (o?.a?.b.length ?? 0)", 8),
    "top-level await and sessions' values": ("const x: number = await Promise.resolve(4); x * 2", 8),
    "plain JavaScript": ("const { a = 1, ...r } = { b: 2 }; for (const [k, v] of Object.entries(r)) globalThis[k] = v; [a, b, /a\\/b/.test('a/b'), `${1 + 1}`]", [1, 2, True, "2"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_typescript_runs_without_its_types(ts: Run, name: str) -> None:
    code, expected = PROGRAMS[name]

    assert value_of(ts(code)) == expected


def test_errors_are_where_they_are_in_the_source(ts: Run) -> None:
    code = (
        "interface Row {\n  id: number;\n}\n\nfunction check<T extends Row>(row: T): asserts row is T {\n"
        "  const name: string = 'x'; if (row.id < 0) throw new RangeError('row');\n}\n"
        "check<Row>({ id: -1 } as Row)"
    )

    outcome = ts(code)

    assert outcome.error is not None
    assert outcome.error.traceback == "RangeError: row\n    at check (main.ts:6:55)\n    at main.ts:8:1"


REFUSED = {
    "a type that is missing": ("let a = 1;\nlet x: = 1", 2, 8, "Unexpected token"),
    "a type too many": ("let x: number number = 1", 1, 15, 'Unexpected token, expected ";"'),
    "a parameter list without end": ("function f(x: number { return x }", 1, 22, 'Unexpected token, expected ","'),
    "an interface with a hole": ("interface A {\n  x: }", 2, 6, "Unexpected token"),
    "an error that is no type's": ("const a: number = 1;\nlet b = = 2", 2, 9, "Unexpected token"),
    "a string without an end": ("let b: string = 'x", 1, 17, "Unterminated string constant"),
    "a namespace": ("const a: number = 1;\n  namespace A { export const x = 1 }", 2, 3, "a namespace with code in it is not supported: use a module or an object"),
    "a decorator": ("function dec(x: any) {}\n@dec class D {}", 2, 1, "unexpected character"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_parse_is_refused_with_its_place(ts: Run, name: str) -> None:
    code, line, column, message = REFUSED[name]

    outcome = ts(code)

    assert outcome.status == "refused"
    assert outcome.error is not None
    found = [(one.line, one.column, one.message) for one in outcome.error.findings]
    if name == "a decorator":
        assert [one[0] for one in found] == [line]
    else:
        assert found == [(line, column, message)]


def test_files_are_typescript_as_well(ts: Run) -> None:
    files = {
        "lib/shapes.ts": "export interface Shape { area(): number }\nexport class Square implements Shape { constructor(private side: number) {} area(): number { return this.side ** 2 } }",
        "plain.js": "export const n = 2;",
        "data.json": '{"side": 3}',
    }  # fmt: skip

    value = ts("import { Square, type Shape } from './lib/shapes';\nimport { n } from './plain.js';\nimport data from './data.json';\nimport { Square as S } from './lib/shapes.js';\nconst s: Shape = new Square(data.side); [s.area() * n, S === Square]", files=files)  # fmt: skip
    wrong = ts("import './lib/wrong.ts'", files={"lib/wrong.ts": "export const x: = 1"})

    assert value_of(value) == [18, True]
    assert wrong.status == "refused"
    assert wrong.error is not None
    assert wrong.error.message == "lib/wrong.ts:1:17: Unexpected token"


def test_a_session_goes_on(engine: dspex.Engine) -> None:
    with engine.session(language="typescript") as session:
        session.run("type N = number; let n: N = 1; enum E { A = 9 } class K<T> { constructor(public x: T) {} }")
        outcome = session.run("n += E.A as number; [n, new K<string>('y').x]")

    assert value_of(outcome) == [10, "y"]


def test_tools_and_variables_need_no_types(ts: Run) -> None:
    outcome = ts("declare const rows: { n: number }[]; declare function double(n: number): number; rows.map((r) => double(r.n))", variables={"rows": [{"n": 4}]}, tools={"double": lambda n: 2 * n})  # fmt: skip

    assert value_of(outcome) == [8]


@pytest.mark.parametrize("code", ["(" * 50_000, "let x: " + "Array<" * 20_000, "type T = " + "[" * 50_000, "`${" * 50_000, "a<" * 30_000])
def test_deep_types_are_refused(ts: Run, code: str) -> None:
    outcome = ts(code)

    assert outcome.status == "refused"


def test_stripping_is_part_of_the_programs_time(ts: Run) -> None:
    outcome = ts("const a: number = 1;\n" * 50_000, timeout_s=0.3)

    assert (outcome.status, outcome.error and outcome.error.limit) == ("limit", "wall_s")
