"""The cache: complete or absent, one builder at a time, nothing loaded that others could have written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dspex.runtimes import store as stores
from dspex.runtimes.store import (
    CACHE_ENVIRONMENT_NAME,
    ArtifactDamaged,
    CacheUntrusted,
    Store,
    cache_folder,
    digest,
    file_digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KEY, OTHER_KEY = digest(["one"]), digest(["other"])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def writes(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "file").write_text(text)


def test_parts_of_a_digest_do_not_run_into_each_other():
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(["ab"]) == digest([b"ab"])


def test_the_environment_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CACHE_ENVIRONMENT_NAME, str(tmp_path))
    assert cache_folder() == tmp_path

    monkeypatch.delenv(CACHE_ENVIRONMENT_NAME)
    assert cache_folder().name == "dspex"


def test_what_was_built_is_found_and_not_built_again(store: Store):
    folder = store.get("thing", KEY, writes("first"))

    assert store.has("thing", KEY)
    assert not store.has("thing", OTHER_KEY)
    assert store.get("thing", KEY, writes("second")) == folder
    assert (folder / "file").read_text() == "first"


def test_fresh_replaces_what_is_there(store: Store):
    store.get("thing", KEY, writes("first"))

    folder = store.get("thing", KEY, writes("second"), fresh=True)

    assert (folder / "file").read_text() == "second"
    store.verify(folder)


def test_a_fresh_build_that_fails_leaves_the_older_result(store: Store):
    folder = store.get("thing", KEY, writes("first"))

    def fail(half: Path) -> None:
        (half / "file").write_text("half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        store.get("thing", KEY, fail, fresh=True)
    assert (folder / "file").read_text() == "first"
    assert store.entries() == [folder]


def test_a_build_that_fails_leaves_nothing(store: Store):
    def fail(half: Path) -> None:
        (half / "file").write_text("half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        store.get("thing", KEY, fail)
    assert not store.has("thing", KEY)
    assert [path.name for path in store.root.iterdir() if path.is_dir()] == []


def left_by_a_killed_build(store: Store, prefix: str) -> Path:
    """Make what a build leaves that was killed before it could clean up."""
    store.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    left = Path(tempfile.mkdtemp(prefix=prefix, dir=store.root))
    (left / "file").write_text("half")
    return left


def test_what_a_killed_build_left_is_swept_by_the_next(store: Store):
    left = left_by_a_killed_build(store, ".thing-")

    store.get("thing", KEY, writes("whole"))

    assert not left.exists()


def test_what_a_killed_build_of_a_longer_name_left_is_not_swept(store: Store):
    """Its builder may be alive: the lock of `thing` says nothing about `thing-other`."""
    left = left_by_a_killed_build(store, ".thing-other-")

    store.get("thing", KEY, writes("whole"))
    assert (left / "file").read_text() == "half"

    store.get("thing-other", KEY, writes("whole"))
    assert not left.exists()


def test_a_build_that_is_really_killed_leaves_the_older_result_and_is_swept(store: Store):
    folder = store.get("thing", KEY, writes("first"))
    killed = """
import os, signal, sys
from pathlib import Path
from dspex.runtimes.store import Store

def die_half_way(half):
    (half / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

Store(Path(sys.argv[1])).get("thing", sys.argv[2], die_half_way, fresh=True)
"""
    ended = subprocess.run([sys.executable, "-c", killed, store.root, KEY], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert (folder / "file").read_text() == "first"
    store.verify(folder)

    store.get("thing", KEY, writes("second"), fresh=True)
    assert [path for path in store.root.iterdir() if path.is_dir()] == [folder]
    assert (folder / "file").read_text() == "second"


def test_two_at_once_build_once(store: Store):
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        time.sleep(0.1)
        (folder / "file").write_text("x")

    threads = [threading.Thread(target=store.get, args=("thing", KEY, build)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(built) == 1


@pytest.mark.parametrize("damage", ["file", "manifest.json", "missing"])
def test_a_damaged_result_is_noticed_and_named(store: Store, damage: str):
    folder = store.get("thing", KEY, writes("right"))
    if damage == "missing":
        (folder / "file").unlink()
    else:
        (folder / damage).write_text("wrong")

    with pytest.raises(ArtifactDamaged, match=str(folder)):
        store.verify(folder)


@pytest.fixture
def verified(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a result whose files have been read and found right."""
    monkeypatch.setattr(stores, "_SETTLED_NS", 0)
    folder = store.get("thing", KEY, writes("right"))
    store.verify(folder)
    return folder


def test_what_was_verified_is_not_read_again(store: Store, verified: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stores, "file_digest", lambda path: pytest.fail(f"{path} was read again"))

    store.verify(verified)


@pytest.mark.parametrize("damage", ["file", "manifest.json", "missing", "another file in its place"])
def test_damage_after_that_is_noticed_though_size_and_time_are_the_same(store: Store, verified: Path, damage: str):
    if damage == "missing":
        (verified / "file").unlink()
    elif damage == "another file in its place":
        (verified / "other").write_text("wrong")
        shutil.copystat(verified / "file", verified / "other")
        (verified / "other").replace(verified / "file")
    else:
        path = verified / damage
        before = path.stat()
        path.write_text(path.read_text().translate({ord("r"): "w", ord("a"): "b"}))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    with pytest.raises(ArtifactDamaged, match=str(verified)):
        store.verify(verified)


def test_a_file_that_was_changed_a_moment_ago_is_read_again(store: Store, monkeypatch: pytest.MonkeyPatch):
    folder = store.get("thing", KEY, writes("right"))
    store.verify(folder)
    read = []
    monkeypatch.setattr(stores, "file_digest", lambda path: (read.append(path), file_digest(path))[1])

    store.verify(folder)

    assert read == [folder / "file"]


@pytest.mark.parametrize("note", ["", "[]", "{nonsense", '{"file": [1, 2, 3, 4, 5]}'])
def test_a_note_that_is_none_is_no_excuse(store: Store, verified: Path, note: str):
    (verified / stores._VERIFIED).write_text(note)
    store.verify(verified)

    (verified / "file").write_text("wrong")
    with pytest.raises(ArtifactDamaged):
        store.verify(verified)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{nonsense"])
def test_a_folder_without_a_whole_manifest_is_no_result(store: Store, text: str):
    folder = store.get("thing", KEY, writes("right"))
    (folder / "manifest.json").write_text(text)

    assert not store.has("thing", KEY)


def test_a_folder_of_another_key_with_the_same_beginning_is_no_result(store: Store):
    folder = store.get("thing", KEY, writes("right"))
    manifest = json.loads((folder / "manifest.json").read_text())

    assert not store.has("thing", KEY[:20] + "0" * 44)
    assert manifest["key"] == KEY


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_nothing_is_loaded_from_where_others_may_write(store: Store, mode: int):
    store.get("thing", KEY, writes("right"))
    store.root.chmod(mode)

    with pytest.raises(CacheUntrusted, match="it must be yours alone"):
        store.get("thing", KEY, writes("again"))


@pytest.mark.parametrize("levels", [1, 2])
def test_nothing_is_loaded_from_what_others_may_replace(tmp_path: Path, levels: int):
    store = Store(tmp_path / "open" / "between" / "store")
    store.get("thing", KEY, writes("right"))
    above = store.root.parents[levels - 1]
    above.chmod(0o777)

    with pytest.raises(CacheUntrusted, match=f"^{above}: anybody may rename what is in it"):
        store.get("thing", KEY, writes("again"))

    above.chmod(0o1777)  # as /tmp is: nobody renames what is another's
    assert (store.get("thing", KEY, writes("again")) / "file").read_text() == "right"
