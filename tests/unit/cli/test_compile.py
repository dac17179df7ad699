"""`dspex compile` chooses by the file's ending and writes all or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import dspex
from dspex.cli import compile as compile_module
from dspex.cli.main import cli
from dspex.cli.run import LANGUAGES
from dspex.runtimes import rust
from dspex.testing.faults import full_disk


def test_a_module_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.rs").write_text("fn main() {}")
    monkeypatch.setattr(rust, "compile_source", lambda source: b"\0asm" + source)
    out = tmp_path / "a.wasm"
    out.write_bytes(b"old")

    done = CliRunner().invoke(cli, ["compile", str(tmp_path / "a.rs"), "-o", str(out)])

    assert (done.exit_code, done.output) == (0, "")
    assert out.read_bytes() == b"\0asmfn main() {}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rs", "a.wasm"]


@pytest.mark.parametrize("kind", ["pipe", "link to a file", "device"])
def test_what_is_no_plain_file_is_written_to_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "a.rs").write_text("fn main() {}")
    monkeypatch.setattr(rust, "compile_source", lambda _source: b"\0asm")
    out, got = tmp_path / "out", b"\0asm"
    if kind == "pipe":
        os.mkfifo(out)
        reader = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    elif kind == "link to a file":
        (tmp_path / "file").write_bytes(b"old")
        out.symlink_to("file")
    else:
        out.symlink_to(os.devnull)  # as /dev/stdout is one
    before = out.lstat().st_mode

    done = CliRunner().invoke(cli, ["compile", str(tmp_path / "a.rs"), "-o", str(out)])

    assert (done.exit_code, done.output) == (0, "")
    assert out.lstat().st_mode == before
    if kind == "pipe":
        got = os.read(reader, 100)
        os.close(reader)
    elif kind == "link to a file":
        got = (tmp_path / "file").read_bytes()
    assert got == b"\0asm"
    assert not Path(os.devnull).is_file()


def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.rs").write_text("fn main() {}")
    monkeypatch.setattr(rust, "compile_source", lambda _source: bytes(100_000))

    with full_disk(4096):
        done = CliRunner().invoke(cli, ["compile", str(tmp_path / "a.rs"), "-o", str(tmp_path / "o")])

    assert done.exit_code == 2
    assert "File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.rs"]


def test_a_program_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_module, "SOURCE_BYTES_MAX", 1000)

    done = CliRunner().invoke(cli, ["compile", "/dev/zero", "-o", "unused"])

    assert done.exit_code == 2
    assert "more than 1000 bytes" in done.stderr


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
