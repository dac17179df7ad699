"""What programs find beside the language: console, encodings, URLs, randomness, copies, assertions."""

from __future__ import annotations

import re

import pytest

from tests.javascript.running import Run, value_of

PRINTED = {
    "console.log('a', 1, true, null, undefined)": "a 1 true null undefined",
    "console.log({ a: 1, 'b-c': 'x', d: [1, 'y'], n: { m: { o: { p: 1 } } } })": "{ a: 1, 'b-c': 'x', d: [ 1, 'y' ], n: { m: { o: [Object] } } }",
    "console.log([1.5, -0, NaN, 10n, 's'], [], {}, [[]], [undefined, null])": "[ 1.5, -0, NaN, 10n, 's' ] [] {} [ [] ] [ undefined, null ]",
    "console.log([1, , 3], new Array(3))": "[ 1, <1 empty item>, 3 ] [ <3 empty items> ]",
    "console.log(new Map([['a', { b: 1 }]]), new Set([1, 'x']))": "Map(1) { 'a' => { b: 1 } } Set(2) { 1, 'x' }",
    "class P { constructor() { this.x = 1 } }; console.log(new P(), P, class extends P {})": "P { x: 1 } [class P] [class (anonymous) extends P]",
    "console.log(function f() {}, () => 1, async () => 1, function* g() {}, Symbol('s'))": "[Function: f] [Function (anonymous)] [AsyncFunction (anonymous)] [GeneratorFunction: g] Symbol(s)",
    "console.log(new Date(0), /a/g, [new Date(NaN)])": "1970-01-01T00:00:00.000Z /a/g [ Invalid Date ]",
    "console.log(new Uint8Array([1, 2]), new ArrayBuffer(2), Buffer.from('hi'))": "Uint8Array(2) [ 1, 2 ] ArrayBuffer { [Uint8Contents]: <00 00>, byteLength: 2 } Buffer(2) [ 104, 105 ]",
    "const o = { a: 1 }; o.o = o; console.log(o)": "<ref *1> { a: 1, o: [Circular *1] }",
    "console.log({ get a() { return 1 }, set a(v) {}, get b() { throw 1 }, set c(v) {} })": "{ a: [Getter/Setter], b: [Getter], c: [Setter] }",
    "console.log(new Proxy({ a: 1 }, { get() { throw 1 }, ownKeys() { throw 2 } }))": "{ a: 1 }",
    "console.log(Promise.resolve(5), Promise.reject(1).catch(() => 0) && 0, new Promise(() => {}))": "Promise { 5 } 0 Promise { <pending> }",
    "console.log([new Error('x')].length, Object.create(null), new Number(5), new String('s'))": "1 [Object: null prototype] {} [Number: 5] [String: 's']",
    "console.log('%s is %d years and %i, %f, %j %o %%', 'Bob', 42, 42.9, '1.5', { a: 1 }, [1], 'extra')": 'Bob is 42 years and 42, 1.5, {"a":1} [ 1 ] % extra',
    "console.log('100%', 5, '%s')": "100% 5 %s",
    "console.log('a\\nb', ['a\\nb', \"it's\"])": "a\nb [ 'a\\nb', \"it's\" ]",
    "console.log([1, 2, 3, 4, 5, 6, 7, 8])": "[\n  1, 2, 3, 4,\n  5, 6, 7, 8\n]",
    "console.log({ text: 'x'.repeat(60), more: 'y'.repeat(20) })": "{\n  text: '" + "x" * 60 + "',\n  more: '" + "y" * 20 + "'\n}",
    "console.log(Array.from({ length: 101 }, () => 'abcdefghijklmnopqrstuvwxyz').at(-1).length)": "26",
    "console.group('g'); console.log('in\\nside'); console.groupEnd(); console.log('out')": "g\n  in\n  side\nout",
    "console.count(); console.count('x'); console.count()": "default: 1\nx: 1\ndefault: 2",
    "console.dir({ a: { b: { c: {} } } }, { depth: 0 })": "{ a: [Object] }",
    "console.table([{ a: 1, b: 'x' }, { a: 2 }])": "┌─────────┬───┬─────┐\n│ (index) │ a │ b   │\n├─────────┼───┼─────┤\n│ 0       │ 1 │ 'x' │\n│ 1       │ 2 │     │\n└─────────┴───┴─────┘",
    "console.log(process.argv0, typeof globalThis.window)": "javascript undefined",
    "console.log()": "",
    "console.log('\\ud800')": "\ufffd",
}  # fmt: skip


@pytest.mark.parametrize("code", PRINTED)
def test_the_console_prints_as_node_does(js: Run, code: str) -> None:
    outcome = js(code)

    assert (outcome.status, outcome.stdout, outcome.stderr) == ("ok", PRINTED[code] + "\n", "")


def test_errors_and_warnings_go_to_standard_error(js: Run) -> None:
    outcome = js("console.log('a'); console.error('b'); console.warn('c'); console.assert(false, 'd'); console.info('e'); console.debug('f'); process.stderr.write('g')")

    assert (outcome.stdout, outcome.stderr) == ("a\ne\nf\n", "b\nc\nAssertion failed: d\ng")


def test_an_error_is_printed_with_its_stack(js: Run) -> None:
    outcome = js("console.log(new TypeError('x', { cause: 'y' })); console.log({ e: new Error('z') })")

    assert outcome.stdout == (
        "TypeError: x\n    at main.js:1:17\n  [cause]: 'y'\n{\n  e: Error: z\n    at main.js:1:71\n}\n"
    )


USES = {
    "text to bytes": ("Array.from(new TextEncoder().encode('hé🎉'))", [104, 195, 169, 240, 159, 142, 137]),
    "a lone surrogate to bytes": ("Array.from(new TextEncoder().encode('\\ud800'))", [239, 191, 189]),
    "bytes to text": ("new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 104, 195, 169]))", "hé"),
    "bytes that are no text": ("new TextDecoder().decode(new Uint8Array([104, 255, 195]))", "h��"),
    "a fatal decoder": ("let e; try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])) } catch (x) { e = x } e instanceof TypeError", True),
    "bytes in pieces": (
        "const d = new TextDecoder(); d.decode(new Uint8Array([240, 159]), { stream: true }) + d.decode(new Uint8Array([142, 137]), { stream: true }) + d.decode()",
        "🎉",
    ),
    "other encodings": ("[new TextDecoder('utf-16le').decode(new Uint8Array([104, 0])), new TextDecoder('latin1').decode(new Uint8Array([233]))]", ["h", "é"]),
    "encodeInto": ("const t = new Uint8Array(3); const r = new TextEncoder().encodeInto('aéb', t); [r.read, r.written]", [2, 3]),
    "Buffer": (
        "[Buffer.from('hé').toString('hex'), Buffer.from('aGk=', 'base64').toString(), Buffer.concat([Buffer.from('a'), Buffer.from('b')]).toString(), Buffer.alloc(2).length, Buffer.from([1, 2]).equals(Buffer.from([1, 2])), Buffer.byteLength('é')]",
        ["68c3a9", "hi", "ab", 2, True, 2],
    ),
    "a URL and its parts": (
        "const u = new URL('https://user:pa%20ss@Example.COM:8080/a/./b/../c?x=1&y=%20#frag'); [u.href, u.origin, u.host, u.hostname, u.port, u.username, u.password, u.pathname, u.search, u.hash]",
        ["https://user:pa%20ss@example.com:8080/a/c?x=1&y=%20#frag", "https://example.com:8080", "example.com:8080", "example.com", "8080", "user", "pa%20ss", "/a/c", "?x=1&y=%20", "#frag"],
    ),
    "relative URLs": (
        "['../x', '/abs', '?q', '#h', '//other.org/p', 'http:rel', 'a b'].map((one) => new URL(one, 'http://h.org/d/e/f?z').href)",
        ["http://h.org/d/x", "http://h.org/abs", "http://h.org/d/e/f?q", "http://h.org/d/e/f?z#h", "http://other.org/p", "http://h.org/d/e/rel", "http://h.org/d/e/a%20b"],
    ),
    "hosts": (
        "['http://0x7f.1/', 'http://[::1:0:0]/', 'http://256/', 'http://%65x.org/', 'file:///a/b', 'mailto:a@b', 'http://h:80/'].map((one) => new URL(one).href)",
        ["http://127.0.0.1/", "http://[::1:0:0]/", "http://0.0.1.0/", "http://ex.org/", "file:///a/b", "mailto:a@b", "http://h/"],
    ),
    "what is no URL": ("['x', 'http://', 'http://a b/', 'http://h:99999', 'http://[1/', 'http://1.2.3.4.5.6/'].map((one) => URL.canParse(one))", [False] * 6),
    "changing a URL": (
        "const u = new URL('http://h/p'); u.searchParams.append('a b', 'ä&'); u.hash = 'x y'; u.port = '81'; u.pathname = 'q r'; u.protocol = 'https'; u.hostname = 'k'; String(u)",
        "https://k:81/q%20r?a+b=%C3%A4%26#x%20y",
    ),
    "URLSearchParams": (
        "const p = new URLSearchParams('a=1&b=2&a=3&c'); p.delete('b'); p.set('a', '9'); p.append('d', 'x y'); p.sort(); [p.toString(), p.getAll('a'), p.get('zzz'), p.has('c'), [...p].length, p.size, new URLSearchParams({ q: 'ü' }).toString(), new URLSearchParams([['k', 'v']]).get('k')]",
        ["a=9&c=&d=x+y", ["9"], None, True, 3, 3, "q=%C3%BC", "v"],
    ),
    "structuredClone": (
        "const o = { d: new Date(5), m: new Map([[{ k: 1 }, new Set([1])]]), b: new Uint8Array([1, 2]), r: /x/gi, n: null }; o.self = o; const c = structuredClone(o); [c !== o, c.self === c, c.d.getTime(), c.m instanceof Map, c.b[1], c.r.flags, c.b.buffer !== o.b.buffer]",
        [True, True, 5, True, 2, "gi", True],
    ),
    "structuredClone of what cannot be": ("let e; try { structuredClone({ f() {} }) } catch (x) { e = x } [e.name, e instanceof DOMException]", ["DataCloneError", True]),
    "getRandomValues": ("const a = crypto.getRandomValues(new Uint32Array(64)); [a.some((x) => x > 0), new Set(a).size > 60]", [True, True]),
    "getRandomValues of too much": ("let e; try { crypto.getRandomValues(new Uint8Array(70000)) } catch (x) { e = x.name } e", "QuotaExceededError"),
    "performance": ("const a = performance.now(); for (let i = 0; i < 1e5; i++); [performance.now() >= a, a >= 0, a < 5000, Math.abs(performance.timeOrigin - Date.now()) < 60000]", [True, True, True, True]),
    "util": ("const util = require('util'); [util.inspect({ a: [1] }), util.format('%s!', 'x'), util.isDeepStrictEqual({ a: [1] }, { a: [1] }), await util.promisify((x, cb) => cb(null, x * 2))(4)]", ["{ a: [ 1 ] }", "x!", True, 8]),
    "assert": (
        "import assert from 'node:assert'; assert(true); assert.deepStrictEqual({ a: 1 }, { a: 1 }); assert.throws(() => { throw new TypeError('x') }, TypeError); let e; try { assert.strictEqual(1, 2) } catch (x) { e = x } [e.name, e.message, e.code]",
        ["AssertionError", "1 === 2", "ERR_ASSERTION"],
    ),
    "path": ("const p = require('path'); [p.join('/a', '..', 'b', './c'), p.resolve('x'), p.basename('/a/b.txt', '.txt'), p.dirname('/a/b'), p.extname('a.tar.gz'), p.relative('/a/b', '/a/c/d'), p.parse('/x/y.z').name, p.normalize('a//b/../c/')]", ["/b/c", "/home/sandbox/x", "b", "/a", ".gz", "../c/d", "y", "a/c/"]),
    "process": ("[process.platform, process.cwd(), typeof process.version, process.hrtime.bigint() > 0n, process.uptime() >= 0, process.exitCode ?? null]", ["linux", "/home/sandbox", "string", True, True, None]),
    "nextTick": ("const out = []; process.nextTick((x) => out.push(x), 1); await null; await null; out", [1]),
    "what is not there": ("['fetch', 'XMLHttpRequest', 'WebSocket', 'Worker', 'WebAssembly', 'Intl', 'Deno', 'Bun', 'std', 'os', 'host', 'guest', 'library', 'core', 'turn'].filter((name) => name in globalThis)", []),
    "numbers in a locale": ("(1234.5).toLocaleString() !== ''", True),
}  # fmt: skip


@pytest.mark.parametrize("name", USES)
def test_the_library_works(js: Run, name: str) -> None:
    code, expected = USES[name]

    assert value_of(js(code)) == expected


def test_uuids_look_like_uuids(js: Run) -> None:
    found = value_of(js("Array.from({ length: 20 }, () => crypto.randomUUID())"))

    assert len(set(found)) == 20
    assert all(re.fullmatch(r"[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}", one) for one in found)
