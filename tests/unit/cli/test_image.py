"""`dspex image` hands on what it is told, and says what went wrong in a line; nothing is built here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dspex import images
from dspex.cli.main import cli
from dspex.runtimes.store import CACHE_ENVIRONMENT_NAME

PACKAGE = images.Package(name="a", version="1.0", file="a-1.0-py3-none-any.whl", sha256="1" * 64)
MADE = images.Image(
    name="data", packages=(PACKAGE,), requirements=("a>=1",), preload=("a.b",), lock="the lock\n", folder=None
)


def image(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["image", *arguments])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what `images.build` is called with."""
    found: list[dict[str, Any]] = []

    def build(**arguments: Any) -> images.Image:
        del arguments["progress"]
        found.append(arguments)
        return MADE

    monkeypatch.setattr(images, "build", build)
    return found


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_ENVIRONMENT_NAME, str(tmp_path / "cache"))


def test_the_command_line_is_handed_on(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    warm = tmp_path / "warm.py"
    warm.write_text("import a")

    done = image(
        "build", "data", "--with", "a>=1", "--with", "b", "--preload", "a.b", "--warm", str(warm), "--lock", "x.toml",
        "--find-links", str(tmp_path), "--keep-tests", "--upgrade",
    )

    assert (done.exit_code, done.stdout) == (0, "data: a 1.0\n  will be made again at its next use\n")
    assert asked == [{
        "name": "data", "requirements": ["a>=1", "b"], "preload": ["a.b"], "find_links": [str(tmp_path)],
        "warm": "import a", "lock": Path("x.toml"), "keep_tests": True, "upgrade": True,
    }]


def test_a_file_and_the_command_line_are_put_together(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    source = tmp_path / "image.toml"
    source.write_text('name = "data"\nwith = ["a"]\nwarm = "import a"\nfind_links = ["dist"]\n')

    assert image("build", "--file", str(source), "--with", "b").exit_code == 0
    assert image("build", "other", "--file", str(source), "--lock", "y.toml").exit_code == 0

    assert asked[0] == {
        "name": "data", "requirements": ["a", "b"], "preload": [], "find_links": [str(tmp_path / "dist")],
        "warm": "import a", "lock": tmp_path / "image.lock.toml", "keep_tests": False, "upgrade": False,
    }
    assert (asked[1]["name"], asked[1]["lock"]) == ("other", Path("y.toml"))


@pytest.mark.parametrize(("arguments", "said"), [
    (("build", "--with", "a"), "NAME is missing, on the command line or in the file"),
    (("build", "../x", "--with", "a"), "dspex: image: '../x': letters, digits, '.', '_' and '-' make a name, 64 at most"),
    (("build", "scientific", "--with", "a"), "dspex: image: 'scientific' is the name of an image that comes with dspex"),
    (("build", "data"), "dspex: an image needs at least one package"),
    (("build", "data", "--file", "no-such.toml"), "dspex: no-such.toml: cannot be read: No such file or directory"),
    (("build", "data", "--with", "a", "--preload", "a b"), "dspex: preload: 'a b' is not the name of a module"),
])
def test_what_cannot_be_used_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    done = image(*arguments)

    assert done.exit_code == 2
    assert said in done.stderr


def test_what_cannot_be_made_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_arguments: Any) -> images.Image:
        raise images.ResolveFailed("pip found no files")

    monkeypatch.setattr(images, "build", fail)

    done = image("build", "data", "--with", "a")

    assert (done.exit_code, done.stderr) == (1, "dspex: the image could not be made: pip found no files\n")


@pytest.mark.parametrize("command", ["show", "remove"])
def test_an_image_that_is_not_there_is_a_message(command: str) -> None:
    done = image(command, "../x")

    assert done.exit_code == 1
    assert "there is no image '../x'" in done.stderr


def test_an_image_is_shown_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "find", lambda _name: MADE)
    monkeypatch.setattr(images, "built", lambda: [MADE])

    assert image("show", "data").stdout == (
        "data: a>=1\n"
        "  imported before a program arrives, besides these: a.b\n"
        "  a 1.0 (a-1.0-py3-none-any.whl)\n"
        "  will be made again at its next use\n"
    )
    assert image("show", "data", "--lock").stdout == "the lock\n"
    assert image("list").stdout == "data: a>=1 (1 package, will be made again at its next use)\n"


def test_without_images_the_list_is_empty() -> None:
    assert (image("list").exit_code, image("list").stdout) == (0, "")
