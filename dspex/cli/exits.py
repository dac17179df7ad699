"""Exit codes of the `dspex` command, on which scripts rely, and the errors that carry one."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

OK: Final = 0
RAISED: Final = 1
"""The program raised; for other commands: what was looked for is missing or not ready."""
USAGE: Final = 2
"""The command line, the policy or the request cannot be used; nothing ran."""
REFUSED: Final = 3
LIMIT: Final = 4
LOST: Final = 5
INTERRUPTED: Final = 130
"""By Ctrl-C: 128 + SIGINT, as shells say it."""
OUTPUT_CLOSED: Final = 141
"""Whoever read the output went away: 128 + SIGPIPE, as shells say it."""

OF_STATUS: Final[Mapping[str, int]] = {
    "ok": OK,
    "raised": RAISED,
    "refused": REFUSED,
    "limit": LIMIT,
    "lost": LOST,
}
"""By the status of an outcome."""


class CommandError(click.ClickException):
    """Ends the command with a message on standard error; each subclass has its exit code."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message."""
        click.echo(f"dspex: {self.message}", file=file, err=file is None)


class NotReadyError(CommandError):
    """What the command needs, or was to make, is not there."""

    exit_code = RAISED


class UnusableError(CommandError):
    """The request cannot be used; nothing ran."""

    exit_code = USAGE


class LostError(CommandError):
    """No worker could be had, or it is gone."""

    exit_code = LOST
