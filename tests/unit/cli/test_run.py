"""`dspex run`: options become parameters of the engine, outcomes become text and exit codes."""

from __future__ import annotations

import errno
import json
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

import dspex
from dspex.cli import exits
from dspex.cli import run as run_module
from dspex.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["run", *arguments], input=given)


def test_a_program_from_standard_input_prints_its_sum():
    done = run("-", "--var", "rows=[1, 2, 3]", given="print(sum(rows))")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "6\n", "")


def test_a_file_gets_arguments_files_variables_and_standard_input(tmp_path: Path):
    program, data = tmp_path / "program.py", tmp_path / "data.bin"
    program.write_text(
        "import sys, os\n"
        "print(sys.argv[1:], open('in/data.csv').read(), name, os.environ['TZ'], input())"
    )
    data.write_bytes(b"a,b")

    done = run(
        str(program), "--file", f"in/data.csv={data}", "--var", 'name="=x"', "--env", "TZ=UTC",
        "--", "--top", "10", given="a line",
    )

    assert (done.exit_code, done.stdout) == (0, "['--top', '10'] a,b =x UTC a line\n"), done.output


def test_the_value_is_printed_only_when_asked_for():
    assert run("-", given="[1, 'a']").stdout == ""
    assert run("-", "--value", given="[1, 'a']").stdout == "[1, 'a']\n"


def test_a_value_that_cannot_cross_is_shown_with_a_note():
    done = run("-", "--value", given="lambda: 1")

    assert done.exit_code == 0
    assert "function" in done.stdout
    assert done.stderr.startswith("dspex: value")


def test_the_outcome_as_json_is_one_line_and_nothing_else():
    done = run("-", "--json", given="print('hi')\nopen('f', 'w').write('x')\n1 + 1")

    outcome = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert (outcome["status"], outcome["value"], outcome["stdout"]) == ("ok", 2, "hi\n")
    assert list(outcome["files"]) == ["f"]


def test_an_outcome_as_json_has_the_same_exit_code():
    assert run("-", "--json", given="1/0").exit_code == 1


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("1/0", 1, 'Traceback (most recent call last):\n  File "main.py", line 1'),
        ("import sys; sys.exit('bye')", 1, "bye\n"),
        ("import sys; sys.exit(3)", 1, ""),
        ("import sys; sys.exit(0)", 0, ""),
        ("x = = 1", 3, '  File "main.py", line 1\n    x = = 1\n'),
        ("x = '\0'", 3, "dspex: program: line 1"),
        ("while True: pass", 4, "dspex: a limit was used up: wall_s: 0."),
        ("import os; os.abort()", 5, "dspex: the worker was lost: "),
    ],
)
def test_each_ending_has_its_exit_code_and_says_why(program: str, code: int, said: str):
    done = run("-", "--timeout", "0.3" if code == 4 else "9", given=program)

    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count(said) == 1 if said else done.stderr == ""


def test_output_that_was_cut_says_so():
    done = run("-", given="while True: print('x' * 1000)")

    assert done.exit_code == 4
    assert len(done.stdout) == 1024 * 1024
    assert done.stderr.startswith("dspex: the output was cut at the limit\n")


def test_bytes_that_are_no_text_at_the_end_of_the_output_are_shown_escaped():
    done = run("-", given=r"import sys; n = sys.stdout.buffer.write(b'ok \xc3')")

    assert done.stdout == "ok \\xc3"


def test_a_timeout_above_the_policy_is_told_to_have_no_effect():
    done = run("-", "--timeout", "99", given="print(1)")

    assert done.stderr == "dspex: --timeout: the policy 'compute' allows 10 s only\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument 'FILE|-'"),
        (("no/such/file.py",), "Invalid value for FILE: 'no/such/file.py': No such file"),
        (("-", "--var", "x"), "Invalid value for --var: 'x' is not of the form NAME=JSON"),
        (("-", "--var", "x=abc"), "Invalid value for --var x: 'abc' is not JSON"),
        (("-", "--var", "x=" + "[" * 100_000), "Invalid value for --var x: "),
        (("-", "--file", "=y"), "Invalid value for --file: '=y' is not of the form NAME=PATH"),
        (("-", "--file", "a=/no/such"), "Invalid value for --file a: '/no/such': No such file"),
        (("-", "--env", "TZ"), "Invalid value for --env: 'TZ' is not of the form NAME=VALUE"),
        (("-", "--timeout", "soon"), "Invalid value for '--timeout'"),
        (("-", "--timeout", "-1"), "timeout_s: -1.0 is not a positive, finite number of seconds"),
        (("-", "--file", "../a=/dev/null"), "files: '../a' has an empty part, '.' or '..'"),
        (("-", "--env", "HOME=/"), "'HOME' is not granted by policy 'compute'"),
        (("-", "--policy", "deny_all"), "'python' is not granted by policy 'deny_all'"),
        (("-", "--policy", "./none.toml"), "./none.toml: cannot be read: No such file"),
        (("-", "-l", "cobol"), "there is no such language"),
    ],
)
def test_a_wrong_command_line_runs_nothing_and_says_what_is_wrong(
    arguments: tuple[str, ...], said: str
):
    done = run(*arguments, given="print('ran')")

    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_files_without_end_are_read_no_further_than_the_policy_allows():
    program = run("/dev/zero")
    given = run("-", "--file", "x=/dev/zero", given="1")

    assert program.exit_code == 3
    assert "source_bytes: 10485761 given, 10485760 allowed" in program.stderr
    assert given.exit_code == 4
    assert "file_bytes" in given.stderr


def test_more_standard_input_than_is_passed_on_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_module, "STDIN_BYTES_MAX", 3)

    done = run("-", given="1234")

    assert done.exit_code == 2
    assert "the program: more than 3 bytes on standard input" in done.stderr


def test_a_program_whose_output_nobody_reads_is_cancelled(monkeypatch: pytest.MonkeyPatch):
    class Closed:
        def write(self, _data: memoryview) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    class Stream:
        buffer = Closed()

    monkeypatch.setattr(run_module.sys, "stdout", Stream())
    cancelled = threading.Event()
    output = run_module._Output()
    output.put("stdout", "text")
    output.start(cancelled.set)

    assert cancelled.wait(5)
    with pytest.raises(exits.OutputLostError) as ended:
        output.finish(dspex.Outcome(status="ok", stdout="text"))
    assert ended.value.exit_code == 141


def test_output_that_is_full_for_a_while_loses_nothing(monkeypatch: pytest.MonkeyPatch):
    taken = bytearray()

    class Reluctant:
        refused = False

        def write(self, data: memoryview) -> int | None:
            self.refused = not self.refused
            if self.refused:
                return None
            taken.extend(data[:2])
            return 2

    class Stream:
        buffer = Reluctant()

    monkeypatch.setattr(run_module.sys, "stdout", Stream())
    output = run_module._Output()

    assert output._write("stdout", "grün!!")
    assert taken.decode() == "grün!!"


def test_the_help_names_every_exit_code():
    shown = run("--help").stdout

    for code in (0, 1, 2, 3, 4, 5, 130):
        assert f"\n    {code} " in shown


