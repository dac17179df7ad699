"""Names, where the comparison with a real directory cannot look: layers, quotas, permissions, times."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.baselayer import BaseLayer
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import Directory, RegularFile, Symlink
from dspex.wasm.emscripten.quotas import Quotas
from dspex.wasm.emscripten.tree import Slash, Tree

FILES = {
    "lib/python.zip": b"zip",
    "usr/share/zoneinfo/UTC": b"utc",
    "home/sandbox/shipped/one.txt": b"1",
}


class Box:
    """A tree whose time moves by one at every look at the clock."""

    def __init__(self, **quotas: int) -> None:
        self.time = 0
        self.tree = Tree(
            quotas=Quotas(**quotas), now_ns=self.tick, base=BaseLayer.from_files(FILES)
        )
        self.root = self.tree.root

    def tick(self) -> int:
        self.time += 1
        return self.time

    def file(self, path: str, content: bytes = b"") -> RegularFile:
        directory, name, found = self.tree.walk(
            self.root, path.encode(), follow=True, slash=Slash.REFUSED
        )
        assert found is None
        made = self.tree.create_file(directory, name, 0o644)
        self.tree.write_at(made, 0, memoryview(content))
        return made

    def mkdir(self, path: str, mode: int = 0o777) -> Directory:
        return self.tree.make_directory(self.root, path.encode(), mode)

    def link(self, path: str, target: str) -> Symlink:
        return self.tree.make_symlink(self.root, path.encode(), target.encode())


@pytest.fixture
def box() -> Box:
    return Box()


def refused(errno: Errno, call: Callable[..., object], *args: object, **options: object) -> None:
    with pytest.raises(SyscallError) as caught:
        call(*args, **options)
    assert caught.value.errno is errno


# Walking.


def test_forty_links_are_followed_and_one_more_is_a_loop(box: Box) -> None:
    box.file("/tmp/0")
    for number in range(1, 42):
        box.link(f"/tmp/{number}", str(number - 1))
    assert isinstance(box.tree.lookup(box.root, b"/tmp/40"), RegularFile)
    refused(Errno.ELOOP, box.tree.lookup, box.root, b"/tmp/41")


def test_a_name_has_at_most_255_bytes_and_a_path_4095(box: Box) -> None:
    box.file("/tmp/" + "n" * 255)
    refused(Errno.ENAMETOOLONG, box.file, "/tmp/" + "n" * 256)
    assert box.tree.lookup(box.root, b"/tmp" + b"/" * 4091).number
    refused(Errno.ENAMETOOLONG, box.tree.lookup, box.root, b"/tmp" + b"/" * 4092)
    refused(Errno.ENAMETOOLONG, box.link, "/tmp/l", "t" * 4096)
    assert box.link("/tmp/l", "t" * 4095).size == 4095


def test_an_empty_path_is_nothing(box: Box) -> None:
    refused(Errno.ENOENT, box.tree.lookup, box.root, b"")
    refused(Errno.ENOENT, box.link, "/tmp/l", "")


def test_above_the_root_is_the_root(box: Box) -> None:
    assert box.tree.lookup(box.root, b"/../../tmp") is box.root.entries[b"tmp"]
    assert box.tree.lookup(box.root, b"/") is box.root


def test_a_directory_without_search_permission_is_not_walked_through(box: Box) -> None:
    directory = box.mkdir("/tmp/d")
    box.file("/tmp/d/f")
    box.tree.change_mode(directory, 0o600)
    refused(Errno.EACCES, box.tree.lookup, box.root, b"/tmp/d/f")
    assert box.tree.lookup(box.root, b"/tmp/d") is directory


def test_the_path_of_a_directory_is_the_way_down_to_it(box: Box) -> None:
    directory = box.mkdir("/tmp/d")
    assert box.tree.path_of(directory) == b"/tmp/d"
    assert box.tree.path_of(box.root) == b"/"
    box.tree.rename(box.root, b"/tmp/d", box.root, b"/home/e")
    assert box.tree.path_of(directory) == b"/home/e"
    box.tree.remove_directory(box.root, b"/home/e")
    refused(Errno.ENOENT, box.tree.path_of, directory)


# The base layer and what is read-only.


@pytest.mark.parametrize("path", [b"lib/python.zip", b"lib", b"usr/share/zoneinfo", b"dev/null"])
def test_names_in_a_read_only_tree_are_neither_removed_nor_renamed(box: Box, path: bytes) -> None:
    inode = box.tree.lookup(box.root, path)
    if path != b"lib":
        refused(Errno.EROFS, box.tree.unlink, box.root, path)
        refused(Errno.EROFS, box.tree.rename, box.root, b"tmp", box.root, path)
    refused(Errno.EROFS, box.tree.remove_directory, box.root, path)
    refused(Errno.EROFS, box.tree.rename, box.root, path, box.root, b"tmp/x")
    refused(Errno.EROFS, box.tree.change_mode, inode, 0o777)
    refused(Errno.EROFS, box.tree.set_times, inode, 1, 1)


@pytest.mark.parametrize("path", ["/lib/x", "/usr/share/x", "/dev/x", "/etc/passwd", "/usr/x"])
def test_nothing_is_made_in_a_read_only_tree(box: Box, path: str) -> None:
    refused(Errno.EROFS, box.file, path)
    refused(Errno.EROFS, box.mkdir, path)
    refused(Errno.EROFS, box.link, path, "target")


def test_a_name_that_exists_in_a_read_only_tree_exists(box: Box) -> None:
    refused(Errno.EEXIST, box.mkdir, "/usr/share")


def test_next_to_base_files_elsewhere_names_are_made_but_the_files_stay(box: Box) -> None:
    made = box.file("/home/sandbox/shipped/two.txt")
    shipped = box.tree.lookup(box.root, b"/home/sandbox/shipped")
    assert isinstance(shipped, Directory)
    assert box.tree.list_names(shipped) == [b"one.txt", b"two.txt"]
    old = b"/home/sandbox/shipped/one.txt"
    refused(Errno.EROFS, box.tree.unlink, box.root, old)
    refused(Errno.EROFS, box.tree.rename, box.root, b"/home/sandbox/shipped/two.txt", box.root, old)
    refused(Errno.EROFS, box.tree.truncate, box.root, old, 0)
    refused(Errno.EROFS, box.tree.remove_directory, box.root, b"/home/sandbox/shipped")
    refused(Errno.EROFS, box.tree.make_link, box.root, old, box.root, b"/tmp/l")
    box.tree.unlink(box.root, b"/home/sandbox/shipped/two.txt")
    assert made.links == 0


def test_inodes_of_the_layer_are_made_on_first_use_and_stay_the_same(box: Box) -> None:
    assert b"usr" in box.root.entries
    zoneinfo = box.tree.lookup(box.root, b"/usr/share/zoneinfo")
    assert isinstance(zoneinfo, Directory)
    assert zoneinfo.entries == {}
    found = box.tree.lookup(box.root, b"/usr/share/zoneinfo/UTC")
    assert box.tree.lookup(box.root, b"/usr/share/../share/zoneinfo/UTC") is found
    assert found.mode == abi.S_IFREG | 0o444
    assert found.mtime_ns == 315_532_800 * 10**9


# Quotas.


def test_a_write_is_cut_off_at_the_quota_and_the_next_is_enospc() -> None:
    box = Box(file_bytes_max=10)
    made = box.file("/tmp/f", b"12345678")
    assert box.tree.write_at(made, 8, memoryview(b"abcd")) == 2
    assert box.tree.quotas.hit == "file_bytes_max"
    refused(Errno.ENOSPC, box.tree.write_at, made, 10, memoryview(b"x"))
    assert made.data == b"12345678ab"
    assert box.tree.write_at(made, 0, memoryview(b"again")) == 5


def test_a_gap_counts_before_it_is_made() -> None:
    box = Box(file_bytes_max=1000)
    made = box.file("/tmp/f")
    refused(Errno.ENOSPC, box.tree.write_at, made, 2**62, memoryview(b"x"))
    refused(Errno.ENOSPC, box.tree.write_at, made, 1000, memoryview(b"x"))
    refused(Errno.ENOSPC, box.tree.set_length, made, 1001)
    assert made.data == b""
    assert box.tree.write_at(made, 999, memoryview(b"x")) == 1
    assert made.data == bytes(999) + b"x"


def test_removing_gives_content_back_once_nobody_has_it_open() -> None:
    box = Box(file_bytes_max=10)
    made = box.file("/tmp/f", b"1234567890")
    made.opens = 1
    box.tree.unlink(box.root, b"/tmp/f")
    assert box.tree.quotas.bytes_used == 10
    made.opens = 0
    box.tree.release(made)
    assert box.tree.quotas.bytes_used == 0
    assert box.file("/tmp/g", b"1234567890").size == 10


def test_a_file_replaced_by_renaming_gives_its_content_back() -> None:
    box = Box(file_bytes_max=10)
    box.file("/tmp/old", b"12345")
    box.file("/tmp/new", b"67890")
    box.tree.rename(box.root, b"/tmp/new", box.root, b"/tmp/old")
    assert box.tree.quotas.bytes_used == 5
    assert box.tree.quotas.entries_used == 1


def test_targets_of_links_count_as_content() -> None:
    box = Box(file_bytes_max=10)
    box.link("/tmp/l", "1234567890")
    refused(Errno.ENOSPC, box.link, "/tmp/m", "x")
    box.tree.unlink(box.root, b"/tmp/l")
    assert box.tree.quotas.bytes_used == 0


def test_every_name_counts_whatever_it_stands_for() -> None:
    box = Box(file_count_max=3)
    box.file("/tmp/f")
    box.mkdir("/tmp/d")
    box.link("/tmp/l", "f")
    for call, args in (
        (box.file, ["/tmp/x"]),
        (box.mkdir, ["/tmp/x"]),
        (box.link, ["/tmp/x", "f"]),
    ):
        refused(Errno.EDQUOT, call, *args)
    refused(Errno.EDQUOT, box.tree.make_link, box.root, b"/tmp/f", box.root, b"/tmp/x")
    assert box.tree.quotas.hit == "file_count_max"
    box.tree.remove_directory(box.root, b"/tmp/d")
    box.file("/tmp/x")


def test_directories_are_neither_made_nor_moved_too_deep() -> None:
    box = Box(directory_depth_max=4)
    box.mkdir("/tmp/a")
    box.mkdir("/tmp/a/b")
    box.mkdir("/tmp/a/b/c")
    refused(Errno.EDQUOT, box.mkdir, "/tmp/a/b/c/d")
    box.mkdir("/tmp/p")
    box.mkdir("/tmp/p/q")
    refused(Errno.EDQUOT, box.tree.rename, box.root, b"/tmp/p", box.root, b"/tmp/a/b/p")
    box.tree.rename(box.root, b"/tmp/p/q", box.root, b"/tmp/a/b/q")


# Permissions, times, generations.


def test_the_umask_and_the_type_limit_the_mode(box: Box) -> None:
    box.tree.umask = 0o027
    assert box.mkdir("/tmp/d", 0o7777).mode == abi.S_IFDIR | 0o1750
    directory, name, _ = box.tree.walk(box.root, b"/tmp/f", follow=True, slash=Slash.REFUSED)
    assert box.tree.create_file(directory, name, 0o666).mode == abi.S_IFREG | 0o640


def test_a_directory_without_write_permission_keeps_its_names(box: Box) -> None:
    directory = box.mkdir("/tmp/d")
    box.file("/tmp/d/f")
    box.tree.change_mode(directory, 0o555)
    refused(Errno.EACCES, box.file, "/tmp/d/g")
    refused(Errno.EACCES, box.tree.unlink, box.root, b"/tmp/d/f")
    refused(Errno.EACCES, box.tree.rename, box.root, b"/tmp/d/f", box.root, b"/tmp/g")
    box.file("/tmp/h")
    refused(Errno.EACCES, box.tree.rename, box.root, b"/tmp/h", box.root, b"/tmp/d/h")


def test_truncating_needs_permission_to_write(box: Box) -> None:
    box.tree.change_mode(box.file("/tmp/f", b"abc"), 0o444)
    refused(Errno.EACCES, box.tree.truncate, box.root, b"/tmp/f", 0)
    refused(Errno.EINVAL, box.tree.truncate, box.root, b"/dev/null", 0)


def test_nothing_is_made_in_a_directory_that_was_removed(box: Box) -> None:
    gone = box.mkdir("/tmp/d")
    box.tree.remove_directory(box.root, b"/tmp/d")
    refused(Errno.ENOENT, box.tree.make_directory, gone, b"x", 0o777)
    box.mkdir("/tmp/e")
    refused(Errno.ENOENT, box.tree.rename, box.root, b"/tmp/e", gone, b"e")
    assert box.tree.lookup(gone, b"..") is box.root.entries[b"tmp"]


@pytest.mark.parametrize(("path", "errno"), [(b".", Errno.EINVAL), (b"/", Errno.EBUSY)])
def test_the_root_and_here_are_not_removed(box: Box, path: bytes, errno: Errno) -> None:
    refused(errno, box.tree.remove_directory, box.root, path)
    refused(Errno.EISDIR, box.tree.unlink, box.root, path)
    refused(Errno.EBUSY, box.tree.rename, box.root, path, box.root, b"/tmp/x")
    refused(Errno.EBUSY, box.tree.rename, box.root, b"/tmp", box.root, path)


def test_making_and_removing_a_name_changes_the_times_of_its_directory(box: Box) -> None:
    tmp = box.root.entries[b"tmp"]
    before = tmp.mtime_ns
    box.file("/tmp/f")
    made = tmp.mtime_ns
    assert made > before
    box.tree.unlink(box.root, b"/tmp/f")
    assert tmp.mtime_ns == tmp.ctime_ns > made


def test_writing_changes_mtime_and_chmod_only_ctime(box: Box) -> None:
    made = box.file("/tmp/f")
    box.tree.write_at(made, 0, memoryview(b"x"))
    written = made.mtime_ns
    box.tree.change_mode(made, 0o600)
    assert made.mtime_ns == written < made.ctime_ns
    box.tree.set_times(made, None, 5)
    assert made.mtime_ns == 5
    assert made.atime_ns != 5


def test_a_link_has_no_mode_of_its_own(box: Box) -> None:
    refused(Errno.EOPNOTSUPP, box.tree.change_mode, box.link("/tmp/l", "x"), 0o600)


def test_what_changes_a_file_moves_it_to_the_current_generation(box: Box) -> None:
    files = [box.file(f"/tmp/{name}", b"x") for name in ("write", "cut", "move", "link", "read")]
    box.tree.generation = 9
    box.tree.write_at(files[0], 0, memoryview(b"y"))
    box.tree.set_length(files[1], 0)
    box.tree.rename(box.root, b"/tmp/move", box.root, b"/tmp/moved")
    box.tree.make_link(box.root, b"/tmp/link", box.root, b"/tmp/linked")
    box.tree.lookup(box.root, b"/tmp/read")
    assert [file.generation for file in files] == [9, 9, 9, 9, 1]
