"""Mounts: a guest sees a copy of what the policy names, and only what it may change comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import dspex
from dspex.errors import RequestError
from dspex.policy import Mount, Policy


def policy_with(*mounts: Mount) -> Policy:
    return Policy.load("compute").model_copy(update={"mounts": mounts})


@pytest.fixture
def host(tmp_path: Path) -> Path:
    folder = tmp_path / "host"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("first")
    (folder / "sub" / "b.bin").write_bytes(b"\x00\xff")
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text("untouched")
    return path


def write(host: Path, **given: int) -> Mount:
    return Mount(guest="/data", host=str(host), mode="write", **given)


def test_a_guest_reads_what_is_mounted(host: Path) -> None:
    with dspex.Engine(policy_with(Mount(guest="/data", host=str(host)))) as engine:
        outcome = engine.run(
            "import pathlib\n[(str(p), p.read_bytes()) for p in sorted(pathlib.Path('/data').rglob('*')) "
            "if p.is_file()]"
        )
    assert outcome.value == [("/data/a.txt", b"first"), ("/data/sub/b.bin", b"\x00\xff")]


def test_what_a_guest_changes_under_a_read_mount_stays_with_it(host: Path) -> None:
    with dspex.Engine(policy_with(Mount(guest="/data", host=str(host)))) as engine:
        refused = engine.run("open('/data/a.txt', 'w')")
        assert refused.error is not None
        assert refused.error.type == "PermissionError"
        outcome = engine.run("import os\nos.remove('/data/a.txt')\nopen('/data/new', 'w').write('x')")
        assert outcome.ok, outcome.error
    assert sorted(p.name for p in host.iterdir()) == ["a.txt", "sub"]
    assert (host / "a.txt").read_text() == "first"


def test_changes_under_a_write_mount_come_back(host: Path) -> None:
    program = """
import os
with open("/data/a.txt", "a") as file:
    file.write(" and second")
os.makedirs("/data/new/deep")
with open("/data/new/deep/c.txt", "w") as file:
    file.write("third")
os.remove("/data/sub/b.bin")
"""
    before = (host / "a.txt").stat().st_ino
    (host / "a.txt").chmod(0o640)
    with dspex.Engine(policy_with(write(host))) as engine:
        outcome = engine.run(program)
    assert (outcome.status, outcome.notes, outcome.files) == ("ok", (), {})
    assert (host / "a.txt").read_text() == "first and second"
    assert (host / "new" / "deep" / "c.txt").read_text() == "third"
    assert not (host / "sub" / "b.bin").exists()
    assert (host / "a.txt").stat().st_ino != before, "replaced as a whole, not written into"
    assert (host / "a.txt").stat().st_mode & 0o777 == 0o640
    assert [p.name for p in host.iterdir() if p.name.startswith(".")] == []


def test_a_single_file_can_be_mounted(host: Path) -> None:
    mount = Mount(guest="/srv/settings", host=str(host / "a.txt"), mode="write")
    with dspex.Engine(policy_with(mount)) as engine:
        outcome = engine.run(
            "text = open('/srv/settings').read()\nopen('/srv/settings', 'w').write('changed')\ntext"
        )
    assert outcome.value == "first"
    assert (host / "a.txt").read_text() == "changed"


def test_a_session_keeps_its_mounts_and_writes_back_after_each_run(host: Path) -> None:
    with dspex.Engine(policy_with(write(host))) as engine, engine.session() as session:
        session.run("open('/data/one', 'w').write('1')")
        assert (host / "one").read_text() == "1"
        session.run("open('/data/one', 'a').write('2')\nimport os; os.remove('/data/a.txt')")
        assert (host / "one").read_text() == "12"
        assert not (host / "a.txt").exists()
        session.run("os.remove('/data/one')")
        assert not (host / "one").exists()


def test_a_failed_program_has_still_written_what_it_wrote(host: Path) -> None:
    with dspex.Engine(policy_with(write(host))) as engine:
        outcome = engine.run("open('/data/log', 'w').write('so far')\n1 / 0")
    assert outcome.status == "raised"
    assert (host / "log").read_text() == "so far"


def test_links_of_the_host_are_not_followed_in(host: Path, secret: Path) -> None:
    (host / "link").symlink_to(secret)
    (host / "folder").symlink_to(secret.parent)
    os.mkfifo(host / "pipe")
    with dspex.Engine(policy_with(Mount(guest="/data", host=str(host)))) as engine:
        listed = engine.run("import os\nsorted(os.listdir('/data'))").value
    assert listed == ["a.txt", "sub"]


def test_links_of_the_host_are_not_followed_out(host: Path, secret: Path) -> None:
    outside = secret.parent / "outside"
    outside.mkdir()
    (host / "link").symlink_to(secret)
    (host / "folder").symlink_to(outside)
    program = """
import os
os.makedirs("/data/folder")
open("/data/folder/pwned", "w").write("x")
open("/data/link", "w").write("x")
open("/data/sub/fine", "w").write("x")
"""
    with dspex.Engine(policy_with(write(host))) as engine:
        outcome = engine.run(program)
    assert outcome.notes == (
        "mount /data/folder/pwned: not written back: Not a directory",
        "mount /data/link: not written back: something that is not a regular file is there",
    )
    assert secret.read_text() == "untouched"
    assert list(outside.iterdir()) == []
    assert (host / "sub" / "fine").read_text() == "x"


def test_a_link_put_into_the_way_after_the_run_began_is_not_followed(
    host: Path, secret: Path
) -> None:
    def swap() -> None:
        (host / "sub" / "b.bin").unlink()
        (host / "sub").rmdir()
        (host / "sub").symlink_to(secret.parent)

    with dspex.Engine(policy_with(write(host))) as engine:
        outcome = engine.run(
            "open('/data/sub/secret.txt', 'w').write('stolen')\nswap()", tools={"swap": swap}
        )
    assert secret.read_text() == "untouched"
    assert len(outcome.notes) >= 1


def test_links_that_a_guest_makes_stay_with_it(host: Path, secret: Path) -> None:
    program = (
        f"import os\nos.symlink({str(secret)!r}, '/data/link')\nos.symlink('/etc', '/data/etc')\n"
        "os.symlink('/', '/data/sub/root')\nopen('/data/ok', 'w').write('1')"
    )
    with dspex.Engine(policy_with(write(host))) as engine:
        outcome = engine.run(program)
    assert outcome.ok, outcome.error
    assert sorted(p.name for p in host.iterdir()) == ["a.txt", "ok", "sub"]
    assert sorted(p.name for p in (host / "sub").iterdir()) == ["b.bin"]


def test_a_mount_that_is_too_large_is_refused_with_the_numbers(host: Path) -> None:
    (host / "big").write_bytes(bytes(2000))
    with dspex.Engine(policy_with(write(host, bytes_max=1000))) as engine:
        outcome = engine.run("1")
    assert outcome.status == "limit"
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("file_bytes", 1000)


def test_what_does_not_fit_its_mount_is_left_out_with_a_note(host: Path) -> None:
    with dspex.Engine(policy_with(write(host, bytes_max=1000))) as engine:
        outcome = engine.run(
            "open('/data/big', 'wb').write(bytes(2000))\nopen('/data/small', 'wb').write(b'x')"
        )
    assert outcome.notes == ("file '/data/big': left out",)
    assert not (host / "big").exists()
    assert (host / "small").read_bytes() == b"x"


def test_a_mount_that_is_not_there_is_the_callers_mistake(tmp_path: Path) -> None:
    with (
        dspex.Engine(policy_with(Mount(guest="/data", host=str(tmp_path / "none")))) as engine,
        pytest.raises(RequestError, match=r"mount /data: .* cannot be read"),
    ):
        engine.run("1")


def test_a_stricter_policy_takes_the_mount_away(host: Path) -> None:
    with dspex.Engine(policy_with(write(host))) as engine:
        outcome = engine.run("import os\nos.path.exists('/data')", policy="compute")
        assert outcome.value is False
        read_only = policy_with(Mount(guest="/data", host=str(host), mode="read"))
        engine.run("open('/data/new', 'w').write('x')", policy=read_only)
    assert not (host / "new").exists()


def test_a_mount_where_the_sandbox_cannot_have_one_is_refused(host: Path) -> None:
    with dspex.Engine(policy_with(Mount(guest="/lib/data", host=str(host)))) as engine:
        outcome = engine.run("1")
    assert outcome.status == "refused"
    assert outcome.error is not None
    assert "mount /lib/data: cannot be put into the sandbox" in outcome.error.findings[0].message


def test_a_file_in_place_of_a_directory_is_refused_and_the_session_goes_on() -> None:
    with dspex.Engine() as engine, engine.session() as session:
        session.run("import os\nos.mkdir('taken')")
        outcome = session.run("1", files={"taken": b"x"})
        assert outcome.status == "refused"
        assert session.run("os.listdir()").value == ["taken"]
