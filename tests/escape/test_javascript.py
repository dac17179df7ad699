"""Ways out for JavaScript: what reaches the host from other engines reaches nothing here.

The attacker is told where everything is (`canary`), as in the other files of this folder. There is no
file, network, process or native code of the host to be named; the driver's realm is a second wall
inside the first, for honest reports only.
"""

from __future__ import annotations

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

FS = "import fs from 'node:fs';\n"
SAID = "const said = (f) => { try { return String(f()) } catch (e) { return `${e.name}: ${e.code ?? e.message}` } };\n"

FILES = [
    Attempt("readFileSync", FS + "fs.readFileSync(canary.file, 'utf8')", "raised Error: ENOENT: no such file or directory, open 'CANARY/secret.txt'"),
    Attempt("promises", FS + "await fs.promises.readFile(canary.file)", "raised Error: ENOENT: no such file or directory, open 'CANARY/secret.txt'"),
    Attempt("callback", FS + "await new Promise((ok, no) => fs.readFile(canary.file, (e, d) => (e ? no(e) : ok(d))))", "raised Error: ENOENT: no such file or directory, open 'CANARY/secret.txt'"),
    Attempt("dots", FS + "fs.readFileSync('../'.repeat(40) + canary.file.slice(1))", "raised Error: ENOENT: no such file or directory, open '" + "../" * 39 + "..CANARY/secret.txt'"),
    Attempt("file URL", FS + "fs.readFileSync(new URL(`file://${canary.file}`))", "raised Error: ENOENT: no such file or directory, open 'CANARY/secret.txt'"),
    Attempt("bytes as path", FS + "fs.readFileSync(Buffer.from(canary.file))", "raised Error: ENOENT: no such file or directory, open 'CANARY/secret.txt'"),
    Attempt("NUL in a path", FS + "fs.readFileSync('/tmp/x\\0' + canary.file)", "raised Error: EINVAL: invalid argument, open '/tmp/x\x00CANARY/secret.txt'"),
    Attempt("encoded dots", FS + "fs.readFileSync('%2e%2e/' + canary.file)", "raised Error: ENOENT: no such file or directory, open '%2e%2e/CANARY/secret.txt'"),
    Attempt("a path with a toString", FS + "fs.readFileSync({ toString: () => canary.file })", "raised TypeError: the path must be a string"),
    Attempt("exists as an oracle", FS + "[canary.file, canary.folder, canary.socket].map((p) => fs.existsSync(p))", "ok [False, False, False]"),
    Attempt("stat as an oracle", FS + "fs.statSync(canary.file)", "raised Error: ENOENT: no such file or directory, stat 'CANARY/secret.txt'"),
    Attempt("listing", FS + "fs.readdirSync(canary.folder)", "raised Error: ENOENT: no such file or directory, scandir 'CANARY'"),
    Attempt("listing the root", FS + "fs.readdirSync('/').includes('proc')", "ok False"),
    Attempt("copy it in", FS + "fs.copyFileSync(canary.file, 'mine')", "raised Error: ENOENT: no such file or directory, copyfile 'CANARY/secret.txt'"),
    Attempt("move it in", FS + "fs.renameSync(canary.file, 'mine')", "raised Error: ENOENT: no such file or directory, rename 'CANARY/secret.txt' -> 'mine'"),
    Attempt("link to it", FS + "fs.symlinkSync(canary.file, 'mine'); fs.readFileSync('mine')", "raised Error: ENOENT: no such file or directory, open 'mine'"),
    Attempt("link to its folder", FS + "fs.symlinkSync(canary.folder, 'd'); fs.readFileSync('d/secret.txt')", "raised Error: ENOENT: no such file or directory, open 'd/secret.txt'"),
    Attempt("link to the root", FS + "fs.symlinkSync('/', 'r'); fs.readFileSync(`r${canary.file}`)", "raised Error: ENOENT: no such file or directory, open 'rCANARY/secret.txt'"),
    Attempt("overwrite it", FS + "fs.writeFileSync(canary.file, 'x')", "raised Error: ENOENT: no such file or directory, open 'CANARY/secret.txt'"),
    Attempt("remove it", FS + "fs.unlinkSync(canary.file)", "raised Error: ENOENT: no such file or directory, unlink 'CANARY/secret.txt'"),
    Attempt("make a folder there", FS + "fs.mkdirSync(`${canary.folder}/mine`)", "raised Error: ENOENT: no such file or directory, mkdir 'CANARY/mine'"),
    Attempt("memory of itself", FS + "fs.readFileSync('/proc/self/mem')", "raised Error: ENOENT: no such file or directory, open '/proc/self/mem'"),
    Attempt("environment of the parent", FS + "fs.readFileSync(`/proc/${canary.pid}/environ`)", "raised Error: ENOENT: no such file or directory, open '/proc/PID/environ'"),
    Attempt("descriptors", FS + "said = []; for (let fd = 0; fd < 300; fd++) if (fs.existsSync(`/proc/self/fd/${fd}`) || fs.existsSync(`/dev/fd/${fd}`)) said.push(fd); said", "ok []"),
    Attempt("a number as path", FS + "fs.readFileSync(3)", "raised TypeError: the path must be a string"),
    Attempt("passwords", FS + "fs.readFileSync('/etc/passwd')", "raised Error: ENOENT: no such file or directory, open '/etc/passwd'"),
    Attempt("a device", FS + "fs.readFileSync('/dev/sda')", "raised Error: ENOENT: no such file or directory, open '/dev/sda'"),
]  # fmt: skip

MODULES = [
    Attempt("import by path", "await import(canary.file)", "raised Error: Cannot find module 'CANARY/secret.txt' imported from main.js"),
    Attempt("import by relative path", "await import('../../..' + canary.file)", "raised Error: Cannot find module '../../..CANARY/secret.txt' imported from main.js"),
    Attempt("import by file URL", "await import(`file://${canary.file}`)", "raised Error: Cannot find module 'file://CANARY/secret.txt' imported from main.js"),
    Attempt("import a data URL", "await import('data:text/javascript,export default 1')", "raised Error: Cannot find module 'data:text/javascript,export default 1' imported from main.js"),
    Attempt("import from the network", "await import('https://example.org/x.js')", "raised Error: Cannot find module 'https://example.org/x.js' imported from main.js"),
    Attempt("child_process", "require('child_process').execSync('id')", "raised Error: Cannot find module 'child_process'"),
    Attempt("net", "require('node:net').connect(canary.tcp)", "raised Error: Cannot find module 'node:net'"),
    Attempt("vm", "require('vm')", "raised Error: Cannot find module 'vm'"),
    Attempt("worker_threads", "require('worker_threads')", "raised Error: Cannot find module 'worker_threads'"),
    Attempt("QuickJS's own std", "await import('qjs:std')", "raised Error: Cannot find module 'qjs:std' imported from main.js"),
    Attempt("QuickJS's own os", "await import('os').then((m) => Object.keys(m).includes('exec'))", "ok False"),
    Attempt("a shared object", "require(canary.folder + '/x.so')", "raised Error: Cannot find module 'CANARY/x.so'"),
    Attempt("require a host's file", "require(canary.file)", "raised Error: Cannot find module 'CANARY/secret.txt'"),
    Attempt("names from the chain of objects", "require('__proto__')", "raised Error: Cannot find module '__proto__'"),
    Attempt("constructor as a module", "require('constructor')", "raised Error: Cannot find module 'constructor'"),
    Attempt("process.binding", "process.binding('fs')", "raised TypeError: not a function"),
    Attempt("process.dlopen", "process.dlopen({}, canary.file)", "raised TypeError: not a function"),
    Attempt("process.mainModule", "process.mainModule.require('fs')", "raised TypeError: cannot read property 'require' of undefined"),
]  # fmt: skip

REALMS = [
    Attempt("constructor of a function of the library", "console.log.constructor('return typeof process.binding')()", "ok 'undefined'"),
    Attempt("constructor of the console", "console.constructor.constructor('return this')() === globalThis", "ok True"),
    Attempt("the classic way out of vm", "this.constructor.constructor('return process')().mainModule === undefined", "ok True"),
    Attempt("through an error of the driver", "let e; try { structuredClone(() => 1) } catch (x) { e = x } e.constructor.constructor('return typeof host')()", "ok 'undefined'"),
    Attempt("through a file error", "let e; try { require('fs').readFileSync('nope') } catch (x) { e = x } [e instanceof Error, e.constructor.constructor('return typeof turn')()]", "ok [True, 'undefined']"),
    Attempt("through a decoded variable", "[canary.constructor === Object, canary.file.constructor.constructor('return typeof core')()]", "ok [True, 'undefined']"),
    Attempt("through a stack overflow in the driver", "let e; const deep = () => { try { deep() } catch { try { console.log({}) } catch (x) { e ??= x } } }; try { deep() } catch {} e ? e.constructor.constructor('return typeof host')() : 'undefined'", "ok 'undefined'"),
    Attempt("a callback called by the driver", "let caller = 1; setTimeout(function () { try { caller = arguments.callee.caller } catch (e) { caller = null } }, 0); await new Promise((r) => setTimeout(r, 5)); caller ?? 'none'", "ok 'none'"),
    Attempt("prepareStackTrace looks at frames", "let n = 0; Error.prepareStackTrace = (e, frames) => { for (const f of frames) if (typeof f.getFunction?.() === 'function') n++; return '' }; try { console.log(new Proxy({}, {})); throw new Error('x') } catch (e) { e.stack } n >= 0", "ok True"),
    Attempt("toJSON sees no holder of the driver", "let seen = []; const o = { toJSON(k) { seen.push(typeof k) ; return 1 } }; console.log(o); structuredClone({ a: 1 }); seen", "ok []"),
    Attempt("Symbol.species", "class A extends Uint8Array { static get [Symbol.species]() { throw new Error('species') } } new TextDecoder().decode(new A([104, 105]))", "ok 'hi'"),
    Attempt("a thenable in a tool's place", "Promise.prototype.then = function () { throw new Error('then') }; 1", "ok 1"),
    Attempt("global of the driver by name", "[typeof host, typeof guest, typeof turn, typeof core, typeof library, typeof installLibrary, typeof sources, typeof dspexModules]", "ok " + repr(["undefined"] * 8)),
    Attempt("realms by ShadowRealm", "typeof ShadowRealm", "ok 'undefined'"),
    Attempt("wasm from within", "typeof WebAssembly", "ok 'undefined'"),
]  # fmt: skip

MEMORY = [
    Attempt("detached buffers", SAID + "const b = new ArrayBuffer(8); const u = new Uint8Array(b); b.transfer(); [u.length, u[0] ?? null, said(() => u.set([1], 0))]", "ok [0, None, 'TypeError: ArrayBuffer is detached or resized']"),
    Attempt("a buffer that shrinks while it is read", "const b = new ArrayBuffer(8, { maxByteLength: 8 }); const u = new Uint8Array(b); const v = [...Array(4)].map((_, i) => { if (i === 1) b.resize(0); return u[i] ?? null }); v", "ok [0, None, None, None]"),
    Attempt("resizing while sorting", "const b = new ArrayBuffer(64, { maxByteLength: 64 }); const u = new Uint8Array(b); u.sort((x, y) => { b.resize(1); return x - y }); u.length", "ok 1"),
    Attempt("resizing in valueOf of fill", "const b = new ArrayBuffer(64, { maxByteLength: 64 }); const u = new Uint8Array(b); u.fill({ valueOf() { b.resize(0); return 1 } }); u.length", "ok 0"),
    Attempt("an array that shrinks in concat", "const a = [1, 2, 3]; a.constructor = { [Symbol.species]: function () { a.length = 0; return [] } }; Array.prototype.concat.call(a, a).length", "ok 0"),
    Attempt("an array that shrinks in a getter", "const a = [1, 2, 3, 4]; Object.defineProperty(a, 1, { get() { a.length = 1; return 9 } }); [a.map((x) => x).length, a.length]", "ok [4, 1]"),
    Attempt("a DataView beyond its end", SAID + "const v = new DataView(new ArrayBuffer(8)); [said(() => v.getUint32(6)), said(() => v.setUint8(-1, 1)), said(() => v.getUint8(2 ** 32))]", "ok ['RangeError: out of bound', 'RangeError: invalid array index', 'RangeError: out of bound']"),
    Attempt("lengths that overflow", SAID + "[said(() => new Uint32Array(2 ** 30 + 1)), said(() => 'x'.repeat(2 ** 30)), said(() => new Array(-1)), said(() => new ArrayBuffer(2 ** 53))].map((x) => x.split(':')[0])", "ok ['RangeError', 'RangeError', 'RangeError', 'RangeError']"),
    Attempt("a regular expression that changes while it runs", "const r = /a/g; r.exec = function () { r.compile?.('b'); return RegExp.prototype.exec.call(r, 'aa') }; 'aa'.replace(r, 'x').length >= 0", "ok True"),
    Attempt("a Map that changes while it is walked", "const m = new Map([[1, 1]]); let n = 0; m.forEach((v, k) => { m.delete(k); if (n++ < 1000) m.set(k + 1, 1) }); n", "ok 1001"),
    Attempt("a Map that changes while it crosses", "const m = new Map([[1, { get x() { m.clear(); return 1 } }], [2, 2]]); m", "ok {1: {'x': 1}, 2: 2}"),
    Attempt("an array that grows while it crosses", "const a = [{ get x() { for (let i = 0; i < 1000; i++) a.push(i); return 1 } }]; a", "ok [{'x': 1}]"),
    Attempt("a typed array that shrinks while it crosses", "const b = new ArrayBuffer(64, { maxByteLength: 64 }); [{ get x() { b.resize(1); return 1 } }, new Uint8Array(b)]", "ok [{'x': 1}, b'\\x00']"),
    Attempt("weak references after collection", "let w = new WeakRef({}); const junk = []; for (let i = 0; i < 1e5; i++) junk.push({ i }); typeof w.deref() === 'object' || w.deref() === undefined", "ok True"),
    Attempt("Atomics wait for nobody", SAID + "typeof Atomics === 'undefined' ? 'none' : said(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10))", "ok 'none'"),
    Attempt("serialised code", "typeof bjson + typeof std", "ok 'undefinedundefined'"),
]  # fmt: skip

HOST = [
    Attempt("environment", "[process.env[canary.env] ?? null, Object.keys(process.env).length]", "ok [None, 0]"),
    Attempt("working directory", "process.cwd()", "ok '/home/sandbox'"),
    Attempt("who it is", "[process.pid, process.platform, process.arch]", "ok [1, 'linux', 'wasm32']"),
    Attempt("fetch", "await fetch(`http://127.0.0.1:${canary.tcp}/`)", "raised ReferenceError: fetch is not defined"),
    Attempt("XMLHttpRequest", "new XMLHttpRequest()", "raised ReferenceError: XMLHttpRequest is not defined"),
    Attempt("WebSocket", "new WebSocket(`ws://127.0.0.1:${canary.tcp}`)", "raised ReferenceError: WebSocket is not defined"),
    Attempt("a tool that was not given", "open_file(canary.file)", "raised ReferenceError: open_file is not defined"),
    Attempt("process.kill", "process.kill(canary.pid, 9)", "raised TypeError: not a function"),
    Attempt("an exit status of a process", "process.exit(139)", "raised SystemExit: 139"),
    Attempt("an exit status that is no number", "process.exit('rm -rf')", "raised SystemExit: 1"),
    Attempt("abort", "process.abort()", "raised TypeError: not a function"),
    Attempt("locale data", "typeof Intl", "ok 'undefined'"),
    Attempt("a huge timer", "setTimeout(() => {}, Infinity); 1", "ok 1"),
    Attempt("a reply of its own", "console.log('{\"status\":\"ok\",\"value\":1}'); process.stdout.write('\\n\\0\\x01'); 5", "ok 5"),
]  # fmt: skip

ALL = [*FILES, *MODULES, *REALMS, *MEMORY, *HOST]


@pytest.mark.parametrize("attempt", ALL, ids=names(ALL))
def test_no_way_leads_out(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    assert ending(attack(attempt.code, language="javascript"), canary) == attempt.ending


@pytest.mark.parametrize("attempt", [FILES[0], MODULES[0], HOST[3]], ids=lambda one: one.name)
def test_types_open_no_way(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    code = f"declare const canary: any;\nconst typed: number = 1;\n{attempt.code}"
    expected = attempt.ending.replace("main.js", "main.ts")

    assert ending(attack(code, language="typescript"), canary) == expected


def test_there_are_enough_attempts() -> None:
    assert len(ALL) >= 60


def test_no_run_sees_anything_of_another(engine: dspex.Engine) -> None:
    engine.run("globalThis.left = 'behind'; Array.prototype.left = 1; require('fs').writeFileSync('/tmp/left', 'x')", language="javascript")  # fmt: skip

    outcome = engine.run("[typeof left, [].left ?? null, require('fs').existsSync('/tmp/left')]", language="javascript")

    assert (outcome.status, outcome.value) == ("ok", ["undefined", None, False])


def test_twin_what_is_allowed_works_in_all_these_ways(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import fs from 'node:fs';\nimport { mine } from './given/m.js';\n"
        "fs.symlinkSync('given/a.txt', 'link'); fs.copyFileSync('given/a.txt', 'copy');\n"
        "[fs.readFileSync('given/a.txt', 'utf8'), fs.readFileSync('link', 'utf8'), fs.readFileSync('copy', 'utf8'),\n"
        " fs.readFileSync(new URL('file:///home/sandbox/given/a.txt'), 'utf8'), mine, require('./given/c.cjs'),\n"
        " console.log.constructor('return 1 + 1')(), process.env.TZ, open_file('x')]",
        language="javascript", env={"TZ": "UTC"}, tools={"open_file": lambda name: f"tool {name}"},
        files={"given/a.txt": "mine", "given/m.js": "export const mine = 'module';", "given/c.cjs": "module.exports = 'common';"},
    )  # fmt: skip

    assert (outcome.status, outcome.value) == (
        "ok", ["mine", "mine", "mine", "mine", "module", "common", 2, "UTC", "tool x"],
    )  # fmt: skip
