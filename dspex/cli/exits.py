"""Exit codes of the `dspex` command, on which scripts rely, and the errors that carry one."""

from __future__ import annotations

import errno
import os
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
"""The output cannot be written, mostly because whoever read it went away: 128 + SIGPIPE, as shells say it."""

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


class OutputLostError(CommandError):
    """The output cannot be written; who went away on purpose, as `head` does, is told nothing."""

    exit_code = OUTPUT_CLOSED

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"the output cannot be written: {cause.strerror or cause}")
        self._expected = cause.errno == errno.EPIPE

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, where one is due."""
        leave_output_alone(1)
        if self._expected:
            leave_output_alone(2)
        else:
            super().show(file)


def is_output_error(error: OSError) -> bool:
    """Tell whether an error is that of writing to an open file: such a one names no path."""
    return error.filename is None and error.errno in _OF_OUTPUT


def leave_output_alone(number: int) -> None:
    """Keep the interpreter from flushing to a descriptor, at its end, what cannot be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


_OF_OUTPUT: Final = frozenset(
    {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
)
