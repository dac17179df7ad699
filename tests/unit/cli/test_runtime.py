"""`dspex runtime` says what there is and copies it whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dspex.cli import runtime as runtime_module
from dspex.cli.main import cli
from dspex.runtimes import locate
from dspex.runtimes.locate import RuntimeStatus
from dspex.runtimes.store import CACHE_ENVIRONMENT_NAME


def runtime(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["runtime", *arguments])


@pytest.fixture
def only_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the other languages out: some take long to make."""
    monkeypatch.setattr(locate, "recipes", lambda: ("python",))


def test_an_empty_cache_is_said_to_need_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(CACHE_ENVIRONMENT_NAME, str(tmp_path))

    done = runtime("status")

    assert done.exit_code == 1
    assert done.stdout == "".join(
        f"{name}: will be built at the first use\n"
        "  portable  not built yet\n"
        "  compiled  not compiled yet\n"
        for name in locate.recipes()
    )


def test_a_runtime_that_is_there_is_shown_with_place_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "python.wasm").write_bytes(bytes(1_500_000))
    found = RuntimeStatus("python", tmp_path, "cache", tmp_path, "up to date")
    monkeypatch.setattr(locate, "status", lambda: [found])

    done = runtime("status")

    assert done.exit_code == 0
    assert done.stdout == (
        "python: ready\n"
        f"  portable  cache, 1.5 MB in {tmp_path}\n"
        f"  compiled  up to date, 1.5 MB in {tmp_path}\n"
    )


def test_a_build_of_what_is_there_names_its_place_at_once(engine: object, only_python: None):
    done = runtime("build")

    assert done.exit_code == 0
    assert done.stderr == ""
    folder = Path(done.stdout.removeprefix("python: ").strip())
    assert (folder / "manifest.json").is_file()


def test_the_portable_runtime_is_copied_whole_and_replaces_an_older_copy(
    engine: object, only_python: None, tmp_path: Path
):
    old = tmp_path / "python"
    old.mkdir()
    (old / "left over").write_text("from before")

    done = runtime("build", "--into", str(tmp_path))

    assert done.exit_code == 0, done.output
    assert f"python, portable: {old}\n" in done.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["python"]
    assert not (old / "left over").exists()
    files = json.loads((old / "manifest.json").read_text())["files"]
    copied = {str(path.relative_to(old)) for path in old.rglob("*") if path.is_file()}
    assert copied == {*files, "manifest.json"}
    assert any(name.startswith("licences/") for name in files)


def test_a_build_that_fails_is_a_message_and_no_traceback(monkeypatch: pytest.MonkeyPatch):
    def fail(*_arguments: object, **_options: object) -> Path:
        raise locate.CompileFailed("compiling python.wasm failed: no memory")

    monkeypatch.setattr(locate, "runtime", fail)

    done = runtime("build", "--force")

    assert done.exit_code == 1
    assert done.stderr.endswith(
        "dspex: a runtime could not be made: compiling python.wasm failed: no memory\n"
    )


def test_force_makes_everything_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    asked = []

    def build(name: str, _progress: object = None, *, fresh: bool = False) -> Path:
        asked.append((name, fresh))
        return tmp_path

    monkeypatch.setattr(locate, "runtime", build)

    assert runtime("build", "--force").exit_code == 0
    assert asked == [(name, True) for name in locate.recipes()]


def test_a_copy_that_fails_leaves_the_older_one(tmp_path: Path):
    target = tmp_path / "python"
    target.mkdir()
    (target / "kept").write_text("old")

    with pytest.raises(FileNotFoundError):
        runtime_module._copy(tmp_path / "not there", tmp_path, "python")

    assert (target / "kept").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["python"]
