"""`dspex run`: one program, one fresh sandbox; its output streams through, its status is the exit code.

Options become the parameters of `Engine.run`. Output is written by a thread of its own, so that a
reader that is slow holds up nobody but this command.
"""

from __future__ import annotations

import json
import os
import queue
import stat
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import dspex
from dspex.cli import exits

if TYPE_CHECKING:
    from collections.abc import Callable

STDIN_BYTES_MAX = 64 * 1024 * 1024
"""Most standard input that is passed on: it is read to its end before the program starts."""

FULL_OUTPUT_WAIT_S = 0.01

LANGUAGES = {
    ".js": "javascript",
    ".mjs": "javascript",
    ".rs": "rust",
    ".ts": "typescript",
    ".wasm": "wasm",
    ".wat": "wasm",
}
"""Languages by the ending of a file's name; every other file is Python."""


@click.command()
@click.argument("file", metavar="FILE|-")
@click.argument("args", metavar="[-- ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-l", "--language", help="Language of the program; by default what FILE's ending says, or Python."
)
@click.option("--image", metavar="NAME", help="Image with packages; see `dspex image list`.")
@click.option(
    "--policy",
    default="compute",
    show_default=True,
    metavar="NAME|PATH",
    help="What the program may reach and spend; see `dspex policy list`.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    metavar="S",
    help="Seconds that the run may take; only tightens what the policy allows.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="NAME=PATH",
    help="Give the program a copy of the file PATH, under NAME. Repeatable.",
)
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=JSON",
    help="Give the program a global variable, written as JSON. Repeatable.",
)
@click.option(
    "--env",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an environment variable of the program, if the policy grants its name. Repeatable.",
)
@click.option("--value", "show_value", is_flag=True, help="Print the last expression's value.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the whole outcome as one line of JSON instead."
)
@click.pass_context
def run(
    context: click.Context,
    *,
    file: str,
    args: tuple[str, ...],
    language: str | None,
    image: str | None,
    policy: str,
    timeout_s: float | None,
    files: tuple[str, ...],
    variables: tuple[str, ...],
    env: tuple[str, ...],
    show_value: bool,
    as_json: bool,
) -> None:
    """Run the program FILE in a fresh sandbox; - reads the program from standard input.

    What the program prints appears as it runs. Unless FILE is -, it gets this command's standard
    input, if that is no terminal. It sees no file, no variable and no argument but those given
    here, and what it writes to files is shown by --json only.

    \b
    Exit codes:
      0    the program ran to its end
      1    the program raised; its traceback is on standard error
      2    the command line or the policy is wrong, nothing ran
      3    the program was refused before it ran
      4    a limit was used up
      5    the worker died
      130  interrupted by Ctrl-C

    \b
    Examples:
      dspex run report.py --file data.csv=sales/2024.csv -- --top 10
      echo 'print(sum(rows))' | dspex run - --var 'rows=[1, 2, 3]'
    """  # noqa: D301 - \b is click's mark for text that it must not wrap
    loaded = dspex.Policy.load(policy)
    language = language or LANGUAGES.get(Path(file).suffix, "python")
    parameters: dict[str, Any] = {
        "language": language,
        "image": image,
        "timeout_s": timeout_s,
        "variables": dict(_variable(text) for text in variables),
        "files": dict(_file(text, loaded.limits.file_bytes) for text in files),
        "env": dict(_split(text, "--env", "NAME=VALUE") for text in env),
        "args": args,
    }
    source_bytes = loaded.limits.source_bytes
    code = _stdin_bytes("the program") if file == "-" else _read(Path(file), "FILE", source_bytes)
    if file != "-" and _stdin_is_given():
        parameters["stdin"] = _stdin_bytes("standard input")
    if timeout_s is not None and timeout_s > loaded.limits.wall_s:
        allowed = f"{loaded.limits.wall_s:g} s"
        click.echo(f"dspex: --timeout: the policy {policy!r} allows {allowed} only", err=True)
    with dspex.Engine(
        policy=loaded, workers_max=1, idle_max=1, languages=[] if image else [language]
    ) as engine:
        if as_json:
            outcome = engine.run(code, **parameters)
            click.echo(outcome.to_json())
        else:
            outcome = _run_streaming(engine, code, parameters)
    if not as_json:
        _say(outcome, "program" if file == "-" else file, show_value=show_value)
    context.exit(exits.OF_STATUS[outcome.status])


def _run_streaming(
    engine: dspex.Engine, code: bytes, parameters: dict[str, Any]
) -> dspex.Outcome:
    """Run, writing what the program prints while it runs."""
    output = _Output()
    job = engine.submit(code, on_output=output.put, **parameters)
    output.start(job.cancel)
    outcome = job.outcome()
    output.finish(outcome)
    return outcome


class _Output:
    """A thread that writes a program's output; at most as much as the policy lets it print."""

    def __init__(self) -> None:
        self._pieces: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._written = {"stdout": 0, "stderr": 0}
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._cancel: Callable[[], None]

    def put(self, stream: str, text: str) -> None:
        """Take a piece of output; called in the engine's thread, so it never waits."""
        self._pieces.put((stream, text))

    def start(self, cancel: Callable[[], None]) -> None:
        """Begin to write; `cancel` is called if there is nobody to write to any more."""
        self._cancel = cancel
        self._thread.start()

    def finish(self, outcome: dspex.Outcome) -> None:
        """Write what is left.

        Raises:
            exits.OutputLostError: if it, or what came before, could not be written.
        """
        self._pieces.put(None)
        self._thread.join()
        # A last character that is not complete is no text, and did not come through `put`.
        rest = [
            (stream, text[self._written[stream] :])
            for stream, text in (("stdout", outcome.stdout), ("stderr", outcome.stderr))
        ]
        for piece in rest:
            if self._failure is None:
                self._write(*piece)
        if self._failure is not None:
            raise exits.OutputLostError(self._failure)

    def _write_all(self) -> None:
        while (piece := self._pieces.get()) is not None:
            if not self._write(*piece):
                self._cancel()
                return

    def _write(self, stream: str, text: str) -> bool:
        """Write one piece; False if that failed, for the reason that is kept."""
        self._written[stream] += len(text)
        opened = sys.stdout if stream == "stdout" else sys.stderr
        if opened is None:  # this process was started without it
            return True
        # Without the buffer, whose lock a thread that is stuck in a write would hold for ever.
        target = getattr(opened.buffer, "raw", opened.buffer)
        rest = memoryview(text.encode())
        try:
            while rest:
                written = target.write(rest)
                if written is None:  # somebody has made it non-blocking, and it is full
                    time.sleep(FULL_OUTPUT_WAIT_S)
                rest = rest[written or 0 :]
        except OSError as error:
            self._failure = error
            return False
        return True


def _say(outcome: dspex.Outcome, file: str, *, show_value: bool) -> None:
    """Print what `python FILE` would: a traceback, or else why there was none."""
    error = outcome.error
    if outcome.truncated:
        click.echo("dspex: the output was cut at the limit", err=True)
    if error is None:
        if show_value:
            click.echo(repr(outcome.value))
            for note in outcome.notes:
                click.echo(f"dspex: {note}", err=True)
    elif error.traceback:
        click.echo(error.traceback, err=True, nl=not error.traceback.endswith("\n"))
    elif error.findings:
        for finding in error.findings:
            click.echo(f"dspex: {file}: {finding}", err=True)
    elif error.type != "SystemExit":  # whose text the program itself has written to its stderr
        reason = {"limit": "a limit was used up", "lost": "the worker was lost"}
        said = reason.get(outcome.status, error.type)
        click.echo(f"dspex: {said}: {error.message}", err=True)


def _variable(text: str) -> tuple[str, Any]:
    name, written = _split(text, "--var", "NAME=JSON")
    try:
        return name, json.loads(written)
    except (ValueError, RecursionError) as error:
        message = f"{written[:60]!r} is not JSON ({error}); text needs quotes: '{name}=\"text\"'"
        raise click.BadParameter(message, param_hint=f"--var {name}") from None


def _file(text: str, bytes_max: int) -> tuple[str, bytes]:
    name, path = _split(text, "--file", "NAME=PATH")
    return name, _read(Path(path), f"--file {name}", bytes_max)


def _split(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} is not of the form {form}", param_hint=option)
    return name, rest


def _read(path: Path, place: str, bytes_max: int) -> bytes:
    """Return what a file holds, and of one that is too large one byte too many: the engine says so."""
    try:
        with path.open("rb") as file:
            return file.read(bytes_max + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.BadParameter(f"{str(path)!r}: {reason}", param_hint=place) from None


def _stdin_is_given() -> bool:
    """Tell whether standard input is something that ends: a pipe, a file or a socket."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _stdin_bytes(what: str) -> bytes:
    if sys.stdin is None:
        raise click.UsageError(f"{what}: standard input is closed")
    content = sys.stdin.buffer.read(STDIN_BYTES_MAX + 1)
    if len(content) > STDIN_BYTES_MAX:
        raise click.UsageError(f"{what}: more than {STDIN_BYTES_MAX} bytes on standard input")
    return content
