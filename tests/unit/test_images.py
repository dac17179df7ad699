"""Requests for images are read from files strictly; nothing is built here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dspex import images
from dspex.runtimes.images.errors import LockInvalid

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_becomes_the_arguments_of_build(tmp_path: Path) -> None:
    path = tmp_path / "image.toml"
    path.write_text('name = "data"\nwith = ["a", "b>=1"]\npreload = ["a.b"]\npyodide_lock = "files"\n')

    assert images.read_file(path) == {
        "name": "data", "requirements": ["a", "b>=1"], "preload": ["a.b"], "pyodide_lock": str(tmp_path / "files"),
    }


def test_an_address_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "image.toml"
    path.write_text('with = ["a"]\npyodide_lock = "https://example.org/lock.json"\n')

    assert images.read_file(path)["pyodide_lock"] == "https://example.org/lock.json"


@pytest.mark.parametrize(("text", "reason"), [
    ("with = 'a'", "with: a list of strings wanted"),
    ("with = [1]", "with: a list of strings wanted"),
    ("wiht = []", "unknown key 'wiht'; allowed: name, with, preload, warm, keep_tests, pyodide_lock, find_links"),
    ("keep_tests = 1", "keep_tests: cannot be 1"),
    ("name", "is not TOML"),
])
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "image.toml"
    path.write_text(text)

    with pytest.raises(LockInvalid) as caught:
        images.read_file(path)

    assert reason in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LockInvalid, match=r"absent\.toml: cannot be read"):
        images.read_file(tmp_path / "absent.toml")


def test_an_image_without_packages_is_refused() -> None:
    with pytest.raises(LockInvalid, match="needs at least one package"):
        images.build("empty", [])
