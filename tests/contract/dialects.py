"""The programs of the contract in each language of ours."""

from __future__ import annotations

from datetime import UTC, datetime

from dspex.testing.contracts import Dialect
from tests.wasm.test_programs import ECHO
from tests.wasm.wat import module, text

PYTHON = Dialect(
    language="python",
    value_42="6 * 7",
    echo="given",
    prints="import sys\nprint('out')\nprint('err', file=sys.stderr)",
    raises="def f():\n    raise ValueError('told')\nf()",
    raised_type="ValueError",
    refused="x = 1\ny = = 2",
    loops="while True: pass",
    hoards="x = []\nwhile True: x.append(bytearray(10**6))",
    floods="while True: print('x' * 100, end='')",
    recurses="def f():\n    return f() + 1\nf()",
    copies_file="text = open('in.txt').read()\nwith open('out.txt', 'w') as file:\n    file.write(text + '!')",
    copies_input="import sys\nprint(sys.stdin.read(), end='')",
    arguments="import sys\nsys.argv[1:]",
    environment="import os\nos.environ['TZ']",
    keeps="number = 41",
    kept="number + 1",
    calls="double(21)",
    calls_failing="try:\n    fails()\nexcept ValueError as error:\n    said = str(error)\nsaid",
    calls_together="import asyncio\nawait asyncio.gather(*(slow(n) for n in range(4)))",
)

RESTRICTED = Dialect(
    language="python-restricted",
    value_42=PYTHON.value_42,
    echo=PYTHON.echo,
    prints=PYTHON.prints,
    raises=PYTHON.raises,
    raised_type="ValueError",
    refused=PYTHON.refused,
    loops=PYTHON.loops,
    hoards=PYTHON.hoards,
    floods=PYTHON.floods,
    recurses=PYTHON.recurses,
    copies_file=PYTHON.copies_file,
    copies_input=PYTHON.copies_input,
    arguments=PYTHON.arguments,
    environment=None,
    keeps=PYTHON.keeps,
    kept=PYTHON.kept,
    calls=PYTHON.calls,
    calls_failing=PYTHON.calls_failing,
    calls_together=PYTHON.calls_together,
)

DATES = {"date": datetime(2026, 1, 2, tzinfo=UTC)}
"""JavaScript has one type for days and for moments."""

JAVASCRIPT = Dialect(
    language="javascript",
    value_42="6 * 7",
    echo="given",
    echoed=DATES,
    prints="console.log('out'); console.error('err')",
    raises="function f() {\n  throw new TypeError('told');\n}\nf()",
    raised_type="TypeError",
    refused="let x = 1;\nlet y = = 2;",
    loops="while (true) {}",
    hoards="const x = []; while (true) x.push(new Uint8Array(1e6).fill(1))",
    floods="while (true) console.log('x'.repeat(99))",
    recurses="function f() { return f() + 1 }\nf()",
    copies_file="import fs from 'node:fs';\nfs.writeFileSync('out.txt', fs.readFileSync('in.txt', 'utf8') + '!')",
    copies_input="import fs from 'node:fs';\nprocess.stdout.write(fs.readFileSync(0, 'utf8'))",
    arguments="process.argv.slice(2)",
    environment="process.env.TZ",
    keeps="let number = 41",
    kept="number + 1",
    calls="double(21)",
    calls_failing="let said; try { fails() } catch (error) { said = error.message } said",
    calls_together="await Promise.all([0, 1, 2, 3].map((n) => slow(n)))",
)

TYPESCRIPT = Dialect(
    language="typescript",
    value_42="const n: number = 6 * 7; n",
    echo="given as unknown",
    echoed=DATES,
    prints=JAVASCRIPT.prints,
    raises="function f(): never {\n  throw new TypeError('told');\n}\nf()",
    raised_type="TypeError",
    refused="let x: number = 1;\nlet y: = 2;",
    loops=JAVASCRIPT.loops,
    hoards="const x: Uint8Array[] = []; while (true) x.push(new Uint8Array(1e6).fill(1))",
    floods=JAVASCRIPT.floods,
    recurses="function f(): number { return f() + 1 }\nf()",
    copies_file=JAVASCRIPT.copies_file,
    copies_input=JAVASCRIPT.copies_input,
    arguments=JAVASCRIPT.arguments,
    environment=JAVASCRIPT.environment,
    keeps="let number: number = 41",
    kept=JAVASCRIPT.kept,
    calls="double(21) as number",
    calls_failing="let said: string = ''; try { fails() } catch (error: any) { said = error.message } said",
    calls_together=JAVASCRIPT.calls_together,
)


def _value_of(what: str) -> str:
    """Write a module that gives back the decimal digits that lie at 1060, as `/dspex/value.json`."""
    return module(
        f"""{what}
        (drop (call $path_open (i32.const 4) (i32.const 1) (i32.const 1024) (i32.const 10) (i32.const 9)
          (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))
        (i32.store (i32.const 20) (i32.const 1060)) (i32.store (i32.const 24) (i32.const 2))
        (drop (call $fd_write (i32.load (i32.const 16)) (i32.const 20) (i32.const 1) (i32.const 28)))""",
        imports="path_open",
        data=text(b"value.json" + bytes(26) + b"42"),
    )


WASM = Dialect(
    language="wasm",
    value_42=_value_of(""),
    prints=module(
        """(call $say (i32.const 1024) (i32.const 4))
        (i32.store (i32.const 0) (i32.const 1028)) (i32.store (i32.const 4) (i32.const 4))
        (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))""",
        data=text(b"out\nerr\n"),
    ),
    raises=None,
    raised_type="",
    refused="(module\n  (func (result i32) (i64.const 1)))",
    loops=module("(loop $again (br $again))"),
    hoards=module(
        "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 160)) (i32.const -1)))) unreachable"
    ),
    floods=module(
        "(loop $again (call $say (i32.const 1024) (i32.const 100)) (br $again))", data=text(b"x" * 100)
    ),
    recurses='(module (func $f (export "_start") (call $f)))',
    copies_file=None,
    copies_input=ECHO,
)

TAGGED = {
    "bytes": {"$": ["bytes", "AP9ieXRlcw=="]},
    "datetime": {"$": ["datetime", [2026, 1, 2, 3, 4, 5, 678000, 0, [None, None, 0]]]},
    "date": {"$": ["date", [2026, 1, 2]]},
    "set": {"$": ["set", [1, 2, 3]]},
}
"""Rust programs see what JSON has no word for as the tagged objects of docs/reference/values.md."""

RUST = Dialect(
    language="rust",
    value_42="fn main() { dspex::value(6 * 7); }",
    echo='fn main() { dspex::value(dspex::variable("given")); }',
    echoed=TAGGED,
    prints='fn main() { println!("out"); eprintln!("err"); }',
    raises='fn main() {\n    panic!("told");\n}',
    raised_type="Panic",
    refused="fn main() {\n    let x: i32 = true;\n}",
    loops="fn main() { loop { std::hint::spin_loop(); } }",
    hoards="fn main() { let mut x = Vec::new(); loop { x.push(vec![1u8; 1_000_000]); } }",
    floods='fn main() { loop { print!("{}", "x".repeat(100)); } }',
    recurses="fn f(n: u64) -> u64 { if n == u64::MAX { 0 } else { f(n + 1) + f(n + 2) } }\n"
    'fn main() { println!("{}", f(0)); }',
    copies_file='fn main() {\n    let text = std::fs::read_to_string("in.txt").unwrap();\n'
    '    std::fs::write("out.txt", text + "!").unwrap();\n}',
    copies_input="use std::io::Read;\nfn main() {\n    let mut text = String::new();\n"
    '    std::io::stdin().read_to_string(&mut text).unwrap();\n    print!("{}", text);\n}',
    arguments="fn main() {\n    let all: Vec<dspex::Json> = std::env::args().skip(1).map(|one| one.into()).collect();\n"
    "    dspex::value(dspex::Json::List(all));\n}",
    environment='fn main() { dspex::value(std::env::var("TZ").unwrap()); }',
)

DIALECTS = {
    one.language: one for one in (PYTHON, RESTRICTED, JAVASCRIPT, TYPESCRIPT, WASM, RUST)
}
