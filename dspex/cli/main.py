"""The `dspex` command: names its subcommands and turns every ending into an exit code.

Subcommands are imported when they are called, so that help is quick; what they do is told in their
own files.
"""

from __future__ import annotations

import importlib
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

import dspex
from dspex.cli import exits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_COMMANDS = {
    "run": ("dspex.cli.run", "run", "Run a program in a fresh sandbox."),
    "compile": ("dspex.cli.compile", "compile_", "Compile a program to a WebAssembly file."),
    "policy": ("dspex.cli.policy", "policy", "List, show and check policies."),
    "runtime": ("dspex.cli.runtime", "runtime", "Build the language runtimes, say what there is."),
    "image": ("dspex.cli.image", "image", "Make images: Python with packages in it."),
    "mcp": ("dspex.cli.mcp", "mcp", "Run code for MCP clients."),
    "doctor": ("dspex.cli.doctor", "doctor", "Say what this machine gives, and what it lacks."),
}
"""Command name to module, name in the module, and what the list of commands says."""


class _Commands(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Call a command; what the caller did wrong, or the machine lacks, is a message."""
        try:
            return super().invoke(ctx)
        except dspex.RequestError as error:
            raise exits.UnusableError(str(error)) from error
        except dspex.WorkerLost as error:
            raise exits.LostError(str(error)) from error
        except OSError as error:
            if not exits.is_output_error(error):
                raise
            raise exits.OutputLostError(error) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dspex.__version__, "--version", message="dspex %(version)s")
def cli() -> None:
    """Run programs that you do not trust, each in a fresh sandbox in a process of its own.

    Exit codes: 0 done, 1 the program raised, 2 usage or policy error, 3 the program was refused,
    4 a limit was used up, 5 the worker was lost, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Args:
        arguments: What follows the program's name; by default this process's own.

    Raises:
        SystemExit: Always, with one of the codes of `dspex.cli.exits`.
    """
    signal.signal(signal.SIGINT, _interrupt_once)
    try:
        code = cli.main(
            None if arguments is None else list(arguments), "dspex", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(exits.INTERRUPTED)
    sys.exit(code if isinstance(code, int) else exits.OK)


def _interrupt_once(number: int, _frame: FrameType | None) -> NoReturn:
    """Raise at the first Ctrl-C; another one must not disturb the taking down of the workers."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
