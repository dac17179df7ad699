"""Mounts alone: what is read of the host, and how a guest's changes are put there."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dspex import mounts
from dspex.errors import LimitExceeded, RequestError
from dspex.mounts import Changes
from dspex.policy import Mount


@pytest.fixture
def host(tmp_path: Path) -> Path:
    folder = tmp_path / "host"
    folder.mkdir()
    return folder


def mount(host: Path) -> Mount:
    return Mount(guest="/data", host=str(host), mode="write")


def read(host: Path, **given: int) -> dict[str, bytes]:
    return mounts.read(mount(host), file_count=given.get("file_count", 10_000)).files


def opened() -> list[str]:
    """Name what this process has open; other tests' engines may close something meanwhile."""
    places = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            places.append(str(entry.readlink()))
    return places


def test_a_folder_of_very_many_folders_needs_few_descriptors(host: Path) -> None:
    for number in range(300):
        (host / f"{number:03}").mkdir()
        (host / f"{number:03}" / "file").write_text(str(number))
    # In a process of its own, as other tests' engines open files in this one meanwhile.
    program = """
import resource, sys
from dspex import mounts
from dspex.policy import Mount
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
print(len(mounts.read(Mount(guest="/data", host=sys.argv[1]), file_count=1000).files))
"""

    done = subprocess.run(
        [sys.executable, "-c", program, host], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("300\n", "")


def test_a_mount_that_is_refused_half_way_leaves_nothing_open(host: Path) -> None:
    (host / "sub").mkdir()
    for name in "abc":
        (host / "sub" / name).write_text("x")

    with pytest.raises(LimitExceeded) as raised:
        read(host, file_count=2)

    assert (raised.value.limit, raised.value.allowed, raised.value.spent) == ("file_count", 2, 3)
    assert [place for place in opened() if place.startswith(str(host))] == []


def test_what_lies_too_deep_is_refused_and_not_left_out(host: Path) -> None:
    deepest = host.joinpath(*"d" * mounts.DEPTH_MAX)
    deepest.mkdir(parents=True)
    (deepest / "file").write_text("x")
    assert list(read(host).values()) == [b"x"]

    (deepest / "d").mkdir()

    with pytest.raises(RequestError, match=f"more than {mounts.DEPTH_MAX} levels of directories"):
        read(host)


def test_links_pipes_and_names_that_are_no_text_are_left_out(host: Path) -> None:
    (host / "file").write_text("x")
    (host / "link").symlink_to("file")
    (host / "folder").symlink_to("/etc")
    os.mkfifo(host / "pipe")
    Path(os.fsdecode(bytes(host) + b"/\xff")).write_text("x")

    assert read(host) == {"file": b"x"}


@pytest.mark.parametrize("name", ["\U0001f40d" * 63, "n" * 255])
def test_the_longest_names_are_written_back(host: Path, name: str) -> None:
    assert mounts.write_back(mount(host), Changes({name: b"new"}, [])) == []

    assert {path.name: path.read_bytes() for path in host.iterdir()} == {name: b"new"}


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "a//b", ".", "..", "sub/", "./x"])
def test_a_name_that_leads_elsewhere_is_not_written_even_if_the_protocol_let_it_through(
    host: Path, name: str
) -> None:
    notes = mounts.write_back(mount(host), Changes({name: b"x"}, [name]))

    assert len(notes) == 2
    assert all("the name leads elsewhere" in note for note in notes)
    assert list(host.iterdir()) == []
    assert list(host.parent.iterdir()) == [host]


def test_a_new_file_has_the_mode_that_the_umask_says(host: Path) -> None:
    before = os.umask(0o027)
    try:
        mounts.write_back(mount(host), Changes({"new": b"x"}, []))
    finally:
        os.umask(before)

    assert stat.S_IMODE((host / "new").stat().st_mode) == 0o640


def test_the_umask_of_other_threads_files_is_never_touched(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    monkeypatch.setattr(os, "umask", lambda _mask: asked.set())

    mounts.write_back(mount(host), Changes({"new": b"x"}, []))

    assert not asked.is_set()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(host: Path, mode: int) -> None:
    (host / "file").write_text("old")
    (host / "file").chmod(mode)

    assert mounts.write_back(mount(host), Changes({"file": b"new"}, [])) == []

    assert (host / "file").read_bytes() == b"new"
    assert stat.S_IMODE((host / "file").stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_root_replaces_keeps_its_owner(host: Path) -> None:
    (host / "file").write_text("old")
    os.chown(host / "file", 65534, 65533)

    mounts.write_back(mount(host), Changes({"file": b"new"}, []))

    state = (host / "file").stat()
    assert (state.st_uid, state.st_gid) == (65534, 65533)


def test_a_file_that_cannot_be_written_keeps_its_content_and_is_noted(host: Path) -> None:
    (host / "folder").mkdir()
    (host / "file").write_text("old")

    notes = mounts.write_back(mount(host), Changes({"folder": b"x", "file/below": b"x"}, ["none"]))

    assert notes == [
        "mount /data/file/below: not written back: Not a directory",
        "mount /data/folder: not written back: something that is not a regular file is there",
        "mount /data/none: not written back: No such file or directory",
    ]
    assert (host / "file").read_text() == "old"
    assert sorted(path.name for path in host.iterdir()) == ["file", "folder"]
