"""The programs of the contract in each language of ours."""

from __future__ import annotations

from datetime import UTC, datetime

from dspex.testing.contracts import Dialect

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

DIALECTS = {one.language: one for one in (PYTHON, RESTRICTED, JAVASCRIPT, TYPESCRIPT)}
