"""Wheels are opened with distrust: whatever is wrong with one is said, and nothing of it is used."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from dspex.runtimes.images import wheels
from dspex.runtimes.images.errors import WheelRefused
from dspex.runtimes.images.wheels import check_tags, read_library, read_wheel
from tests.images.making import NATIVE_TAG, sha256, wheel_bytes

if TYPE_CHECKING:
    from pathlib import Path

NAME = "thing-1.0-py3-none-any.whl"


def read(folder: Path, content: bytes, **options: Any) -> wheels.Wheel:
    path = folder / "file"
    path.write_bytes(content)
    return read_wheel(path, NAME, sha256(content), **options)


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(WheelRefused) as caught:
        read(folder, content)
    return str(caught.value)


def test_a_wheel_becomes_what_lies_in_site_packages(tmp_path: Path) -> None:
    found = read(tmp_path, wheel_bytes("thing", {
        "thing/__init__.py": "x = 1", "thing/data.txt": "hi", "one.py": "", "_hidden.py": "",
        "thing-1.0.data/purelib/two.py": "", "thing-1.0.data/scripts/run": "", "thing/old.pyc": b"x",
    }))

    assert sorted(found.files) == [
        "_hidden.py", "one.py", "thing-1.0.dist-info/METADATA", "thing-1.0.dist-info/RECORD",
        "thing-1.0.dist-info/WHEEL", "thing/__init__.py", "thing/data.txt", "two.py",
    ]
    assert found.files["thing/data.txt"] == b"hi"
    assert found.top_level == ("one", "thing", "two")


def test_folders_of_tests_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    content = wheel_bytes("thing", {"thing/__init__.py": "", "thing/tests/test_a.py": "", "thing/sub/tests/b.txt": ""})

    assert not [path for path in read(tmp_path, content).files if "tests" in path]
    assert "thing/tests/test_a.py" in read(tmp_path, content, keep_tests=True).files


@pytest.mark.parametrize("path", [
    "../evil.py", "/etc/evil.py", "thing/../../evil.py", "thing//evil.py", "./evil.py", "a\\..\\evil.py",
    "C:evil.py", "thing/a\nb.py", "x" * 1001,
])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    assert "is not a path within it" in refusal(tmp_path, wheel_bytes("thing", {path: "x"}))


@pytest.mark.parametrize("kind", [0o120777, 0o020666, 0o010644])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    entry = zipfile.ZipInfo("thing/link")
    entry.external_attr = kind << 16
    content = wheel_bytes("thing", {"thing/link": "/etc/passwd"}, entries={"thing/link": entry})

    assert refusal(tmp_path, content) == f"{NAME}: thing/link is a link or a device"


def test_a_member_that_is_too_large_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "MEMBER_BYTES_MAX", 1000)
    content = wheel_bytes("thing", {"thing/bomb": bytes(10_000)})

    assert len(content) < 1000
    assert refusal(tmp_path, content) == f"{NAME}: thing/bomb says it has 10000 bytes, 1000 is the most"


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    content = wheel_bytes("thing", {"thing/bomb": bytes(10_000)})
    size = (10_000).to_bytes(4, "little")
    assert content.count(size) == 2  # in the member's own head and in the directory
    lying = content.replace(size, (10).to_bytes(4, "little"))

    assert "thing/bomb" in refusal(tmp_path, lying) or "cannot be unpacked" in refusal(tmp_path, lying)


@pytest.mark.parametrize(("bound", "value"), [("MEMBERS_MAX", 3), ("CONTENT_BYTES_MAX", 100)])
def test_all_members_together_have_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(wheels, bound, value)

    assert "are the most" in refusal(tmp_path, wheel_bytes("thing", {"a.py": "x" * 50, "b.py": "y" * 50}))


def test_the_file_itself_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "FILE_BYTES_MAX", 10)

    assert "10 is the most" in refusal(tmp_path, wheel_bytes("thing", {}))


def test_another_file_than_the_locked_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(wheel_bytes("thing", {}))

    with pytest.raises(WheelRefused, match="its SHA-256 is not 0000"):
        read_wheel(path, NAME, "0" * 64)


def test_a_file_that_is_not_what_its_record_says_is_refused(tmp_path: Path) -> None:
    good = wheel_bytes("thing", {"a.py": "x"})
    with zipfile.ZipFile(__import__("io").BytesIO(good)) as archive:
        record = archive.read("thing-1.0.dist-info/RECORD").decode()
    tampered = wheel_bytes("thing", {"a.py": "y"}, record=record)
    more = wheel_bytes("thing", {"a.py": "x", "b.py": ""}, record=record)
    less = wheel_bytes("thing", {}, record=record)

    assert refusal(tmp_path, tampered) == f"{NAME}: a.py is not what its RECORD says"
    assert refusal(tmp_path, more) == f"{NAME}: b.py is not what its RECORD says"
    assert refusal(tmp_path, less) == f"{NAME}: a.py is in its RECORD and not in it"


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100, wheel_bytes("thing", {})[:-30]])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "cannot be unpacked" in refusal(tmp_path, content)


def test_a_path_that_is_a_file_and_a_folder_is_refused(tmp_path: Path) -> None:
    assert "a is a file and a folder" in refusal(tmp_path, wheel_bytes("thing", {"a": "", "a/b": ""}))


def test_the_same_place_twice_is_refused(tmp_path: Path) -> None:
    content = wheel_bytes("thing", {"a.py": "", "thing-1.0.data/platlib/a.py": "x"})

    assert refusal(tmp_path, content) == f"{NAME}: a.py is there twice"


@pytest.mark.parametrize("name", [
    NAME, "a-1-py2.py3-none-any.whl", "a-1-cp314-none-any.whl", f"a-1-{NATIVE_TAG}.whl",
    "a-1-cp39-abi3-pyemscripten_2026_0_wasm32.whl", "a-1-1-py3-none-any.whl",
])
def test_wheels_for_the_guest_are_taken(name: str) -> None:
    check_tags(name)


@pytest.mark.parametrize("name", [
    "a-1-cp314-cp314-manylinux_2_17_x86_64.whl", "a-1-cp313-cp313-pyemscripten_2026_0_wasm32.whl",
    "a-1-cp314-cp314-pyodide_2025_0_wasm32.whl", "a-1-py2-none-any.whl", "a-1.tar.gz", "a.whl",
    "a-1-cp314-cp314t-pyemscripten_2026_0_wasm32.whl",
])
def test_wheels_for_anything_else_are_refused(name: str) -> None:
    with pytest.raises(WheelRefused):
        check_tags(name)


def test_a_library_archive_gives_its_modules_only(tmp_path: Path) -> None:
    content = wheel_bytes("lib", {"lib/liba.so": "x", "include/a.h": ""})
    (tmp_path / "f").write_bytes(content)

    found = read_library(tmp_path / "f", "lib-1.0.zip", sha256(content))

    assert (dict(found.files), found.top_level) == ({"lib.libs/liba.so": b"x"}, ())
