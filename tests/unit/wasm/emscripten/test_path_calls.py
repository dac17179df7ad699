"""System calls on paths: strings in, structures out, error numbers negative."""

from __future__ import annotations

import struct

import pytest

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno

STAT = "<6IqiiqI4xqI4xqI4xQ"
RESULT = 600_000
CREATE = abi.O_CREAT | abi.O_RDWR


def test_stat_fills_the_structure_field_by_field(guest):
    guest.fs.write_file("f", bytes(1000))
    guest.time.ns += 1_000_000_007
    assert guest.calls.utimensat(-100, guest.text("f"), 0, 0) == 0
    assert guest.calls.stat64(guest.text("f"), RESULT) == 0
    device, mode, links, uid, gid, rdev, size, block, blocks, *times, number = guest.unpack(
        STAT, RESULT
    )
    assert (device, mode, links, uid, gid, rdev) == (1, 0o100644, 1, 0, 0, 0)
    assert (size, block, blocks) == (1000, 4096, 2)
    assert times == [1_700_000_001, 7] * 3
    assert number == guest.fs.lookup_at(-100, b"f").number


def test_a_time_before_1970_has_a_positive_part_of_a_second(guest):
    guest.fs.write_file("f", b"")
    times = guest.put(struct.pack("<qi4xqi4x", -1, 999_999_999, -5, 0))
    assert guest.calls.utimensat(-100, guest.text("f"), times, 0) == 0
    assert guest.calls.stat64(guest.text("f"), RESULT) == 0
    assert guest.unpack("<qI4xqI", RESULT + 40) == (-1, 999_999_999, -5, 0)


def test_stat_follows_a_link_and_lstat_does_not(guest):
    guest.fs.write_file("f", bytes(9))
    assert guest.calls.symlinkat(guest.text("f"), -100, guest.text("l")) == 0
    sizes = []
    for call in (guest.calls.stat64, guest.calls.lstat64):
        assert call(guest.text("l"), RESULT) == 0
        sizes.append(guest.unpack("<q", RESULT + 24)[0])
    assert guest.calls.newfstatat(-100, guest.text("l"), RESULT, abi.AT_SYMLINK_NOFOLLOW) == 0
    assert [*sizes, guest.unpack("<q", RESULT + 24)[0]] == [9, 1, 1]


def test_an_empty_path_is_the_descriptor_itself_if_the_flag_says_so(guest):
    guest.fs.write_file("f", bytes(7))
    fd = guest.open("f")
    empty = guest.text("")
    assert guest.calls.newfstatat(fd, empty, RESULT, abi.AT_EMPTY_PATH) == 0
    assert guest.unpack("<q", RESULT + 24) == (7,)
    assert guest.calls.newfstatat(-100, empty, RESULT, abi.AT_EMPTY_PATH) == 0
    assert guest.calls.newfstatat(fd, empty, RESULT, 0) == -Errno.ENOENT
    assert guest.calls.fstat64(99, RESULT) == -Errno.EBADF


def test_access_answers_for_the_owner_and_for_read_only_trees(guest):
    fd = guest.open("f", CREATE, 0o400)
    assert guest.calls.fchmod(fd, 0o500) == 0
    answers = [guest.calls.faccessat(-100, guest.text("f"), mode, 0) for mode in (0, 4, 1, 2, 6)]
    assert answers == [0, 0, 0, -Errno.EACCES, -Errno.EACCES]
    access = guest.calls.faccessat
    assert access(-100, guest.text("/lib/stdlib.zip"), 4, 0) == 0
    assert access(-100, guest.text("/lib/stdlib.zip"), 2, 0) == -Errno.EROFS
    assert access(-100, guest.text("/lib"), 2, 0) == -Errno.EROFS
    assert access(-100, guest.text("/dev/null"), 6, 0) == 0
    assert access(-100, guest.text("f"), 8, 0) == -Errno.EINVAL
    assert access(-100, guest.text("missing"), 0, 0) == -Errno.ENOENT


def test_readlink_gives_the_target_cut_off_and_without_nul(guest):
    guest.calls.symlinkat(guest.text("target"), -100, guest.text("l"))
    guest.memory.view[RESULT : RESULT + 8] = b"########"
    assert guest.calls.readlinkat(-100, guest.text("l"), RESULT, 8) == 6
    assert guest.take(RESULT, 8) == b"target##"
    assert guest.calls.readlinkat(-100, guest.text("l"), RESULT, 2) == 2
    assert guest.calls.readlinkat(-100, guest.text("l"), RESULT, 0) == -Errno.EINVAL
    assert guest.calls.readlinkat(-100, guest.text("."), RESULT, 8) == -Errno.EINVAL


def test_getcwd_counts_the_nul_and_says_erange(guest):
    assert guest.calls.getcwd(RESULT, 100) == 14
    assert guest.take(RESULT, 14) == b"/home/sandbox\0"
    assert guest.calls.getcwd(RESULT, 13) == -Errno.ERANGE
    assert guest.calls.getcwd(RESULT, 0) == -Errno.EINVAL
    guest.calls.mkdirat(-100, guest.text("d"), 0o777)
    assert guest.calls.chdir(guest.text("d")) == 0
    assert guest.calls.rmdir(guest.text("../d")) == 0
    assert guest.calls.getcwd(RESULT, 100) == -Errno.ENOENT
    assert guest.calls.mkdirat(-100, guest.text("x"), 0o777) == -Errno.ENOENT


def test_a_directory_is_entered_by_descriptor_too(guest):
    assert guest.calls.fchdir(guest.open("/tmp")) == 0
    assert guest.calls.getcwd(RESULT, 100) == 5
    assert guest.calls.fchdir(0) == -Errno.ENOTDIR
    assert guest.calls.chdir(guest.text("/lib/stdlib.zip")) == -Errno.ENOTDIR


def test_the_quotas_look_like_a_disk(guest):
    guest.fs.quotas.bytes_used = 50_000
    assert guest.calls.statfs64(guest.text("/"), 88, RESULT) == 0
    first = guest.unpack("<IIqqqqq8xIII", RESULT)
    assert first == (0x01021994, 4096, 24, 12, 12, 51, 50, 255, 4096, 0)
    assert guest.calls.fstatfs64(0, 88, RESULT) == 0
    assert guest.calls.statfs64(guest.text("/nowhere"), 88, RESULT) == -Errno.ENOENT
    assert guest.calls.fstatfs64(77, 88, RESULT) == -Errno.EBADF


def test_the_mode_of_a_new_file_is_read_only_where_it_is_needed(guest):
    wild = 0x7FFFFFFF
    assert guest.calls.openat(-100, guest.text("f"), CREATE, wild) == -Errno.EFAULT
    assert guest.open("f", CREATE, 0o600) == 3
    assert guest.calls.openat(-100, guest.text("f"), abi.O_RDONLY, wild) == 4
    assert guest.fs.lookup_at(-100, b"f").mode == 0o100600


def test_changing_modes_reaches_the_right_inode(guest):
    fd = guest.open("f", CREATE)
    assert guest.calls.chmod(guest.text("f"), 0o711) == 0
    assert guest.fs.lookup_at(-100, b"f").mode == 0o100711
    assert guest.calls.fchmodat2(-100, guest.text("f"), 0o722, 0) == 0
    assert guest.calls.fchmod(fd, 0o733) == 0
    assert guest.fs.lookup_at(-100, b"f").mode == 0o100733
    guest.calls.symlinkat(guest.text("f"), -100, guest.text("l"))
    nofollow = abi.AT_SYMLINK_NOFOLLOW
    assert guest.calls.fchmodat2(-100, guest.text("l"), 0o700, nofollow) == -Errno.EOPNOTSUPP


def test_owners_stay_as_they_are(guest):
    fd = guest.open("f", CREATE)
    assert guest.calls.fchown32(fd, 0, -1) == 0
    assert guest.calls.fchown32(fd, 1000, -1) == -Errno.EPERM
    assert guest.calls.fchownat(-100, guest.text("f"), -1, 0, 0) == 0
    assert guest.calls.fchownat(-100, guest.text("f"), -1, 5, 0) == -Errno.EPERM
    assert guest.calls.fchownat(-100, guest.text("/lib"), -1, 0, 0) == -Errno.EROFS


def test_times_are_set_left_or_now(guest):
    fd = guest.open("f", CREATE)
    inode = guest.fs.lookup_at(-100, b"f")
    guest.time.ns = 42
    times = guest.put(struct.pack("<qi4xqi4x", 7, 8, 0, abi.UTIME_OMIT))
    before = inode.mtime_ns
    assert guest.calls.utimensat(fd, 0, times, 0) == 0
    assert (inode.atime_ns, inode.mtime_ns, inode.ctime_ns) == (7_000_000_008, before, 42)
    times = guest.put(struct.pack("<qi4xqi4x", 0, abi.UTIME_OMIT, 0, abi.UTIME_NOW))
    assert guest.calls.utimensat(-100, guest.text("f"), times, 0) == 0
    assert (inode.atime_ns, inode.mtime_ns) == (7_000_000_008, 42)


@pytest.mark.parametrize("part", [-1, 10**9, -(2**31)])
def test_a_part_of_a_second_out_of_range_is_einval(guest, part):
    guest.fs.write_file("f", b"")
    times = guest.put(struct.pack("<qi4xqi4x", 0, 0, 0, part))
    assert guest.calls.utimensat(-100, guest.text("f"), times, 0) == -Errno.EINVAL


def test_names_are_made_renamed_and_removed(guest):
    calls, text = guest.calls, guest.text
    assert calls.mkdirat(-100, text("d"), 0o777) == 0
    directory = guest.open("d")
    assert calls.mknodat(directory, text("f"), 0o100666, 0) == 0
    assert calls.mknodat(directory, text("f"), 0o666, 0) == -Errno.EEXIST
    assert calls.mknodat(directory, text("pipe"), 0o10666, 0) == -Errno.EPERM
    assert calls.renameat(directory, text("f"), -100, text("g")) == 0
    assert calls.truncate64(text("g"), 5) == 0
    assert guest.fs.read_file("g") == bytes(5)
    assert calls.truncate64(text("g"), -1) == -Errno.EINVAL
    assert calls.unlinkat(-100, text("g"), 0) == 0
    assert calls.unlinkat(-100, text("d"), 0) == -Errno.EISDIR
    assert calls.unlinkat(-100, text("d"), 1) == -Errno.EINVAL
    assert calls.unlinkat(-100, text("d"), abi.AT_REMOVEDIR) == 0
    assert sorted(guest.fs.descriptors.files) == [0, 1, 2, 3]


def test_the_umask_is_swapped(guest):
    assert guest.calls.set_umask(0o77777) == 0o022
    assert guest.calls.set_umask(0) == 0o777


def test_a_path_may_be_any_bytes(guest):
    fd = guest.calls.openat(
        -100, guest.put(b"\xff\x01\n\0"), CREATE, guest.put(struct.pack("<i", 0o644))
    )
    assert fd == 3
    assert b"\xff\x01\n" in guest.fs.working_directory.entries
