"""Way out: the system calls themselves, with arguments no honest program would pass.

What happens when the addresses are wild too is in `test_supervisor_memory`.
"""

from __future__ import annotations

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

FILE = "import os\nf = os.open('f', os.O_RDWR | os.O_CREAT)\n"

NUMBERS = [
    Attempt("seek far", FILE + "os.lseek(f, 2**63 - 1, 0)\nos.write(f, b'x')", "limit LimitExceeded: file_bytes: 0 bytes spent of 64 MiB, noticed by the inner guard"),
    Attempt("seek before the start", FILE + "os.lseek(f, -1, 0)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("seek from nowhere", FILE + "os.lseek(f, 0, 77)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("seek over the top", FILE + "os.lseek(f, 2**62, 0)\nos.lseek(f, 2**62, 1)\nos.lseek(f, 2**62, 1)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("hole", FILE + "os.lseek(f, 2**40, 0)\nos.write(f, b'x')", "limit LimitExceeded: file_bytes: 0 bytes spent of 64 MiB, noticed by the inner guard"),
    Attempt("pwrite far", FILE + "os.pwrite(f, b'x', 2**62)", "limit LimitExceeded: file_bytes: 0 bytes spent of 64 MiB, noticed by the inner guard"),
    Attempt("pwrite before the start", FILE + "os.pwrite(f, b'x', -5)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("truncate to much", FILE + "os.ftruncate(f, 2**60)", "limit LimitExceeded: file_bytes: 0 bytes spent of 64 MiB, noticed by the inner guard"),
    Attempt("truncate to less than nothing", FILE + "os.ftruncate(f, -1)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("read very much", FILE + "os.read(f, 2**31 - 1)", "raised OverflowError: byte string is too large"),
    Attempt("negative read", FILE + "os.read(f, -1)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("descriptor at the top", "import os\nos.dup2(1, 2**31 - 1)", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("descriptor over the limit", "import os\nos.dup2(1, 10_000)", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("negative descriptor", "import os\nos.write(-1, b'x')", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("all flags", "import os\nos.open('f', 0x7FFFFFFF)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'f'"),
    Attempt("odd mode", "import os\nos.close(os.open('f', os.O_CREAT | os.O_WRONLY, 0o7777777))\noct(os.stat('f').st_mode)", "ok '0o107755'"),
    Attempt("time at the end", FILE + "os.utime('f', ns=(2**63 - 1, 2**63 - 1))\nos.stat('f').st_mtime_ns > 0", "ok True"),
    Attempt("time before the start", FILE + "os.utime('f', ns=(-2**62, -2**62))\nos.stat('f').st_mtime_ns < 0", "ok True"),
    Attempt("map much", FILE + "import mmap\nmmap.mmap(f, 2**31 - 1)", "raised ValueError: mmap length is greater than file size"),
    Attempt("map nothing", FILE + "import mmap\nmmap.mmap(f, 0)", "raised ValueError: cannot mmap an empty file"),
    Attempt("map far", FILE + "os.ftruncate(f, 9)\nimport mmap\nmmap.mmap(f, 9, offset=2**31 - 2**16)", "raised ValueError: mmap length is greater than file size"),
    Attempt("map code", "import mmap\nmmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)[:2]", "ok b'\\x00\\x00'"),
    Attempt("many vectors", FILE + "os.writev(f, [b'x'] * 100_000)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("many descriptors to wait for", "import select\nselect.select(range(2000), [], [], 0)", "raised ValueError: filedescriptor out of range in select()"),
    Attempt("poll of a wild descriptor", "import select\np = select.poll()\np.register(2**31 - 1)\np.poll(0)", "ok [(2147483647, 32)]"),
    Attempt("sleep for ever and ever", "import time\ntime.sleep(2**62)", "raised OverflowError: timestamp too large to convert to C PyTime_t"),
    Attempt("negative sleep", "import time\ntime.sleep(-1)", "raised ValueError: sleep length must be non-negative"),
    Attempt("wild clock", "import time\ntime.clock_gettime(12345)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("setting the clock", "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)", "raised PermissionError: [Errno 63] Operation not permitted"),
    Attempt("much randomness", "import os\nlen(os.urandom(2**31 - 1))", "raised OverflowError: byte string is too large"),
    Attempt("configuration", "import os\n[os.sysconf(n) for n in range(-5, 500) if n not in os.sysconf_names.values()]", "raised OSError: [Errno 28] Invalid argument"),
]  # fmt: skip

ALONE = "import posix\nposix.write = lambda *_: 0\n"
"""The last report counts, so whoever forges one must keep the driver from writing its own."""

DOORS = [
    Attempt("close the channels", "import os\nos.close(1 << 20)", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("close the other channel", "import os\nos.closerange((1 << 20) - 5, (1 << 20) + 5)\n5", "ok 5"),
    Attempt("copy of the channel", "import os\nos.dup((1 << 20) + 1)", "ok 3"),
    Attempt("copy over the channel", "import os\nos.dup2(1, (1 << 20) + 1)", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("read the answer", "import os\nos.read((1 << 20) + 1, 99)", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("write the request", "import os\nos.write(1 << 20, b'{}')", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("request again", "import os\nos.read(1 << 20, 99)", "ok b''"),
    Attempt("stat of the channel", "import os\nos.fstat(1 << 20).st_size", "ok 0"),
    Attempt("truncate of the channel", "import os\nos.ftruncate((1 << 20) + 1, 0)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("report before the driver's", "import os\nos.write((1 << 20) + 1, b'{\"status\":\"owned\"}\\n')\n1", "ok 1"),
    Attempt("report too long", ALONE + "import os\nfor _ in range(3): os.write((1 << 20) + 1, bytes(16 << 20))", "lost ProtocolViolation: the worker broke the protocol: not a report of a guest: JSON is malformed: invalid character (byte 0)"),
    Attempt("report that is no report", ALONE + "import os\nos.write((1 << 20) + 1, b'no report\\n')", "lost ProtocolViolation: the worker broke the protocol: not a report of a guest: JSON is malformed: invalid character (byte 4)"),
    Attempt("report of an unknown end", ALONE + "import os\nos.write((1 << 20) + 1, b'{\"status\":\"owned\"}\\n')", "lost ProtocolViolation: the worker broke the protocol: not a report of a guest: Invalid enum value 'owned' - at `$.status`"),
    Attempt("report with a wild limit", ALONE + "import os\nos.write((1 << 20) + 1, b'{\"status\":\"limit\",\"limit\":\"wall_s\",\"allowed\":-1e999,\"spent\":1}\\n')", "lost ProtocolViolation: the worker broke the protocol: not a report of a guest: Invalid enum value 'wall_s' - at `$.limit`"),
    Attempt("report of another type", ALONE + "import os\nos.write((1 << 20) + 1, b'[]\\n')", "lost ProtocolViolation: the worker broke the protocol: not a report of a guest: Expected `object`, got `array`"),
    Attempt("report with a pickle", ALONE + "import os\nos.write((1 << 20) + 1, b'{\"status\":\"ok\",\"notes\":[]}\\n\\x80\\x04\\x95c')", "lost ProtocolViolation: the worker broke the protocol: its value: not a value: JSON is malformed: invalid character (byte 0)"),
]  # fmt: skip

TERMINAL = [
    Attempt("TIOCSTI", "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')", "raised OSError: [Errno 59] Not a tty"),
    Attempt("TIOCLINUX", "import fcntl\nfcntl.ioctl(0, 0x541C, b'\\x02')", "raised OSError: [Errno 59] Not a tty"),
    Attempt("TIOCGWINSZ", "import fcntl\nfcntl.ioctl(1, 0x5413, bytes(8))", "raised OSError: [Errno 59] Not a tty"),
    Attempt("FIONREAD", "import fcntl\nfcntl.ioctl(0, 0x541B, bytes(4))", "ok b'\\x00\\x00\\x00\\x00'"),
    Attempt("wild ioctl", "import fcntl\nfcntl.ioctl(0, 0xFFFFFFFF, bytearray(1024))", "raised OSError: [Errno 59] Not a tty"),
    Attempt("wild fcntl", "import fcntl\nfcntl.fcntl(1, 12345, 2**31 - 1)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("owner of a descriptor", "import fcntl, os\nfcntl.fcntl(0, 8, 1)", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("raw terminal", "import tty\ntty.setraw(0)", "raised termios.error: (59, 'Not a tty')"),
    Attempt("attributes", "import termios\ntermios.tcsetattr(1, 0, termios.tcgetattr(1))", "raised termios.error: (59, 'Not a tty')"),
    Attempt("controlling terminal", "open('/dev/tty', 'w').write('x')", "raised OSError: [Errno 60] No such device or address: '/dev/tty'"),
    Attempt("console", "open('/dev/console', 'w')", "raised OSError: [Errno 69] Read-only file system: '/dev/console'"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", NUMBERS, ids=names(NUMBERS))
def test_wild_numbers_are_answered_with_an_errno(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", DOORS, ids=names(DOORS))
def test_the_drivers_own_channels_give_no_power(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", TERMINAL, ids=names(TERMINAL))
def test_no_terminal_is_reached(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


def test_a_storm_of_system_calls_costs_only_its_own_time(attack: Attack) -> None:
    outcome = attack(
        "import os\n"
        "calls = [n for n in dir(os) if callable(getattr(os, n)) and n[0].islower()\n"
        "         and n not in {'abort', '_exit', 'kill', 'killpg', 'walk', 'fwalk', 'read',\n"
        "             'closerange'}]\n"
        "wild = [-1, 0, 1, 2**31 - 1, 2**63, b'', '', '/', 'x' * 9999, None, 1.5, [], (1, 2)]\n"
        "made = 0\n"
        "for name in calls:\n"
        "    for a in wild:\n"
        "        for given in ((), (a,), (a, a), (a, 0), (0, a), (a, a, a)):\n"
        "            try:\n"
        "                getattr(os, name)(*given)\n"
        "            except Exception:\n"
        "                pass\n"
        "            made += 1\n"
        "made > 5000",
        timeout_s=5,
    )

    assert (outcome.status, outcome.value) == ("ok", True), outcome.error


def test_twin_the_same_calls_with_honest_arguments_work(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        FILE
        + "import fcntl\n"
        + "os.ftruncate(f, 10); os.pwrite(f, b'abc', 4); os.lseek(f, 4, 0)\n"
        + "os.pwrite(f, b'zz', 0)\n"
        + "copy = os.dup(f)\n"
        + "os.fsync(copy)\n"
        + "[os.read(copy, 3), os.pread(f, 2, 0), os.fstat(f).st_size, fcntl.fcntl(f, fcntl.F_GETFL) & 3]"
    )

    assert (outcome.status, outcome.value) == ("ok", [b"abc", b"zz", 10, 2])
    assert outcome.files == {"f": b"zz\0\0abc\0\0\0"}
