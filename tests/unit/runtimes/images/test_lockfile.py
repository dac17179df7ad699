"""A lock file says the same after it was written and read, and nothing that it may not."""

from __future__ import annotations

import pytest

from dspex.runtimes.images.errors import LockInvalid
from dspex.runtimes.images.lockfile import Lock, Package, Wanted

PACKAGE = Package(name="a", version="1.0", file="a-1.0-py3-none-any.whl", sha256="0" * 64)
LOCK = Lock(
    image="data", packages=(PACKAGE,),
    wanted=Wanted(requirements=("a>=1,<2",), preload=("a.b",), warm='print("\\ä\n\x7f\U0001f600")', keep_tests=True),
)


def test_it_reads_what_it_writes() -> None:
    assert Lock.parse(LOCK.text()) == LOCK


def test_it_holds_no_addresses() -> None:
    assert "://" not in LOCK.text()


@pytest.mark.parametrize(("old", "new", "reason"), [
    ("version = 1", "version = 2", "version is 2, not 1: build the image again"),
    ('python = "3.14"', 'python = "3.13"', "python is '3.13'"),
    ('image = "data"', 'image = "../data"', "image: cannot be"),
    ("0" * 64, "0" * 63, "sha256: cannot be"),
    ("a-1.0-py3-none-any.whl", "../a.whl", "file: cannot be"),
    ('source = "index"', 'source = "https://example.org"', "source: cannot be"),
    ('preload = ["a.b"]', 'preload = ["a; import os"]', "is not the name of a module"),
    ('with = ["a>=1,<2"]', "with = []", "needs at least one package"),
    ('with = ["a>=1,<2"]', "with = 3", "with: a list of strings wanted"),
    ("[[package]]", "[package]", "between 1 and 1000 tables wanted"),
    ("image", "image image", "is not TOML"),
])
def test_what_is_wrong_with_one_is_said(old: str, new: str, reason: str) -> None:
    with pytest.raises(LockInvalid) as caught:
        Lock.parse(LOCK.text().replace(old, new), source="x.toml")

    assert reason in str(caught.value)


def test_a_long_program_for_warming_is_refused() -> None:
    with pytest.raises(LockInvalid, match="100000 is the most"):
        Wanted(requirements=("a",), warm="x" * 100_001).check()
