"""Files in and out, through `node:fs` and through imports."""

from __future__ import annotations

import pytest

import dspex
from tests.javascript.running import Run, value_of

FS = "import fs from 'node:fs';\n"


def test_files_go_in_and_come_out(js: Run) -> None:
    outcome = js(
        FS + "const text = fs.readFileSync('data/in.txt', 'utf8'); fs.mkdirSync('out/deep', { recursive: true });\n"
        "fs.writeFileSync('out/deep/a.txt', text.toUpperCase()); fs.writeFileSync('raw', new Uint8Array([0, 255]));\n"
        "fs.appendFileSync('out/deep/a.txt', '!'); text",
        files={"data/in.txt": "hé"},
    )

    assert value_of(outcome) == "hé"
    assert outcome.files == {"out/deep/a.txt": "HÉ!".encode(), "raw": b"\x00\xff"}


CALLS = {
    "existsSync": ("[fs.existsSync('a.txt'), fs.existsSync('b.txt'), fs.existsSync('d')]", [True, False, True]),
    "readdirSync": ("[fs.readdirSync('.'), fs.readdirSync('d')]", [["a.txt", "d"], ["e", "x.json"]]),
    "readdirSync with types": (
        "fs.readdirSync('.', { withFileTypes: true }).map((e) => [e.name, e.isFile(), e.isDirectory()])",
        [["a.txt", True, False], ["d", False, True]],
    ),
    "readdirSync of everything": ("fs.readdirSync('.', { recursive: true })", ["a.txt", "d", "d/e", "d/e/y", "d/x.json"]),
    "statSync": (
        "const s = fs.statSync('a.txt'); [s.size, s.isFile(), s.isDirectory(), s.mtime instanceof Date, s.mtimeMs > 1e12]",
        [5, True, False, True, True],
    ),
    "statSync of nothing": ("fs.statSync('zzz', { throwIfNoEntry: false })", None),
    "unlinkSync": ("fs.unlinkSync('a.txt'); fs.existsSync('a.txt')", False),
    "rmSync": ("fs.rmSync('d', { recursive: true }); fs.rmSync('nope', { force: true }); fs.readdirSync('.')", ["a.txt"]),
    "renameSync": ("fs.renameSync('a.txt', 'd/b.txt'); fs.readFileSync('d/b.txt', 'utf8')", "hello"),
    "copyFileSync": ("fs.copyFileSync('a.txt', 'c.txt'); fs.readFileSync('c.txt').toString()", "hello"),
    "bytes by default": ("const b = fs.readFileSync('a.txt'); [b instanceof Uint8Array, Buffer.isBuffer(b), b.length]", [True, True, 5]),
    "encodings": ("[fs.readFileSync('a.txt', 'base64'), fs.readFileSync('a.txt', { encoding: 'hex' })]", ["aGVsbG8=", "68656c6c6f"]),
    "links": ("fs.symlinkSync('a.txt', 'l'); [fs.readFileSync('l', 'utf8'), fs.readlinkSync('l'), fs.lstatSync('l').isSymbolicLink()]", ["hello", "a.txt", True]),
    "absolute paths": ("[process.cwd(), fs.readFileSync(`${process.cwd()}/a.txt`, 'utf8'), fs.realpathSync('d/..')]", ["/home/sandbox", "hello", "/home/sandbox"]),
    "temporary files": ("fs.writeFileSync('/tmp/x', 'y'); fs.readFileSync('/tmp/x', 'utf8')", "y"),
    "promises": ("await fs.promises.writeFile('p', 'q'); await fs.promises.readFile('p', 'utf8')", "q"),
    "callbacks": ("await new Promise((ok) => fs.readFile('a.txt', 'utf8', (e, text) => ok([e, text])))", [None, "hello"]),
    "callbacks with errors": ("await new Promise((ok) => fs.readFile('zzz', (e, text) => ok([e.code, text])))", ["ENOENT", None]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_file_operation_does_what_it_does_in_node(js: Run, name: str) -> None:
    code, expected = CALLS[name]

    outcome = js(FS + code, files={"a.txt": "hello", "d/x.json": "{}", "d/e/y": ""})

    assert value_of(outcome) == expected


REFUSALS = {
    "reading what is not there": ("fs.readFileSync('x/y')", "ENOENT: no such file or directory, open 'x/y'", "ENOENT"),
    "reading a directory": ("fs.readFileSync('.')", "EISDIR: illegal operation on a directory, open '.'", "EISDIR"),
    "listing a file": ("fs.readdirSync('a.txt')", "ENOTDIR: not a directory, scandir 'a.txt'", "ENOTDIR"),
    "making what is there": ("fs.mkdirSync('d')", "EEXIST: file already exists, mkdir 'd'", "EEXIST"),
    "removing what is not empty": ("fs.rmdirSync('d')", "ENOTEMPTY: directory not empty, rmdir 'd'", "ENOTEMPTY"),
    "writing where nothing may be": ("fs.writeFileSync('/usr/x', '')", "EROFS: read-only file system, open '/usr/x'", "EROFS"),
    "renaming nothing": ("fs.renameSync('p', 'q')", "ENOENT: no such file or directory, rename 'p' -> 'q'", "ENOENT"),
    "a NUL byte": ("fs.readFileSync('a\\0b')", "EINVAL: invalid argument, open 'a\0b'", "EINVAL"),
    "an empty path": ("fs.readFileSync('')", "ENOENT: no such file or directory, open ''", "ENOENT"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_file_errors_are_those_of_node(js: Run, name: str) -> None:
    code, message, errno = REFUSALS[name]

    outcome = js(
        f"{FS}let e; try {{ {code} }} catch (error) {{ e = error }} [e instanceof Error, e.message, e.code]",
        files={"a.txt": "hello", "d/x": ""},
    )

    assert value_of(outcome) == [True, message, errno]


def test_quotas_of_files_end_as_limits(js: Run) -> None:
    policy = dspex.Policy.load("compute")
    limits = policy.limits.model_copy(update={"file_bytes": 1000, "file_count": 3})
    small = policy.model_copy(update={"limits": limits})

    bytes_ = js(FS + "fs.writeFileSync('a', 'x'.repeat(2000))", policy=small)
    count = js(FS + "for (let i = 0; i < 9; i++) fs.writeFileSync(`f${i}`, '')", policy=small)
    caught = js(FS + "try { fs.writeFileSync('a', 'x'.repeat(2000)) } catch (e) { e.code }", policy=small)

    assert [(one.status, one.error and one.error.limit) for one in (bytes_, count)] == [
        ("limit", "file_bytes"), ("limit", "file_count"),
    ]  # fmt: skip
    assert (caught.status, caught.value) == ("ok", "ENOSPC")


MODULES = {
    "names": ("import { a, b as c } from './m.js'; [a, c]", [1, 2]),
    "the default": ("import m from './m.js'; m", "default"),
    "all of it": ("import * as m from './m.js'; [m.a, m.default]", [1, "default"]),
    "both": ("import m, { a } from './m.js'; [m, a]", ["default", 1]),
    "for its effect": ("import './effect.js'; globalThis.effect", "done"),
    "without a suffix": ("import { a } from './m'; a", 1),
    "a folder": ("import { inside } from './lib'; inside", "index"),
    "from one another, upwards": ("import { up } from './lib/up.js'; up", 1),
    "in a circle": ("import { f } from './c1.js'; f()", "c2"),
    "at run time": ("const m = await import('./m.js'); m.a", 1),
    "JSON": ("import data from './d.json'; data.list[1]", 2),
    "JSON with its type": ("import data from './d.json' with { type: 'json' }; data.list[0]", 1),
    "with live names": ("import { n, more } from './live.js'; more(); n", 1),
    "in the middle of a file": ("const x = 1\nimport { a } from './m.js'\nx + a", 2),
    "over several lines": ("import {\n  a, // one\n  b as c,\n} from './m.js';\na + c", 3),
    "in a module": ("import { a } from './m.js'; export default a + 1", 2),
    "with words that look like it": ("const s = 'import x from y'; /import a/.test(s); `export ${s}`; s.length", 15),
    "with await inside": ("import { later } from './tla.js'; later", "waited"),
    "what comes with the library": ("import path from 'path'; import { join } from 'node:path'; path.join('a', '../b') + join('x', 'y')", "bx/y"),
    "once only": ("import { n as a, more } from './live.js'; more(); const again = await import('./live.js'); again.n", 1),
    "its own names only": ("import { a } from './m.js'; typeof hidden", "undefined"),
    "by require": ("const m = require('./common'); [m.x, require('./common') === m, require('./d.json').list.length]", [5, True, 2]),
    "by require from the library": ("const { readFileSync } = require('fs'); readFileSync('m.js', 'utf8').length > 10", True),
}  # fmt: skip

FILES = {
    "m.js": "const hidden = 1; export const a = 1, b = 2; export default 'default';",
    "effect.js": "globalThis.effect = 'done';",
    "lib/index.js": "export const inside = 'index';",
    "lib/up.js": "export { a as up } from '../m.js';",
    "c1.js": "import { g } from './c2.js'; export const f = () => g(); export const name = 'c1';",
    "c2.js": "import { name } from './c1.js'; export const g = () => name && 'c2';",
    "d.json": '{"list": [1, 2]}',
    "live.js": "export let n = 0; export const more = () => { n++ };",
    "tla.js": "export const later = await new Promise((r) => setTimeout(() => r('waited'), 1));",
    "common.js": "exports.x = 5;",
}


@pytest.mark.parametrize("name", MODULES)
def test_files_are_modules(js: Run, name: str) -> None:
    code, expected = MODULES[name]

    assert value_of(js(code, files=FILES)) == expected


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import './none.js'", "Cannot find module './none.js' imported from main.js"),
        ("import x from 'lodash'", "Cannot find module 'lodash' imported from main.js"),
        ("import x from 'https://example.org/x.js'", "Cannot find module 'https://example.org/x.js' imported from main.js"),
        ("import x from 'node:child_process'", "Cannot find module 'node:child_process' imported from main.js"),
    ],
)
def test_what_cannot_be_imported_is_refused_before_anything_runs(js: Run, code: str, said: str) -> None:
    outcome = js(f"console.log('ran');\n{code}")

    assert (outcome.status, outcome.stdout) == ("refused", "")
    assert outcome.error is not None
    assert outcome.error.message == said


def test_standard_input_can_be_read_in_three_ways(js: Run) -> None:
    stdin = "3 4\r\nzwei\n\nlast"

    lines = js("[readline(), prompt('?'), readline(), prompt(), readline() ?? null, prompt()]", stdin=stdin)
    whole = js("require('fs').readFileSync(0, 'utf8').split('\\n').length", stdin=stdin)

    assert value_of(lines) == ["3 4", "zwei", "", "last", None, None]
    assert lines.stdout == "? "
    assert value_of(whole) == 4


def test_arguments_and_environment_are_where_node_has_them(js: Run) -> None:
    outcome = js("[process.argv.slice(2), process.env.TZ, process.env.HOME ?? null]", args=["--fast", "ä"], env={"TZ": "UTC"})

    assert value_of(outcome) == [["--fast", "ä"], "UTC", None]


def test_local_time_is_that_of_the_zone(js: Run) -> None:
    code = "[new Date(2024, 6, 1).toISOString(), new Date(2024, 0, 1).getTimezoneOffset(), new Date(0).getHours()]"

    assert value_of(js(code, env={"TZ": "Europe/Berlin"})) == ["2024-06-30T22:00:00.000Z", -60, 1]
    assert value_of(js(code)) == ["2024-07-01T00:00:00.000Z", 0, 0]
