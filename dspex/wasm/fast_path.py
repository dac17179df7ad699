"""Runs that need no Python of the host's: the Python side of `runtimes/worker/fast_path.c`, which says why.

The library is loaded in a zygote, before anything is compiled or confined. `FastPath.route` puts it between a guest
and the host functions that it imports; `FastPath.fork` makes a worker that lives there and comes back to Python only
if it has to. Where there is no library for this machine, everything is Python's, as it is for other languages.
"""

from __future__ import annotations

import ctypes
import os
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LIFE_VERSION = 1
KEPT_MAX = 64
IMPORTS_MAX = 1024
_LARGE_BYTES = 1024
"""What the library reads in each worker is this large at least, so that it lies on the C library's heap and not on Python's."""
_FUNCTION_BYTES = 16  # sizeof(wasmtime_func_t)

_CALLS = {"fd_read": 1, "fd_write": 2, "clock_time_get": 3, "random_get": 4}
"""Imports that it knows, by `enum call`; all others go to Python."""
_pointer, _word, _number, _real = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int64, ctypes.c_double


def library(machine: str) -> str:
    """Return the name of the library's file for a kind of machine."""
    return f"fast_path-{machine}.so"


class Stage(IntEnum):
    """How far a worker had come when it went back to Python."""

    NONE = 0
    READY = 1
    """It waits for its first message, or has received some of it."""
    WARMING = 2
    RUNNING = 3
    OVER = 4
    """The turn of the run is over, and Python says how."""


class Served(IntEnum):
    """Why it is Python's turn in a zygote."""

    HUNG_UP = 0
    """The supervisor is gone."""
    ORDER = 1
    """An order is for Python: see `FastPath.order`."""
    ENDED = 2
    """A child of Python's has ended: see `FastPath.ended`."""
    WORKER = 3
    """This is a worker, and it needs Python."""


class Life(ctypes.Structure):
    """`struct life`: what Python and the library say to each other."""

    _fields_ = (
        ("version", _word),
        ("call_guest", _pointer),
        ("before_fork", _pointer),
        ("after_fork_parent", _pointer),
        ("after_fork_child", _pointer),
        ("take_over", _pointer),
        ("context", _pointer),
        ("turn", _pointer),
        ("turn_argument", _number),
        ("python", _pointer),
        ("python_count", _word),
        ("memory", _pointer),
        ("memory_bytes", _word),
        ("flag", _pointer),
        ("wakeup_fd", _number),
        ("warm_request", _pointer),
        ("warm_request_bytes", _word),
        ("zygote_pid", _number),
        ("landlock_fd", _number),
        ("limits", _number),
        ("may_multiply", _number),
        ("filter", _pointer),
        ("filter_bytes", _pointer),
        ("filter_places", _pointer),
        ("filter_places_count", _word),
        ("kept", _number * KEPT_MAX),
        ("shelved", _pointer),
        ("shelved_count", _word),
        ("shelf_fd", _number),
        ("control", _number),
        ("wake_read", _number),
        ("cpu_max_s", _number),
        ("data_base_bytes", _number),
        ("data_max_bytes", _number),
        ("connection", _number),
        ("cpu_limit_s", _number),
        ("data_limit_bytes", _number),
        ("warm", _number),
        ("tell", _number),
        ("holder_pid", _number),
        ("order", _pointer),
        ("order_bytes", _word),
        ("ended_pid", _number),
        ("ended_status", _number),
        ("stage", _number),
        ("received", _pointer),
        ("received_bytes", _word),
        ("request_read_bytes", _word),
        ("output_bytes", _word),
        ("request", _pointer),
        ("request_bytes", _word),
        ("reply", _pointer),
        ("reply_bytes", _word),
        ("began_s", _real),
        ("cpu_began_s", _real),
        ("result", _number),
        ("error", _pointer),
        ("trap", _pointer),
        ("own", _word * 9),
    )


class _Import(ctypes.Structure):
    _fields_ = (("life", _pointer), ("python", _pointer), ("call", _number))


class Turn(NamedTuple):
    """What a guest's turn is made with; it holds for one instance."""

    call: int
    """Address of wasmtime's function that calls guests."""
    context: int
    function: int
    argument: int
    memory: int
    memory_bytes: int
    flag: int
    warm_request: bytes


class Spent(NamedTuple):
    """What a run had spent when Python took it over."""

    output_bytes: int
    began_s: float
    """When it began, by `time.monotonic`."""
    cpu_began_s: float
    """The same by `time.process_time`."""


class FastPath:
    """The library in one process, and the life that it leads or has led in this worker."""

    def __init__(self, library: Path) -> None:
        """Load it.

        Raises:
            OSError: It cannot be loaded, or is of another age.
        """
        self._library = ctypes.PyDLL(str(library))  # which keeps the GIL: there is no other thread
        self._library.dspex_life_version.restype = _word
        self._library.dspex_life_bytes.restype = _word
        self._library.dspex_fork.restype = _number
        self._library.dspex_serve.restype = _number
        found = self._library.dspex_life_version(), self._library.dspex_life_bytes()
        if found != (LIFE_VERSION, ctypes.sizeof(Life)):
            raise OSError(f"{library}: version and size are {found}, not {LIFE_VERSION, ctypes.sizeof(Life)}")
        self.life = Life(
            version=LIFE_VERSION,
            before_fork=_of_python("PyOS_BeforeFork"),
            after_fork_parent=_of_python("PyOS_AfterFork_Parent"),
            after_fork_child=_of_python("PyOS_AfterFork_Child"),
            landlock_fd=-1, wakeup_fd=-1, connection=-1, tell=-1, shelf_fd=-1,
        )
        self._answer = _address(self._library.dspex_answer)
        self._keep: list[Any] = []
        self._imports = (_Import * IMPORTS_MAX)()
        self._routed = 0
        self._woken = False

    @classmethod
    def of_runtime(cls, runtime: Path) -> FastPath | None:
        """Load the library that a runtime's folder has for this machine.

        Returns:
            None if there is none, or this machine's C library cannot load it.
        """
        path = runtime / library(os.uname().machine)
        try:
            return cls(path) if path.exists() else None
        except OSError:  # `dspex doctor` says why
            return None

    def route(self, name: str, python: int) -> tuple[int, int]:
        """Return what wasmtime is to call for an import, and with which environment.

        Args:
            name: The import's.
            python: Address of the callback that answers it otherwise.
        """
        made = self._imports[self._routed]
        self._routed += 1
        made.life, made.python, made.call = ctypes.addressof(self.life), python, _CALLS.get(name, 0)
        return self._answer, ctypes.addressof(made)

    def on_take_over(self, function: Callable[[], None]) -> None:
        """Call this when Python has been woken in the midst of a turn, or by its end; it must not raise."""

        def called() -> None:
            self._woken = True
            function()

        kept = ctypes.CFUNCTYPE(None)(called)
        self._keep.append(kept)
        self.life.take_over = ctypes.cast(kept, _pointer).value

    def confine(
        self, *, wakeup_fd: int, zygote_pid: int | None, landlock_fd: int | None, limits: bool, may_multiply: bool,
        filter_program: int | None, filter_bytes: int | None, filter_places: Sequence[int], kept: Sequence[int],
    ) -> None:
        """Say what each worker does to itself; see `dspex.worker.jail.worker_step`.

        Args:
            wakeup_fd: Where CPython's signal handler writes to in this process; it will be the worker's own there.
            zygote_pid: This process, if workers die with it.
            landlock_fd: The ruleset that keeps workers from each other.
            limits: Whether there are rlimits.
            may_multiply: Whether workers may start threads.
            filter_program: Address of the seccomp program, if there is one.
            filter_bytes: Address of its instructions.
            filter_places: Where in these the worker's own number belongs.
            kept: Descriptors that stay open.

        Raises:
            OSError: Too many descriptors are to be kept.
        """
        life = self.life
        life.wakeup_fd, life.zygote_pid = wakeup_fd, zygote_pid or 0
        life.landlock_fd = -1 if landlock_fd is None else landlock_fd
        life.limits, life.may_multiply = limits, may_multiply
        life.filter, life.filter_bytes = filter_program, filter_bytes
        places = (_word * max(len(filter_places), _LARGE_BYTES // 8))(*filter_places)
        self._keep.append(places)
        life.filter_places, life.filter_places_count = ctypes.addressof(places), len(filter_places)
        if len(kept) >= KEPT_MAX:
            raise OSError(f"{len(kept)} descriptors are to be kept, {KEPT_MAX - 1} at most can be")
        life.kept = (_number * KEPT_MAX)(*sorted(kept), -1)

    def lead(self, turn: Turn) -> None:
        """Say which guest the next workers have."""
        life = self.life
        life.call_guest, life.context = turn.call, turn.context
        life.turn = self._copied(ctypes.string_at(turn.function, _FUNCTION_BYTES) if turn.function else b"")
        life.turn_argument, life.memory, life.memory_bytes = turn.argument, turn.memory, turn.memory_bytes
        life.flag = turn.flag
        life.warm_request, life.warm_request_bytes = self._copied(turn.warm_request), len(turn.warm_request)

    def _copied(self, data: bytes) -> int:
        kept = ctypes.create_string_buffer(data, max(len(data), _LARGE_BYTES))
        self._keep.append(kept)
        return ctypes.addressof(kept)

    def expect_python(self, pages: Sequence[tuple[int, int]]) -> None:
        """Say which pages a worker writes that needs Python, beside those that every worker writes.

        Args:
            pages: Address and length of each range.
        """
        self.life.python, self.life.python_count = self._laid_out(pages), len(pages)

    def shelve(self, ranges: Sequence[tuple[int, int]], memory_file: int) -> None:
        """Have this process' Python be put onto a shelf when it serves: what no worker without Python touches.

        Args:
            ranges: Address and length of whole private mappings.
            memory_file: One that is as large as they are together; taken over.
        """
        life = self.life
        life.shelved, life.shelved_count, life.shelf_fd = self._laid_out(ranges), len(ranges), memory_file

    def _laid_out(self, ranges: Sequence[tuple[int, int]]) -> int:
        flat = [number for one in ranges for number in one]
        kept = (_word * max(len(flat), _LARGE_BYTES // 8))(*flat)
        self._keep.append(kept)
        return ctypes.addressof(kept)

    def fork(self, connection: int, *, cpu_s: int, data_bytes: int, warm: bool) -> int:
        """Fork a worker.

        Args:
            connection: Its socket.
            cpu_s: Processor seconds after which the kernel kills it, or -1.
            data_bytes: Writable memory that it may have, or -1.
            warm: Whether it is warmed.

        Returns:
            The worker's number; in the worker 0, if it needs Python.

        Raises:
            OSError: The system refused.
        """
        return self._fork(connection, cpu_s, data_bytes, warm=warm, tell=-1)

    def rehearse(self, connection: int, tell: int, *, cpu_s: int, warm: bool) -> tuple[int, int]:
        """Fork a worker to be looked at, by `dspex.worker.hot_pages.find`; the message it serves has been sent.

        Args:
            connection: Its socket.
            tell: Where it writes a byte when its run is over; it then waits to be killed.
            cpu_s: See `fork`.
            warm: See `fork`.

        Returns:
            The worker's number, and that of a child that only holds on to what this process has now.

        Raises:
            OSError: The system refused.
        """
        pid = self._fork(connection, cpu_s, -1, warm=warm, tell=tell)
        if pid == 0:
            os._exit(1)
        return pid, self.life.holder_pid

    def _fork(self, connection: int, cpu_s: int, data_bytes: int, *, warm: bool, tell: int) -> int:
        life = self.life
        life.connection, life.cpu_limit_s, life.data_limit_bytes = connection, cpu_s, data_bytes
        life.warm, life.tell = warm, tell
        pid: int = self._library.dspex_fork(ctypes.byref(life))
        if pid < 0:
            raise OSError(-pid, "fork")
        return pid

    def serve(
        self, control: int, wake_read: int, *, cpu_max_s: int, data_base_bytes: int | None, data_max_bytes: int
    ) -> Served:
        """Fork workers as the supervisor orders, until it is Python's turn; call it again after that.

        Args:
            control: The socket that orders come from.
            wake_read: Where a signal makes something arrive.
            cpu_max_s: Most that a worker's limit of processor time may be.
            data_base_bytes: What a worker's allowance of writable memory is added to; None for no limit.
            data_max_bytes: Most that the sum may be.

        Raises:
            OSError: The socket broke, or an order is longer than orders are.
        """
        life = self.life
        life.control, life.wake_read = control, wake_read
        life.cpu_max_s, life.data_max_bytes = cpu_max_s, data_max_bytes
        life.data_base_bytes = -1 if data_base_bytes is None else data_base_bytes
        why: int = self._library.dspex_serve(ctypes.byref(life))
        if why < 0:
            raise OSError(-why, os.strerror(-why))
        return Served(why)

    @property
    def order(self) -> bytes:
        """The order that is for Python."""
        return ctypes.string_at(self.life.order, self.life.order_bytes)

    @property
    def ended(self) -> tuple[int, int]:
        """Which child of Python's has ended, and with which exit code, or minus which signal."""
        return self.life.ended_pid, self.life.ended_status

    @property
    def connection(self) -> int:
        """This worker's socket."""
        return int(self.life.connection)

    @property
    def warmed(self) -> bool:
        """Whether this worker was warmed."""
        return bool(self.life.warm)

    @property
    def stage(self) -> Stage:
        """How far this worker has come."""
        return Stage(self.life.stage)

    @property
    def woken(self) -> bool:
        """Whether Python has taken a turn over in this worker."""
        return self._woken

    @property
    def received(self) -> bytes:
        """What it has received."""
        return ctypes.string_at(self.life.received, self.life.received_bytes) if self.life.received else b""

    @property
    def request_left(self) -> bytes:
        """What the guest has not read yet of its request."""
        life = self.life
        return ctypes.string_at(life.request, life.request_bytes)[life.request_read_bytes :] if life.request else b""

    @property
    def spent(self) -> Spent:
        """What the run under way has spent."""
        return Spent(self.life.output_bytes, self.life.began_s, self.life.cpu_began_s)

    @property
    def reply(self) -> bytes:
        """What the guest has replied with so far."""
        return ctypes.string_at(self.life.reply, self.life.reply_bytes)


def _of_python(name: str) -> int:
    try:
        return _address(getattr(ctypes.pythonapi, name))
    except AttributeError as error:
        raise OSError(f"this Python does not export {name}") from error


def _address(function: Any) -> int:
    found = ctypes.cast(function, _pointer).value
    assert found is not None
    return found
