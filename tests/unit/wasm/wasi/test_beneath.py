"""A path never leaves the directory it begins in, whatever it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.wasm.emscripten import MemoryFileSystem, SyscallError
from dspex.wasm.emscripten.inode import Directory
from dspex.wasm.wasi.beneath import LeadsOut, find


@pytest.fixture
def fs() -> MemoryFileSystem:
    return tree()


def tree() -> MemoryFileSystem:
    fs = MemoryFileSystem()
    fs.write_file("/base/a.txt", b"a")
    fs.write_file("/base/d/b.txt", b"b")
    fs.write_file("/outside.txt", b"secret")
    root = fs.tree.root
    for name, target in (
        (b"up", b".."), (b"down", b"d"), (b"slash", b"d/"), (b"absolute", b"/outside.txt"),
        (b"self", b"self"), (b"file", b"a.txt"), (b"tricky", b"d/../../outside.txt"),
        (b"d/back", b"../a.txt"), (b"nowhere", b"absent"),
    ):
        fs.tree.make_symlink(root, b"base/" + name, target)
    return fs


def base_of(fs: MemoryFileSystem) -> Directory:
    found = fs.tree.lookup(fs.tree.root, b"base")
    assert isinstance(found, Directory)
    return found


def place(fs: MemoryFileSystem, path: bytes, *, follow: bool = True) -> bytes:
    directory, name = find(fs.tree, base_of(fs), path, follow=follow)
    return fs.tree.path_of(directory) + b"/" + name


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"a.txt", b"/base/a.txt"),
        (b"./d//b.txt", b"/base/d/b.txt"),
        (b"d/../a.txt", b"/base/a.txt"),
        (b"d/..", b"/base/."),
        (b".", b"/base/."),
        (b"new", b"/base/new"),
        (b"d/", b"/base/d/"),
        (b"down/b.txt", b"/base/d/b.txt"),
        (b"down", b"/base/d"),
        (b"slash", b"/base/d/"),
        (b"down/", b"/base/d/"),
        (b"file", b"/base/a.txt"),
        (b"d/back", b"/base/a.txt"),
        (b"down/../down/back", b"/base/a.txt"),
        (b"nowhere", b"/base/absent"),
    ],
)
def test_a_path_within_is_taken_apart(fs: MemoryFileSystem, path: bytes, found: bytes) -> None:
    assert place(fs, path) == found


@pytest.mark.parametrize(
    "path",
    [b"/", b"/base/a.txt", b"..", b"../base/a.txt", b"d/../..", b"up", b"up/x", b"absolute", b"tricky", b"down/../../x"],
)
def test_a_path_that_leads_out_is_refused(fs: MemoryFileSystem, path: bytes) -> None:
    with pytest.raises(LeadsOut):
        place(fs, path)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (b"", "ENOENT (44)"),
        (b"absent/x", "ENOENT (44)"),
        (b"a.txt/x", "ENOTDIR (54)"),
        (b"self", "ELOOP (32)"),
        (b"self/x", "ELOOP (32)"),
        (b"n" * 256, "ENAMETOOLONG (37)"),
        (b"n/" * 2048, "ENAMETOOLONG (37)"),
        (b"a\0b", "EILSEQ (25)"),
    ],
)
def test_a_path_that_cannot_be_walked_says_why(
    fs: MemoryFileSystem, path: bytes, error: str
) -> None:
    with pytest.raises(SyscallError) as caught:
        place(fs, path)
    assert str(caught.value) == error


def test_a_link_at_the_end_is_left_alone_if_it_is_not_to_be_followed(fs: MemoryFileSystem) -> None:
    assert place(fs, b"absolute", follow=False) == b"/base/absolute"
    assert place(fs, b"down", follow=False) == b"/base/down"
    assert place(fs, b"down/", follow=False) == b"/base/d/"
    with pytest.raises(LeadsOut):
        place(fs, b"up/", follow=False)


NAMES = [b"a.txt", b"d", b"b.txt", b"up", b"down", b"absolute", b"tricky", b"file", b"back", b"..", b".", b"", b"new"]


@given(parts=st.lists(st.sampled_from(NAMES), min_size=1, max_size=8), follow=st.booleans())
def test_whatever_is_found_lies_beneath(parts: list[bytes], *, follow: bool) -> None:
    fs = tree()
    try:
        directory, name = find(fs.tree, base_of(fs), b"/".join(parts), follow=follow)
    except (LeadsOut, SyscallError):
        return

    assert directory.lies_in(base_of(fs))
    assert name.rstrip(b"/") not in (b"..", b"")
    assert b"/" not in name.rstrip(b"/")
