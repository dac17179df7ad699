"""The command finds its subcommands, imports only the one that is called, and exits as promised."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

import dspex
from dspex.cli import main as main_module
from dspex.cli.main import cli, main


@pytest.fixture(autouse=True)
def _signals():
    """Give pytest its handler of Ctrl-C back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]):
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"dspex {dspex.__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]):
    assert exit_code("--help") == 0
    printed = capsys.readouterr().out
    for name in ("run", "policy", "runtime", "doctor"):
        assert f"\n  {name} " in printed


def test_every_command_of_the_table_exists_and_explains_itself():
    context = cli.make_context("dspex", [], resilient_parsing=True)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_help_imports_neither_the_engine_nor_any_command():
    program = (
        "import sys\n"
        "from dspex.cli.main import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'dspex.engine', 'dspex.cli.run', 'trio', 'wasmtime', 'pydantic', 'rich'}\n"
        "    sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    assert exit_code("fly") == 2
    assert "No such command 'fly'" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    assert exit_code("run", "--fly", "x.py") == 2
    assert "--fly" in capsys.readouterr().err


def test_a_wrong_request_is_a_message_and_no_traceback(capsys: pytest.CaptureFixture[str]):
    assert exit_code("policy", "show", "nothing_like_that") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "dspex: nothing_like_that: there is no policy of that name; allowed: "
        f"{', '.join(main_policies())}, or the path of a .toml file\n"
    )


def main_policies() -> list[str]:
    from dspex.policy import shipped_policies

    return list(shipped_policies())


def test_a_lost_worker_before_any_run_has_the_code_of_lost_workers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def list_policies() -> None:
        raise dspex.RestartsExhausted("the python zygote", restarts=5, within_s=30.0)

    from dspex.cli import policy

    monkeypatch.setattr(policy.list_, "callback", list_policies)
    assert exit_code("policy", "list") == 5
    assert capsys.readouterr().err.startswith("dspex: the python zygote")


def test_the_first_interrupt_raises_and_later_ones_are_ignored():
    with pytest.raises(KeyboardInterrupt):
        main_module._interrupt_once(signal.SIGINT, None)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
