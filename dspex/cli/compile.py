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

SOURCE_BYTES_MAX = 64 * 1024 * 1024
"""Longest program that is read."""


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
    source = _read(file)
    try:
        module = _compiled(source, file)
    except dspex.GuestRefused as error:
        for finding in error.findings:
            click.echo(f"dspex: {file}: {finding}", err=True)
        context.exit(exits.REFUSED)
    _write(output, module)


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


def _write(output: Path, module: bytes) -> None:
    """Write the whole file or nothing; into a device or a pipe, as they are no files to be replaced."""
    try:
        if output.exists() and not output.is_file():
            output.write_bytes(module)
            return
        place = output.resolve()  # a link goes on being one
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name[:100]}-") as folder:
            made = Path(folder) / "made"
            made.write_bytes(module)  # with the mode that the umask says
            made.replace(place)
    except OSError as error:
        text = f"{str(output)!r}: {error.strerror}"
        raise click.BadParameter(text, param_hint="--output") from None


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            source = opened.read(SOURCE_BYTES_MAX + 1)
    except OSError as error:
        raise click.BadParameter(f"{str(file)!r}: {error.strerror}", param_hint="FILE") from None
    if len(source) > SOURCE_BYTES_MAX:
        text = f"{str(file)!r}: more than {SOURCE_BYTES_MAX} bytes"
        raise click.BadParameter(text, param_hint="FILE")
    return source
