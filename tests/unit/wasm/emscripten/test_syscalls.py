"""Every import is answered, with the right number of arguments, whatever the arguments are."""

from __future__ import annotations

import inspect
import random

import pytest

from dspex.wasm.emscripten.machine_calls import GuestAborted, GuestExit
from dspex.wasm.emscripten.syscalls import IMPLEMENTED, LEFT_TO_BINDING, Syscalls

# The signatures of Emscripten 5.0.3, one letter a parameter: i for i32, j for i64, d for f64.
SIGNATURES = {
    "__assert_fail": "iiii",
    "exit": "i",
    "__syscall_getuid32_js": "",
    "__syscall_umask_js": "i",
    "__syscall_ioctl": "iii",
    "getprotobyname": "i",
    "getaddrinfo": "iiii",
    "getnameinfo": "iiiiiii",
    "emscripten_set_up_async_input_device_js": "",
    "emscripten_debugger": "",
    "emscripten_log_impl_js": "i",
    "emscripten_runtime_keepalive_push": "",
    "emscripten_runtime_keepalive_pop": "",
    "_maybe_connect_async": "iii",
    "_maybe_recvfrom_async": "iii",
    "_maybe_sendto_async": "iii",
    "_maybe_poll_async": "iii",
    "_try_fcntl64": "iiii",
    "_try_shutdown": "iii",
    "proc_exit": "i",
    "environ_sizes_get": "ii",
    "environ_get": "ii",
    "__syscall_fcntl64": "iii",
    "__syscall_openat": "iiii",
    "fd_close": "i",
    "fd_read": "iiii",
    "fd_write": "iiii",
    "_tzset_js": "iiii",
    "_abort_js": "",
    "__syscall_faccessat": "iiii",
    "__syscall_chdir": "i",
    "__syscall_chmod": "ii",
    "__syscall_fchownat": "iiiii",
    "clock_res_get": "ii",
    "clock_time_get": "iji",
    "__syscall_dup": "i",
    "__syscall_dup3": "iii",
    "_emscripten_log_formatted": "ii",
    "_munmap_js": "iiiiij",
    "_msync_js": "iiiiij",
    "_mmap_js": "iiiijii",
    "emscripten_date_now": "",
    "__syscall_fchdir": "i",
    "__syscall_fchmod": "ii",
    "__syscall_fchmodat2": "iiii",
    "__syscall_fchown32": "iii",
    "__syscall_fdatasync": "i",
    "__syscall_fstat64": "ii",
    "__syscall_stat64": "ii",
    "__syscall_newfstatat": "iiii",
    "__syscall_lstat64": "ii",
    "fd_sync": "i",
    "__syscall_ftruncate64": "ij",
    "__syscall_getcwd": "ii",
    "__syscall_getdents64": "iii",
    "random_get": "ii",
    "emscripten_get_now": "",
    "fd_fdstat_get": "ii",
    "_emscripten_lookup_name": "i",
    "fd_seek": "ijii",
    "__syscall_mkdirat": "iii",
    "__syscall_mknodat": "iiii",
    "_timegm_js": "i",
    "_mktime_js": "i",
    "_localtime_js": "ji",
    "_gmtime_js": "ji",
    "__syscall_pipe": "i",
    "__syscall_poll": "iii",
    "__syscall_fadvise64": "ijji",
    "__syscall_fallocate": "iijj",
    "fd_pread": "iiiji",
    "_emscripten_get_progname": "ii",
    "fd_pwrite": "iiiji",
    "_emscripten_runtime_keepalive_clear": "",
    "__syscall_readlinkat": "iiii",
    "__syscall_unlinkat": "iii",
    "__syscall_rmdir": "i",
    "__syscall_renameat": "iiii",
    "_setitimer_js": "id",
    "__syscall_statfs64": "iii",
    "__syscall_fstatfs64": "iii",
    "__syscall_symlinkat": "iii",
    "_emscripten_system": "i",
    "__syscall_truncate64": "ij",
    "__syscall_utimensat": "iiii",
    **dict.fromkeys(
        (
            f"__syscall_{name}"
            for name in [
                "accept4",
                "bind",
                "connect",
                "getpeername",
                "getsockname",
                "getsockopt",
                "listen",
                "recvfrom",
                "recvmsg",
                "sendmsg",
                "sendto",
                "socket",
            ]
        ),
        "iiiiii",
    ),
}
ENDING = {"proc_exit", "exit", "_abort_js", "__assert_fail"}

SMALL = (0, 1, 2, 3, 4, 5, 7, 20, -1, -100, 64, 0x241, 0o100644, 4096, 65_536)
NEAR_THE_END = ((1 << 20) - 1, 1 << 20, (1 << 20) - 95, (1 << 20) - 8)
HUGE = (2**31 - 1, -(2**31), -4, -4096, 2**32 - 1)
LONG = (0, 1, -1, 10, 1000, 2**40, 2**63 - 1, -(2**63))


def test_the_table_has_an_entry_for_every_import_and_no_other() -> None:
    assert set(IMPLEMENTED) == set(SIGNATURES)
    assert not set(IMPLEMENTED) & LEFT_TO_BINDING


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_method_takes_what_the_import_passes(name: str) -> None:
    signature = inspect.signature(getattr(Syscalls, IMPLEMENTED[name]))
    signature.bind(None, *SIGNATURES[name])


def arguments(chance: random.Random, guest, kinds: str, strings: list[int]) -> list[float]:
    chosen: list[float] = []
    for kind in kinds:
        if kind == "j":
            chosen.append(chance.choice(LONG))
        elif kind == "d":
            chosen.append(chance.choice((0.0, 1.5, float("inf"), float("nan"))))
        else:
            pool = chance.choice((SMALL, SMALL, NEAR_THE_END, HUGE, strings, strings))
            chosen.append(chance.choice(pool))
    return chosen


@pytest.mark.parametrize("seed", range(8))
def test_no_arguments_make_a_call_raise_and_every_error_is_a_number(guest, seed: int) -> None:
    chance = random.Random(seed)
    for path in ("a", "d/b", "d/c"):
        guest.fs.write_file(path, b"content")
    strings = [guest.text(text) for text in (".", "a", "d", "d/b", "l", "/tmp/x", "..", "", "a/")]
    strings += [guest.put(bytes([0x41]) * 5000), guest.put(chance.randbytes(200))]
    guest.calls.allocate = lambda _alignment, _size: chance.choice((0, 300_000, -4))
    chance_of_end = sorted(set(SIGNATURES) - ENDING)
    for _ in range(4000):
        name = chance.choice(chance_of_end)
        given = arguments(chance, guest, SIGNATURES[name], strings)
        answer = getattr(guest.calls, IMPLEMENTED[name])(*given)
        if name.startswith(("__syscall_", "_mmap", "_munmap", "_msync")):
            assert -150 < answer < 2**31, (name, given)
        elif name.startswith(("fd_", "environ_", "clock_", "random_")):
            assert 0 <= answer < 150, (name, given)
    assert guest.fs.quotas.bytes_used <= 100_000 + 3 * 7
    assert guest.fs.quotas.entries_used <= 50 + 6
    assert len(guest.fs.descriptors.files) <= 20
    assert len(guest.memory.view) == 1 << 20


@pytest.mark.parametrize("name", sorted(ENDING))
def test_what_ends_the_guest_ends_it_whatever_it_is_given(guest, name: str) -> None:
    for number in (0, -1, 2**31 - 1, 4096):
        with pytest.raises((GuestExit, GuestAborted)):
            getattr(guest.calls, IMPLEMENTED[name])(*[number] * len(SIGNATURES[name]))
