"""Environment, clocks, civil time, randomness, the end, and what is refused."""

from __future__ import annotations

import struct

import pytest

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno
from dspex.wasm.emscripten.machine_calls import GuestAborted, GuestExit

RESULT = 600_000
TM = "<10i"
SUMMER = 1_720_000_000  # 2024-07-03 09:46:40 UTC, a Wednesday
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


def set_zone(guest, value):
    guest.calls.environment = (b"HOME=/", b"TZ=" + value.encode())


# Environment.


def test_the_environment_is_copied_with_pointers(guest):
    assert guest.calls.environ_sizes_get(RESULT, RESULT + 4) == 0
    assert guest.unpack("<II", RESULT) == (2, 26)
    assert guest.calls.environ_get(RESULT, RESULT + 100) == 0
    first, second = guest.unpack("<II", RESULT)
    assert guest.take(first, 7) == b"TZ=UTC\0"
    assert guest.take(second, 19) == b"HOME=/home/sandbox\0"
    assert guest.calls.environ_get(RESULT, -10) == Errno.EFAULT


def test_the_programs_name_fits_its_buffer(guest):
    guest.calls.get_program_name(RESULT, 4)
    assert guest.take(RESULT, 5) == b"pyt\0\0"
    guest.calls.get_program_name(RESULT, 100)
    assert guest.take(RESULT, 7) == b"python\0"


# Clocks.


def test_each_clock_has_its_source(guest):
    for clock, expected in ((0, guest.time.ns), (1, guest.time.ns), (2, 7), (3, 7)):
        assert guest.calls.clock_time_get(clock, 0, RESULT) == 0
        assert guest.unpack("<q", RESULT) == (expected,)
        assert guest.calls.clock_res_get(clock, RESULT) == 0
        assert guest.unpack("<q", RESULT) == (1,)
    assert guest.calls.clock_time_get(4, 0, RESULT) == Errno.EINVAL
    assert guest.calls.clock_res_get(-1, RESULT) == Errno.EINVAL
    assert guest.calls.date_now() == 1_700_000_000_000.0
    assert guest.calls.get_now() == 1_700_000_000_000.0


# Civil time.


def test_universal_time_fills_the_structure(guest):
    guest.calls.universal_time(SUMMER, RESULT)
    assert guest.unpack(TM, RESULT) == (40, 46, 9, 3, 6, 124, 3, 184, 0, 0)


def test_local_time_follows_the_variable(guest):
    guest.calls.local_time(SUMMER, RESULT)
    assert guest.unpack(TM, RESULT)[2] == 9
    set_zone(guest, BERLIN)
    guest.calls.local_time(SUMMER, RESULT)
    assert guest.unpack(TM, RESULT) == (40, 46, 11, 3, 6, 124, 3, 184, 1, 7200)


def test_the_variable_is_read_where_the_program_changed_it(guest):
    table = guest.put(struct.pack("<II", guest.text(f"TZ={BERLIN}"), 0))
    guest.calls.environ_address = guest.put(struct.pack("<I", table))
    guest.calls.local_time(SUMMER, RESULT)
    assert guest.unpack(TM, RESULT)[9] == 7200


def test_a_zone_of_the_base_layer_is_used():
    from types import SimpleNamespace

    from dspex.wasm.emscripten.baselayer import BaseLayer
    from dspex.wasm.emscripten.filesystem import MemoryFileSystem
    from dspex.wasm.emscripten.syscalls import Syscalls
    from dspex.wasm.emscripten.timezones import _data_of_rule

    data = bytes(_data_of_rule(b"IST-5:30"))
    fs = MemoryFileSystem(base=BaseLayer.from_files({"usr/share/zoneinfo/Asia/Kolkata": data}))
    memory = SimpleNamespace(view=memoryview(bytearray(1024)))
    calls = Syscalls(memory, fs, environment={"TZ": "Asia/Kolkata"})
    calls.local_time(SUMMER, 100)
    assert struct.unpack_from(TM, memory.view, 100)[9] == 19_800
    calls.environment = (b"TZ=Asia/Nowhere",)
    calls.local_time(SUMMER, 100)
    assert struct.unpack_from(TM, memory.view, 100)[9] == 0


def test_tzset_tells_the_zone_of_the_current_year(guest):
    set_zone(guest, BERLIN)
    guest.calls.set_time_zone(RESULT, RESULT + 4, RESULT + 8, RESULT + 40)
    assert guest.unpack("<ii", RESULT) == (-3600, 1)
    assert (guest.take(RESULT + 8, 4), guest.take(RESULT + 40, 5)) == (b"CET\0", b"CEST\0")
    set_zone(guest, "<-03>3")
    guest.calls.set_time_zone(RESULT, RESULT + 4, RESULT + 8, RESULT + 40)
    assert guest.unpack("<ii", RESULT) == (10_800, 0)
    assert (guest.take(RESULT + 8, 4), guest.take(RESULT + 40, 4)) == (b"-03\0", b"-03\0")
    assert guest.calls.zone_fields == (RESULT, RESULT + 4, RESULT + 8, RESULT + 40)


def test_local_time_renews_the_name_the_c_library_will_show(guest):
    guest.calls.zone_fields = (RESULT, RESULT + 4, RESULT + 8, RESULT + 40)
    set_zone(guest, BERLIN)
    guest.calls.local_time(SUMMER, RESULT + 100)
    assert guest.take(RESULT + 40, 5) == b"CEST\0"


def test_mktime_puts_the_fields_in_order(guest):
    set_zone(guest, BERLIN)
    fields = guest.put(struct.pack(TM, 100, -15, 12, 3, 6, 124, 9, 9, -1, 9))
    assert guest.calls.local_to_seconds(fields) == SUMMER
    assert guest.unpack(TM, fields) == (40, 46, 11, 3, 6, 124, 3, 184, 1, 7200)
    assert guest.calls.universal_to_seconds(fields) == SUMMER + 7200
    assert guest.unpack(TM, fields)[8:] == (0, 0)


@pytest.mark.parametrize("seconds", [-(2**63), 2**63 - 1, -1, 0])
def test_any_number_of_seconds_is_a_time(guest, seconds):
    set_zone(guest, BERLIN)
    guest.calls.local_time(seconds, RESULT)
    second, minute, hour, day, month, *_ = guest.unpack(TM, RESULT)
    assert 0 <= second < 60
    assert 0 <= minute < 60
    assert 0 <= hour < 24
    assert 1 <= day <= 31
    assert 0 <= month < 12


def test_any_fields_are_a_number_of_seconds(guest):
    for extreme in (2**31 - 1, -(2**31)):
        fields = guest.put(struct.pack(TM, *[extreme] * 10))
        assert guest.calls.local_to_seconds(fields) == guest.calls.universal_to_seconds(
            guest.put(struct.pack(TM, *[extreme] * 10))
        )


def test_times_at_wild_pointers_are_not_written(guest):
    guest.calls.local_time(0, -4)
    guest.calls.universal_time(0, -4)
    guest.calls.set_time_zone(-4, -4, -4, -4)
    assert guest.calls.local_to_seconds(-4) == -1
    assert guest.calls.universal_to_seconds(-4) == -1


# Randomness and the end.


def test_randomness_fills_exactly_what_was_asked_for(guest):
    assert guest.calls.random_get(RESULT, 100_000) == 0
    assert guest.take(RESULT, 100_001) == b"\xaa" * 100_000 + b"\0"
    assert guest.calls.random_get(RESULT, -1) == Errno.EFAULT


@pytest.mark.parametrize(("given", "status"), [(0, 0), (3, 3), (256, 0), (-1, 255)])
def test_exit_unwinds_with_the_status(guest, given, status):
    with pytest.raises(GuestExit) as caught:
        guest.calls.exit(given)
    assert caught.value.status == status


def test_abort_and_failed_assertions_say_what_happened(guest):
    with pytest.raises(GuestAborted, match=r"^abort\(\) was called$"):
        guest.calls.abort()
    texts = [guest.text(text) for text in ("x > 0", "file.c")]
    with pytest.raises(GuestAborted, match=r"^assertion failed: x > 0 \(file.c:12, \?\)$"):
        guest.calls.fail_assertion(*texts, 12, -1)


# What is refused.


@pytest.mark.parametrize("domain", [1, 2, 10])
def test_sockets_are_refused_for_lack_of_permission(guest, domain):
    assert guest.calls.socket(domain, 1, 0, 0, 0, 0) == -Errno.EACCES


def test_calls_on_what_is_no_socket_say_so(guest):
    assert guest.calls.socket(99, 1, 0, 0, 0, 0) == -Errno.EAFNOSUPPORT
    assert guest.calls.use_socket(1, 0, 0, 0, 0, 0) == -Errno.ENOTSOCK
    assert guest.calls.use_socket(9, 0, 0, 0, 0, 0) == -Errno.EBADF
    assert guest.calls.shut_down(1, 2, RESULT) == 1
    assert guest.unpack("<i", RESULT) == (-Errno.ENOTSOCK,)
    assert guest.calls.shut_down(9, 2, RESULT) == 1
    assert guest.unpack("<i", RESULT) == (-Errno.EBADF,)
    assert guest.calls.shut_down(1, 2, -1) == 0


def test_there_is_no_resolver_no_shell_and_no_timer(guest):
    assert guest.calls.fail_name_lookup(0, 0, 0, 0) == -4
    assert guest.calls.run_command(guest.text("ls")) == -Errno.ENOSYS
    assert guest.calls.run_command(0) == 0
    assert guest.calls.set_interval_timer(0, 10.0) == -1
    assert guest.calls.set_interval_timer(0, 0.0) == 0


def test_what_goes_on_as_usual_answers_nothing(guest):
    assert guest.calls.answer_zero(1, 2, 3) == 0
    assert guest.calls.make_no_promise(1) is None
    assert guest.calls.ignore(1) is None
    assert guest.calls.get_user() == 0


def test_reading_dev_urandom_and_random_get_are_both_injected(guest):
    assert guest.read(guest.open("/dev/urandom", abi.O_RDONLY), 4) == (0, b"\x55" * 4)
