"""A worker that is led by the fast path stands behind the same walls: shown by the Python that it wakes.

The zygote is a real one, jail and all; the guest is left out. A message that the library does not know wakes Python in
the worker, which then tries what must not work.
"""

from __future__ import annotations

import os
import signal

import pytest

from dspex.runtimes import locate
from dspex.wasm.fast_path import library
from tests.process.worker.jailed import FILLED, FILLS_MEMORY, REFUSED, STARTERS, run

starters = pytest.mark.parametrize("starter", STARTERS)


def _first() -> str:
    """Load the library as whoever runs the tests: the ordinary user may not read their cache."""
    return f"""
import mmap, pathlib
from dspex.wasm.fast_path import FastPath, Turn
fast = FastPath(pathlib.Path({str(locate.runtime("python") / library(os.uname().machine))!r}))
"""


def _in_fast_worker(
    program: str, *, spec: str = "spec", cpu_s: str = "-1", data_bytes: str = "-1", absent: str = "False",
    message: str = "bytes([1, 0, 0, 0, 0xC0])",
) -> str:  # fmt: skip
    body = "\n".join(f"    {line}" for line in program.strip().splitlines())
    return f"""
near, far = socket.socketpair()
extra, _other = os.pipe()
wake, wakeup = os.pipe2(os.O_NONBLOCK)
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)
flag = ctypes.addressof(ctypes.c_char.from_buffer(page)) + 64
fast.lead(Turn(0, 0, 0, 0, flag, 0, flag, b""))
armed = confine(({spec})._replace(keep_fds=(1, 2, near.fileno(), far.fileno(), extra, wake, wakeup)))
assert bool(armed.report.absent) == {absent}, armed.report.absent
signal.set_wakeup_fd(wakeup)
fast.confine(wakeup_fd=wakeup, kept=(1, 2), **armed.worker_step.laid_out()._asdict())
def program():
{body}
near.sendall({message})
step = armed.worker_step
base = step.ceilings[1]
pid = fast.fork(far.fileno(), cpu_s={cpu_s}, data_bytes={data_bytes}, warm=False)
if pid == 0:
    try:
        program()
    except OSError as error:
        say(type(error).__name__, error.errno)
    os._exit(0)
far.close()
say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
os._exit(0)
"""


def said_in(lines: str, starter: str) -> str:
    status, said, complaints = run(lines, starter=starter, first=_first())
    assert (status, complaints) == (0, "")
    return said


@starters
@pytest.mark.parametrize("program", REFUSED)
def test_what_serving_does_not_need_is_refused(starter: str, program: str) -> None:
    assert said_in(_in_fast_worker(program), starter) == "PermissionError 1\n0\n"


@starters
@pytest.mark.parametrize(
    ("program", "layer"),
    [("say(len(os.pipe()))", "SECCOMP"), ("say(os.dup(1) > 2)", "SECCOMP")],
)
def test_without_its_wall_it_would_work(starter: str, program: str, layer: str) -> None:
    lines = _in_fast_worker(program, spec=f"spec._replace(without=(Layer.{layer},))", absent="True")
    assert said_in(lines, starter).splitlines()[-1] == "0"
    assert "Error" not in said_in(lines, starter)


@starters
def test_what_serving_needs_works(starter: str) -> None:
    program = """
far.sendall(b"x")
say(len(os.urandom(16)), time.time() > 0, len(bytearray(50 << 20)))
os.abort()
"""
    assert said_in(_in_fast_worker(program), starter) == f"16 True 52428800\n{-signal.SIGABRT}\n"


@starters
def test_python_is_told_that_it_was_forked(starter: str) -> None:
    lines = _in_fast_worker("say(told)").replace(
        "pid = fast.fork(",
        "told = []\n"
        "os.register_at_fork(before=lambda: told.append('before'), after_in_child=lambda: told.append('child'),"
        " after_in_parent=lambda: told.append('parent'))\n"
        "pid = fast.fork(",
    ) + "say(told)\n"
    lines = lines.replace("[1]))\nos._exit(0)\n", "[1]))\n") + "os._exit(0)\n"
    assert said_in(lines, starter) == "['before', 'child']\n0\n['before', 'parent']\n"


@starters
def test_only_its_own_descriptors_are_open(starter: str) -> None:
    program = """
def is_open(fd):
    try:
        return os.fstat(fd) is not None
    except OSError:
        return False
say([is_open(fd) for fd in (1, 2, far.fileno(), wakeup)], sum(map(is_open, range(1024))))
far.sendall(b"x")
"""
    lines = _in_fast_worker(program, spec="spec._replace(without=(Layer.SECCOMP,))", absent="True")
    assert said_in(lines, starter) == "[True, True, True, True] 4\n0\n"


@starters
def test_it_ends_with_its_zygote_and_starts_nobody(starter: str) -> None:
    program = """
number = ctypes.c_int()
say(resource.getrlimit(resource.RLIMIT_NPROC))
ctypes.CDLL(None).prctl(2, ctypes.byref(number), 0, 0, 0)
say(number.value)
"""
    lines = _in_fast_worker(program, spec="spec._replace(without=(Layer.SECCOMP,))", absent="True")
    assert said_in(lines, starter) == f"(0, 0)\n{int(signal.SIGKILL)}\n0\n"


@starters
def test_landlock_is_on_it_as_well(starter: str) -> None:
    program = """
try:
    os.kill(os.getppid(), 0)
except OSError as error:
    say(error.errno)
"""
    lines = _in_fast_worker(program, spec="spec._replace(without=(Layer.SECCOMP,))", absent="True")
    without = _in_fast_worker(
        program, spec="spec._replace(without=(Layer.SECCOMP, Layer.LANDLOCK))", absent="True"
    )
    assert said_in(lines, starter) == "1\n0\n"
    assert said_in(without, starter) == "0\n"


@starters
def test_the_kernel_kills_it_when_its_cpu_seconds_are_spent(starter: str) -> None:
    assert said_in(_in_fast_worker("while True: pass", cpu_s="1"), starter) == f"{-signal.SIGKILL}\n"


@starters
def test_memory_over_the_allowance_is_refused_and_under_it_given(starter: str) -> None:
    lines = _in_fast_worker(FILLS_MEMORY, data_bytes="base + (64 << 20)")
    assert said_in(lines, starter) == FILLED


@starters
def test_its_signals_go_to_its_own_page_and_not_to_the_zygotes(starter: str) -> None:
    program = """
signal.signal(signal.SIGALRM, lambda *_: None)
os.lseek(wakeup, 64, os.SEEK_SET)
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.1)
say(page[64], os.fstat(wakeup).st_size)
"""
    lines = _in_fast_worker(program, spec="spec._replace(without=(Layer.SECCOMP,))", absent="True")
    lines += "say(select.select([wake], [], [], 0)[0])\nos._exit(0)\n"
    lines = lines.replace("[1]))\nos._exit(0)\n", "[1]))\n")
    assert said_in(lines, starter) == f"{int(signal.SIGALRM)} 4096\n0\n[]\n"


@starters
def test_a_failed_step_ends_it(starter: str) -> None:
    lines = _in_fast_worker("say('served')").replace(
        "pid = fast.fork(", "fast.life.zygote_pid += 1\npid = fast.fork("
    )
    status, said, complaints = run(lines, starter=starter, first=_first())
    assert (status, said) == (0, "70\n")
    assert "the zygote that forked this worker is gone" in complaints


@starters
def test_a_supervisor_that_hangs_up_is_the_end(starter: str) -> None:
    lines = _in_fast_worker("say('served')", message="b''; near.shutdown(socket.SHUT_WR)")
    lines = lines.replace("near.sendall(b''; near.shutdown(socket.SHUT_WR))", "near.shutdown(socket.SHUT_WR)")
    assert said_in(lines, starter) == "0\n"
