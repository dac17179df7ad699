"""What needs both names and open files, and the host's side."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.baselayer import BaseLayer
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.filesystem import HOME, MemoryFileSystem
from dspex.wasm.emscripten.inode import Directory, RegularFile
from dspex.wasm.emscripten.quotas import Quotas

CREATE = abi.O_CREAT | abi.O_RDWR


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(base=BaseLayer.from_files({"lib/a.zip": b"zip"}))


def refused(errno: Errno, call: Callable[..., object], *args: object, **options: object) -> None:
    with pytest.raises(SyscallError) as caught:
        call(*args, **options)
    assert caught.value.errno is errno


def put(fs: MemoryFileSystem, path: str, data: bytes = b"x") -> int:
    """Write a file as the guest does; leave it open."""
    fd = fs.open(path.encode(), CREATE | abi.O_TRUNC)
    fs.descriptors.get(fd).write(memoryview(data))
    return fd


def test_the_initial_tree_is_a_small_machine(fs: MemoryFileSystem) -> None:
    assert sorted(fs.tree.list_names(fs.tree.root)) == [
        b"dev",
        b"etc",
        b"home",
        b"lib",
        b"tmp",
        b"usr",
    ]
    assert fs.tree.path_of(fs.working_directory) == HOME.encode()
    assert fs.tree.lookup(fs.tree.root, b"/tmp").mode == abi.S_IFDIR | 0o1777
    refused(Errno.ENOENT, fs.tree.lookup, fs.tree.root, b"/proc/self")
    assert sorted(fs.descriptors.files) == [0, 1, 2]


# Opening.


def test_opening_what_is_not_there_is_enoent_unless_it_is_made(fs: MemoryFileSystem) -> None:
    refused(Errno.ENOENT, fs.open, b"f", abi.O_RDWR)
    fs.open(b"f", CREATE, 0o640)
    refused(Errno.EEXIST, fs.open, b"f", CREATE | abi.O_EXCL)
    assert fs.lookup_at(abi.AT_FDCWD, b"f").mode == abi.S_IFREG | 0o640


def test_a_link_is_followed_to_a_file_that_is_then_made_but_not_with_excl(
    fs: MemoryFileSystem,
) -> None:
    fs.tree.make_symlink(fs.working_directory, b"l", b"/tmp/target")
    refused(Errno.EEXIST, fs.open, b"l", CREATE | abi.O_EXCL)
    refused(Errno.ELOOP, fs.open, b"l", CREATE | abi.O_NOFOLLOW)
    fs.open(b"l", CREATE)
    assert fs.read_file("/tmp/target") == b""


def test_permissions_bind_the_owner_too(fs: MemoryFileSystem) -> None:
    fs.write_file("f", b"x")
    fs.tree.change_mode(fs.lookup_at(abi.AT_FDCWD, b"f"), 0o400)
    assert fs.open(b"f", abi.O_RDONLY)
    refused(Errno.EACCES, fs.open, b"f", abi.O_WRONLY)
    refused(Errno.EACCES, fs.open, b"f", abi.O_RDONLY | abi.O_TRUNC)
    fs.tree.change_mode(fs.lookup_at(abi.AT_FDCWD, b"f"), 0o200)
    refused(Errno.EACCES, fs.open, b"f", abi.O_RDONLY)
    refused(Errno.EACCES, fs.open, b"f", abi.O_RDWR)
    assert fs.read_file("f") == b"x"


def test_a_file_made_without_permissions_is_open_all_the_same(fs: MemoryFileSystem) -> None:
    fd = fs.open(b"f", CREATE, 0)
    assert fs.descriptors.get(fd).write(memoryview(b"x")) == 1


@pytest.mark.parametrize("flags", [abi.O_WRONLY, abi.O_RDWR, abi.O_RDONLY | abi.O_TRUNC])
def test_base_files_are_read_and_never_written(fs: MemoryFileSystem, flags: int) -> None:
    assert fs.read_file("/lib/a.zip") == b"zip"
    refused(Errno.EROFS, fs.open, b"/lib/a.zip", flags)
    refused(Errno.EROFS, fs.open, b"/lib/b.zip", CREATE)
    assert fs.open(b"/lib/a.zip", abi.O_RDONLY | abi.O_CREAT)


def test_a_nameless_file_is_gone_when_it_is_closed(fs: MemoryFileSystem) -> None:
    fd = fs.open(b"/tmp", abi.O_TMPFILE | abi.O_RDWR, 0o600)
    assert fs.descriptors.get(fd).write(memoryview(b"abc")) == 3
    assert fs.quotas.bytes_used == 3
    fs.descriptors.close(fd)
    assert fs.quotas.bytes_used == 0
    refused(Errno.EINVAL, fs.open, b"/tmp", abi.O_TMPFILE | abi.O_RDONLY)
    refused(Errno.EROFS, fs.open, b"/lib", abi.O_TMPFILE | abi.O_RDWR)
    refused(Errno.ENOTDIR, fs.open, b"/lib/a.zip", abi.O_TMPFILE | abi.O_RDWR)


def test_an_unlinked_file_lives_until_it_is_closed(fs: MemoryFileSystem) -> None:
    fd = put(fs, "f", b"content")
    fs.tree.unlink(fs.working_directory, b"f")
    target = bytearray(7)
    assert fs.descriptors.get(fd).read_at(0, memoryview(target)) == 7
    assert (target, fs.quotas.bytes_used) == (b"content", 7)
    fs.descriptors.close(fd)
    assert fs.quotas.bytes_used == 0


def test_a_path_may_begin_at_an_open_directory(fs: MemoryFileSystem) -> None:
    fs.write_file("d/f", b"x")
    directory = fs.open(b"d", abi.O_DIRECTORY)
    file = fs.open(b"f", 0, dirfd=directory)
    refused(Errno.ENOTDIR, fs.open, b"f", 0, 0, file)
    refused(Errno.EBADF, fs.open, b"f", 0, 0, 77)
    assert fs.open(b"/home/sandbox/d/f", 0, dirfd=77)


def test_the_working_directory_must_be_one_that_may_be_entered(fs: MemoryFileSystem) -> None:
    fs.write_file("d/f", b"x")
    refused(Errno.ENOTDIR, fs.change_directory, fs.lookup_at(abi.AT_FDCWD, b"d/f"))
    directory = fs.lookup_at(abi.AT_FDCWD, b"d")
    fs.tree.change_mode(directory, 0o600)
    refused(Errno.EACCES, fs.change_directory, directory)


# Standard streams and channels.


def test_input_is_what_the_host_gave_and_then_ends(fs: MemoryFileSystem) -> None:
    fs.set_input(b"3 4\n")
    target = bytearray(3)
    stdin = fs.descriptors.get(0)
    assert [stdin.read_into(memoryview(target)) for _ in range(3)] == [3, 1, 0]
    refused(Errno.EBADF, stdin.write, memoryview(b"x"))


def test_output_goes_to_the_host_with_its_stream() -> None:
    seen: list[tuple[int, bytes]] = []

    def take(stream: int, data: memoryview) -> int:
        seen.append((stream, bytes(data)))
        return 2

    fs = MemoryFileSystem(write_output=take)
    assert fs.descriptors.get(1).write(memoryview(b"out")) == 2
    assert fs.descriptors.get(fs.open(b"/dev/stderr", abi.O_WRONLY)).write(memoryview(b"e")) == 2
    assert seen == [(1, b"out"), (2, b"e")]
    refused(Errno.EBADF, fs.descriptors.get(1).read_into, memoryview(bytearray(1)))


def test_a_closed_stream_has_no_device(fs: MemoryFileSystem) -> None:
    fs.descriptors.close(0)
    refused(Errno.ENOENT, fs.open, b"/dev/stdin", 0)
    fs.set_input(b"x")


class Echo:
    def __init__(self) -> None:
        self.kept = b""

    def read_into(self, target: memoryview) -> int:
        target[: len(self.kept)] = self.kept
        return len(self.kept)

    def write(self, data: memoryview) -> int:
        self.kept = bytes(data)
        return len(data)


def test_a_channel_is_reached_by_number_only_and_outlives_the_guests_closing(
    fs: MemoryFileSystem,
) -> None:
    fs.install_channel(500, Echo())
    channel = fs.descriptors.get(500)
    assert channel.write(memoryview(b"ping")) == 4
    target = bytearray(10)
    assert channel.read_into(memoryview(target)) == 4
    refused(Errno.EBADF, fs.descriptors.close, 500)
    refused(Errno.EBADF, fs.descriptors.duplicate_onto, 1, 500)
    refused(Errno.EBUSY, fs.install_channel, 500, Echo())
    fs.install_channel(3, Echo())
    refused(Errno.EBADF, fs.descriptors.duplicate_onto, 1, 3)
    fs.install_channel(4, Echo(), guest_may_close=True)
    fs.descriptors.close(4)
    fs.descriptors.drop(500)
    assert sorted(fs.descriptors.files) == [0, 1, 2, 3]


# The host's files.


def test_the_host_writes_with_the_directories_above_and_no_quota() -> None:
    fs = MemoryFileSystem(quotas=Quotas(file_bytes_max=10, file_count_max=1))
    fs.write_file("a/b/input.bin", bytes(1000))
    fs.write_file("a/b/input.bin", b"shorter")
    fs.write_file("/tmp/other", bytes(50))
    assert fs.read_file(f"{HOME}/a/b/input.bin") == b"shorter"
    put(fs, "mine", bytes(10))
    refused(Errno.EDQUOT, fs.open, b"mine2", CREATE)
    assert fs.quota_hit == "file_count_max"
    fs.quota_hit = None
    assert fs.quotas.hit is None


def test_the_hosts_files_do_not_shrink_the_guests_share() -> None:
    fs = MemoryFileSystem(quotas=Quotas(file_bytes_max=10))
    fs.write_file("input", bytes(100))
    fd = put(fs, "f", bytes(10))
    refused(Errno.ENOSPC, fs.descriptors.get(fd).write, memoryview(b"x"))


@pytest.mark.parametrize(
    ("path", "errno"),
    [
        ("/lib/x", Errno.EROFS),
        ("/lib/a.zip", Errno.EROFS),
        ("/lib/a.zip/x", Errno.ENOTDIR),
        ("/tmp", Errno.EISDIR),
        ("/tmp/", Errno.EISDIR),
        ("/dev/null", Errno.EROFS),
        ("a\0b", Errno.EINVAL),
    ],
)
def test_the_host_cannot_write_everywhere_either(
    fs: MemoryFileSystem, path: str, errno: Errno
) -> None:
    refused(errno, fs.write_file, path, b"")


def test_the_host_reads_files_only(fs: MemoryFileSystem) -> None:
    refused(Errno.EISDIR, fs.read_file, "/tmp")
    refused(Errno.EINVAL, fs.read_file, "/dev/zero")
    refused(Errno.ENOENT, fs.read_file, "missing")


def test_what_the_guest_changed_is_listed_and_nothing_else(fs: MemoryFileSystem) -> None:
    for name in ("kept", "changed", "moved", "removed"):
        fs.write_file(name, b"old")
    fs.mark()
    assert fs.walk_changed(HOME) == []
    put(fs, "changed", b"new")
    put(fs, "empty", b"")
    fs.make_directories("sub/deeper")
    put(fs, "sub/deeper/f", b"deep")
    fs.tree.rename(fs.working_directory, b"moved", fs.working_directory, b"sub/moved")
    fs.tree.unlink(fs.working_directory, b"removed")
    put(fs, "/tmp/elsewhere")
    assert fs.walk_changed(HOME) == [
        ("changed", b"new"),
        ("empty", b""),
        ("sub/deeper/f", b"deep"),
        ("sub/moved", b"old"),
    ]
    fs.mark()
    assert fs.walk_changed(HOME) == []


def test_links_are_never_followed_when_changes_are_listed(fs: MemoryFileSystem) -> None:
    fs.mark()
    put(fs, "/tmp/secret", b"s")
    fs.tree.make_symlink(fs.working_directory, b"file", b"/tmp/secret")
    fs.tree.make_symlink(fs.working_directory, b"directory", b"/tmp")
    fs.tree.make_symlink(fs.working_directory, b"loop", b".")
    assert fs.walk_changed(HOME) == []
    fs.tree.rename(fs.tree.root, HOME.encode(), fs.tree.root, b"/home/away")
    fs.tree.make_symlink(fs.tree.root, HOME.encode(), b"/tmp")
    assert fs.walk_changed(HOME) == []
    assert fs.walk_changed("/nowhere") == []


def test_a_name_that_is_not_utf_8_is_shown_and_never_leaves_the_root(fs: MemoryFileSystem) -> None:
    fs.mark()
    fs.descriptors.close(fs.open(b"bad\xff\n\\name", CREATE))
    assert fs.walk_changed(HOME) == [("bad\\xff\n\\name", b"")]


def test_a_directory_as_wide_and_deep_as_allowed_is_walked() -> None:
    fs = MemoryFileSystem(quotas=Quotas(directory_depth_max=100))
    here: Directory = fs.working_directory
    fs.mark()
    for _ in range(98):
        here = fs.tree.make_directory(here, b"d", 0o755)
    fs.tree.create_file(here, b"f", 0o644)
    assert fs.walk_changed(HOME) == [("d/" * 98 + "f", b"")]


def test_making_a_file_system_takes_few_objects() -> None:
    import gc

    base = BaseLayer.from_files({f"usr/share/zoneinfo/{number}": b"" for number in range(500)})
    gc.collect()
    before = len(gc.get_objects())
    fs = MemoryFileSystem(base=base)
    assert len(gc.get_objects()) - before < 60
    assert isinstance(fs.tree.root, Directory)
    assert not any(isinstance(entry, RegularFile) for entry in fs.tree.root.entries.values())
