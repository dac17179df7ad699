"""Arms a seccomp filter, at once or later from a buffer prepared before a fork.

What the filter says is decided in `dspex.worker.jail.filters`; here is only the kernel call.
"""

import ctypes
import os
import struct
from errno import EINVAL
from typing import Final

from dspex.worker.jail.bpf import Block, encode, places_of_self
from dspex.worker.jail.syscalls import LIBC, failure, machine

_SET_MODE_FILTER: Final = ctypes.c_long(1)
_ALL_THREADS: Final = ctypes.c_long(1)
_NEW_LISTENER: Final = ctypes.c_long(8)
_PROCESS_NUMBER = struct.Struct("=I")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """A filter laid out in memory, ready to be armed by this process or by a child forked from it."""

    def __init__(self, program: Block) -> None:
        """Lay out the program; nothing is armed yet.

        Raises:
            OSError: This machine has no call numbers in the table.
        """
        architecture = machine()
        number = None if architecture is None else architecture.number("seccomp")
        if number is None:
            raise OSError(EINVAL, "seccomp: no call numbers are known for this machine")
        self.instructions = len(program)
        self._bytes = ctypes.create_string_buffer(encode(program))
        self._places = places_of_self(program)
        self._program = _Program(len(program), ctypes.addressof(self._bytes))
        call, where = (ctypes.c_long(number), _SET_MODE_FILTER), ctypes.byref(self._program)
        self._call = (*call, _ALL_THREADS, where)
        self._call_to_listen = (*call, _NEW_LISTENER, where)

    def arm(self) -> None:
        """Put the filter on every thread of this process, for good.

        Raises:
            OSError: The kernel refused, or another thread could not be brought along.
        """
        for place in self._places:
            _PROCESS_NUMBER.pack_into(self._bytes, place, os.getpid())
        result = LIBC.syscall(*self._call)
        if result < 0:
            raise failure("seccomp")
        if result > 0:
            raise OSError(EINVAL, f"seccomp: thread {result} could not be brought under the filter")

    @property
    def laid_out(self) -> tuple[int, int, tuple[int, ...]]:
        """Addresses of the program and of its instructions, and where in these the process' own number belongs."""
        return ctypes.addressof(self._program), ctypes.addressof(self._bytes), tuple(self._places)

    def arm_with_listener(self) -> int:
        """Put a filter that asks on this process, which has one thread; return where its questions arrive.

        Raises:
            OSError: The kernel refused, or a filter further down has a listener already.
        """
        listener: int = LIBC.syscall(*self._call_to_listen)
        if listener < 0:
            raise failure("seccomp")
        return listener
