"""`dspex mcp`: serves the engine to MCP clients; what it serves is `dspex.integrations.mcp`'s."""

from __future__ import annotations

import click

from dspex.cli import exits
from dspex.errors import DspexError
from dspex.policy import Policy

MISSING = "the MCP server needs the package mcp: pip install 'dspex[mcp]'"


@click.command()
@click.option("--policy", default="compute", metavar="NAME|PATH", help="What programs may do.")
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve streamable HTTP at http://HOST:PORT/mcp instead of standard input and output.",
)
@click.option(
    "--sessions-max", type=click.IntRange(1, 10_000), default=32, show_default=True,
    help="Most sessions open at once.",
)
def mcp(policy: str, http: str | None, sessions_max: int) -> None:
    """Run code for MCP clients: agents, editors, chat programs.

    Without options it speaks over standard input and output, as clients that start a server expect.
    Over HTTP there is no authentication: bind it to an address that only its clients can reach.
    """
    try:
        from dspex.integrations.mcp import make_server  # noqa: PLC0415 - an extra, and slow to load
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise exits.NotReadyError(MISSING) from error
    where = None if http is None else _place(http)
    server = make_server(Policy.load(policy), sessions_max=sessions_max)
    try:
        if where is None:
            server.run("stdio")
        else:
            host, port = where
            server.run("streamable-http", host=host, port=port)
    except BaseExceptionGroup as group:
        reasons = group.subgroup(DspexError)
        if reasons is None:
            raise
        raise exits.NotReadyError(str(_first(reasons))) from group


def _first(group: BaseExceptionGroup) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _place(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        msg = f"--http: {text!r} is not HOST:PORT, as in 127.0.0.1:8000"
        raise exits.UnusableError(msg)
    return host.strip("[]"), int(port)
