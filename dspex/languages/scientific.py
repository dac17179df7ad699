"""Python with numpy, pandas and their kin: CPython linked statically for WASI, under wasmtime.

The worker's side of one guest, like `dspex.languages.python`, from which it differs in what lies
beneath: WASI in place of Emscripten, a memory laid over from a file in place of one built into the
module, and another way to interrupt. The guest's half is the same.

CPython for WASI has no signals. But it looks at one word of its thread's state, the eval breaker,
wherever it looks for signals, and raises an exception that lies ready beside it if one bit is set.
Each of the signal numbers 10, 14 and 26 has that bit, and only such others as do nothing when
nothing waits for them, so the host's signal handler can write the number there. 27 (SIGPROF) has
one that would end the guest, which is why processor time is measured by SIGVTALRM.
"""

from __future__ import annotations

import ctypes
import signal
import struct
import time
from typing import TYPE_CHECKING, Any

from dspex.languages.account import NAP_S, RunAccount
from dspex.languages.python import COMPILED, ENVIRONMENT, Calls, PythonGuest, Reply
from dspex.protocol.messages import BudgetUsedUp, MessageError, decode_report
from dspex.wasm import interrupt
from dspex.wasm.emscripten import Errno, MemoryFileSystem, SyscallError
from dspex.wasm.engine import new_engine
from dspex.wasm.instance import Machine
from dspex.wasm.overlay import MemoryFile, OverlaidMachine
from dspex.wasm.wasi import abi
from dspex.wasm.wasi.preview1 import Preview1

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from dspex.languages.base import Link
    from dspex.protocol.messages import Ended, Run
    from dspex.wasm.emscripten.calls import Calls as GuestCalls

MEMORY = "memory.bin"
ARCHIVE = "/usr/local/lib/python315.zip"
FIGURES, FIGURES_PLACE = "/usr/local/share/mpl-data", f"{ARCHIVE}/matplotlib/mpl-data"
"""matplotlib's fonts and styles: where they lie, and where it looks for them."""

GUEST_ENVIRONMENT = {
    **ENVIRONMENT, "MPLBACKEND": "Agg", "MPLCONFIGDIR": "/tmp/matplotlib", "PYTHONTZPATH": "",  # noqa: S108 - a path of the guest's
}  # fmt: skip

ASYNC_EXCEPTION_BIT = 8
_MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError")
_ALLOCATION_FAILED = ("Unable to allocate ", "std::bad_alloc")
_POINTER = struct.Struct("<I")
_NO_HOST = -1


class EvalBreaker(interrupt.InterruptFlag):
    """The word that CPython's loop looks at; only its lowest byte is ours to write.

    Attributes:
        arm: Lays the exception ready that the bit raises.
    """

    __slots__ = ("arm",)

    def __init__(self, arm: Callable[[], None]) -> None:
        """Install the handlers."""
        super().__init__()
        self.arm = arm
        signal.signal(signal.SIGVTALRM, self._note_processor_time)
        signal.siginterrupt(signal.SIGVTALRM, False)

    def _note_processor_time(self, _number: int, _frame: FrameType | None) -> None:
        self.seen.append(signal.SIGPROF)  # which is what stands for it everywhere else

    def clear(self) -> None:
        """Forget what arrived; the next signal writes to the flag's byte again."""
        above = ctypes.string_at(self._address + 1, interrupt.FLAG_BYTES - 1)
        super().clear()
        ctypes.memmove(self._address + 1, above, len(above))

    def raise_flag(self) -> None:
        """Interrupt the guest from within a host call."""
        self.arm()
        now = ctypes.string_at(self._address, 1)[0]
        ctypes.memset(self._address, now | ASYNC_EXCEPTION_BIT, 1)


class _Account(RunAccount):
    """The account of a run whose processor time is measured by another timer."""

    def begin(self, run: Run, link: Link) -> None:
        super().begin(run, link)
        signal.setitimer(signal.ITIMER_PROF, 0)
        # A second signal would be written beside the byte. With as much processor time as wall
        # time, the wall's comes first and is the only one needed.
        if run.budget.cpu_s < run.budget.wall_s:
            signal.setitimer(signal.ITIMER_VIRTUAL, run.budget.cpu_s)

    def stop_clock(self) -> tuple[float, float]:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return super().stop_clock()


class _Calls(Calls):
    """As for Emscripten, but an interrupted wait just ends: the exception comes by itself."""

    def read_into(self, target: memoryview) -> int:
        try:
            return super().read_into(target)
        except SyscallError as error:
            if error.errno is not Errno.EINTR:
                raise
            self._account.noticed = len(self._account.seen)
            return 0


class _Reply(Reply):
    """The channel of the guest's report; it notes whether that tells of too little memory."""

    __slots__ = ("out_of_memory",)

    def expect(self, bytes_max: int) -> None:
        super().expect(bytes_max)
        self.out_of_memory = False

    def take(self) -> tuple[bytes, bytes]:
        report, value = super().take()
        self.out_of_memory = tells_of_too_little_memory(report)
        return report, value


def tells_of_too_little_memory(report: bytes) -> bool:
    """Tell whether a guest's report is of an allocation that failed.

    Memory grows here without the host's being asked. So the message decides: the interpreter's own
    error has none, numpy says what it was asked for, C++ code says `bad_alloc`. Others are
    raised for other reasons, such as a program that is nested too deeply for the parser.
    """
    try:
        said = decode_report(report)
    except MessageError:
        return False
    return said.type.rpartition(".")[2] in _MEMORY_ERRORS and (
        not said.message or said.message.startswith(_ALLOCATION_FAILED)
    )


class ScientificGuest(PythonGuest):
    """One guest at a time, from the memory in an image's folder."""

    rehearsal = b"""
import json
import numpy as np
import pandas as pd
rows = [{"n": i, "s": str(i)} for i in range(20)]
print(json.dumps(rows)[:20])
frame = pd.DataFrame(rows)
print(frame.groupby("s")["n"].sum().head(2))
np.arange(12.0).reshape(3, 4) @ np.ones(4)
"""
    smallest = b"import numpy as np\nnp.arange(3).sum()"
    arrays = True

    account_kind, reply_kind, calls_kind = _Account, _Reply, _Calls
    _wasi: Preview1

    def _load(self, runtime: Path) -> Machine:
        return OverlaidMachine.overlaid(
            new_engine(), runtime / COMPILED, MemoryFile(runtime / MEMORY)
        )

    def _find_flag(self, entry: dict[str, Any]) -> interrupt.InterruptFlag:
        self._breaker_at: int = entry["eval_breaker"]
        self._exception_at: int = entry["async_exception"]
        self._exception: int = entry["keyboard_interrupt"]
        return EvalBreaker(self._arm)

    def _connect(self, _entry: dict[str, Any]) -> GuestCalls:
        self._wasi = Preview1(self._machine.memory, self._files, clock=self._clock)
        self._machine.bind(host_functions(self._machine, self._wasi))
        return self._wasi

    def _enter_guest(self) -> None:
        """Take hold of a fresh instance, with an empty file system."""
        super()._enter_guest()
        open_files(self._wasi, self._files)

    def _flag_place(self) -> int:
        return self._breaker_at

    def serve(self, run: Run, link: Link) -> Ended:
        """Run a program to its end, its budget's end or the guest's end."""
        self._machine.limit_memory(max(run.budget.memory_bytes, len(self._machine.memory.view)))
        self._arm()
        return super().serve(run, link)

    def _arm(self) -> None:
        """Lay KeyboardInterrupt ready; the class is immortal, so nobody counts the reference."""
        view = self._machine.memory.view
        _POINTER.pack_into(view, self._exception_at, self._exception)

    def _wait(self, duration_ns: int) -> bool:
        """Sleep for the guest, for less if it is interrupted: the exception then comes by itself."""
        deadline = time.monotonic_ns() + duration_ns
        while (left := deadline - time.monotonic_ns()) > 0:
            if self._account.interrupted:
                self._account.noticed = len(self._account.seen)
                break
            time.sleep(min(left / 1e9, NAP_S))
        return False

    def _turned_down(self, run: Run) -> BudgetUsedUp | None:
        memory = self._machine.memory
        memory.sync()
        if isinstance(self._reply, _Reply) and self._reply.out_of_memory:
            return BudgetUsedUp("memory_bytes", run.budget.memory_bytes, len(memory.view))
        return super()._turned_down(run)


def open_files(wasi: Preview1, files: MemoryFileSystem) -> None:
    """Open what the guest's C library found open when it started, on the same descriptors."""
    wasi.fs = files
    wasi.begin([b"python"], [f"{name}={value}".encode() for name, value in GUEST_ENVIRONMENT.items()])
    wasi.preopen("/", "/")
    wasi.preopen(FIGURES_PLACE, FIGURES)


def host_functions(machine: Machine, wasi: Preview1) -> dict[tuple[str, str], Callable[..., object]]:
    """Return what answers the module's imports; each looks first whether the memory has grown."""
    sync = machine.memory.sync

    def synced(function: Callable[..., int | None]) -> Callable[..., int | None]:
        def call(*arguments: int) -> int | None:
            sync()
            return function(*arguments)

        return call

    functions: dict[tuple[str, str], Callable[..., object]] = {
        (abi.MODULE, name): synced(function) for name, function in wasi.functions().items()
    }
    functions["host", "call"] = _no_host
    return functions


def _no_host(*_arguments: int) -> int:
    """Answer upstream's own way to call the host: there is none; tools come by a descriptor."""
    return _NO_HOST
