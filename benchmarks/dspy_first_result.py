"""How soon an interpreter for DSPy gives its first result: ours and DSPy's own, side by side.

    python -m benchmarks.dspy_first_result

Each round makes a fresh interpreter of each kind, as DSPy's modules do for every call, and times it from
its construction to the value of `1 + 1`. Needs `deno` (the PyPI package of that name brings it) and, the
first time, npm's registry for the Pyodide that DSPy's runner loads. That runner also loads one module of
Deno's standard library from the network; where that cannot be reached, a stand-in takes its place.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = "1 + 1"
FETCH_TIMEOUT_S = 300
READ_LINES_URL = "https://deno.land/std@0.186.0/io/mod.ts"
READ_LINES = """
export async function* readLines(reader: { readable: ReadableStream<Uint8Array> }) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of reader.readable) {
    rest += decoder.decode(piece, { stream: true });
    let end: number;
    while ((end = rest.indexOf("\\n")) >= 0) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
  if (rest) yield rest;
}
"""
"""What the runner needs of the module at `READ_LINES_URL`: lines of a reader, one after the other."""


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Interpreters of each kind.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the numbers go, as JSON.")
def main(*, rounds: int, output: Path | None) -> None:
    """Measure, print, and end with 1 if ours is not a hundred times sooner."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import dspy  # noqa: PLC0415

    from dspex.integrations.dspy import Interpreter  # noqa: PLC0415 - the environment comes first

    with tempfile.TemporaryDirectory() as folder:
        options = _runner_options(Path(folder))

        def theirs() -> Any:
            made = dspy.PythonInterpreter()
            at = made.deno_command.index("run") + 1
            made.deno_command[at:at] = options
            return made

        once = {"ours": _first_result_s(Interpreter), "theirs": _first_result_s(theirs)}
        series: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(rounds):
            series["ours"].append(_first_result_s(Interpreter))
            series["theirs"].append(_first_result_s(theirs))
    medians = {name: statistics.median(values) for name, values in series.items()}
    ratio = medians["theirs"] / medians["ours"]
    print(f"dspy {dspy.__version__}, {rounds} rounds; from construction to the value of `{CODE}`:")
    for name in ("ours", "theirs"):
        values = series[name]
        print(
            f"  {name:7} median {1e3 * medians[name]:8.2f} ms, "
            f"{1e3 * min(values):.2f} to {1e3 * max(values):.2f} ms; "
            f"the very first of the process {1e3 * once[name]:.0f} ms"
        )
    print(f"  ratio   {ratio:.0f}")
    print(f"  ratio of the very first of the process {once['theirs'] / once['ours']:.1f}")
    if output is not None:
        output.write_text(json.dumps({"first_s": once, "series_s": series, "ratio": ratio}))
    sys.exit(0 if ratio >= 100 else 1)


def _first_result_s(make: Callable[[], Any]) -> float:
    began_s = time.perf_counter()
    interpreter = make()
    value = interpreter.execute(CODE)
    spent_s = time.perf_counter() - began_s
    assert value == 2, value
    interpreter.shutdown()
    return spent_s


def _runner_options(folder: Path) -> list[str]:
    """Fetch what DSPy's runner loads, and return the options that make it find all of it."""
    from dspy.primitives import python_interpreter  # noqa: PLC0415

    deno = python_interpreter._find_deno_executable()
    runner = str(Path(python_interpreter.__file__).with_name("runner.js"))
    env = {**os.environ, "DENO_NO_PACKAGE_JSON": "1"}
    fixed = ["--no-config", "--no-lock", "--node-modules-dir=false"]
    (folder / "read_lines.ts").write_text(READ_LINES)
    imports = {"imports": {READ_LINES_URL: (folder / "read_lines.ts").as_uri()}}
    (folder / "imports.json").write_text(json.dumps(imports))
    tries: list[list[str]] = [[], ["--import-map", str(folder / "imports.json")]]
    said = ""
    for options in tries:
        try:
            done = subprocess.run(
                [deno, "cache", *fixed, *options, runner],
                env=env, capture_output=True, text=True, check=False, timeout=FETCH_TIMEOUT_S,
            )
        except OSError as error:
            sys.exit(f"deno cannot be run ({error}); `pip install deno` brings it")
        if done.returncode == 0:
            if options:
                print("Deno's standard library cannot be reached; a stand-in takes its place")
            return options
        said = done.stderr
    sys.exit(f"what DSPy's runner needs cannot be fetched:\n{said[-2000:]}")


if __name__ == "__main__":
    main()
