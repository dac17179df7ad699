"""The functions of preview 1 on a bytearray: layouts, error numbers, and what no program sees twice."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.wasm.emscripten import Clock, GuestExit, MemoryFileSystem, Quotas
from dspex.wasm.emscripten.filesystem import HOME
from dspex.wasm.wasi.preview1 import IMPLEMENTED, SIGNATURES, Preview1

BADF, EXIST, INVAL, ISDIR, NOENT, NOTDIR, NOTSUP, NOTCAPABLE, MFILE = 8, 20, 28, 31, 44, 54, 58, 76, 33
READ, WRITE = 1 << 1, 1 << 6
PATH = 1024


class Guest:
    """A program's side: memory, and calls with paths as bytes."""

    def __init__(self, **quotas: int) -> None:
        self.bytes = bytearray(1 << 16)
        self.output: list[tuple[int, bytes]] = []
        self.waits: list[int] = []
        self.fs = MemoryFileSystem(quotas=Quotas(**quotas), write_output=self._say)
        clock = Clock(
            now_ns=lambda: 1_000_000_000, monotonic_ns=lambda: 50, cpu_ns=lambda: 7, wait_ns=self._wait
        )
        self.calls = Preview1(
            SimpleNamespace(view=memoryview(self.bytes)), self.fs, clock=clock,
            random_bytes=lambda count: b"r" * count,
        )
        self.calls.begin([b"main.wasm", b"x"], [b"TZ=UTC"])
        self.calls.preopen("/", HOME)
        self.calls.preopen("/dspex", "/dspex")

    def _say(self, stream: int, data: memoryview) -> int:
        self.output.append((stream, bytes(data)))
        return len(data)

    def _wait(self, duration_ns: int) -> bool:
        self.waits.append(duration_ns)
        return False

    def put(self, data: bytes, at: int = PATH) -> tuple[int, int]:
        self.bytes[at : at + len(data)] = data
        return at, len(data)

    def number(self, at: int, form: str = "<I") -> int:
        found: int = struct.unpack_from(form, self.bytes, at)[0]
        return found

    def open(self, path: bytes, *, how: int = 0, rights: int = READ, flags: int = 0) -> int:
        """Return a descriptor, or an error number negated."""
        answer = self.calls.path_open(3, 1, *self.put(path), how, rights, 0, flags, 16)
        return -answer if answer else self.number(16)

    def write(self, fd: int, data: bytes) -> int:
        self.put(struct.pack("<II", 4096, len(data)), 32)
        self.put(data, 4096)
        return self.calls.fd_write(fd, 32, 1, 40)

    def read(self, fd: int, count: int = 100) -> bytes:
        self.put(struct.pack("<II", 8192, count), 32)
        assert self.calls.fd_read(fd, 32, 1, 40) == 0
        return bytes(self.bytes[8192 : 8192 + self.number(40)])

    def stat(self, path: bytes, *, follow: int = 1) -> tuple[int, ...]:
        answer = self.calls.path_filestat_get(3, follow, *self.put(path), 2048)
        assert answer == 0, answer
        return struct.unpack_from("<QQB7xQQQQQ", self.bytes, 2048)


@pytest.fixture
def guest() -> Guest:
    return Guest()


def test_every_function_of_the_interface_is_there_with_its_parameters() -> None:
    assert len(IMPLEMENTED) == 46
    assert set(IMPLEMENTED) == set(SIGNATURES)


def test_arguments_and_environment_are_written_as_c_strings(guest: Guest) -> None:
    assert guest.calls.args_sizes_get(0, 4) == 0
    assert (guest.number(0), guest.number(4)) == (2, 12)
    assert guest.calls.args_get(64, 128) == 0
    assert bytes(guest.bytes[128:140]) == b"main.wasm\0x\0"
    assert (guest.number(64), guest.number(68)) == (128, 138)
    assert guest.calls.environ_sizes_get(0, 4) == 0
    assert guest.calls.environ_get(64, 128) == 0
    assert bytes(guest.bytes[128:135]) == b"TZ=UTC\0"


def test_two_folders_are_open_at_the_start_and_know_their_names(guest: Guest) -> None:
    for fd, name in ((3, b"/"), (4, b"/dspex")):
        assert guest.calls.fd_prestat_get(fd, 0) == 0
        assert (guest.bytes[0], guest.number(4)) == (0, len(name))
        assert guest.calls.fd_prestat_dir_name(fd, 64, len(name)) == 0
        assert bytes(guest.bytes[64 : 64 + len(name)]) == name
    assert guest.calls.fd_prestat_get(5, 0) == BADF
    assert guest.calls.fd_prestat_get(0, 0) == BADF
    assert guest.calls.fd_prestat_dir_name(4, 64, 2) == 37


def test_a_file_is_made_written_and_read_back(guest: Guest) -> None:
    made = guest.open(b"f", how=1, rights=READ | WRITE)
    assert made == 5
    assert guest.write(made, b"hello") == 0
    assert guest.calls.fd_seek(made, 1, 0, 64) == 0
    assert guest.read(made) == b"ello"
    assert guest.calls.fd_tell(made, 64) == 0
    assert guest.number(64, "<Q") == 5
    assert guest.calls.fd_close(made) == 0
    assert guest.calls.fd_close(made) == BADF
    assert guest.fs.read_file("f") == b"hello"


@pytest.mark.parametrize(
    ("path", "how", "rights", "answer"),
    [
        (b"absent", 0, READ, -NOENT),
        (b"given", 5, WRITE, -EXIST),
        (b"given", 2, READ, -NOTDIR),
        (b"d", 0, READ | WRITE, -ISDIR),
        (b"d", 3, READ, -INVAL),
        (b"../x", 1, WRITE, -NOTCAPABLE),
        (b"given/", 0, READ, -NOTDIR),
        (b"d", 2, READ | WRITE, 5),
        (b"d/new", 1, WRITE, 5),
    ],
)
def test_opening_answers_as_documented(
    guest: Guest, path: bytes, how: int, rights: int, answer: int
) -> None:
    guest.fs.write_file("given", b"x")
    guest.fs.make_directories("d")

    assert guest.open(path, how=how, rights=rights) == answer


def test_rights_follow_from_how_a_file_was_opened(guest: Guest) -> None:
    guest.fs.write_file("f", b"x")
    for rights, can in ((READ, READ), (WRITE, WRITE), (READ | WRITE, READ | WRITE)):
        fd = guest.open(b"f", rights=rights)
        assert guest.calls.fd_fdstat_get(fd, 0) == 0
        kind, flags, base, _ = struct.unpack_from("<BxH4xQQ", guest.bytes, 0)
        assert (kind, flags, base & (READ | WRITE)) == (4, 0, can)
    assert guest.calls.fd_fdstat_get(1, 0) == 0
    assert guest.bytes[0] == 0, "a pipe is of no known type, so it is taken for no terminal"
    assert guest.calls.fd_fdstat_get(3, 0) == 0
    assert guest.bytes[0] == 3
    assert guest.calls.fd_fdstat_set_rights(3, -1, -1) == NOTSUP


def test_appending_can_be_switched_on_and_is_seen(guest: Guest) -> None:
    guest.fs.write_file("f", b"12")
    fd = guest.open(b"f", rights=WRITE)
    assert guest.calls.fd_fdstat_set_flags(fd, 1) == 0
    assert guest.write(fd, b"3") == 0
    assert guest.calls.fd_fdstat_get(fd, 0) == 0
    assert guest.number(2, "<H") == 1
    assert guest.calls.fd_fdstat_set_flags(fd, 64) == INVAL
    assert guest.fs.read_file("f") == b"123"


def test_a_stat_has_type_size_links_and_times(guest: Guest) -> None:
    guest.fs.write_file("f", b"12345")
    _, number, kind, links, size, *times = guest.stat(b"f")
    assert (kind, links, size) == (4, 1, 5)
    assert guest.calls.path_filestat_set_times(3, 1, *guest.put(b"f"), 111, 222, 5) == 0
    assert guest.stat(b"f")[5:7] == (111, 222)
    assert guest.calls.path_filestat_set_times(3, 1, *guest.put(b"f"), 0, 0, 3) == INVAL
    fd = guest.open(b"f")
    assert guest.calls.fd_filestat_get(fd, 2048) == 0
    assert guest.number(2056, "<Q") == number
    assert guest.stat(b".")[2] == 3
    assert len(times) == 3


def test_a_listing_is_cut_by_the_buffer_and_goes_on_from_a_cookie(guest: Guest) -> None:
    for name in ("a", "bb", "ccc"):
        guest.fs.write_file(name, b"")
    seen, cookie = [], 0
    for _ in range(20):
        assert guest.calls.fd_readdir(3, 4096, 60, cookie, 0) == 0
        used = guest.number(0)
        at = 4096
        while at + 24 <= 4096 + used:
            following, _, length, kind = struct.unpack_from("<QQIB3x", guest.bytes, at)
            if at + 24 + length > 4096 + used:
                break
            seen.append((bytes(guest.bytes[at + 24 : at + 24 + length]), kind))
            cookie, at = following, at + 24 + length
        if used < 60:
            break

    assert seen == [(b".", 3), (b"..", 3), (b"a", 4), (b"bb", 4), (b"ccc", 4)]
    assert guest.calls.fd_readdir(0, 4096, 60, 0, 0) == NOTDIR


def test_a_descriptor_moves_onto_another_with_its_name(guest: Guest) -> None:
    guest.fs.write_file("f", b"x")
    fd = guest.open(b"f")
    assert guest.calls.fd_renumber(3, fd) == 0
    assert guest.calls.fd_prestat_get(3, 0) == BADF
    assert guest.calls.fd_prestat_get(fd, 0) == 0
    assert guest.calls.fd_renumber(fd, 77) == BADF
    assert guest.calls.fd_renumber(1, 1) == 0


def test_links_are_made_read_and_kept_inside(guest: Guest) -> None:
    guest.fs.write_file("f", b"x")
    at, length = guest.put(b"f")
    other = guest.put(b"l", 3000)
    assert guest.calls.path_symlink(at, length, 3, *other) == 0
    assert guest.calls.path_readlink(3, *other, 64, 10, 0) == 0
    assert (guest.number(0), bytes(guest.bytes[64:65])) == (1, b"f")
    assert guest.stat(b"l", follow=0)[2] == 7
    assert guest.stat(b"l", follow=1)[2] == 4
    assert guest.calls.path_symlink(*guest.put(b"/etc"), 3, *guest.put(b"m", 3000)) == NOTCAPABLE
    assert guest.calls.path_link(3, 0, *guest.put(b"f"), 3, *guest.put(b"h", 3000)) == 0
    assert guest.stat(b"h")[3] == 2
    assert guest.calls.path_link(3, 1, *guest.put(b"f"), 3, *guest.put(b"i", 3000)) == INVAL


def subscription(userdata: int, kind: int, which: int, timeout: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<QB7xI4xQQH6x", userdata, kind, which, timeout, 0, flags)


def events(guest: Guest, *subscriptions: bytes) -> list[tuple[int, ...]]:
    guest.put(b"".join(subscriptions), 4096)
    assert guest.calls.poll_oneoff(4096, 8192, len(subscriptions), 0) == 0
    return [
        struct.unpack_from("<QHB5xQH6x", guest.bytes, 8192 + 32 * index)
        for index in range(guest.number(0))
    ]


def test_waiting_ends_with_the_first_clock(guest: Guest) -> None:
    found = events(guest, subscription(1, 0, 1, 900), subscription(2, 0, 1, 300))

    assert (found, guest.waits) == ([(2, 0, 0, 0, 0)], [300])


def test_a_time_that_has_passed_is_not_waited_for(guest: Guest) -> None:
    found = events(guest, subscription(1, 0, 0, 999_999_999, flags=1))

    assert (found, guest.waits) == ([(1, 0, 0, 0, 0)], [])


def test_streams_and_files_are_ready_and_clocks_beside_them_wait_for_nothing(guest: Guest) -> None:
    guest.fs.set_input(b"four")
    found = events(
        guest, subscription(1, 1, 0), subscription(2, 2, 1), subscription(3, 1, 99), subscription(4, 0, 1, 10**9)
    )

    assert found == [(1, 0, 1, 4, 0), (2, 0, 2, 0, 0), (3, BADF, 1, 0, 0)]
    assert guest.waits == []


def test_an_unknown_clock_is_an_event_with_an_error(guest: Guest) -> None:
    assert events(guest, subscription(1, 0, 9, 5)) == [(1, INVAL, 0, 0, 0)]


def test_too_many_open_files_are_an_error_and_noted() -> None:
    guest = Guest(open_files_max=6)
    guest.fs.write_file("f", b"")

    assert guest.open(b"f") == 5
    assert guest.open(b"f") == -MFILE
    assert guest.fs.quota_hit == "open_files_max"


def test_output_goes_to_its_stream_at_once(guest: Guest) -> None:
    guest.write(1, b"out")
    guest.write(2, b"err")

    assert guest.output == [(1, b"out"), (2, b"err")]


def test_an_exit_unwinds_with_its_status(guest: Guest) -> None:
    with pytest.raises(GuestExit) as caught:
        guest.calls.exit(300)
    assert caught.value.status == 44


NUMBERS = st.one_of(
    st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 1, 3, 4, 16, 64, 1024, 65535, 65536, -1])
)
WIDE = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, 2**63 - 1, -1]))


@given(data=st.data())
def test_whatever_a_program_asks_it_gets_an_error_number(data: st.DataObject) -> None:
    guest = Guest(file_bytes_max=1 << 20, file_count_max=50)
    guest.fs.write_file("f", b"content")
    guest.put(b"f../x/", PATH)
    names = sorted(set(SIGNATURES) - {"proc_exit"})
    for _ in range(6):
        name = data.draw(st.sampled_from(names))
        arguments = [data.draw(WIDE if kind == "I" else NUMBERS) for kind in SIGNATURES[name]]
        answer = getattr(guest.calls, IMPLEMENTED[name])(*arguments)
        assert 0 <= answer <= 76
