"""A zygote on the fast path: orders in, workers out, and what is Python's goes to Python."""

from __future__ import annotations

import errno
import os
import random
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dspex.protocol.framing import FrameDecoder
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    Adopt,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    FromZygote,
    decode_from_zygote,
    decode_to_zygote,
    encode,
)
from dspex.runtimes import locate
from dspex.wasm.fast_path import library

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 20.0
ZYGOTE = """
import ctypes, mmap, os, signal, sys
from pathlib import Path
from dspex.wasm.fast_path import FastPath, Served, Turn

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

control, children_max = int(sys.argv[2]), int(sys.argv[3])
wake_read, wake_write = os.pipe2(os.O_NONBLOCK)
signal.signal(signal.SIGCHLD, lambda *_: None)
signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
fast = FastPath(Path(sys.argv[1]))
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)
flag = ctypes.addressof(ctypes.c_char.from_buffer(page)) + 64
fast.lead(Turn(0, 0, 0, 0, flag, 0, flag, b""))
fast.confine(wakeup_fd=wake_write, zygote_pid=os.getpid(), landlock_fd=None, limits=True, may_multiply=True,
             filter_program=None, filter_bytes=None, filter_places=(), kept=(1, 2))
area = mmap.mmap(-1, 64 * 4096, flags=mmap.MAP_PRIVATE)
area[:] = bytes(n % 251 for n in range(len(area)))
held = bytes(area)
gone = mmap.mmap(-1, 64 * 4096, flags=mmap.MAP_PRIVATE)
ranges = [(ctypes.addressof(ctypes.c_char.from_buffer(one)), len(one)) for one in (gone, area)]
ctypes.CDLL(None).munmap(ctypes.c_void_p(sum(ranges[0]) - 4096), ctypes.c_size_t(4096))  # not all of it is there
shelf = os.memfd_create("shelf")
os.ftruncate(shelf, 2 * 64 * 4096)
fast.shelve(ranges, shelf)
if children_max:
    import resource
    os.setresuid(12345, 12345, 12345)
    resource.setrlimit(resource.RLIMIT_NPROC, (children_max, children_max))
say("ready")
while True:
    why = fast.serve(control, wake_read, cpu_max_s=100, data_base_bytes=1 << 33, data_max_bytes=1 << 40)
    if why is Served.ORDER:
        say("order", fast.order.hex())
        assert area[:] == held
        if fast.order == bytes.fromhex("c0"):
            if os.fork() == 0:
                os._exit(7)
    elif why is Served.ENDED:
        say("ended", fast.ended[1])
    elif why is Served.WORKER:
        import resource
        assert area[:] == held
        area[:] = bytes(len(area))
        say("worker", fast.received.hex(), *resource.getrlimit(resource.RLIMIT_CPU),
            resource.getrlimit(resource.RLIMIT_DATA)[0] - (1 << 33))
        os._exit(5) if fast.received[-1] != 0xC2 else os.kill(os.getpid(), 9)
    else:
        say("hung up")
        break
"""


class Driven:
    """A zygote's process, and the supervisor's end of its socket."""

    def __init__(self, *, children_max: int = 0) -> None:
        self.control, theirs = socket.socketpair()
        self.control.settimeout(TIMEOUT_S)
        path = locate.runtime("python") / library(os.uname().machine)
        self.process = subprocess.Popen(
            [sys.executable, "-c", ZYGOTE, str(path), str(theirs.fileno()), str(children_max)],
            bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(theirs.fileno(),),
            env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        theirs.close()
        self._decoder = FrameDecoder(ENVELOPE_BYTES)
        self._stack = ExitStack()
        assert self.said() == "ready"

    def said(self) -> str:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], TIMEOUT_S)[0]:
            self.process.kill()
            raise AssertionError(self.process.communicate()[1].decode())
        return self.process.stdout.readline().decode().strip()

    def told(self) -> tuple[FromZygote, list[int]]:
        """Wait for one frame; no test sends so much that two arrive in one piece and are lost."""
        data, passed, _, _ = socket.recv_fds(self.control, 4 + 64, 2)
        (frame,) = self._decoder.feed(data)
        return decode_from_zygote(frame), list(passed)

    def forked(self, worker: int) -> socket.socket:
        message, (connection, handle) = self.told()
        assert isinstance(message, Forked)
        assert message.worker == worker
        assert not select.select([handle], [], [], 0)[0], "it is alive"
        os.close(handle)
        return self._stack.enter_context(socket.socket(fileno=connection))

    def close(self) -> None:
        self._stack.close()
        self.control.close()
        _, complaints = self.process.communicate(timeout=TIMEOUT_S)
        assert complaints == b""


@pytest.fixture
def zygote() -> Iterator[Driven]:
    made = Driven()
    yield made
    made.close()


def order(worker: int, **changes: int) -> bytes:
    return encode(Fork(worker, **{"requests": 1, "cpu_s": 10, "data_bytes": 1 << 30, "warm": False, **changes}))


def test_a_worker_is_forked_handed_over_and_its_end_told(zygote: Driven) -> None:
    for piece in order(3).hex(" ").split():
        zygote.control.sendall(bytes.fromhex(piece))
    connection = zygote.forked(3)

    connection.sendall(bytes([1, 0, 0, 0, 0xC0]))

    assert zygote.said() == f"worker 01000000c0 10 10 {1 << 30}"
    assert zygote.told() == (Exited(3, 5), [])


def test_a_worker_that_is_killed_is_told_of_too(zygote: Driven) -> None:
    zygote.control.sendall(order(3, cpu_s=1000))
    zygote.forked(3).sendall(bytes([1, 0, 0, 0, 0xC2]))

    assert zygote.said().split()[2:4] == ["100", "100"], "no more than there may be"
    assert zygote.told() == (Exited(3, -signal.SIGKILL), [])


def test_a_worker_that_nobody_wants_ends_in_silence(zygote: Driven) -> None:
    zygote.control.sendall(order(3) + order(4))
    zygote.forked(3).close()
    zygote.forked(4).sendall(bytes([1, 0, 0, 0, 0xC0]))

    assert zygote.said().startswith("worker")
    assert zygote.told() == (Exited(4, 5), []), "the first end was no news"


def test_what_is_not_for_it_goes_to_python_in_its_turn(zygote: Driven) -> None:
    others = [
        encode(Adopt(8, 77)), order(1, requests=0), order(2, requests=50), encode(Adopt(9, 78)),
    ]  # fmt: skip
    zygote.control.sendall(others[0] + order(5) + b"".join(others[1:3]) + order(6) + others[3])

    assert [zygote.said() for _ in others] == [f"order {one[4:].hex()}" for one in others]
    zygote.forked(5)
    zygote.forked(6)


def test_children_of_pythons_are_pythons_to_mourn(zygote: Driven) -> None:
    zygote.control.sendall(bytes([1, 0, 0, 0, 0xC0]) + order(5))

    assert zygote.said() == "order c0"
    assert zygote.said() == "ended 7"
    zygote.forked(5)


def test_many_workers_come_and_go(zygote: Driven) -> None:
    for start in range(0, 400, 20):
        zygote.control.sendall(b"".join(order(start + n) for n in range(20)))
        for connection in [zygote.forked(start + n) for n in range(20)]:
            connection.close()
    zygote.control.sendall(encode(Adopt(8, 77)))
    assert zygote.said().startswith("order")


def test_its_python_is_put_on_a_shelf_and_nobody_writes_there(zygote: Driven) -> None:
    """The zygote and each worker compare an area that was shelved with what it held, and workers clear it."""
    for worker in range(3):
        zygote.control.sendall(order(worker))
        zygote.forked(worker).sendall(bytes([1, 0, 0, 0, 0xC0]))
        assert zygote.said().startswith("worker")
        assert zygote.told() == (Exited(worker, 5), [])
        zygote.control.sendall(encode(Adopt(8, 77)))
        assert zygote.said().startswith("order")

    maps = Path(f"/proc/{zygote.process.pid}/maps").read_text().splitlines()
    (shelved,) = [line.split() for line in maps if "memfd:shelf" in line]
    assert shelved[1] == "rw-p"
    files = [str(one.readlink()) for one in Path(f"/proc/{zygote.process.pid}/fd").iterdir()]
    assert not [name for name in files if "shelf" in name]


def test_an_order_that_is_too_long_is_the_end() -> None:
    zygote = Driven()
    zygote.control.sendall((ENVELOPE_BYTES + 1).to_bytes(4, "little"))
    zygote.control.close()
    _, complaints = zygote.process.communicate(timeout=TIMEOUT_S)

    assert zygote.process.returncode == 1
    assert f"[Errno {int(errno.EMSGSIZE)}]".encode() in complaints


def test_a_supervisor_that_hangs_up_is_the_end() -> None:
    zygote = Driven()
    zygote.control.sendall(order(3))
    connection = zygote.forked(3)
    zygote.control.close()

    assert zygote.said() == "hung up"
    assert connection.recv(1) == b"", "its workers die with it"
    zygote.close()
    assert zygote.process.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be a user of whom there are no other processes")
def test_a_fork_that_is_refused_is_told_and_not_the_end() -> None:
    zygote = Driven(children_max=2)
    zygote.control.sendall(order(3))
    connection = zygote.forked(3)
    zygote.control.sendall(order(4))

    assert zygote.told() == (ForkFailed(4, errno.EAGAIN), [])

    connection.sendall(bytes([1, 0, 0, 0, 0xC0]))
    assert zygote.said().startswith("worker")
    assert zygote.told() == (Exited(3, 5), [])
    zygote.control.sendall(order(5))
    zygote.forked(5)
    zygote.close()


@pytest.mark.parametrize("seed", range(4))
def test_damaged_orders_are_pythons_unless_they_are_orders(zygote: Driven, seed: int) -> None:
    draw = random.Random(seed)
    for number in range(100):
        frame = bytearray(order(number)[4:])
        for _ in range(draw.randint(1, 3)):
            frame[draw.randrange(len(frame))] = draw.randrange(256)
        frame = frame[: draw.randint(1, len(frame))]
        zygote.control.sendall(len(frame).to_bytes(4, "little") + frame)
        if select.select([zygote.process.stdout, zygote.control], [], [], TIMEOUT_S)[0] == [zygote.process.stdout]:
            assert zygote.said() == f"order {frame.hex()}"
            if frame == b"\xc0":
                assert zygote.said() == "ended 7"
        else:
            message, passed = zygote.told()
            assert isinstance(message, Forked)
            wanted = decode_to_zygote(bytes(frame))
            assert isinstance(wanted, Fork)
            assert (wanted.requests, wanted.worker) == (1, message.worker)
            for one in passed:
                os.close(one)
