"""Runs a few lines of Python inside a jail, in a process of their own, as whichever user is wanted.

The lines see `spec` (to be passed to `confine`), `say` (prints where no file can be opened), and the usual modules.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
TIMEOUT_S: Final = 30.0
_PRELUDE: Final = """
import array, ctypes, json, os, resource, select, signal, socket, sys, time
sys.path.insert(0, sys.argv[1])
from dspex.worker.confine import JailSpec, confine, confine_worker
from dspex.isolation import layers
from dspex.worker.jail import bpf, capabilities, seccomp, syscalls
from dspex.isolation.layers import JAIL, Layer

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def all_but(*standing):
    return tuple(layer for layer in JAIL if layer not in standing)

def in_worker(armed, program, **limits):
    pid = os.fork()
    if pid == 0:
        confine_worker(armed, **limits)
        try:
            program()
        except OSError as error:
            say(type(error).__name__, error.errno)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

spec = JailSpec(keep_fds=(1, 2))
"""
_DROP: Final = """
if sys.argv[2] == "ordinary" and os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    capabilities.set_dumpable(dumpable=True)
"""
STARTERS: Final = ("root", "ordinary") if os.geteuid() == 0 else ("ordinary",)
"""As whom a zygote can be started here."""

REFUSED: Final = (
    "os.fork()",
    "far.sendmsg([b'x'])",
    "socket.socket()",
    "socket.socketpair()",
    "os.pipe()",
    "os.dup(1)",
    "os.open('/', os.O_RDONLY)",
    "os.setsid()",
    "os.kill(1, 0)",
    "os.kill(os.getppid(), 9)",
    "syscalls.prctl(4, 1)",
    "syscalls.prctl(1, 0)",
    "syscalls.syscall('prlimit64', 0, 0, 1, 0)",
    "os.memfd_create('x')",
    "syscalls.syscall('landlock_restrict_self', 0, 0)",
    "syscalls.syscall('seccomp', 1, 0, 0)",
)
"""What a worker never needs: programs that end with PermissionError in one; `near` and `far` are a pair of sockets."""

FILLS_MEMORY: Final = """
say(len(bytearray(40 << 20)))
try:
    bytearray(80 << 20)
except MemoryError:
    say("no more")
"""
"""What says `FILLED` if 64 MiB may be added, and not much more."""
FILLED: Final = "41943040\nno more\n0\n"


def start(
    lines: str, *, starter: str, first: str = "", pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[str]:
    """Start the lines, after `first` as whoever runs the tests; the caller waits for them."""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _PRELUDE + first + _DROP + lines, str(ROOT), starter],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={},
        pass_fds=pass_fds,
    )


def run(lines: str, *, starter: str, first: str = "") -> tuple[int, str, str]:
    """Run the lines and return the exit status, what they said, and standard error."""
    with start(lines, starter=starter, first=first) as process:
        said, complaints = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, said, complaints
