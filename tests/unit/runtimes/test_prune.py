"""Pruning deletes what no key stands for any more, leaves the rest, and says what it gave back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import filelock
import pytest
from click.testing import CliRunner

from dspex.cli.main import cli
from dspex.runtimes import locate, prune
from dspex.runtimes.images import registry
from dspex.runtimes.images.errors import LockInvalid
from dspex.runtimes.images.lockfile import Lock, Package, Wanted
from dspex.runtimes.store import CACHE_ENVIRONMENT_NAME, CacheUntrusted, Store, digest

if TYPE_CHECKING:
    from pathlib import Path

OLD = digest(["old"])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_ENVIRONMENT_NAME, str(tmp_path))
    return tmp_path


def put(cache: Path, kind: str, name: str, key: str) -> Path:
    return Store(cache / kind).get(name, key, lambda folder: (folder / "module").write_bytes(bytes(1000)))


def test_an_empty_cache_has_nothing_to_prune(cache: Path) -> None:
    assert prune.prune() == prune.Pruned()


def test_old_results_go_and_current_ones_stay(cache: Path) -> None:
    python = locate.recipe_of("python")
    kept = [
        put(cache, "portable", "python", locate.portable_key_of(python)),
        put(cache, "compiled", "python", locate.compiled_key(python)),
    ]
    old = [put(cache, "portable", "python", OLD), put(cache, "compiled", "python-image-gone", OLD)]

    done = prune.prune()

    assert sorted(done.removed) == sorted(old)
    assert 2000 <= done.bytes_freed < 4000
    assert [path.exists() for path in (*kept, *old)] == [True, True, False, False]
    assert prune.prune() == prune.Pruned()


def test_what_is_being_built_is_left_alone(cache: Path) -> None:
    old = put(cache, "portable", "python", OLD)

    with filelock.FileLock(cache / "portable" / "python.lock"):
        done = prune.prune()
    assert (done.removed, done.bytes_freed, done.busy) == ([], 0, [old.name])
    assert old.is_dir()

    assert prune.prune().removed == [old]


def test_a_file_that_another_result_shares_gives_nothing_back(cache: Path) -> None:
    old = put(cache, "compiled", "python", OLD)
    os.link(old / "module", cache / "elsewhere")

    assert prune.prune().bytes_freed < 1000
    assert (cache / "elsewhere").stat().st_size == 1000


def image(cache: Path) -> Package:
    package = Package(name="a", version="1.0", file="a-1.0-py3-none-any.whl", sha256="1" * 64)
    registry.keep(Lock(image="kept", wanted=Wanted(requirements=("a",)), packages=(package,)))
    return package


def test_packages_stay_as_long_as_an_image_names_them(cache: Path) -> None:
    package = image(cache)
    with registry.wheels_in_use():
        files = registry._file(package), cache / "wheels" / "2222-b-1.0-py3-none-any.whl"
        for file in files:
            file.write_bytes(bytes(10))
        assert prune.prune() == prune.Pruned(busy=["packages"])

    done = prune.prune()

    assert (done.removed, done.bytes_freed) == ([files[1]], 10)
    registry.remove("kept")
    assert prune.prune().removed == [files[0]]


def test_nothing_is_deleted_if_a_record_cannot_be_read(cache: Path) -> None:
    old = put(cache, "portable", "python", OLD)
    image(cache)
    (cache / "images" / "kept.lock.toml").write_text("version = 99")

    with pytest.raises(LockInvalid):
        prune.prune()
    assert old.is_dir()


def test_a_cache_that_others_may_write_to_is_not_touched(cache: Path) -> None:
    old = put(cache, "portable", "python", OLD)
    old.parent.chmod(0o777)

    with pytest.raises(CacheUntrusted):
        prune.prune()
    assert old.is_dir()


def test_the_command_says_what_it_gave_back(cache: Path) -> None:
    old = put(cache, "portable", "python", OLD)

    done = CliRunner().invoke(cli, ["runtime", "prune"])

    assert done.exit_code == 0
    assert done.stdout == f"deleted {old}\n0.0 MB freed\n"
    assert CliRunner().invoke(cli, ["runtime", "prune"]).stdout == "0.0 MB freed\n"
