"""`dspex policy`: lists, shows and checks policies; what one means is told in `dspex.policy`."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import click

import dspex
from dspex.cli import exits
from dspex.errors import amount
from dspex.policy import shipped_policies

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 88


@click.group()
def policy() -> None:
    """List, show and check policies: what a program may reach and spend."""


@policy.command(name="list")
def list_() -> None:
    """List the policies that come with dspex, each with what it is for."""
    names = list(shipped_policies())
    wide = max(map(len, names), default=0) + 2
    for name in names:
        text = textwrap.fill(
            " ".join(dspex.Policy.load(name).description.split()),
            _WIDTH,
            initial_indent=name.ljust(wide),
            subsequent_indent=" " * wide,
        )
        click.echo(text)


@policy.command()
@click.argument("source", metavar="NAME|PATH")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(source: str, *, as_json: bool) -> None:
    """Show a policy with everything that it leaves to a default.

    NAME is that of a policy that comes with dspex; a PATH holds a / or ends in .toml.
    """
    loaded = dspex.Policy.load(source)
    if as_json:
        click.echo(json.dumps(_plain(loaded), indent=2))
        return
    for line in _lines(loaded):
        click.echo(line)


@policy.command()
@click.argument("sources", metavar="NAME|PATH...", nargs=-1, required=True)
@click.pass_context
def check(context: click.Context, sources: tuple[str, ...]) -> None:
    """Check that policies can be used; says for each one what is wrong with it.

    The exit code is 0 if all can be used, 2 if one cannot.
    """
    code = exits.OK
    for source in sources:
        try:
            loaded = dspex.Policy.load(source)
        except dspex.PolicyInvalid as error:
            click.echo(str(error), err=True)
            code = exits.USAGE
        else:
            click.echo(f"{source}: policy {loaded.name!r} can be used")
    context.exit(code)


def _plain(loaded: dspex.Policy) -> dict[str, Any]:
    """Return a policy as JSON types, sets in order of names."""
    found: dict[str, Any] = loaded.model_dump(mode="json")
    return {
        name: sorted(value) if isinstance(getattr(loaded, name), frozenset) else value
        for name, value in found.items()
    }


def _lines(loaded: dspex.Policy) -> Iterator[str]:
    yield loaded.name
    yield from textwrap.wrap(" ".join(loaded.description.split()), _WIDTH)
    yield ""
    plain = _plain(loaded)
    for name in ("languages", "images", "env", "tools", "network", "require_layers"):
        yield f"{name:<16}{', '.join(plain[name]) or 'none'}"
    for mount in loaded.mounts:
        size = amount("content_bytes", mount.bytes_max)
        yield f"{'mount':<16}{mount.guest} from {mount.host}, {mount.mode}, at most {size}"
    fixed = loaded.deterministic
    said = f"clock_ns {fixed.clock_ns}, seed {fixed.seed}" if fixed else "no"
    yield f"{'deterministic':<16}{said}"
    yield "limits"
    for name, value in plain["limits"].items():
        yield f"  {name:<14}{amount(name, value)}"
