"""The step each worker takes after its fork: what it may still do, by leave, and what the kernel then counts."""

import errno
import fcntl
import os
import signal
import socket
import struct
import sys

import pytest

from dspex.isolation.copying import COPY_FLAGS
from tests.process.worker.jailed import FILLED, FILLS_MEMORY, REFUSED, STARTERS, run, start

starters = pytest.mark.parametrize("starter", STARTERS)


def _in_worker(program: str, *, spec: str = "spec", limits: str = "") -> str:
    body = "\n".join(f"    {line}" for line in program.strip().splitlines())
    return f"""
import _thread
armed = confine({spec})
assert not armed.report.absent, armed.report.absent
near, far = socket.socketpair()
def program():
{body}
say(in_worker(armed, program, {limits}))
os._exit(0)
"""


@starters
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("far.sendall(b'x'); say(near.recv(9))", "b'x'\n0\n"),
        ("far.settimeout(0.01); far.recv(9)", "TimeoutError None\n0\n"),
        ("signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(9)", f"{-signal.SIGALRM}\n"),
        (
            "say(len(os.urandom(16)), time.time() > 0, len(bytearray(50 << 20)))",
            "16 True 52428800\n0\n",
        ),
        ("os.abort()", f"{-signal.SIGABRT}\n"),
        (
            "say(sorted(os.sched_getaffinity(0)) != [], resource.getrusage(0).ru_maxrss > 0)",
            "True True\n0\n",
        ),
    ],
)
def test_what_serving_needs_works(starter: str, program: str, said: str) -> None:
    assert run(_in_worker(program), starter=starter) == (0, said, "")


@starters
@pytest.mark.parametrize("program", REFUSED)
def test_what_serving_does_not_need_is_refused(starter: str, program: str) -> None:
    assert run(_in_worker(program), starter=starter) == (0, "PermissionError 1\n0\n", "")


@starters
def test_without_leave_a_thread_cannot_start(starter: str) -> None:
    program = """
try:
    _thread.start_new_thread(say, ("ran",))
except RuntimeError as error:
    say(error)
"""
    assert run(_in_worker(program), starter=starter) == (0, "can't start new thread\n0\n", "")


@starters
def test_with_leave_a_thread_starts_and_a_process_still_cannot(starter: str) -> None:
    program = """
lock = _thread.allocate_lock(); lock.acquire()
_thread.start_new_thread(lock.release, ())
say(lock.acquire(timeout=9))
os.fork()
"""
    lines = _in_worker(program, spec="spec._replace(worker_may_start_threads=True)")
    assert run(lines, starter=starter) == (0, "True\nPermissionError 1\n0\n", "")


@starters
def test_a_worker_copies_itself_when_it_gets_leave_and_not_otherwise(starter: str) -> None:
    gate, theirs = socket.socketpair()
    lines = f"""
armed = confine(spec._replace(worker_may_be_copied=True, keep_fds=(1, 2, {theirs.fileno()})))
assert not armed.report.absent, armed.report.absent
def attempt(name, call):
    try:
        return call()
    except OSError as error:
        say(name, error.errno)
def copy():
    made = attempt("copy", lambda: syscalls.syscall("clone", {COPY_FLAGS}, 0, 0, 0, 0))
    if made == 0:
        attempt("signal", lambda: syscalls.syscall("tgkill", original, original, 0))
        attempt("open", lambda: os.open("/", os.O_RDONLY))
        attempt("fork", os.fork)
        os._exit(7)
pid = os.fork()
if pid == 0:
    far = socket.socket(fileno={theirs.fileno()})
    confine_worker(armed, pass_gate=lambda found: socket.send_fds(far, [b"x"], [found]))
    original = os.getpid()
    copy()
    attempt("thread flags", lambda: syscalls.syscall("clone", 0x3d0f00, 0, 0, 0, 0))
    attempt("shared memory", lambda: syscalls.syscall("clone", {COPY_FLAGS} | 0x100, 0, 0, 0, 0))
    attempt("vfork", lambda: syscalls.syscall("vfork"))
    copy()
    far.recv(1)
    copy()
    os._exit(0)
say("ended", *sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)))
os._exit(0)
"""
    with start(lines, starter=starter, pass_fds=(theirs.fileno(),)) as process:
        theirs.close()
        (listener,) = socket.recv_fds(gate, 1, 1)[1]
        for error, flags in ((-errno.EPERM, 0), (0, 1)):
            notice = bytearray(80)
            fcntl.ioctl(listener, 0xC0502100, notice)
            answer = struct.pack("=QqiI", int.from_bytes(notice[:8], sys.byteorder), 0, error, flags)
            fcntl.ioctl(listener, 0xC0182101, bytearray(answer))
        os.close(listener)
        gate.sendall(b"x")
        said, complaints = process.communicate(timeout=30)
    gate.close()
    assert (process.returncode, complaints) == (0, "")
    # What the copy says may come before or after its original's last words.
    assert sorted(said.splitlines()) == [
        "copy 1", "copy 38", "ended 0 7", "fork 1", "open 1", "shared memory 1", "signal 1",
        "thread flags 1", "vfork 1",
    ]


@starters
def test_with_leave_descriptors_can_be_sent(starter: str) -> None:
    program = "socket.send_fds(far, [b'x'], [1]); say(len(socket.recv_fds(near, 9, 1)[1]))"
    lines = _in_worker(program, spec="spec._replace(worker_may_send_fds=True)")
    assert run(lines, starter=starter) == (0, "1\n0\n", "")


@starters
def test_with_leave_a_small_memory_file_is_made_and_a_large_one_is_not(starter: str) -> None:
    program = """
fd = os.memfd_create("x")
say(os.write(fd, bytes(1 << 16)))
os.write(fd, b"x")
"""
    lines = _in_worker(program, spec="spec._replace(worker_may_make_memory_files=True)")
    assert run(lines, starter=starter) == (0, "65536\nOSError 27\n0\n", "")


@starters
def test_descriptors_of_the_zygote_that_are_not_kept_are_closed(starter: str) -> None:
    program = "far.sendall(b'x')\ntry:\n    say(near.recv(9))\nexcept OSError as error:\n    say(error.errno)"
    lines = _in_worker(program, limits="keep_fds=(1, far.fileno(), near.fileno())")
    assert run(lines, starter=starter) == (0, "b'x'\n0\n", "")
    lines = _in_worker(program, limits="keep_fds=(1, near.fileno())")
    assert run(lines, starter=starter) == (0, "OSError 9\n0\n", "")


@starters
def test_the_kernel_kills_a_worker_whose_cpu_seconds_are_spent(starter: str) -> None:
    lines = _in_worker("while True: pass", limits="cpu_s=1")
    assert run(lines, starter=starter) == (0, f"{-signal.SIGKILL}\n", "")


@starters
def test_memory_over_the_allowance_is_refused_and_under_it_given(starter: str) -> None:
    lines = _in_worker(FILLS_MEMORY, limits="data_bytes=64 << 20")
    assert run(lines, starter=starter) == (0, FILLED, "")


@starters
def test_a_failed_step_keeps_the_worker_from_serving(starter: str) -> None:
    lines = """
armed = confine(spec)
if os.fork() == 0:
    if os.fork() == 0:
        try:
            # Its parent is not the zygote: the one it is meant to die with is another.
            confine_worker(armed)
        except layers.WallMissingError as error:
            say(error)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
os._exit(0)
"""
    expected = "[Errno 3] the zygote that forked this worker is gone\n"
    assert run(lines, starter=starter) == (0, expected, "")
