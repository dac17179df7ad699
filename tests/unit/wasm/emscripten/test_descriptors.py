"""Open files and their numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.descriptors import OpenDirectory, OpenFile
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.filesystem import MemoryFileSystem
from dspex.wasm.emscripten.quotas import Quotas


@pytest.fixture
def fs() -> MemoryFileSystem:
    fs = MemoryFileSystem(quotas=Quotas(open_files_max=8), random_bytes=lambda count: b"r" * count)
    fs.write_file("f", b"0123456789")
    return fs


def refused(errno: Errno, call: Callable[..., object], *args: object, **options: object) -> None:
    with pytest.raises(SyscallError) as caught:
        call(*args, **options)
    assert caught.value.errno is errno


def opened(fs: MemoryFileSystem, path: str, flags: int = abi.O_RDONLY) -> OpenFile:
    return fs.descriptors.get(fs.open(path.encode(), flags))


def read(file: OpenFile, size: int) -> bytes:
    target = bytearray(size)
    return bytes(target[: file.read_into(memoryview(target))])


# The table.


def test_the_lowest_free_number_is_given_out(fs: MemoryFileSystem) -> None:
    assert [fs.open(b"f", 0) for _ in range(3)] == [3, 4, 5]
    fs.descriptors.close(4)
    assert fs.open(b"f", 0) == 4
    assert fs.descriptors.duplicate(3, at_least=5) == 6


def test_one_file_too_many_is_emfile_and_nothing_is_made(fs: MemoryFileSystem) -> None:
    while len(fs.descriptors.files) < 8:
        fs.open(b"f", 0)
    refused(Errno.EMFILE, fs.open, b"new", abi.O_CREAT | abi.O_WRONLY)
    refused(Errno.EMFILE, fs.descriptors.duplicate, 3)
    refused(Errno.EMFILE, fs.make_pipe)
    assert fs.quota_hit == "open_files_max"
    fs.descriptors.close(7)
    refused(Errno.EMFILE, fs.make_pipe)
    refused(Errno.ENOENT, fs.read_file, "new")
    assert fs.open(b"f", 0) == 7


def test_a_duplicate_shares_position_and_flags(fs: MemoryFileSystem) -> None:
    fd = fs.open(b"f", abi.O_RDWR)
    twin = fs.descriptors.duplicate(fd)
    assert read(fs.descriptors.get(fd), 3) == b"012"
    assert read(fs.descriptors.get(twin), 3) == b"345"
    fs.descriptors.close(fd)
    assert read(fs.descriptors.get(twin), 3) == b"678"
    refused(Errno.EBADF, fs.descriptors.get, fd)


def test_duplicating_onto_a_number_closes_what_it_led_to(fs: MemoryFileSystem) -> None:
    reader, writer = fs.make_pipe()
    fd = fs.open(b"f", 0)
    assert fs.descriptors.duplicate_onto(fd, writer, close_on_exec=True) == writer
    assert read(fs.descriptors.get(reader), 1) == b""
    assert writer in fs.descriptors.close_on_exec
    refused(Errno.EINVAL, fs.descriptors.duplicate_onto, fd, fd)
    refused(Errno.EBADF, fs.descriptors.duplicate_onto, 99, fd)
    refused(Errno.EBADF, fs.descriptors.duplicate_onto, fd, 8)
    refused(Errno.EBADF, fs.descriptors.duplicate_onto, fd, -1)
    refused(Errno.EINVAL, fs.descriptors.duplicate, fd, at_least=8)
    refused(Errno.EINVAL, fs.descriptors.duplicate, fd, at_least=-1)


def test_close_on_exec_belongs_to_the_number(fs: MemoryFileSystem) -> None:
    fd = fs.open(b"f", abi.O_CLOEXEC)
    assert fs.descriptors.close_on_exec == {fd}
    assert fs.descriptors.duplicate(fd) not in fs.descriptors.close_on_exec
    fs.descriptors.close(fd)
    assert fs.open(b"f", 0) == fd
    assert fs.descriptors.close_on_exec == set()


# Kinds of open files.


def test_reading_needs_a_file_opened_for_reading_and_writing_for_writing(
    fs: MemoryFileSystem,
) -> None:
    refused(Errno.EBADF, read, opened(fs, "f", abi.O_WRONLY), 1)
    refused(Errno.EBADF, opened(fs, "f").write, memoryview(b"x"))
    refused(Errno.EBADF, opened(fs, "f").write_at, 0, memoryview(b"x"))
    refused(Errno.EINVAL, opened(fs, "f").set_length, 0)


def test_data_and_holes_are_found_as_if_there_were_no_holes(fs: MemoryFileSystem) -> None:
    file = opened(fs, "f")
    assert file.seek(4, abi.SEEK_DATA) == 4
    assert file.seek(4, abi.SEEK_HOLE) == 10
    refused(Errno.ENXIO, file.seek, 10, abi.SEEK_DATA)
    refused(Errno.EINVAL, file.seek, 0, 5)
    refused(Errno.EINVAL, file.seek, 2**63, abi.SEEK_SET)


def test_reading_moves_the_time_of_access_only_after_a_change() -> None:
    ticks = iter(range(10**6))
    fs = MemoryFileSystem(now_ns=lambda: next(ticks))
    fs.write_file("f", b"x")
    file = opened(fs, "f", abi.O_RDWR)
    read(file, 1)
    first = file.inode.atime_ns
    assert first > file.inode.mtime_ns
    file.read_at(0, memoryview(bytearray(1)))
    assert file.inode.atime_ns == first
    file.write(memoryview(b"y"))
    file.read_at(0, memoryview(bytearray(1)))
    assert file.inode.atime_ns > first


def test_devices_do_what_their_names_say(fs: MemoryFileSystem) -> None:
    assert read(opened(fs, "/dev/null"), 5) == b""
    assert read(opened(fs, "/dev/zero"), 5) == bytes(5)
    assert read(opened(fs, "/dev/urandom"), 5) == b"rrrrr"
    assert opened(fs, "/dev/null", abi.O_WRONLY).write(memoryview(b"abc")) == 3
    refused(Errno.ENOSPC, opened(fs, "/dev/full", abi.O_WRONLY).write, memoryview(b"abc"))


def test_a_device_gives_a_mebibyte_at_once(fs: MemoryFileSystem) -> None:
    assert len(read(opened(fs, "/dev/zero"), 3 << 20)) == 1 << 20
    assert opened(fs, "/dev/zero").seek(100, abi.SEEK_SET) == 0


def test_there_is_no_terminal(fs: MemoryFileSystem) -> None:
    refused(Errno.ENXIO, fs.open, b"/dev/tty", abi.O_RDWR)


def test_a_listing_stays_while_files_are_removed_and_counts_until_it_is_dropped(
    fs: MemoryFileSystem,
) -> None:
    directory = opened(fs, ".", abi.O_DIRECTORY)
    assert isinstance(directory, OpenDirectory)
    assert directory.list_names() == [b".", b"..", b"f"]
    fs.tree.unlink(fs.working_directory, b"f")
    assert directory.list_names() == [b".", b"..", b"f"]
    assert directory.inode_of(b"f") is None
    assert fs.quotas.names_listed == 3
    directory.seek(0, abi.SEEK_SET)
    assert directory.list_names() == [b".", b".."]
    fs.descriptors.close(3)
    assert fs.quotas.names_listed == 0


def test_a_directory_is_not_read_as_bytes(fs: MemoryFileSystem) -> None:
    directory = opened(fs, ".")
    refused(Errno.EISDIR, read, directory, 1)
    refused(Errno.EINVAL, directory.seek, -1, abi.SEEK_SET)
    refused(Errno.EINVAL, directory.seek, 0, abi.SEEK_END)


def test_a_pipe_tells_poll_how_it_is(fs: MemoryFileSystem) -> None:
    reader, writer = (fs.descriptors.get(fd) for fd in fs.make_pipe())
    assert (reader.poll(), writer.poll()) == (0, abi.POLLOUT)
    writer.write(memoryview(bytes(65_536)))
    assert (reader.poll(), writer.poll()) == (abi.POLLIN, 0)
    refused(Errno.EBADF, writer.read_into, memoryview(bytearray(1)))
    refused(Errno.EBADF, reader.write, memoryview(b"x"))
    refused(Errno.ESPIPE, reader.seek, 0, abi.SEEK_SET)
    assert reader.count_readable() == 65_536
    fs.descriptors.close(4)
    assert reader.poll() == abi.POLLIN | abi.POLLHUP
    fs.descriptors.close(3)
    assert writer.poll() == abi.POLLOUT | abi.POLLERR


def test_a_path_opened_without_access_is_only_a_place(fs: MemoryFileSystem) -> None:
    place = opened(fs, "f", abi.O_PATH | abi.O_RDWR)
    assert place.inode.size == 10
    for call, args in (
        (place.read_into, [memoryview(bytearray(1))]),
        (place.write, [memoryview(b"x")]),
        (place.seek, [0, 0]),
        (place.set_length, [0]),
    ):
        refused(Errno.EBADF, call, *args)
