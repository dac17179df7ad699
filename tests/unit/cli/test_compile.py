"""`dspex compile` chooses by the file's ending and writes all or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import dspex
from dspex.cli.main import cli
from dspex.cli.run import LANGUAGES
from dspex.runtimes import rust


def test_a_module_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.rs").write_text("fn main() {}")
    monkeypatch.setattr(rust, "compile_source", lambda source: b"\0asm" + source)
    out = tmp_path / "a.wasm"
    out.write_bytes(b"old")

    done = CliRunner().invoke(cli, ["compile", str(tmp_path / "a.rs"), "-o", str(out)])

    assert (done.exit_code, done.output) == (0, "")
    assert out.read_bytes() == b"\0asmfn main() {}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rs", "a.wasm"]


def test_a_program_that_is_refused_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.rs").write_text("x")

    def refuse(_source: bytes) -> bytes:
        raise dspex.GuestRefused([dspex.Finding(1, 2, "no"), dspex.Finding(0, 0, "never")])

    monkeypatch.setattr(rust, "compile_source", refuse)
    out = tmp_path / "a.wasm"
    out.write_bytes(b"old")

    done = CliRunner().invoke(cli, ["compile", str(tmp_path / "a.rs"), "-o", str(out)])

    assert done.exit_code == 3
    assert done.stderr.splitlines() == [
        f"dspex: {tmp_path}/a.rs: line 1, column 2: no", f"dspex: {tmp_path}/a.rs: program: never"
    ]
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.py", "-o", "o.wasm"], "a name that ends in .rs or .js wanted"),
        (["absent.rs", "-o", "o.wasm"], "No such file or directory"),
        (["a.py"], "Missing option '-o'"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    (tmp_path / "a.py").write_text("")
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(cli, ["compile", *arguments], "dspex")

    assert done.exit_code == 2
    assert said in done.stderr


def test_a_missing_toolchain_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.rs").write_text("fn main() {}")
    reason = dspex.LanguageUnavailable("rust", "nothing here", remedy="install it")

    def fail(_source: bytes) -> bytes:
        raise reason

    monkeypatch.setattr(rust, "compile_source", fail)

    done = CliRunner().invoke(cli, ["compile", str(tmp_path / "a.rs"), "-o", str(tmp_path / "o")])

    assert done.exit_code == 2
    assert "nothing here; to change that: install it" in done.stderr


def test_run_knows_the_languages_of_these_endings() -> None:
    assert LANGUAGES == {
        ".js": "javascript", ".mjs": "javascript", ".rs": "rust", ".ts": "typescript",
        ".wasm": "wasm", ".wat": "wasm",
    }
