"""`dspex image`: makes images of Python with packages, lists, shows and removes them.

What an image is and how it is made is told in `dspex.images`; this only asks and shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dspex import images
from dspex.cli import exits
from dspex.runtimes.progress import Terminal


@click.group()
def image() -> None:
    """Make images: Python with packages in it, as quick to start as Python alone.

    Packages are chosen and fetched here and only here, by pip, from the index that it is configured for.
    Programs use an image with `dspex run --image NAME`; none can install anything.
    """


@image.command()
@click.argument("name", required=False)
@click.option("--with", "requirements", multiple=True, metavar="PACKAGE", help="A package, as pip writes it; repeatable.")
@click.option("--preload", multiple=True, metavar="MODULE", help="Import this too before the snapshot is taken; repeatable.")
@click.option("--warm", type=click.File(), metavar="FILE", help="Run this program before the snapshot is taken.")
@click.option("--file", "source", type=click.Path(path_type=Path), metavar="FILE", help="Take all of this from a TOML file.")
@click.option(
    "--find-links", type=click.Path(exists=True, file_okay=False), multiple=True, metavar="DIR",
    help="A folder of wheels of your own; repeatable.",
)
@click.option(
    "--pyodide-lock", metavar="DIR|URL", help="Look packages up here first: an index in the form of pyodide-lock.json."
)
@click.option(
    "--lock", type=click.Path(path_type=Path), metavar="FILE",
    help="Use this lock file, or write it. With --file: by default FILE.lock.toml for FILE.toml.",
)
@click.option("--upgrade", is_flag=True, help="Choose versions again, even if they are locked.")
@click.option("--keep-tests", is_flag=True, help="Keep packages' folders called tests.")
def build(name: str | None, source: Path | None, warm: Any, lock: Path | None, **options: Any) -> None:
    """Make the image NAME, or bring it up to date.

    \b
      dspex image build data --with msgspec --with 'pydantic>=2'
      dspex image build --file image.toml
      dspex image build data --lock image.lock.toml   (exactly what is locked there)
    """  # noqa: D301 - click's mark for lines that stay as they are
    try:
        arguments = _arguments(name, source, warm.read() if warm else "", lock, options)
        with Terminal(f"dspex: building the image {arguments['name']}", lazy=True) as progress:
            made = images.build(**arguments, progress=progress)
    except (images.LockInvalid, UnicodeDecodeError) as error:
        raise exits.UnusableError(str(error)) from error
    except (OSError, RuntimeError, ModuleNotFoundError) as error:
        raise exits.NotReadyError(f"the image could not be made: {error}") from error
    click.echo(f"{made.name}: {', '.join(f'{one.name} {one.version}' for one in made.packages)}")
    click.echo(f"  {_state(made)}")


def _arguments(
    name: str | None, source: Path | None, warm: str, lock: Path | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Put the file's and the command line's together; the latter wins, lists are joined."""
    found: dict[str, Any] = {}
    if source is not None:
        found.update(images.read_file(source))
        lock = lock or source.with_suffix(".lock.toml")
    for key in ("requirements", "preload", "find_links"):
        found[key] = [*found.get(key, []), *options[key]]
    given = {"name": name, "warm": warm, "pyodide_lock": options["pyodide_lock"]}
    found.update((key, value) for key, value in given.items() if value)
    if not found.get("name"):
        raise click.UsageError("NAME is missing, on the command line or in the file")
    keep_tests = options["keep_tests"] or found.get("keep_tests", False)
    return {**found, "keep_tests": keep_tests, "lock": lock, "upgrade": options["upgrade"]}


@image.command(name="list")
def list_() -> None:
    """List the images that were built on this machine."""
    try:
        found = images.built()
    except images.ImageError as error:
        raise exits.NotReadyError(str(error)) from error
    for one in found:
        count = len(one.packages)
        click.echo(f"{one.name}: {', '.join(one.requirements)} ({count} package{'s' * (count != 1)}, {_size(one)})")


@image.command()
@click.argument("name")
@click.option("--lock", is_flag=True, help="Print its lock file, from which it can be made elsewhere, and nothing else.")
def show(name: str, *, lock: bool) -> None:
    """Say what the image NAME is made of."""
    try:
        found = images.find(name)
    except images.ImageError as error:
        raise exits.NotReadyError(str(error)) from error
    if lock:
        click.echo(found.lock, nl=False)
        return
    click.echo(f"{found.name}: {', '.join(found.requirements)}")
    if found.preload:
        click.echo(f"  imported before a program arrives, besides these: {', '.join(found.preload)}")
    for one in found.packages:
        origin = "" if one.source == "index" else f", from a {one.source} index"
        click.echo(f"  {one.name} {one.version} ({one.file}{origin})")
    click.echo(f"  {_state(found)}")


@image.command()
@click.argument("name")
def remove(name: str) -> None:
    """Delete the image NAME; `dspex runtime prune` deletes its packages if no other image has them."""
    try:
        images.remove(name)
    except images.ImageError as error:
        raise exits.NotReadyError(str(error)) from error


def _state(one: images.Image) -> str:
    return f"{_size(one)} in {one.folder}" if one.folder else _size(one)


def _size(one: images.Image) -> str:
    return f"{one.size_bytes / 1e6:.1f} MB" if one.folder else "will be made again at its next use"
