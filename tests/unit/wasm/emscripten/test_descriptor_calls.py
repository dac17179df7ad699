"""System calls on descriptors."""

from __future__ import annotations

import struct

import pytest

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno, SyscallError

CREATE = abi.O_CREAT | abi.O_RDWR
RESULT = 600_000


def test_several_buffers_are_written_and_read_in_order(guest):
    fd = guest.open("f", CREATE)
    vectors = guest.vectors((guest.put(b"abc"), 3), (0, 0), (guest.put(b"defg"), 4))
    assert guest.calls.fd_write(fd, vectors, 3, RESULT) == 0
    assert guest.unpack("<I", RESULT) == (7,)
    assert guest.calls.fd_seek(fd, 1, abi.SEEK_SET, RESULT) == 0
    vectors = guest.vectors((RESULT + 100, 2), (RESULT + 200, 100), (RESULT + 300, 1))
    assert guest.calls.fd_read(fd, vectors, 3, RESULT) == 0
    assert guest.unpack("<I", RESULT) == (6,)
    assert (guest.take(RESULT + 100, 2), guest.take(RESULT + 200, 4)) == (b"bc", b"defg")


@pytest.mark.parametrize("call", ["fd_read", "fd_pread"])
@pytest.mark.parametrize("vectors", [0, 1])
def test_reading_nothing_is_refused_where_reading_is(guest, call, vectors):
    at = (guest.vectors((0, 0)), vectors) + ((0, RESULT) if call == "fd_pread" else (RESULT,))
    read = getattr(guest.calls, call)
    guest.fs.write_file("/home/sandbox/f", b"x")
    assert read(guest.open("f", abi.O_RDONLY), *at) == 0
    assert read(guest.open("f", abi.O_WRONLY), *at) == Errno.EBADF
    assert read(guest.open(".", abi.O_RDONLY | abi.O_DIRECTORY), *at) == Errno.EISDIR
    assert read(guest.open("f", abi.O_PATH), *at) == Errno.EBADF
    assert read(1, *at) == Errno.EBADF


@pytest.mark.parametrize("call", ["fd_write", "fd_pwrite"])
@pytest.mark.parametrize("vectors", [0, 1])
def test_writing_nothing_is_refused_where_writing_is(guest, call, vectors):
    at = (guest.vectors((0, 0)), vectors) + ((0, RESULT) if call == "fd_pwrite" else (RESULT,))
    write = getattr(guest.calls, call)
    guest.fs.write_file("/home/sandbox/f", b"x")
    assert write(guest.open("f", abi.O_WRONLY), *at) == 0
    assert write(guest.open("f", abi.O_RDONLY), *at) == Errno.EBADF
    assert write(guest.open(".", abi.O_RDONLY | abi.O_DIRECTORY), *at) == Errno.EBADF
    assert write(0, *at) == Errno.EBADF
    assert guest.fs.read_file("f") == b"x"


def test_output_reaches_the_host(guest):
    assert guest.write(1, b"hello") == (0, 5)
    assert guest.write(2, b"oops") == (0, 4)
    assert guest.output == [(1, b"hello"), (2, b"oops")]


def test_what_was_read_before_an_error_is_not_lost(guest):
    reader, writer = guest.fs.make_pipe()
    guest.write(writer, b"abcd")
    vectors = guest.vectors((RESULT + 100, 4), (RESULT + 200, 4))
    assert guest.calls.fd_read(reader, vectors, 2, RESULT) == 0
    assert guest.unpack("<I", RESULT) == (4,)
    assert guest.read(reader, 4)[0] == Errno.EAGAIN


def test_a_write_over_the_quota_says_how_much_fitted(guest):
    fd = guest.open("f", CREATE)
    vectors = guest.vectors((4096, 60_000), (4096, 60_000), (4096, 1))
    assert guest.calls.fd_write(fd, vectors, 3, RESULT) == 0
    assert guest.unpack("<I", RESULT) == (100_000,)
    assert guest.write(fd, b"x")[0] == Errno.ENOSPC
    assert guest.fs.quota_hit == "file_bytes_max"


def test_a_result_that_cannot_be_stored_is_refused_before_anything_happens(guest):
    fd = guest.open("f", CREATE)
    vectors = guest.vectors((guest.put(b"abc"), 3))
    assert guest.calls.fd_write(fd, vectors, 1, -2) == Errno.EFAULT
    assert guest.calls.fd_write(fd, vectors, 1025, RESULT) == Errno.EINVAL
    assert guest.calls.fd_write(fd, vectors, -1, RESULT) == Errno.EINVAL
    assert guest.fs.read_file("f") == b""


def test_pread_and_pwrite_leave_the_position(guest):
    fd = guest.open("f", CREATE)
    guest.write(fd, b"0123456789")
    vectors = guest.vectors((guest.put(b"AB"), 2), (guest.put(b"CD"), 2))
    assert guest.calls.fd_pwrite(fd, vectors, 2, 3, RESULT) == 0
    vectors = guest.vectors((RESULT + 100, 3), (RESULT + 103, 100))
    assert guest.calls.fd_pread(fd, vectors, 2, 2, RESULT) == 0
    assert guest.take(RESULT + 100, guest.unpack("<I", RESULT)[0]) == b"2ABCD789"
    assert guest.calls.fd_seek(fd, 0, abi.SEEK_CUR, RESULT) == 0
    assert guest.unpack("<q", RESULT) == (10,)
    assert guest.calls.fd_pread(fd, vectors, 2, -1, RESULT) == Errno.EINVAL
    assert guest.calls.fd_pwrite(fd, vectors, 2, -1, RESULT) == Errno.EINVAL
    assert guest.calls.fd_pread(0, vectors, 2, 0, RESULT) == Errno.ESPIPE


def test_seeking_has_64_bits(guest):
    fd = guest.open("f", CREATE)
    assert guest.calls.fd_seek(fd, 2**40, abi.SEEK_SET, RESULT) == 0
    assert guest.unpack("<q", RESULT) == (2**40,)
    assert guest.calls.fd_seek(fd, 2**63 - 1, abi.SEEK_CUR, RESULT) == Errno.EINVAL
    assert guest.calls.fd_seek(fd, -1, abi.SEEK_SET, RESULT) == Errno.EINVAL
    assert guest.write(fd, b"x")[0] == Errno.ENOSPC
    assert guest.calls.fd_seek(1, 0, abi.SEEK_SET, RESULT) == Errno.ESPIPE


def test_a_closed_descriptor_is_ebadf_everywhere(guest):
    fd = guest.open("f", CREATE)
    assert guest.calls.fd_close(fd) == 0
    calls = guest.calls
    assert [
        calls.fd_close(fd),
        calls.fd_sync(fd),
        calls.fd_read(fd, 4096, 0, RESULT),
        calls.fd_write(fd, 4096, 0, RESULT),
        calls.fd_seek(fd, 0, 0, RESULT),
        calls.fd_fdstat_get(fd, RESULT),
    ] == [Errno.EBADF] * 6
    assert [
        calls.fdatasync(fd),
        calls.ftruncate64(fd, 0),
        calls.fallocate(fd, 0, 0, 1),
        calls.fadvise64(fd, 0, 0, 0),
        calls.dup(fd),
        calls.dup3(fd, 9, 0),
        calls.fcntl64(fd, abi.F_GETFL, 0),
        calls.ioctl(fd, abi.FIONREAD, 0),
        calls.getdents64(fd, RESULT, 100),
        calls.mmap_js(1, 1, 1, fd, 0, RESULT, RESULT),
        calls.fchdir(fd),
    ] == [-Errno.EBADF] * 11


def test_nothing_is_a_terminal(guest):
    for path, kind in (("/tmp", 3), ("/lib/stdlib.zip", 4), ("/dev/null", 0), ("/dev/stdin", 0)):
        assert guest.calls.fd_fdstat_get(guest.open(path), RESULT) == 0
        assert guest.take(RESULT, 1)[0] == kind
    assert guest.calls.ioctl(1, 21523, 0) == -Errno.ENOTTY


def test_files_grow_by_fallocate_and_ftruncate(guest):
    fd = guest.open("f", CREATE)
    assert guest.calls.fallocate(fd, 0, 10, 10) == 0
    assert guest.calls.fallocate(fd, 0, 0, 5) == 0
    assert guest.fs.read_file("f") == bytes(20)
    assert guest.calls.fallocate(fd, 1, 0, 5) == -Errno.EOPNOTSUPP
    assert guest.calls.fallocate(fd, 0, 0, 0) == -Errno.EINVAL
    assert guest.calls.fallocate(fd, 0, 0, 2**62) == -Errno.ENOSPC
    assert guest.calls.fallocate(0, 0, 0, 5) == -Errno.ESPIPE
    assert guest.calls.fallocate(guest.open("f"), 0, 0, 50) == -Errno.EBADF
    assert guest.calls.ftruncate64(fd, 3) == 0
    assert guest.fs.read_file("f") == bytes(3)
    assert guest.calls.ftruncate64(0, 3) == -Errno.EINVAL


def test_descriptors_are_duplicated(guest):
    fd = guest.open("f", CREATE)
    assert guest.calls.dup(fd) == 4
    assert guest.calls.dup3(fd, 9, abi.O_CLOEXEC) == 9
    assert guest.calls.dup3(fd, 9, 1) == -Errno.EINVAL
    assert guest.calls.dup3(fd, fd, 0) == -Errno.EINVAL
    assert guest.calls.dup3(fd, 20, 0) == -Errno.EBADF
    at_least = guest.put(struct.pack("<i", 7))
    assert guest.calls.fcntl64(fd, abi.F_DUPFD, at_least) == 7
    assert guest.calls.fcntl64(fd, abi.F_DUPFD_CLOEXEC, at_least) == 8
    answers = [guest.calls.fcntl64(number, abi.F_GETFD, 0) for number in (7, 8, 9)]
    assert answers == [0, 1, 1]


def test_flags_are_set_and_read_back(guest):
    fd = guest.open("f", CREATE | abi.O_APPEND)
    one, append = guest.put(struct.pack("<i", 1)), guest.put(struct.pack("<i", abi.O_NONBLOCK | 1))
    assert guest.calls.fcntl64(fd, abi.F_SETFD, one) == 0
    assert guest.calls.fcntl64(fd, abi.F_GETFD, 0) == 1
    assert guest.calls.ioctl(fd, abi.FIONCLEX, 0) == 0
    assert guest.calls.fcntl64(fd, abi.F_GETFD, 0) == 0
    assert guest.calls.ioctl(fd, abi.FIOCLEX, 0) == 0
    assert guest.calls.fcntl64(fd, abi.F_GETFD, 0) == 1
    assert guest.calls.fcntl64(fd, abi.F_GETFL, 0) == abi.O_RDWR | abi.O_APPEND
    assert guest.calls.fcntl64(fd, abi.F_SETFL, append) == 0
    assert guest.calls.fcntl64(fd, abi.F_GETFL, 0) == abi.O_RDWR | abi.O_NONBLOCK
    assert guest.calls.ioctl(fd, abi.FIONBIO, guest.put(struct.pack("<I", append + 64))) == 0
    assert guest.calls.fcntl64(fd, abi.F_GETFL, 0) == abi.O_RDWR
    assert guest.calls.fcntl64(fd, 77, 0) == -Errno.EINVAL


def test_locks_are_always_free(guest):
    fd = guest.open("f", CREATE)
    lock = guest.put(struct.pack("<h", 1))
    arguments = guest.put(struct.pack("<I", lock))
    assert guest.calls.fcntl64(fd, abi.F_SETLK, arguments) == 0
    assert guest.calls.fcntl64(fd, abi.F_GETLK, arguments) == 0
    assert guest.unpack("<h", lock) == (abi.F_UNLCK,)


def test_what_can_be_read_is_counted(guest):
    guest.fs.set_input(b"12345")
    guest.fs.write_file("f", b"123")
    arguments = guest.put(struct.pack("<I", RESULT))
    for fd, count in ((0, 5), (guest.open("f"), 3)):
        assert guest.calls.ioctl(fd, abi.FIONREAD, arguments) == 0
        assert guest.unpack("<i", RESULT) == (count,)
    assert guest.calls.ioctl(1, abi.FIONREAD, arguments) == -Errno.ENOTTY


def test_a_pipe_connects_two_numbers(guest):
    assert guest.calls.pipe(RESULT) == 0
    reader, writer = guest.unpack("<ii", RESULT)
    assert (reader, writer) == (3, 4)
    assert guest.write(writer, b"ping") == (0, 4)
    assert guest.read(reader, 10) == (0, b"ping")
    guest.calls.fd_close(writer)
    assert guest.read(reader, 10) == (0, b"")
    assert guest.calls.pipe(-4) == -Errno.EFAULT
    assert sorted(guest.fs.descriptors.files) == [0, 1, 2, 3]


# Polling.


def poll(guest, timeout_ms, *wanted):
    array = guest.put(b"".join(struct.pack("<ihh", fd, events, -1) for fd, events in wanted))
    answer = guest.calls.poll(array, len(wanted), timeout_ms)
    return answer, [guest.unpack("<ihh", array + 8 * at)[2] for at in range(len(wanted))]


def test_what_is_ready_is_told_at_once(guest):
    assert guest.calls.pipe(RESULT) == 0
    both = abi.POLLIN | abi.POLLOUT
    answer = poll(guest, -1, (0, both), (1, both), (3, both), (4, both), (9, both), (-1, both))
    assert answer == (4, [abi.POLLIN, abi.POLLOUT, 0, abi.POLLOUT, abi.POLLNVAL, 0])
    assert guest.time.waits == []


def test_a_timeout_is_waited_for_once(guest):
    guest.calls.pipe(RESULT)
    assert poll(guest, 250, (3, abi.POLLIN)) == (0, [0])
    assert poll(guest, 0, (3, abi.POLLIN)) == (0, [0])
    assert poll(guest, 30) == (0, [])
    assert guest.time.waits == [250_000_000, 30_000_000]


def test_a_wait_without_end_can_be_interrupted(guest):
    guest.calls.pipe(RESULT)
    guest.time.interrupted = True
    assert poll(guest, -1, (3, abi.POLLIN))[0] == -Errno.EINTR
    assert guest.time.waits == [(2**31 - 1) * 1_000_000]


def test_more_descriptors_than_can_be_open_are_einval(guest):
    assert guest.calls.poll(4096, 21, 0) == -Errno.EINVAL
    assert guest.calls.poll(4096, -1, 0) == -Errno.EINVAL


# Directories.


def listing(guest, fd, size=4096):
    """Read a directory to the end; return (inode, offset, type, name) of each entry."""
    found = []
    while (count := guest.calls.getdents64(fd, RESULT, size)) > 0:
        at = 0
        while at < count:
            number, offset, length, kind = guest.unpack("<QqHB", RESULT + at)
            name = guest.take(RESULT + at + 19, length - 19)
            found.append((number, offset, kind, name.split(b"\0")[0].decode()))
            assert length % 8 == 0
            at += length
        assert at == count <= size
    assert count == 0
    return found


def test_a_directory_is_listed_with_types_and_the_inodes_stat_shows(guest):
    guest.fs.write_file("sub/file", b"")
    guest.calls.symlinkat(guest.text("x"), -100, guest.text("sub/link"))
    guest.calls.mkdirat(-100, guest.text("sub/d"), 0o777)
    found = listing(guest, guest.open("sub"))
    assert [(kind, name) for _, _, kind, name in found] == [
        (abi.DT_DIR, "."),
        (abi.DT_DIR, ".."),
        (abi.DT_REG, "file"),
        (abi.DT_LNK, "link"),
        (abi.DT_DIR, "d"),
    ]
    for number, _, _, name in found:
        path = f"sub/{name}".encode()
        assert guest.fs.lookup_at(-100, path, follow=False).number == number
    assert abi.DT_CHR in {kind for _, _, kind, _ in listing(guest, guest.open("/dev"))}


def test_a_small_buffer_takes_several_calls_and_misses_nothing(guest):
    names = [f"{'n' * number}{number}" for number in range(1, 40)]
    for name in names:
        guest.fs.write_file(f"many/{name}", b"")
    found = listing(guest, guest.open("many"), size=64)
    assert [name for _, _, _, name in found] == [".", "..", *names]
    assert guest.calls.getdents64(guest.open("many"), RESULT, 23) == -Errno.EINVAL


def test_files_removed_while_reading_do_not_hide_others(guest):
    for number in range(20):
        guest.fs.write_file(f"many/{number}", b"")
    fd = guest.open("many")
    for _ in range(20):
        while guest.calls.getdents64(fd, RESULT, 32) > 0:
            name = guest.take(RESULT + 19, 13).split(b"\0")[0]
            if name not in (b".", b".."):
                guest.fs.tree.unlink(guest.fs.working_directory, b"many/" + name)
    assert guest.calls.rmdir(guest.text("many")) == 0
    assert guest.calls.getdents64(fd, RESULT, 100) == -Errno.ENOENT


def test_an_offset_leads_back_to_its_place(guest):
    for name in ("a", "b", "c"):
        guest.fs.write_file(f"d/{name}", b"")
    fd = guest.open("d")
    found = listing(guest, fd)
    guest.calls.fd_seek(fd, found[2][1], abi.SEEK_SET, RESULT)
    assert [name for _, _, _, name in listing(guest, fd)] == ["b", "c"]
    guest.fs.write_file("d/d", b"")
    guest.calls.fd_seek(fd, 0, abi.SEEK_SET, RESULT)
    assert [name for _, _, _, name in listing(guest, fd)] == [".", "..", "a", "b", "c", "d"]


def test_only_directories_are_listed(guest):
    assert guest.calls.getdents64(0, RESULT, 100) == -Errno.ENOTDIR
    assert guest.calls.getdents64(guest.open("/tmp"), -8, 100) == -Errno.EFAULT


# Mapping.

WRITE, SHARED, PRIVATE = 3, 1, 2
MAPPED = 200_000


def map_file(guest, fd, length, flags=SHARED, *, offset=0):
    guest.calls.allocate = lambda _alignment, _size: MAPPED
    return guest.calls.mmap_js(length, WRITE, flags, fd, offset, RESULT, RESULT + 8)


def test_a_shared_mapping_is_read_and_written_back_up_to_the_end_of_the_file(guest):
    fd = guest.open("f", CREATE)
    guest.write(fd, b"0123456789")
    guest.memory.view[MAPPED : MAPPED + 100] = b"#" * 100
    assert map_file(guest, fd, 20, offset=2) == 0
    assert guest.unpack("<I4xI", RESULT) == (1, MAPPED)
    assert guest.take(MAPPED, 21) == b"23456789" + bytes(12) + b"#"
    guest.memory.view[MAPPED : MAPPED + 20] = b"x" * 20
    assert guest.calls.msync_js(MAPPED, 20, WRITE, SHARED, fd, 2) == 0
    assert guest.fs.read_file("f") == b"01xxxxxxxx"
    guest.memory.view[MAPPED] = ord("y")
    assert guest.calls.munmap_js(MAPPED, 20, WRITE, SHARED, fd, 2) == 0
    assert guest.fs.read_file("f") == b"01yxxxxxxx"


def test_a_private_mapping_is_never_written_back(guest):
    guest.fs.write_file("f", b"0123")
    fd = guest.open("f")
    assert map_file(guest, fd, 4, PRIVATE) == 0
    guest.memory.view[MAPPED : MAPPED + 4] = b"xxxx"
    assert guest.calls.munmap_js(MAPPED, 4, WRITE, PRIVATE, fd, 0) == 0
    assert guest.fs.read_file("f") == b"0123"


def test_a_mapping_needs_permission_a_file_and_memory(guest):
    guest.fs.write_file("f", b"0123")
    reads, writes = guest.open("f"), guest.open("f", abi.O_WRONLY)
    assert map_file(guest, reads, 4, SHARED) == -Errno.EACCES
    assert map_file(guest, writes, 4, PRIVATE) == -Errno.EACCES
    assert map_file(guest, reads, 0, PRIVATE) == -Errno.EINVAL
    assert map_file(guest, reads, 4, PRIVATE, offset=-1) == -Errno.EINVAL
    assert map_file(guest, reads, -1, PRIVATE) == -Errno.ENOMEM
    assert map_file(guest, 0, 4, PRIVATE) == -Errno.ENODEV
    assert guest.calls.msync_js(MAPPED, 4, WRITE, SHARED, reads, 0) == -Errno.EBADF
    guest.calls.allocate = lambda _alignment, _size: 0
    assert guest.calls.mmap_js(4, 1, PRIVATE, reads, 0, RESULT, RESULT) == -Errno.ENOMEM
    guest.calls.allocate = None
    assert guest.calls.mmap_js(4, 1, PRIVATE, reads, 0, RESULT, RESULT) == -Errno.ENODEV


def test_an_error_of_the_hosts_sink_is_the_guests_error():
    from dspex.wasm.emscripten.filesystem import MemoryFileSystem

    def full(_stream, _data):
        raise SyscallError(Errno.EPIPE)

    fs = MemoryFileSystem(write_output=full)
    with pytest.raises(SyscallError) as caught:
        fs.descriptors.get(1).write(memoryview(b"x"))
    assert caught.value.errno is Errno.EPIPE
