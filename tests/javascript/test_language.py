"""The language itself: one small program per feature, and what it must come to."""

from __future__ import annotations

import pytest

from tests.javascript.running import Run, value_of

PROGRAMS = {
    "generators delegate and return": (
        ("function* inner() { const got = yield 1; return got * 2 }\n"
        "function* outer() { const r = yield* inner(); yield r; return 'end' }\n"
        "const g = outer(); [g.next(), g.next(21), g.next(), g.next()].map((x) => [x.value ?? null, x.done])"),
        [[1, False], [42, False], ["end", True], [None, True]],
    ),
    "generators run finally when left early": (
        ("const log = []; function* g() { try { yield 1; yield 2 } finally { log.push('closed') } }\n"
        "for (const x of g()) { log.push(x); break }\nlog"),
        [1, "closed"],
    ),
    "generators take thrown errors": (
        ("function* g() { try { yield 1 } catch (e) { yield `caught ${e.message}` } }\n"
        "const it = g(); it.next(); it.throw(new Error('x')).value"),
        "caught x",
    ),
    "async iteration": (
        ("async function* ticks(n) { for (let i = 0; i < n; i++) { await null; yield i } }\n"
        "const out = []; for await (const t of ticks(3)) out.push(t);\n"
        "for await (const v of [Promise.resolve('a'), 'b']) out.push(v); out"),
        [0, 1, 2, "a", "b"],
    ),
    "an async iterator of one's own": (
        ("const o = { [Symbol.asyncIterator]() { let i = 0; return { next: async () => ({ value: i, done: i++ > 1 }) } } };\n"
        "const out = []; for await (const x of o) out.push(x); out"),
        [0, 1],
    ),
    "order of microtasks": (
        ("const log = []; setTimeout(() => log.push('timer'), 0); queueMicrotask(() => log.push('micro'));\n"
        "Promise.resolve().then(() => log.push('then')); log.push('sync');\n"
        "await new Promise((r) => setTimeout(r, 1)); log"),
        ["sync", "micro", "then", "timer"],
    ),
    "promise combinators": (
        ("const fail = (m) => Promise.reject(new Error(m));\n"
        "[await Promise.all([1, Promise.resolve(2)]), (await Promise.allSettled([1, fail('a')])).map((r) => r.status),\n"
        " await Promise.any([fail('b'), 3]), await Promise.race([4, new Promise(() => {})]),\n"
        " await Promise.any([fail('c')]).catch((e) => [e.name, e.errors.length]), await Promise.try(() => 5)]"),
        [[1, 2], ["fulfilled", "rejected"], 3, 4, ["AggregateError", 1], 5],
    ),
    "destructuring with defaults and rests": (
        ("const { a = 1, b: { c, ...others } = { c: 2, d: 3, e: 4 }, ...rest } = { x: 9, y: 8 };\n"
        "const [p, , q = p + 1, ...tail] = [1, 2, undefined, 4, 5]; [a, c, others, rest, p, q, tail]"),
        [1, 2, {"d": 3, "e": 4}, {"x": 9, "y": 8}, 1, 2, [4, 5]],
    ),
    "destructuring parameters and computed names": (
        "const key = 'k'; const f = ({ [key]: v = 'none', n: { m } = { m: 1 } } = {}) => [v, m]; [f(), f({ k: 2, n: { m: 3 } })]",
        [["none", 1], [2, 3]],
    ),
    "private members": (
        ("class A { #x = 1; static #made = 0; constructor() { A.#made++ } get #double() { return this.#x * 2 }\n"
        " #bump() { this.#x++ } bump() { this.#bump(); return this.#double } static has(o) { return #x in o }\n"
        " static { this.born = A.#made } static get made() { return A.#made } }\n"
        "const a = new A(); [a.bump(), A.has(a), A.has({}), A.born, A.made, Object.keys(a)]"),
        [4, True, False, 0, 1, []],
    ),
    "private members of others are refused": (
        "class A { #x = 1; static read(o) { return o.#x } } let said; try { A.read({}) } catch (e) { said = e.name } said",
        "TypeError",
    ),
    "inheritance, super and new.target": (
        ("class A { constructor() { this.kind = new.target.name } who() { return 'A' } static make() { return new this() } }\n"
        "class B extends A { who() { return super.who() + 'B' } } const b = B.make(); [b.kind, b.who(), b instanceof A]"),
        ["B", "AB", True],
    ),
    "accessors and computed members": (
        ("const name = 'size'; class C { static ['of' + 1]() { return 1 } get [name]() { return this.n } set [name](v) { this.n = v * 2 } }\n"
        "const c = new C(); c.size = 4; [c.size, C.of1(), Object.getOwnPropertyDescriptor(C.prototype, 'size').set !== undefined]"),
        [8, 1, True],
    ),
    "subclassing what is built in": (
        ("class Stack extends Array { peek() { return this.at(-1) } } const s = Stack.from([1, 2, 3]);\n"
        "class Oops extends RangeError {} [s.peek(), s.map((x) => x * 2) instanceof Stack, new Oops('x') instanceof RangeError, s.length]"),
        [3, True, True, 3],
    ),
    "named groups and look-behind": (
        r"const m = /(?<y>\d{4})-(?<m>\d\d)/.exec('on 2024-07-01'); ['$12 €7'.match(/(?<=€)\d+/)[0], m.groups.y, m.index, '2024-07'.replace(/(?<y>\d+)-(?<m>\d+)/, '$<m>/$<y>')]",
        ["7", "2024", 3, "07/2024"],
    ),
    "regular expression flags": (
        r"['a\nb'.match(/a.b/s) !== null, 'a\nb'.match(/^b$/m)[0], [...'a1b22'.matchAll(/\d+/g)].map((m) => m[0]), /\p{Lu}/u.test('É'), 'x'.match(/x/d).indices[0], /[\p{L}--[a-z]]/v.test('a')]",
        [True, "b", ["1", "22"], True, [0, 1], False],
    ),
    "sticky and lastIndex": (
        "const r = /o/y; r.lastIndex = 4; const first = r.test('hello'); [first, r.lastIndex, r.test('hello'), r.lastIndex]",
        [True, 5, False, 0],
    ),
    "replace with a function": (
        "'a-b-c'.replaceAll('-', (m, at) => at) + 'camelCaseText'.replace(/[A-Z]/g, (c) => '_' + c.toLowerCase())",
        "a1b3ccamel_case_text",
    ),
    "Proxy traps": (
        ("const log = []; const p = new Proxy({ a: 1 }, { get: (t, k, r) => { log.push(`get ${String(k)}`); return Reflect.get(t, k, r) ?? 0 },\n"
        " has: (t, k) => k === 'magic', deleteProperty: (t, k) => { log.push(`del ${k}`); return delete t[k] }, ownKeys: () => ['a', 'z'],\n"
        " getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) });\n"
        "const seen = [p.a, p.b, 'magic' in p, 'a' in p, delete p.a, Object.keys(p)]; [seen, log]"),
        [[1, 0, True, False, True, ["a", "z"]], ["get a", "get b", "del a"]],
    ),
    "callable and constructible Proxies": (
        "const P = new Proxy(function () {}, { apply: (t, self, args) => args.length, construct: (t, args) => ({ made: args[0] }) }); [P(1, 2, 3), new P('x').made]",
        [3, "x"],
    ),
    "Reflect": (
        ("class A { constructor(x) { this.x = x } } class B { hi() { return `hi ${this.x}` } }\n"
        "[Reflect.construct(A, [1], B).hi(), Reflect.apply(Math.max, null, [1, 3]), Reflect.ownKeys({ b: 1, 2: 1, [Symbol.for('s')]: 1 }).length, Reflect.has({ a: 1 }, 'a'), Reflect.set(Object.freeze({ a: 1 }), 'a', 2)]"),
        ["hi 1", 3, 3, True, False],
    ),
    "typed arrays share a buffer": (
        ("const b = new ArrayBuffer(8); const u8 = new Uint8Array(b); new DataView(b).setUint16(0, 0x0102); new Float32Array(b, 4, 1)[0] = 1;\n"
        "[Array.from(u8), new Uint8ClampedArray([300, -5, 1.5]).join(), Array.from(Int16Array.of(70000)), u8.subarray(0, 2).byteLength, Array.from(u8.toReversed()).length]"),
        [[1, 2, 0, 0, 0, 0, 128, 63], "255,0,2", [4464], 2, 8],
    ),
    "BigInt typed arrays and resizable buffers": (
        "const b = new BigInt64Array([1n, -1n]); const r = new ArrayBuffer(2, { maxByteLength: 8 }); r.resize(4); [b.reduce((x, y) => x + y), r.byteLength, new Uint8Array(r).length]",
        [0, 4, 4],
    ),
    "labelled loops": (
        "const out = []; outer: for (let i = 0; i < 3; i++) { for (let j = 0; j < 3; j++) { if (j === 2) continue outer; if (i === 2) break outer; out.push(i * 10 + j) } } out",
        [0, 1, 10, 11],
    ),
    "let in loops makes a new variable each time": (
        "const fs = []; for (let i = 0; i < 3; i++) fs.push(() => i); const vs = []; for (var k = 0; k < 3; k++) vs.push(() => k); [fs.map((f) => f()), vs.map((f) => f())]",
        [[0, 1, 2], [3, 3, 3]],
    ),
    "switch falls through": (
        "const f = (x) => { const out = []; switch (x) { case 1: out.push(1); case 2: out.push(2); break; default: out.push('d') } return out }; [f(1), f(2), f(3)]",
        [[1, 2], [2], ["d"]],
    ),
    "tagged templates": (
        "const tag = (s, ...v) => [s.raw.join('|'), v, Object.isFrozen(s)]; [tag`a\\n${1}b${2}`, String.raw`\\u00e9`]",
        [["a\\n|b|", [1, 2], True], "\\u00e9"],
    ),
    "Symbol protocols": (
        ("class Even { static [Symbol.hasInstance](n) { return n % 2 === 0 } }\n"
        "const o = { [Symbol.toPrimitive]: (hint) => ({ number: 7, string: 's', default: 'd' })[hint], get [Symbol.toStringTag]() { return 'Odd' } };\n"
        "[2 instanceof Even, +o, `${o}`, o + '', String(Object.prototype.toString.call(o)), [1].concat({ length: 1, 0: 2, [Symbol.isConcatSpreadable]: true })]"),
        [True, 7, "s", "d", "[object Odd]", [1, 2]],
    ),
    "Symbol.iterator of one's own": (
        ("class Range { constructor(a, b) { Object.assign(this, { a, b }) } *[Symbol.iterator]() { for (let i = this.a; i < this.b; i++) yield i } }\n"
        "const r = new Range(1, 4); [[...r], Math.max(...r), Array.from(r, (x) => x * x), new Set(r).size, Object.fromEntries([...r].map((x) => [x, x]))]"),
        [[1, 2, 3], 3, [1, 4, 9], 3, {"1": 1, "2": 2, "3": 3}],
    ),
    "getters, setters and descriptors": (
        ("let n = 0; const o = { get x() { return ++n }, set x(v) { n = v } }; o.x; o.x = 10;\n"
        "const d = Object.defineProperty({}, 'hidden', { value: 1 }); [o.x, Object.keys(d), d.hidden, 'x' in o]"),
        [11, [], 1, True],
    ),
    "frozen and sealed objects": (
        "'use strict'; const o = Object.freeze({ a: { b: 1 } }); o.a.b = 2; let said; try { o.c = 1 } catch (e) { said = e.name } [o.a.b, said, Object.isSealed(o)]",
        [2, "TypeError", True],
    ),
    "Date arithmetic in UTC": (
        ("const d = new Date(Date.UTC(2024, 1, 28)); d.setUTCDate(d.getUTCDate() + 2);\n"
        "[d.toISOString(), d.getTime(), new Date('2024-13-01').toString(), new Date(2024, 0, 31, 12).getMonth(), Date.parse('2024-07-01T12:00:00+02:00'), d.toJSON()]"),
        ["2024-03-01T00:00:00.000Z", 1709251200000, "Invalid Date", 0, 1719828000000, "2024-03-01T00:00:00.000Z"],
    ),
    "JSON edge cases": (
        ("const o = { d: new Date(0), u: undefined, f() {}, n: NaN, i: -Infinity, z: -0, s: '\\u2028\\ud800', nested: { toJSON: (k) => k } };\n"
        "[JSON.stringify(o), JSON.stringify([undefined, () => 1]), JSON.parse('{\"__proto__\":1}').__proto__, JSON.stringify({ b: 1, a: [1, { c: 2 }] }, ['a'], 1), JSON.parse('[1,\"2\"]', (k, v) => (typeof v === 'string' ? +v : v))]"),
        [
            '{"d":"1970-01-01T00:00:00.000Z","n":null,"i":null,"z":0,"s":"\u2028\\ud800","nested":"nested"}',
            "[null,null]", 1, '{\n "a": [\n  1,\n  {}\n ]\n}', [1, 2],
        ],
    ),
    "JSON refuses what is wrong": (
        ("const said = (f) => { try { return f() } catch (e) { return e.name } }; const c = {}; c.c = c;\n"
        "[said(() => JSON.parse('{a:1}')), said(() => JSON.parse('01')), said(() => JSON.stringify(c)), said(() => JSON.stringify(1n)), said(() => JSON.parse('\"\\n\"'))]"),
        ["SyntaxError", "SyntaxError", "TypeError", "TypeError", "SyntaxError"],
    ),
    "BigInt arithmetic": (
        "[2n ** 100n, -7n / 2n, -7n % 2n, BigInt.asUintN(8, 257n), 5n > 4, 1n == 1, typeof 1n, BigInt('0xff'), 10n ** 20n - 1n]",
        [2**100, -3, -1, 1, True, True, "bigint", 255, 10**20 - 1],
    ),
    "numbers": (
        "[0.1 + 0.2, (25).toString(36), parseInt('12px'), Number(''), Number('0b101'), (1234.5678).toFixed(2), Number.MAX_SAFE_INTEGER, 5 % -3, -5 % 3, 7 >>> 1, -7 >> 1, ~5, 2 ** -1, Math.hypot(3, 4), Math.clz32(1), 1_000]",
        [0.30000000000000004, "p", 12, 0, 5, "1234.57", 9007199254740991, 2, -2, 3, -4, -6, 0.5, 5, 31, 1000],
    ),
    "strings": (
        "['abc'.at(-1), 'x'.padStart(3, 'ab'), ' a '.trim(), 'a,b'.split(','), '😀'.length, [...'😀'].length, 'é'.normalize('NFD').length, 'ß'.toUpperCase(), 'a'.codePointAt(0), 'abc'.includes('b', 2), '\\ud800'.isWellFormed(), 'ab'.localeCompare('b')]",
        ["c", "abx", "a", ["a", "b"], 2, 1, 2, "SS", 97, False, False, -1],
    ),
    "arrays": (
        "const a = [3, 1, 2]; [a.toSorted(), a.with(0, 9), a.toSpliced(1, 1), a.findLast((x) => x > 1), a.flatMap((x) => [x, x]).length, Object.groupBy(a, (x) => (x % 2 ? 'odd' : 'even')), [1, [2, [3, [4]]]].flat(Infinity), a.indexOf(5), [, 1].length, Array.from({ length: 2 }, (_, i) => i), a.copyWithin(0, 1)]",
        [[1, 2, 3], [9, 1, 2], [3, 2], 2, 6, {"odd": [3, 1], "even": [2]}, [1, 2, 3, 4], -1, 2, [0, 1], [1, 2, 2]],
    ),
    "sorting is stable and by text unless told": (
        "[[10, 9, 1].sort(), [10, 9, 1].sort((a, b) => a - b), [['b', 1], ['a', 1], ['c', 0]].sort((x, y) => x[1] - y[1]).map((x) => x[0]).join('')]",
        [[1, 10, 9], [1, 9, 10], "cba"],
    ),
    "maps, sets and weak ones": (
        ("const k = {}; const m = new Map([[k, 1], [NaN, 2]]); const w = new WeakMap([[k, 3]]); const a = new Set([1, 2, 3]); const b = new Set([2, 3, 4]);\n"
        "[m.get(k), m.get(NaN), w.get(k), [...a.intersection(b)], [...a.union(b)], a.isSubsetOf(b), [...m.keys()].length, Map.groupBy([1, 2, 3], (x) => x % 2).get(1)]"),
        [1, 2, 3, [2, 3], [1, 2, 3, 4], False, 2, [1, 3]],
    ),
    "iterator helpers": (
        "function* n() { let i = 0; while (true) yield i++ } [n().filter((x) => x % 2).map((x) => x * x).drop(1).take(3).toArray(), Iterator.from([1, 2]).reduce((a, b) => a + b), n().some((x) => x > 5)]",
        [[9, 25, 49], 3, True],
    ),
    "optional chaining and nullish operators": (
        "const o = { a: { f: () => 1 }, z: 0 }; let n = null; n ??= 5; let t = 1; t &&= 2; let e = ''; e ||= 'x'; [o?.a?.f?.(), o.b?.c.d.e, o.z ?? 9, o.z || 9, n, t, e, o?.['a'] !== undefined]",
        [1, None, 0, 9, 5, 2, "x", True],
    ),
    "closures and hoisting": (
        "const early = hoisted(); function hoisted() { return typeof later } var later = 1; const counter = (() => { let n = 0; return () => ++n })(); counter(); [early, counter(), (function () { return arguments.length })(1, 2)]",
        ["undefined", 2, 2],
    ),
    "the temporal dead zone": (
        "let said; try { early; let early = 1 } catch (e) { said = e.name } said",
        "ReferenceError",
    ),
    "this in functions, methods and arrows": (
        "const o = { n: 1, f() { return this.n }, g: function () { return (() => this.n)() } }; const f = o.f.bind({ n: 2 }); [o.f(), o.g(), f(), o.f.call({ n: 3 })]",
        [1, 1, 2, 3],
    ),
    "exceptions with cause and finally": (
        ("const log = []; const f = () => { try { throw new Error('low') } catch (e) { throw new Error('high', { cause: e }) } finally { log.push('finally') } };\n"
        "try { f() } catch (e) { log.push(e.message, e.cause.message) } log.push((() => { try { return 'try' } finally { log.push('last') } })()); log"),
        ["finally", "high", "low", "last", "try"],
    ),
    "disposal": (
        "const log = []; { using a = { [Symbol.dispose]() { log.push('a') } }; using b = { [Symbol.dispose]() { log.push('b') } }; log.push('body') } log",
        ["body", "b", "a"],
    ),
    "comma, void, in, delete, typeof": (
        "const o = { a: 1 }; [(1, 2), void 0, 'a' in o, delete o.a, typeof null, typeof (() => 1), typeof undeclared, Object.is(-0, 0)]",
        [2, None, True, True, "object", "function", "undefined", False],
    ),
    "URI functions and escapes": (
        "[encodeURIComponent('a b&ü'), decodeURIComponent('%F0%9F%98%80'), encodeURI('http://x/ä?b=c d'), btoa('hi'), atob('aGk=')]",
        ["a%20b%26%C3%BC", "😀", "http://x/%C3%A4?b=c%20d", "aGk=", "hi"],
    ),
    "code from text": (
        "[eval('1 + 1'), new Function('a', 'b', 'return a * b')(3, 4), (0, eval)('typeof console')]",
        [2, 12, "object"],
    ),
    "getters on classes show in JSON only if asked": (
        "class P { constructor() { this.x = 1 } get y() { return 2 } toJSON() { return { x: this.x, y: this.y } } } JSON.stringify([new P()])",
        '[{"x":1,"y":2}]',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_language_does_as_its_standard_says(js: Run, name: str) -> None:
    code, expected = PROGRAMS[name]

    assert value_of(js(code)) == expected


VALUES_OF_PROGRAMS = {
    "an expression": ("1 + 1", 2),
    "the last of several statements": ("const a = 1\na\na + 1", 2),
    "an expression after await": ("const x = await Promise.resolve(20); x + 1", 21),
    "an awaited expression": ("await Promise.resolve('x')", "x"),
    "a declaration": ("let x = 5", None),
    "a function": ("function f() {}", None),
    "nothing": ("", None),
    "a comment": ("// nothing\n/* at all */", None),
    "a block": ("if (true) { 7 }", 7),
    "a loop": ("for (let i = 0; i < 3; i++) i * 2", 4),
    "a string at the end": ("'use strict'\n'text'", "text"),
    "an object in parentheses": ("({ a: 1 })", {"a": 1}),
    "a promise is awaited": ("Promise.resolve({ n: 1 })", {"n": 1}),
    "an async call is awaited": ("async function f() { return 3 }\nf()", 3),
    "a byte order mark before it": ("\ufeff6 * 7", 42),
    "a line for the shell before it": ("#!/usr/bin/env node\n6 * 7", 42),
    "Windows line ends": ("let a = 1\r\na + 1\r\n", 2),
    "a default export": ("const x = 1;\nexport default x + 1;", 2),
    "other exports": ("export const x = 1;", None),
}


@pytest.mark.parametrize("name", VALUES_OF_PROGRAMS)
def test_the_value_of_a_program_is_that_of_its_last_statement(js: Run, name: str) -> None:
    code, expected = VALUES_OF_PROGRAMS[name]

    assert value_of(js(code)) == expected
