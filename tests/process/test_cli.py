"""The installed command as a shell sees it: exit codes, streams while they flow, Ctrl-C, no orphan."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMAND = [str(Path(sys.executable).with_name("dspex"))]
if not Path(COMMAND[0]).is_file():  # a checkout on sys.path, not installed
    COMMAND = [sys.executable, "-m", "dspex.cli.main"]
PATIENCE_S = 30.0


def dspex(
    *arguments: str, given: bytes = b"", stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments], input=given, stdout=stdout, stderr=subprocess.PIPE,
        timeout=PATIENCE_S, check=False,
    )


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Collect processes that a test starts; whatever is left of them is killed."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def start(
    started: list[subprocess.Popen[bytes]], arguments: Sequence[str], program: str
) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own, as a shell does."""
    process = subprocess.Popen(
        [*COMMAND, "run", *arguments, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, process_group=0,
        bufsize=0,  # `communicate` would forget what a buffer holds
    )
    started.append(process)
    assert process.stdin is not None
    process.stdin.write(program.encode())
    process.stdin.close()
    process.stdin = None
    return process


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    assert ready, "nothing was printed in time"
    return process.stdout.readline()


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def wait_gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    return alive


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (b"print('fine')", 0),
        (b"raise ValueError('no')", 1),
        (b"def f(:", 3),
        (b"while True: pass", 4),
        (b"import os; os.abort()", 5),
    ],
)
def test_each_ending_has_its_exit_code(program: bytes, code: int):
    done = dspex("run", "-", "--timeout", "0.5" if code == 4 else "9", given=program)

    assert done.returncode == code, done.stderr
    assert b"site-packages" not in done.stderr  # the guest's own frames at most
    assert done.stdout == (b"fine\n" if code == 0 else b"")


def test_bad_options_end_with_2_and_a_hint():
    done = dspex("run", "--no-such-option", "-")

    assert done.returncode == 2
    assert done.stderr.startswith(b"Usage: dspex run ")
    assert b"--no-such-option" in done.stderr


def test_output_arrives_while_the_program_still_runs(started: list[subprocess.Popen[bytes]]):
    process = start(started, ["--timeout", "8"], "import time\nprint('first')\ntime.sleep(60)")

    assert read_line(process) == b"first\n"
    assert process.poll() is None


def test_both_streams_go_where_they_belong():
    done = dspex("run", "-", given=b"import sys\nprint('out')\nprint('err', file=sys.stderr)")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")


def test_the_pipe_into_the_command_is_the_standard_input_of_the_program(tmp_path: Path):
    program = tmp_path / "upper.py"
    program.write_text("import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read().upper())")

    done = dspex("run", str(program), given=b"tea \xff\n")

    # Bytes go in as they are; output is text, in which a byte that is none is written out.
    assert (done.returncode, done.stdout) == (0, b"TEA \\xff\n")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_command_started_without_a_standard_stream_still_runs(tmp_path: Path, closed: int):
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)")

    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *COMMAND, "run", str(program)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
    )

    assert done.returncode == 1
    assert done.stdout == (b"" if closed == 1 else b"out\n")
    assert done.stderr == (b"" if closed == 2 else b"err\n")


def test_ctrl_c_ends_the_run_with_130_and_without_a_traceback(
    started: list[subprocess.Popen[bytes]],
):
    process = start(started, [], "print('begun')\nwhile True: pass")
    read_line(process)
    below = descendants(process)
    assert below, "no worker?"

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert output == b""
    assert b"Traceback" not in errors
    assert errors.strip() == b""
    assert wait_gone(below) == []


def test_an_impatient_second_ctrl_c_changes_nothing(started: list[subprocess.Popen[bytes]]):
    process = start(started, [], "print('begun')\nwhile True: pass")
    read_line(process)

    for _ in range(5):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.01)
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert b"Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killing_the_command_leaves_no_process_behind(
    started: list[subprocess.Popen[bytes]], number: signal.Signals
):
    process = start(started, [], "print('begun')\nwhile True: pass")
    read_line(process)
    below = descendants(process)
    assert below, "no worker?"

    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)

    assert process.returncode == -number
    assert wait_gone(below) == []


def test_a_reader_that_goes_away_ends_the_run(started: list[subprocess.Popen[bytes]]):
    process = start(started, [], "import time\nwhile True: print('y' * 99); time.sleep(0.001)")
    read_line(process)
    assert process.stdout is not None

    process.stdout.close()
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 141
    assert errors == b""


@pytest.mark.parametrize(
    "arguments",
    [["run", "-"], ["run", "--json", "-"], ["policy", "list"], ["runtime", "status"], ["doctor"]],
    ids=" ".join,
)
def test_output_to_a_full_disk_is_told_and_is_no_success(arguments: list[str]):
    with Path("/dev/full").open("wb") as full:
        done = dspex(*arguments, given=b"print('text')", stdout=full.fileno())

    assert done.returncode == 141
    assert done.stderr == b"dspex: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("arguments", [["run", "--json", "-"], ["policy", "list"], ["doctor"]])
def test_output_that_nobody_reads_is_not_taken_for_a_program_that_raised(arguments: list[str]):
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = dspex(*arguments, given=b"'x'", stdout=write_end)
    finally:
        os.close(write_end)

    assert (done.returncode, done.stderr) == (141, b"")


def test_a_reader_that_does_not_read_delays_no_deadline(started: list[subprocess.Popen[bytes]]):
    flood = "import sys\nfor _ in range(8): print('y' * 65_000)\nwhile True: pass"
    process = start(started, ["--timeout", "0.5"], flood)
    read_line(process)
    workers = [one for one in descendants(process) if not one.children()]
    assert workers

    alive = wait_gone(workers)  # though the pipe is full and nobody reads on
    assert alive == []
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 4
    assert len(output) == 7 * 65_001
    assert b"wall_s" in errors


def test_at_a_terminal_nothing_is_read_from_it(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint(repr(sys.stdin.read()))")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*COMMAND, "run", str(program)], stdin=theirs, capture_output=True,
            timeout=PATIENCE_S, check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)

    assert (done.returncode, done.stdout) == (0, b"''\n")


def test_the_module_can_be_run_without_the_installed_command():
    done = subprocess.run(
        [sys.executable, "-m", "dspex.cli.main", "--version"], capture_output=True, check=True,
        timeout=PATIENCE_S,
    )

    assert done.stdout.startswith(b"dspex ")
