"""`dspex compile`: a program becomes one WebAssembly file that any host of WASI preview 1 runs.

The work is done by `dspex.runtimes`: Rust by a compiler behind walls, JavaScript by joining the engine
and the program into one module.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

import dspex
from dspex.cli import exits


@click.command("compile")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="OUT.wasm",
    help="Where to write the module; what is there is replaced.",
)
@click.pass_context
def compile_(context: click.Context, *, file: Path, output: Path) -> None:
    """Compile FILE to a standalone module for WASI preview 1.

    FILE ends in .rs (Rust, one file, std only) or .js (JavaScript). The module needs nothing of
    dspex: `dspex run OUT.wasm` runs it, and so does any other host.

    \b
    Exit codes:
      0    the module is written
      2    the command line is wrong, or what compiles the language is not there
      3    the program was refused, with every reason on standard error

    \b
    Example:
      dspex compile main.rs -o main.wasm && dspex run main.wasm -- --fast
    """  # noqa: D301 - \b is click's mark for text that it must not wrap
    try:
        source = file.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{str(file)!r}: {error.strerror}", param_hint="FILE") from None
    try:
        module = _compiled(source, file)
    except dspex.GuestRefused as error:
        for finding in error.findings:
            click.echo(f"dspex: {file}: {finding}", err=True)
        context.exit(exits.REFUSED)
    _replace(output, module)


def _compiled(source: bytes, file: Path) -> bytes:
    # Imported here, because each brings a good part of dspex.
    if file.suffix == ".rs":
        from dspex.runtimes import rust  # noqa: PLC0415

        return rust.compile_source(source)
    if file.suffix in (".js", ".mjs"):
        from dspex.runtimes import standalone  # noqa: PLC0415

        return standalone.compile_javascript(source, file.name)
    text = f"{str(file)!r}: a name that ends in .rs or .js wanted"
    raise click.BadParameter(text, param_hint="FILE")


def _replace(output: Path, module: bytes) -> None:
    """Write the whole file or nothing."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=output.parent, prefix=f".{output.name}-", delete=False
        ) as file:
            file.write(module)
        made = Path(file.name)
        made.chmod(0o644)
        made.replace(output)
    except OSError as error:
        text = f"{str(output)!r}: {error.strerror}"
        raise click.BadParameter(text, param_hint="--output") from None
