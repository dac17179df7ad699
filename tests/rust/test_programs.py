"""Rust programs run like any other: input, variables, a value, files, panics, findings of the compiler."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.runtimes import rust
from tests.rust.toolchain import needs_toolchain

pytestmark = needs_toolchain


def run(engine: dspex.Engine, source: str, **given: Any) -> dspex.Outcome:
    return engine.run(source, language="rust", **given)


def test_a_program_reads_its_input_and_arguments_and_writes_output(engine: dspex.Engine) -> None:
    outcome = run(
        engine,
        """
use std::io::Read;
fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let sum: i64 = text.split_whitespace().map(|one| one.parse::<i64>().unwrap()).sum();
    println!("{} {:?} {:?}", sum, std::env::args().skip(1).collect::<Vec<_>>(), std::env::var("TZ"));
    eprintln!("done");
}""",
        stdin="3 4\n", args=["--fast"], env={"TZ": "UTC"},
    )

    assert (outcome.status, outcome.error) == ("ok", None)
    assert outcome.stdout == '7 ["--fast"] Ok("UTC")\n'
    assert outcome.stderr == "done\n"
    assert outcome.language == "rust"
    assert outcome.usage.fuel


def test_variables_come_in_and_a_value_goes_out_as_data(engine: dspex.Engine) -> None:
    outcome = run(
        engine,
        """
use dspex::{value, variables, Json};
fn main() {
    let given = variables();
    let total: f64 = given["rows"].as_list().unwrap().iter().filter_map(Json::as_f64).sum();
    let mut found = std::collections::BTreeMap::new();
    found.insert("total".to_string(), Json::from(total));
    found.insert("name".to_string(), Json::from(given["name"].as_str().unwrap()));
    found.insert("big".to_string(), given["big"].clone());
    found.insert("none".to_string(), given["absent"].clone());
    found.insert("pair".to_string(), (1, true).into());
    found.insert("odd".to_string(), Json::from(f64::INFINITY));
    value(found);
}""",
        variables={"rows": [1, 2.5, "x"], "name": 'naïve "q" \\ \n\u0001 😀', "big": -(2**70)},
    )

    assert outcome.value == {
        "total": 3.5, "name": 'naïve "q" \\ \n\u0001 😀', "big": -(2**70), "none": None,
        "pair": [1, True], "odd": float("inf"),
    }


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**53, 2**53 + 1, -(2**100), 0.5, -0.0, 1e300, 1e-7, "", "ü\t", [], {}, [[1], {"a": [None]}], {"$": 1, "b": 2}],
)
def test_data_comes_back_as_it_was_given(engine: dspex.Engine, value: Any) -> None:
    outcome = run(
        engine, 'fn main() { dspex::value(dspex::variable("it")); }', variables={"it": value}
    )

    assert (outcome.status, outcome.value) == ("ok", value)
    assert repr(outcome.value) == repr(value)


def test_files_are_read_written_listed_and_removed(engine: dspex.Engine) -> None:
    outcome = run(
        engine,
        """
use std::fs;
fn main() -> std::io::Result<()> {
    let text = fs::read_to_string("in/a.txt")?;
    fs::create_dir_all("out/deep")?;
    fs::write("out/deep/b.txt", text.to_uppercase())?;
    fs::rename("out/deep/b.txt", "out/c.txt")?;
    fs::remove_dir("out/deep")?;
    fs::copy("out/c.txt", "out/d.txt")?;
    let mut names: Vec<_> = fs::read_dir("out")?.map(|one| one.unwrap().file_name()).collect();
    names.sort();
    println!("{:?} {}", names, fs::metadata("out/c.txt")?.len());
    println!("{:?}", fs::read("absent").unwrap_err().kind());
    println!("{:?}", fs::remove_dir("out").unwrap_err().raw_os_error());
    Ok(())
}""",
        files={"in/a.txt": "abc"},
    )

    assert outcome.stdout == '["c.txt", "d.txt"] 3\nNotFound\nSome(55)\n'
    assert outcome.files == {"out/c.txt": b"ABC", "out/d.txt": b"ABC"}


def test_time_passes_and_sleeping_costs_no_processor_time(engine: dspex.Engine) -> None:
    outcome = run(
        engine,
        """
use std::time::{Duration, Instant, SystemTime};
fn main() {
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(200));
    assert!(began.elapsed() >= Duration::from_millis(200));
    dspex::value(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
}""",
    )

    assert outcome.status == "ok"
    assert abs(outcome.value - time.time()) < 60
    assert outcome.usage.cpu_s < 0.15


def test_a_panic_is_raised_with_its_message_and_place(engine: dspex.Engine) -> None:
    outcome = run(engine, 'fn main() {\n    let none: Option<u8> = None;\n    none.expect("a byte");\n}')

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("raised", "Panic")
    assert outcome.error.message == "a byte (main.rs:3:10)"
    assert "panicked at" in outcome.stderr


def test_a_main_that_returns_an_error_and_an_exit_end_with_their_status(
    engine: dspex.Engine,
) -> None:
    failed = run(engine, 'fn main() -> Result<(), String> { Err("no".into()) }')
    left = run(engine, "fn main() { std::process::exit(7) }")

    assert (failed.status, failed.error.type, failed.error.message) == ("raised", "SystemExit", "1")
    assert failed.stderr == 'Error: "no"\n'
    assert left.error.message == "7"


def test_memory_without_end_is_the_limit(engine: dspex.Engine) -> None:
    outcome = run(
        engine, "fn main() { let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 20]); } }"
    )

    assert (outcome.status, outcome.error.limit) == ("limit", "memory_bytes")


def test_what_the_compiler_says_is_found_with_line_column_code_and_hint(
    engine: dspex.Engine,
) -> None:
    outcome = run(
        engine,
        """fn main() {
    let total: i32 = "three";
    let text = String::from("x");
    let moved = text;
    println!("{}{}{}", totl, text, moved);
}
""",
    )

    assert outcome.status == "refused"
    places = [(one.line, one.column, one.message[:12], one.hint) for one in outcome.error.findings]
    assert places[0][:3] == (5, 24, "error[E0425]")
    assert places[0][3] is not None
    assert "total" in places[0][3]
    assert places[1] == (2, 22, "error[E0308]", None)


def test_an_error_inside_a_macro_is_found_where_the_program_calls_it(engine: dspex.Engine) -> None:
    outcome = run(engine, 'fn main() {\n\n    println!("{}", );\n    vec![1, "a"];\n}')

    assert outcome.error.findings[0].line == 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("fn main() {", "error: this file contains an unclosed delimiter"),
        ("fn helper() {}", "error[E0601]: `main` function not found in crate `main`"),
        ("", "error[E0601]: `main` function not found in crate `main`"),
        ("use rand::Rng; fn main() {}", "error[E0432]: unresolved import `rand`"),
        ("mod other; fn main() {}", "error[E0583]: file not found for module `other`"),
    ],
)
def test_a_program_that_cannot_be_compiled_says_why(
    engine: dspex.Engine, source: str, message: str
) -> None:
    outcome = run(engine, source)

    assert outcome.status == "refused"
    assert outcome.error.findings[0].message.startswith(message)


def test_a_program_is_compiled_once(engine: dspex.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f'fn main() {{ println!("{time.time_ns()}"); }}'
    first = run(engine, source)

    def refuse(*_arguments: object, **_named: object) -> None:
        msg = "compiled again"
        raise AssertionError(msg)

    monkeypatch.setattr(rust, "_run_tool", refuse)
    again = run(engine, source)

    assert first.stdout == again.stdout != ""


def test_a_compiled_program_runs_under_another_host_and_as_wasm(
    engine: dspex.Engine, tmp_path: Path
) -> None:
    source = b"""
fn main() {
    println!("{:?}", std::env::args().collect::<Vec<_>>());
    dspex::value(dspex::variable("absent"));
    std::process::exit(3);
}"""
    module = rust.compile_source(source)
    (tmp_path / "program.wasm").write_bytes(module)
    (tmp_path / "host.mjs").write_text(
        """
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';
const wasi = new WASI({ version: 'preview1', args: ['one', 'two'], env: {}, preopens: {} });
const module = await WebAssembly.compile(readFileSync(process.argv[2]));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
"""
    )
    node = _node()
    done = subprocess.run(
        [node, "--no-warnings", tmp_path / "host.mjs", tmp_path / "program.wasm"],
        capture_output=True, text=True, timeout=60, check=False,
    )
    here = engine.run(module, language="wasm", args=["two"])

    assert (done.returncode, done.stdout, done.stderr) == (3, '["one", "two"]\n', "")
    assert (here.status, here.error.message, here.stdout) == ("raised", "3", '["main.wasm", "two"]\n')


DIFFERENT = {
    # wasmtime answers "not permitted"; preview 1 has a number of its own for it.
    "up and out: error Some(63)": "up and out: error Some(76)",
    # wasmtime answers "bad descriptor"; Linux, and so we, "is a directory".
    "read a folder: error Some(8)": "read a folder: error Some(31)",
    "empty name: error Some(8)": "empty name: error Some(31)",
}


def test_files_behave_as_under_another_host(engine: dspex.Engine, tmp_path: Path) -> None:
    import wasmtime

    module = rust.compile_source(Path(__file__).with_name("file_semantics.rs").read_bytes())
    root, said = tmp_path / "root", tmp_path / "stdout"
    root.mkdir()
    (root / "given.txt").write_text("given")
    host = wasmtime.Engine()
    linker, store, config = wasmtime.Linker(host), wasmtime.Store(host), wasmtime.WasiConfig()
    linker.define_wasi()
    config.stdout_file = str(said)
    config.preopen_dir(str(root), "/")
    store.set_wasi(config)
    instance = linker.instantiate(store, wasmtime.Module(host, module))
    start = instance.exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    start(store)
    store.close()
    there = [DIFFERENT.get(line, line) for line in said.read_text().splitlines()]

    here = engine.run(module, language="wasm", files={"given.txt": "given"})

    assert here.stdout.splitlines() == there
    assert len(there) > 50


def _node() -> str:
    from dspex.runtimes.toolchain import ToolMissing, find_node

    try:
        return str(find_node())
    except ToolMissing as error:
        pytest.skip(f"no other host to compare with: {error}")


def test_the_command_compiles_and_runs_by_the_files_ending(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from dspex.cli.main import cli

    source, made = tmp_path / "main.rs", tmp_path / "main.wasm"
    source.write_text('fn main() { println!("from rust"); }')
    bad = tmp_path / "bad.rs"
    bad.write_text("fn main() { x }")
    runner = CliRunner()
    compiled = runner.invoke(cli, ["compile", str(source), "-o", str(made)])
    refused = runner.invoke(cli, ["compile", str(bad), "-o", str(tmp_path / "bad.wasm")])
    import sys

    ran = subprocess.run(
        [sys.executable, "-m", "dspex.cli.main", "run", made],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )

    assert compiled.exit_code == 0, compiled.output
    assert made.read_bytes()[:8] == b"\0asm\1\0\0\0"
    assert (ran.returncode, ran.stdout) == (0, "from rust\n")
    assert refused.exit_code == 3
    assert refused.stderr.startswith(f"dspex: {bad}: line 1, column 13: error[E0425]")
    assert not (tmp_path / "bad.wasm").exists()
