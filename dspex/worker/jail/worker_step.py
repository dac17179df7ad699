"""The few system calls with which one worker, just forked, arms itself.

Nearly all that this costs is page faults: a forked process pays for each page of Python it first touches. So every
argument is laid out in the zygote, and the calls all go the same short way instead of through the other files here.
"""

import contextlib
import ctypes
import os
import signal
import struct
from collections.abc import Callable
from errno import ESRCH
from typing import Final, NamedTuple

from dspex.isolation.layers import WallMissingError
from dspex.worker.jail import capabilities, landlock, rlimits, surroundings
from dspex.worker.jail.seccomp import Filter
from dspex.worker.jail.syscalls import LIBC, Architecture, failure

_PR_SET_PDEATHSIG: Final = 1
_LIMIT = struct.Struct("=QQ")


class Copyable(NamedTuple):
    """What a worker arms in place of its own filter, if it may be copied."""

    gate: Filter
    """Asks whether it may."""
    worker_filter: Filter
    """Its own filter, but for that."""


class LaidOut(NamedTuple):
    """The same for who cannot call Python: what `WorkerStep.take` does, as numbers and addresses."""

    zygote_pid: int | None
    landlock_fd: int | None
    limits: bool
    may_multiply: bool
    filter_program: int | None
    filter_bytes: int | None
    filter_places: tuple[int, ...]


class WorkerStep:
    """What is still to be done in each worker, prepared so that doing it is short."""

    def __init__(
        self,
        architecture: Architecture,
        *,
        parent_death_signal: bool,
        own_landlock_domain: bool,
        base_data_bytes: int | None,
        limits: bool,
        may_multiply: bool,
        worker_filter: Filter | None,
        seal: Filter | None = None,
        copyable: Copyable | None = None,
    ) -> None:
        """Lay everything out, in the zygote and before its own filter is armed.

        Args:
            architecture: Machine this runs on.
            parent_death_signal: Whether a worker dies with the zygote.
            own_landlock_domain: Whether workers are also kept from each other.
            base_data_bytes: Writable memory of the zygote, which a worker's allowance is added to.
            limits: Whether the worker's rlimits are armed.
            may_multiply: Whether a worker may still start threads.
            worker_filter: On top of the zygote's; None to arm none.
            seal: For workers that load code: armed on top of both when they have.
            copyable: For workers of sessions, which the supervisor may let copy themselves; None if it may not.

        Raises:
            OSError: Landlock was asked for and is not there.
        """
        self._zygote_pid = os.getpid()
        self._base_data_bytes = base_data_bytes
        self._limits = limits
        self._may_multiply = may_multiply
        self.worker_filter = worker_filter
        self._seal = seal
        self.copyable = copyable
        self._die_with_parent = None
        if parent_death_signal:
            self._die_with_parent = _laid_out(
                architecture, "prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0
            )
        self._domain_fd: int | None = None
        if own_landlock_domain:
            self._domain_fd = landlock.open_ruleset()
            self._enter_domain = _laid_out(
                architecture, "landlock_restrict_self", self._domain_fd, 0
            )
        self._limit = ctypes.create_string_buffer(_LIMIT.size)
        address = ctypes.addressof(self._limit)
        self._set = {
            kind: _laid_out(architecture, "prlimit64", 0, kind, address, 0)
            for kind in (rlimits.CPU, rlimits.DATA, rlimits.PROCESSES)
        }
        self._hard = {kind: rlimits.hard(kind) for kind in self._set}

    def take(
        self,
        *,
        keep_fds: tuple[int, ...] | None,
        cpu_s: int | None,
        data_bytes: int | None,
        pass_gate: Callable[[int], None] | None = None,
    ) -> None:
        """Arm this process; see `dspex.worker.confine.confine_worker`.

        Raises:
            WallMissingError: A call failed, or the zygote is dead. This process must not serve.
        """
        copyable = self.copyable if pass_gate is not None else None
        try:
            self._take(cpu_s, data_bytes, may_multiply=self._may_multiply or copyable is not None)
            if keep_fds is not None:
                surroundings.close_all_but(keep_fds)
            gate = -1 if copyable is None else _armed_gate(copyable.gate)
            if pass_gate is not None:
                pass_gate(gate)
            if copyable is not None and gate >= 0:
                os.close(gate)
                copyable.worker_filter.arm()
            elif self.worker_filter is not None:
                self.worker_filter.arm()
        except OSError as error:
            raise WallMissingError(str(error)) from error

    def laid_out(self) -> LaidOut:
        """Describe it; what is described is this object's."""
        program = (None, None, ()) if self.worker_filter is None else self.worker_filter.laid_out
        parent = None if self._die_with_parent is None else self._zygote_pid
        return LaidOut(parent, self._domain_fd, self._limits, self._may_multiply, *program)

    @property
    def ceilings(self) -> tuple[int, int | None, int]:
        """Most that a worker's limit of processor seconds may be, the base of its writable memory, and its most."""
        return self._hard[rlimits.CPU], self._base_data_bytes, self._hard[rlimits.DATA]

    def seal_code(self) -> None:
        """Let this worker load no more code, by both of the kernel's means where it has them.

        Raises:
            WallMissingError: The filter was refused. This process must not go on.
        """
        if self._seal is None or self.worker_filter is None:
            return
        # A kernel before 6.3 lacks this one, and the filter says the same.
        with contextlib.suppress(OSError):
            capabilities.forbid_new_code()
        try:
            self._seal.arm()
        except OSError as error:
            raise WallMissingError(str(error)) from error

    def _take(self, cpu_s: int | None, data_bytes: int | None, *, may_multiply: bool) -> None:
        if self._die_with_parent is not None:
            _make(self._die_with_parent, "parent-death signal")
            if os.getppid() != self._zygote_pid:
                raise OSError(ESRCH, "the zygote that forked this worker is gone")
        if self._limits:
            if cpu_s is not None:
                self._lower(rlimits.CPU, cpu_s)
            if data_bytes is not None and self._base_data_bytes is not None:
                self._lower(rlimits.DATA, self._base_data_bytes + data_bytes)
            if not may_multiply:
                self._lower(rlimits.PROCESSES, 0)
        if self._domain_fd is not None:
            _make(self._enter_domain, "landlock")
            os.close(self._domain_fd)

    def _lower(self, kind: int, value: int) -> None:
        ceiling = min(value, self._hard[kind])
        _LIMIT.pack_into(self._limit, 0, ceiling, ceiling)
        _make(self._set[kind], "rlimit")


def _armed_gate(gate: Filter) -> int:
    """Return where the gate's questions arrive; -1 if this kernel, or a filter around it, has no such gate."""
    try:
        return gate.arm_with_listener()
    except OSError:
        return -1


def _laid_out(architecture: Architecture, call: str, *arguments: int) -> tuple[ctypes.c_long, ...]:
    number = architecture.number(call)
    assert number is not None, call
    return tuple(ctypes.c_long(each) for each in (number, *arguments))


def _make(call: tuple[ctypes.c_long, ...], what: str) -> None:
    if LIBC.syscall(*call) < 0:
        raise failure(what)
