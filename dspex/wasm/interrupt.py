"""Interrupting a guest from a timer, without a second thread.

The interpreter polls an `int` in its linear memory. The page around that int is replaced by a
shared mapping of a memory file, and that file becomes CPython's signal wake-up descriptor: the C
signal handler of the host then writes the signal's number straight into the guest's flag, while
the host's only thread is deep inside wasm. Which budget a signal stands for is the caller's.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FLAG_BYTES = 4
_PROT_READ_WRITE = 3
_MAP_SHARED_FIXED = 0x11
_MAP_PRIVATE_FIXED = 0x12
SIGNALS = (signal.SIGALRM, signal.SIGPROF, signal.SIGUSR1)
"""Wall time used up, processor time used up, the caller's wish; at most one of each per run."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]


class InterruptFlag:
    """One guest's interrupt flag; `seen` lists the signals that arrived since `clear`."""

    __slots__ = ("_address", "_descriptor", "_offset", "seen")

    def __init__(self) -> None:
        """Install the handlers; no guest is attached yet."""
        self._descriptor = -1
        self._address = self._offset = 0
        self.seen: list[int] = []
        for number in SIGNALS:
            signal.signal(number, self._note)
            signal.siginterrupt(number, False)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        """Run by CPython once the host is back in bytecode, long after the flag was written."""
        self.seen.append(number)

    def own(self) -> None:
        """Take a memory file of this process' own: once after each fork, before `attach`.

        Handlers are inherited, but a file shared with the parent would be a channel to it.

        Raises:
            OSError: if the system gives none.
        """
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = os.memfd_create("dspex-interrupt", os.MFD_CLOEXEC)
        os.set_blocking(self._descriptor, False)
        signal.set_wakeup_fd(self._descriptor, warn_on_full_buffer=False)

    def attach(self, address: int) -> None:
        """Watch over the flag at `address` of this process, in a page of writable memory.

        Raises:
            OSError: if the page cannot be replaced.
        """
        start = address - address % PAGE_BYTES
        self._offset = address - start
        descriptor = self._descriptor
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, ctypes.string_at(start, PAGE_BYTES))
        mapped = _libc.mmap(start, PAGE_BYTES, _PROT_READ_WRITE, _MAP_SHARED_FIXED, descriptor, 0)
        if mapped != start:
            number = ctypes.get_errno()
            raise OSError(number, f"mmap over the interrupt page: {os.strerror(number)}")
        self._address = address
        self.clear()

    def adopt(self, descriptor: int) -> None:
        """Have been given a memory file, in this process, that is mapped over the flag's page already."""
        self._descriptor = descriptor

    def move(self, memory_file: int) -> None:
        """Use another memory file from now on, which the process that this one is a copy of has not.

        It takes the number of the last one, so that signals go there.

        Raises:
            OSError: if the page cannot be replaced.
        """
        os.dup2(memory_file, self._descriptor, inheritable=False)
        os.set_blocking(self._descriptor, False)
        self.attach(self._address)

    def detach(self) -> None:
        """Make the page over the flag this process' alone again, with what it holds now.

        For flags that lie among the host's own data: a fork must not share those.

        Raises:
            OSError: if the page cannot be replaced.
        """
        start = self._address - self._address % PAGE_BYTES
        # Mapped from the same file, so that no moment passes in which the page is empty: what is read
        # or freed meanwhile may lie on it.
        mapped = _libc.mmap(
            start, PAGE_BYTES, _PROT_READ_WRITE, _MAP_PRIVATE_FIXED, self._descriptor, 0
        )
        if mapped != start:
            number = ctypes.get_errno()
            raise OSError(number, f"mmap over the interrupt page: {os.strerror(number)}")
        ctypes.memset(self._address, 0, FLAG_BYTES)  # the first write makes the copy

    @property
    def descriptor(self) -> int:
        """The memory file, which must stay open."""
        return self._descriptor

    def clear(self) -> None:
        """Forget what arrived; the next signal writes to the flag's first byte again."""
        os.lseek(self._descriptor, self._offset, os.SEEK_SET)
        ctypes.memset(self._address, 0, FLAG_BYTES)
        self.seen.clear()

    def raise_flag(self) -> None:
        """Interrupt the guest from within a host call, where no signal is needed."""
        ctypes.memset(self._address, 1, 1)

    def lower(self) -> None:
        """Reset the guest's flag, but keep on `seen` what raised it."""
        ctypes.memset(self._address, 0, FLAG_BYTES)


def start_timers(wall_s: float, cpu_s: float) -> None:
    """Send SIGALRM after `wall_s` and SIGPROF after `cpu_s` of this process' own work."""
    signal.setitimer(signal.ITIMER_REAL, wall_s)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)


def stop_timers() -> None:
    """Send neither."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_PROF, 0)


def pause_wall_timer() -> float:
    """Stop the timer behind SIGALRM; return the seconds it had left, 0 if it was not running."""
    return signal.setitimer(signal.ITIMER_REAL, 0)[0]


def resume_wall_timer(left_s: float) -> None:
    """Let the timer behind SIGALRM go on where `pause_wall_timer` stopped it."""
    signal.setitimer(signal.ITIMER_REAL, left_s)
