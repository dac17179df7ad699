"""The layer all runs share is found by path and cannot be changed."""

from __future__ import annotations

import pytest

from dspex.wasm.emscripten.baselayer import BaseLayer

FILES = {
    "lib/python.zip": b"zip",
    "usr/share/zoneinfo/UTC": b"utc",
    "usr/share/zoneinfo/Europe/Berlin": b"berlin",
    "usr/share/zoneinfo/Europe/Paris": b"paris",
    "usr/share/zoneinfo/Europe-old": b"old",
    "usr/share/zoneinfo/Europe.tab": b"",
}


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_file_has_its_content(path: str) -> None:
    content = BaseLayer.from_files(FILES).read(path.encode())
    assert content is not None
    assert bytes(content) == FILES[path]
    assert content.readonly


@pytest.mark.parametrize(
    "path", [b"", b"lib", b"lib/", b"/lib/python.zip", b"lib/python.zi", b"lib/../lib/python.zip"]
)
def test_what_is_not_a_file_has_no_content(path: bytes) -> None:
    assert BaseLayer.from_files(FILES).read(path) is None


def test_names_are_listed_once_whatever_sorts_between_them() -> None:
    layer = BaseLayer.from_files(FILES)
    assert layer.list_names(b"") == [b"lib", b"usr"]
    assert layer.list_names(b"usr/share/zoneinfo/") == [
        b"Europe-old",
        b"Europe.tab",
        b"Europe",
        b"UTC",
    ]
    assert layer.list_names(b"usr/share/zoneinfo/Europe/") == [b"Berlin", b"Paris"]
    assert layer.list_names(b"nowhere/") == []


def test_directories_are_what_files_lie_in() -> None:
    layer = BaseLayer.from_files(FILES)
    assert len(layer) == 6
    assert layer.has_directory(b"usr/share/")
    assert layer.has_directory(b"")
    assert not layer.has_directory(b"usr/sh/")
    assert not layer.has_directory(b"lib/python.zip/")
    assert not BaseLayer.from_files({}).has_directory(b"")


@pytest.mark.parametrize("path", ["/a", "a//b", "a/../b", "./a", "a/", ""])
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a plain relative path"):
        BaseLayer.from_files({path: b""})


def test_a_file_that_is_also_a_directory_is_refused() -> None:
    with pytest.raises(ValueError, match="both a file and a directory"):
        BaseLayer.from_files({"a": b"", "a.b": b"", "a/c": b""})


@pytest.mark.parametrize("place", [(0, 5), (4, 1), (-1, 1), (0, -1)])
def test_a_slice_outside_of_the_buffer_is_refused(place: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="of a buffer of 4"):
        BaseLayer({b"a": place}, memoryview(b"1234"))
