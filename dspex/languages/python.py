"""Python: CPython as Pyodide builds it, under wasmtime. The worker's side of one guest.

The other side is `dspex/languages/guest/python_driver.py`, inside the sandbox. The two talk
through two descriptors that only they use; what the guest says there goes to the supervisor as it
is, because nothing that it says is believed here.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import signal
import time
from typing import TYPE_CHECKING

import msgspec
import wasmtime

from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    BudgetUsedUp,
    Ended,
    InstanceGone,
    Output,
    Run,
    WrittenFile,
    encode,
)
from dspex.wasm import interrupt
from dspex.wasm.emscripten import (
    HOME,
    IMPLEMENTED,
    BaseLayer,
    Clock,
    Errno,
    GuestAborted,
    GuestExit,
    MemoryFileSystem,
    Quotas,
    SyscallError,
    Syscalls,
)
from dspex.wasm.emscripten.descriptors import OpenRegular
from dspex.wasm.engine import new_engine
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REQUEST_FD = 1 << 20
REPLY_FD = REQUEST_FD + 1
COMPILED = "python.cwasm"
ENTRY = "entry.json"
ROOT_DATA, ROOT_INDEX = "root.bin", "root.json"
EXPORTS = ("memory", "PyObject_CallNoArgs", "Py_EMSCRIPTEN_SIGNAL_HANDLING")
"""What a snapshot must export for this file."""

ENVIRONMENT = {"HOME": HOME, "LANG": "C.UTF-8", "PATH": "/usr/bin", "TZ": "UTC", "TMPDIR": "/tmp"}  # noqa: S108
GUEST_SIGINT = 2
_WARM_BUDGET = 1 << 16
FLOOD_GRACE_S = 0.25
"""How long a guest may go on writing after its output was cut, before it is ended."""
_NAP_S = 0.02
"""How long a signal may have to wait while the guest sleeps."""


class _Request:
    """The channel that the guest's driver reads its next request from."""

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = memoryview(b"")
        self._at = 0

    def give(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), 0

    def read_into(self, target: memoryview) -> int:
        piece = self._data[self._at : self._at + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def write(self, data: memoryview) -> int:
        raise SyscallError(Errno.EBADF)


class _Reply:
    """The channel that the guest's driver writes its report to; what is too much is cut."""

    __slots__ = ("_bytes_max", "_pieces", "_size")

    def __init__(self) -> None:
        self.expect(0)

    def expect(self, bytes_max: int) -> None:
        self._pieces: list[bytes] = []
        self._size, self._bytes_max = 0, bytes_max

    def read_into(self, target: memoryview) -> int:
        raise SyscallError(Errno.EBADF)

    def write(self, data: memoryview) -> int:
        if self._size + len(data) > self._bytes_max:
            raise SyscallError(Errno.ENOSPC)
        self._size += len(data)
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> tuple[bytes, bytes]:
        """Return the report and the encoded value, and forget them."""
        report, _, value = b"".join(self._pieces).partition(b"\n")
        self._pieces = []
        return report, value


class PythonGuest:
    """One guest at a time, from the snapshot in a runtime's folder."""

    def __init__(self, runtime: Path) -> None:
        """Load the compiled snapshot and the files that every guest shares.

        Raises:
            FileNotFoundError: if the folder is not a built runtime.
            wasmtime.WasmtimeError: if it was compiled for something else.
        """
        entry = json.loads((runtime / ENTRY).read_text())
        self._turn_address: int = entry["turn"]
        self._machine = Machine.load(new_engine(), runtime / COMPILED)
        self._base = load_base_layer(runtime)
        self._request, self._reply = _Request(), _Reply()
        self._flag: interrupt.InterruptFlag | None = None
        self._files = MemoryFileSystem(base=self._base)
        self._clock = Clock(wait_ns=self._wait)
        self._syscalls = Syscalls(
            self._machine.memory,
            self._files,
            clock=self._clock,
            environ_address=entry["environ"],
            zone_fields=tuple(entry["zone_fields"]),
        )
        self._machine.bind(host_functions(self._machine, self._syscalls, self._check_signals))
        self._send: Callable[[bytes], None] = _drop
        self._run = self._output_bytes = 0
        self._output_left = _WARM_BUDGET
        self._truncated = False
        self._cut_at_s = 0.0

    def boot(self) -> None:
        """Make a fresh guest from the snapshot, with an empty file system."""
        self._machine.boot()
        self._files = MemoryFileSystem(
            base=self._base, quotas=Quotas(), write_output=self._write_output
        )
        self._files.install_channel(REQUEST_FD, self._request)
        self._files.install_channel(REPLY_FD, self._reply)
        self._syscalls.fs = self._files
        self._turn = self._machine.function("PyObject_CallNoArgs", 1)
        self._flag_address = self._machine.global_i32("Py_EMSCRIPTEN_SIGNAL_HANDLING")
        if self._flag is not None:
            self._flag.attach(self._machine.memory.address + self._flag_address)

    def enter_worker(self) -> tuple[int, ...]:
        """Give this process an interrupt page of its own."""
        if self._flag is None:
            self._flag = interrupt.InterruptFlag()
        self._flag.own()
        self._flag.attach(self._machine.memory.address + self._flag_address)
        return (self._flag.descriptor,)

    def warm(self) -> None:
        """Run an empty program: it touches the pages that any program does, and reseeds `random`."""
        self._reply.expect(ENVELOPE_BYTES)
        self._call({**_WARM, "value_bytes": 1024, "value_depth": 2})
        self._reply.take()

    def serve(self, run: Run, send: Callable[[bytes], None]) -> Ended:
        """Run a program to its end, its budget's end or the guest's end."""
        flag = self._flag
        if flag is None:
            msg = "enter_worker first"
            raise RuntimeError(msg)
        budget = run.budget
        began, cpu_began = time.monotonic(), time.process_time()
        self._send, self._run = send, run.run
        self._output_bytes, self._output_left, self._truncated = 0, budget.output_bytes, False
        self._reply.expect(budget.value_bytes + 8 * ENVELOPE_BYTES)
        self._machine.memory_bytes_max = budget.memory_bytes
        self._machine.memory_refused = False
        self._use_clock(run)
        self._open_files(run)
        flag.clear()
        interrupt.start_timers(budget.wall_s, budget.cpu_s)
        gone = None
        head = {
            "kind": "run", "single": run.single, "filename": run.filename, "args": run.args,
            "env": run.env, "stream": run.stream, "value_bytes": budget.value_bytes,
            "value_depth": budget.value_depth, "source_bytes": len(run.source),
            "reseed": run.repeatable is not None,
        }
        try:
            self._call(head, run.source, run.variables)
            if run.single and self._left_open():
                self._call({"kind": "collect", "source_bytes": 0})
        except GuestExit as error:
            gone = InstanceGone("exited", str(error), error.status)
        except GuestAborted as error:
            gone = InstanceGone("aborted", str(error), None)
        except wasmtime.Trap as error:
            gone = InstanceGone("trapped", _trap_reason(error), None)
        finally:
            interrupt.stop_timers()
        wall_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
        report, value = self._reply.take()
        left_out = self._send_files(run)
        return Ended(
            run=run.run,
            report=b"" if gone else report,
            value=b"" if gone else value,
            used_up=self._used_up(run, flag.seen, wall_s, cpu_s),
            turned_down=self._turned_down(run),
            gone=gone,
            truncated=self._truncated,
            wall_s=wall_s,
            cpu_s=cpu_s,
            peak_memory_bytes=len(self._machine.memory.view),
            output_bytes=self._output_bytes,
            files_left_out=left_out,
        )

    def _call(self, head: dict[str, object], source: bytes = b"", variables: bytes = b"") -> None:
        line = msgspec.json.encode(head)
        self._request.give(b"%b\n%b%b" % (line, source, variables))
        if self._turn(self._turn_address) == 0:
            # The driver itself raised: the program took something from under it.
            msg = "the program broke the part of the interpreter that reports its end"
            raise GuestAborted(msg)

    def _left_open(self) -> bool:
        """Tell whether files are open that may hold unwritten text in a buffer of the guest."""
        return any(isinstance(file, OpenRegular) for file in self._files.descriptors.files.values())

    def _use_clock(self, run: Run) -> None:
        """Give the guest real time and entropy, or made-up ones if the run is to be repeatable."""
        fixed = run.repeatable
        clock, draw = self._clock, os.urandom
        if fixed is not None:
            clock, draw = repeatable_sources(fixed.clock_ns, fixed.seed)
        elif self._syscalls.clock is clock:
            return
        self._syscalls.clock, self._syscalls.random_bytes = clock, draw
        self._files.use_sources(clock.now_ns, draw)

    def _open_files(self, run: Run) -> None:
        """Give the guest the files and the input of a run, under the run's quotas."""
        files, budget = self._files, run.budget
        quotas = files.quotas
        quotas.file_bytes_max, quotas.file_count_max = budget.file_bytes, budget.file_count
        quotas.open_files_max = budget.open_files
        quotas.hit = None
        for name, data in run.files.items():
            files.write_file(f"{HOME}/{name}", data)
        files.set_input(run.stdin)
        files.mark()

    def _send_files(self, run: Run) -> list[str]:
        """Send what the guest wrote and return the names of files that do not fit the budget."""
        left, left_out = run.budget.file_bytes, []
        for position, (name, data) in enumerate(self._files.walk_changed(HOME)):
            if len(data) > left or position >= run.budget.file_count:
                left_out.append(name[:256])
                continue
            left -= len(data)
            self._send(encode(WrittenFile(run.run, name, data)))
        return left_out[:20]

    def _write_output(self, stream: int, data: memoryview) -> int:
        """Pass output on, exactly up to the limit; beyond it, stop the guest."""
        size = len(data)
        if size > self._output_left:
            data = data[: self._output_left]
            self._stop_flood()
        if data:
            self._output_left -= len(data)
            self._output_bytes += len(data)
            self._send(encode(Output(self._run, stream, bytes(data))))  # type: ignore[arg-type]
        return size

    def _stop_flood(self) -> None:
        """Interrupt the guest, and end it if it goes on writing after its time of grace.

        Raises:
            GuestAborted: It does.
        """
        now = time.monotonic()
        if not self._truncated:
            self._truncated, self._cut_at_s = True, now
        elif now - self._cut_at_s > FLOOD_GRACE_S:
            msg = "it went on writing after its output was cut"
            raise GuestAborted(msg)
        if self._flag is not None:
            self._flag.raise_flag()

    def _wait(self, duration_ns: int) -> bool:
        """Sleep for the guest; True if it is to be interrupted instead."""
        deadline = time.monotonic_ns() + duration_ns
        while (left := deadline - time.monotonic_ns()) > 0:
            if self._flag is not None and self._flag.seen:
                return True
            time.sleep(min(left / 1e9, _NAP_S))
        return False

    def _check_signals(self) -> int:
        """Answer CPython's question whether a signal came in: SIGINT once per raised flag."""
        if self._flag is not None:
            self._flag.lower()
        return GUEST_SIGINT

    def _used_up(
        self, run: Run, seen: list[int], wall_s: float, cpu_s: float
    ) -> BudgetUsedUp | None:
        budget = run.budget
        if self._truncated:
            # The guest may have wanted more than it tried; what is certain is one byte too many.
            return BudgetUsedUp("output_bytes", budget.output_bytes, self._output_bytes + 1)
        if signal.SIGPROF in seen or cpu_s > budget.cpu_s:
            return BudgetUsedUp("cpu_s", budget.cpu_s, cpu_s)
        if signal.SIGALRM in seen or wall_s > budget.wall_s:
            return BudgetUsedUp("wall_s", budget.wall_s, wall_s)
        return None

    def _turned_down(self, run: Run) -> BudgetUsedUp | None:
        """Say which request for more was refused: a reason only if the program failed of it."""
        budget, quotas = run.budget, self._files.quotas
        if self._machine.memory_refused:
            return BudgetUsedUp("memory_bytes", budget.memory_bytes, len(self._machine.memory.view))
        if quotas.hit == "file_bytes_max":
            return BudgetUsedUp("file_bytes", budget.file_bytes, quotas.bytes_used)
        if quotas.hit == "file_count_max":
            return BudgetUsedUp("file_count", budget.file_count, quotas.entries_used)
        if quotas.hit == "open_files_max":
            return BudgetUsedUp("open_files", budget.open_files, budget.open_files)
        return None


_WARM = {
    "kind": "warm", "args": [], "env": {}, "stream": False, "source_bytes": 0,
}


def repeatable_sources(clock_ns: int, seed: int) -> tuple[Clock, Callable[[int], bytes]]:
    """Return a clock and a source of randomness that are the same in every run.

    Time moves on by a microsecond whenever it is asked for, and by what the guest sleeps.
    """
    elapsed = 0

    def tick() -> int:
        nonlocal elapsed
        elapsed += _TICK_NS
        return elapsed

    def wait(duration_ns: int) -> bool:
        nonlocal elapsed
        elapsed += duration_ns
        return False

    drawn = 0

    def draw(count: int) -> bytes:
        nonlocal drawn
        pieces = []
        for _ in range(-(-count // _DIGEST_BYTES)):
            drawn += 1
            pieces.append(hashlib.sha256(b"%d:%d" % (seed, drawn)).digest())
        return b"".join(pieces)[:count]

    clock = Clock(now_ns=lambda: clock_ns + tick(), monotonic_ns=tick, cpu_ns=tick, wait_ns=wait)
    return clock, draw


_TICK_NS = 1000
_DIGEST_BYTES = 32


def _drop(_frame: bytes) -> None:
    """Send nowhere: for output before the first run."""


def _trap_reason(trap: wasmtime.Trap) -> str:
    text = str(trap)
    _, marker, reason = text.rpartition("wasm trap: ")
    return reason.strip() if marker else text.strip().splitlines()[-1][:1000]


def host_functions(
    machine: Machine, syscalls: Syscalls, check_signals: Callable[[], int]
) -> dict[tuple[str, str], Callable[..., object]]:
    """Return what the host answers of a Python runtime's imports; the rest is `glue`'s."""
    functions: dict[tuple[str, str], Callable[..., object]] = {}
    for name, method in IMPLEMENTED.items():
        for module in ("env", "wasi_snapshot_preview1"):
            functions[module, name] = getattr(syscalls, method)
    functions["env", "emscripten_resize_heap"] = machine.resize_heap
    functions["env", "emscripten_get_heap_max"] = lambda: machine.memory_bytes_max
    functions["env", "_Py_CheckEmscriptenSignals_Helper"] = check_signals
    functions["env", "_Py_emscripten_runtime"] = _zero
    functions["env", "_dlopen_js"] = _zero
    functions["env", "_dlsym_js"] = _zero
    functions["env", "__call_sighandler"] = _ignore
    return functions


def _zero(*_arguments: int) -> int:
    """Answer null: no such object, and no description of a browser."""
    return 0


def _ignore(*_arguments: int) -> None:
    """Do nothing: C handlers of signals that no other process can send."""


def load_base_layer(runtime: Path) -> BaseLayer:
    """Map the read-only files of a runtime's folder: standard library and time zones."""
    index = json.loads((runtime / ROOT_INDEX).read_text())
    with (runtime / ROOT_DATA).open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return BaseLayer({os.fsencode(name): (at, size) for name, (at, size) in index.items()},
                     memoryview(data))
