"""Python: CPython as Pyodide builds it, under wasmtime. The worker's side of one guest.

The other side is `dspex/languages/guest/python_driver.py`, inside the sandbox. The two talk
through two descriptors that only they use; what the guest says there goes to the supervisor as it
is, because nothing that it says is believed here.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import wasmtime

from dspex.languages.account import FILES_LEFT_OUT_MAX, OutputFlood, RunAccount
from dspex.languages.files import FilesRefused, MountedTrees
from dspex.protocol.messages import ENVELOPE_BYTES, BudgetUsedUp, Ended, InstanceGone, Run
from dspex.wasm import interrupt, state
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
from dspex.wasm.emscripten.calls import Calls as GuestCalls
from dspex.wasm.emscripten.descriptors import OpenRegular
from dspex.wasm.emscripten.dylink import MergedModules
from dspex.wasm.engine import new_engine
from dspex.wasm.fast_path import FastPath, Turn
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dspex.languages.base import Link
    from dspex.protocol.messages import Answer

REQUEST_FD = 1 << 20
REPLY_FD = REQUEST_FD + 1
CALLS_FD = REQUEST_FD + 2
COMPILED = "python.cwasm"
ENTRY = "entry.json"
ROOT_DATA, ROOT_INDEX = "root.bin", "root.json"
EXPORTS = (
    "memory", "PyObject_CallNoArgs", "Py_EMSCRIPTEN_SIGNAL_HANDLING", "emscripten_builtin_memalign",
)
"""What a snapshot must export for this file."""

ENVIRONMENT = {"HOME": HOME, "LANG": "C.UTF-8", "PATH": "/usr/bin", "TZ": "UTC", "TMPDIR": "/tmp"}  # noqa: S108
GUEST_SIGINT = 2
_NAME_CHARS_MAX = 200
_ANSWER_HEAD = struct.Struct("<QIII")


class Request:
    """The channel that the guest's driver reads its next request from."""

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = memoryview(b"")
        self._at = 0

    def give(self, data: bytes) -> None:
        """Offer the next request."""
        self._data, self._at = memoryview(data), 0

    def read_into(self, target: memoryview) -> int:
        """Read on."""
        piece = self._data[self._at : self._at + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def write(self, data: memoryview) -> int:
        """Refuse: nothing is written here."""
        raise SyscallError(Errno.EBADF)


class Reply:
    """The channel that the guest's driver writes its report to, whole; the last one counts."""

    __slots__ = ("_bytes_max", "_written")

    def __init__(self) -> None:
        self.expect(0)

    def expect(self, bytes_max: int) -> None:
        """Forget what was written; take so many bytes from now on."""
        self._written, self._bytes_max = b"", bytes_max

    def read_into(self, target: memoryview) -> int:
        """Refuse: nothing is read here."""
        raise SyscallError(Errno.EBADF)

    def write(self, data: memoryview) -> int:
        """Keep it, if it is not too much."""
        if len(data) > self._bytes_max:
            raise SyscallError(Errno.ENOSPC)
        self._written = bytes(data)
        return len(data)

    def resume(self, written: bytes) -> None:
        """Have been written already."""
        self._written = written

    def take(self) -> tuple[bytes, bytes]:
        """Return the report and the encoded value, and forget them."""
        report, _, value = self._written.partition(b"\n")
        self._written = b""
        return report, value


class Calls:
    """The channel that the guest's tools begin calls through and read answers from."""

    __slots__ = ("_account", "_data", "_wait_s", "allowed")

    def __init__(self, account: RunAccount) -> None:
        self._account = account
        self.allow(tools=False)

    def allow(self, *, tools: bool) -> None:
        """Say whether the run has tools."""
        self.allowed = tools
        self._data = memoryview(b"")
        self._wait_s: float | None = None

    def write(self, data: memoryview) -> int:
        """Take `C` with a name, a line end and arguments; or `W` with seconds, for the next read."""
        message = bytes(data)
        if not self.allowed:
            raise SyscallError(Errno.EPERM)
        if message[:1] == b"W":
            try:
                self._wait_s = float(message[1:])
            except ValueError:
                raise SyscallError(Errno.EINVAL) from None
            return len(message)
        name, _, arguments = message[1:].partition(b"\n")
        if not self._account.call(name.decode("utf-8", "replace")[:_NAME_CHARS_MAX], arguments):
            raise SyscallError(Errno.EDQUOT)
        return len(message)

    def read_into(self, target: memoryview) -> int:
        """Wait for answers, and give those that have come."""
        if not self.allowed:
            raise SyscallError(Errno.EPERM)
        if not self._data:
            wait_s, self._wait_s = self._wait_s, None
            answers = self._account.wait_answers(wait_s)
            if not answers and self._account.interrupted:
                raise SyscallError(Errno.EINTR)
            self._data = memoryview(b"".join(_answer_record(one) for one in answers))
        piece = self._data[: len(target)]
        target[: len(piece)] = piece
        self._data = self._data[len(piece) :]
        return len(piece)


def _answer_record(answer: Answer) -> bytes:
    kind, message = answer.error_type.encode(), answer.error_message.encode()
    sizes = _ANSWER_HEAD.pack(answer.call, len(answer.value), len(kind), len(message))
    return b"".join((sizes, answer.value, kind, message))


class PythonGuest:
    """One guest at a time, from the snapshot in a runtime's folder."""

    in_wasm = True
    rehearsal = b"""
import json
rows = [{"n": i, "s": str(i)} for i in range(20)]
print(json.dumps(rows)[:20])
sum(row["n"] for row in rows)
"""
    smallest = b"1 + 1"
    asking = b"""
import os
with open("rehearsed.txt", "w") as file:
    file.write("text")
print(os.listdir("."), open("rehearsed.txt").read())
"""
    arrays = False
    """Whether this guest has numpy, and so gives and takes arrays as such."""
    account_kind, reply_kind, calls_kind = RunAccount, Reply, Calls

    def __init__(self, runtime: Path) -> None:
        """Load the compiled snapshot and the files that every guest shares.

        Raises:
            FileNotFoundError: if the folder is not a built runtime.
            wasmtime.WasmtimeError: if it was compiled for something else.
        """
        entry = json.loads((runtime / ENTRY).read_text())
        self._turn_address: int = entry["turn"]
        self.fast = FastPath.of_runtime(runtime)
        self._machine = self._load(runtime)
        self._base = load_base_layer(runtime)
        self._flag = self._find_flag(entry)
        self._owned = False
        self._reseed = False
        """Whether the next run is to draw fresh randomness, as its guest has a twin."""
        self._account = self.account_kind(self._flag.raise_flag, self._flag.seen)
        self._request, self._reply = Request(), self.reply_kind()
        self._calls = self.calls_kind(self._account)
        self._mounts = MountedTrees()
        self._files = MemoryFileSystem(base=self._base)
        self._clock = Clock(wait_ns=self._wait)
        self._syscalls = self._connect(entry)

    def _load(self, runtime: Path) -> Machine:
        route = None if self.fast is None else self.fast.route
        return Machine.load(new_engine(), runtime / COMPILED, route)

    def _find_flag(self, _entry: dict[str, Any]) -> interrupt.InterruptFlag:
        return interrupt.InterruptFlag()

    def _connect(self, entry: dict[str, Any]) -> GuestCalls:
        """Answer what the guest imports."""
        syscalls = Syscalls(
            self._machine.memory,
            self._files,
            clock=self._clock,
            environ_address=entry["environ"],
            zone_fields=tuple(entry["zone_fields"]),
        )
        syscalls.allocate = self._allocate
        merged = MergedModules(self._machine.memory, entry.get("native", {}))
        self._machine.bind(
            host_functions(self._machine, syscalls, self._check_signals, merged)
        )
        return syscalls

    def boot(self) -> None:
        """Make a fresh guest from the snapshot, with an empty file system."""
        self._machine.boot()
        self._enter_guest()

    def _enter_guest(self) -> None:
        """Take hold of a fresh instance, with an empty file system."""
        self._mounts.forget()
        self._files = MemoryFileSystem(
            base=self._base, quotas=Quotas(), write_output=self._account.write_output
        )
        self._files.install_channel(REQUEST_FD, self._request)
        self._files.install_channel(REPLY_FD, self._reply)
        self._files.install_channel(CALLS_FD, self._calls)
        self._syscalls.fs = self._files
        self._turn = self._machine.function("PyObject_CallNoArgs", 1)
        self._flag_address = self._flag_place()
        if self._owned:
            self._flag.attach(self._machine.memory.address + self._flag_address)

    def _flag_place(self) -> int:
        return self._machine.global_i32("Py_EMSCRIPTEN_SIGNAL_HANDLING")

    def enter_worker(self) -> tuple[int, ...]:
        """Give this process an interrupt page of its own."""
        self._owned = True
        self._flag.own()
        self._flag.attach(self._machine.memory.address + self._flag_address)
        return (self._flag.descriptor,)

    def warm(self) -> None:
        """Run an empty program: it touches the pages that any program does, and reseeds `random`."""
        self._reply.expect(ENVELOPE_BYTES)
        self._call(_WARM)
        self._reply.take()

    def refresh(self) -> None:
        """Have the next run reseed `random`."""
        self._reseed = True

    def serve(self, run: Run, link: Link) -> Ended:
        """Run a program to its end, its budget's end or the guest's end."""
        account = self._account
        self._expect(run)
        self._flag.clear()
        account.begin(run, link)
        try:
            self._mounts.give(self._files, run)
        except FilesRefused as refusal:
            return account.end(
                report=refusal.report(), spent_s=account.stop_clock(),
                peak_memory_bytes=len(self._machine.memory.view),
            )
        budget = run.budget
        head = {
            "kind": "run", "single": run.single, "filename": run.filename, "args": run.args,
            "env": run.env, "stream": run.stream, "value_bytes": budget.value_bytes,
            "value_depth": budget.value_depth, "source_bytes": len(run.source),
            "reseed": run.repeatable is not None or self._reseed, "host_calls": budget.host_calls,
            "arrays": self.arrays,
            "tools": msgspec.Raw(run.tools) if run.tools else None,
        }
        self._reseed = False
        return self._end(run, partial(self._call, head, run.source, run.variables))

    def _expect(self, run: Run) -> None:
        """Prepare for what a run may ask for."""
        budget = run.budget
        self._reply.expect(budget.value_bytes + 8 * ENVELOPE_BYTES)
        self._machine.memory_bytes_max = budget.memory_bytes
        self._machine.memory_refused = False
        self._use_clock(run)
        self._calls.allow(tools=bool(run.tools))

    def _end(self, run: Run, turn: Callable[[], None]) -> Ended:
        """Say how a run has ended, whose turn is made, or was made and is told of."""
        account = self._account
        gone, report, value = None, b"", b""
        try:
            turn()
            report, value = self._reply.take()
            if run.single and self._left_open():
                self._call({"kind": "collect", "source_bytes": 0})
        except GuestExit as error:
            gone = InstanceGone("exited", str(error), error.status)
        except (GuestAborted, OutputFlood) as error:
            gone = InstanceGone("aborted", str(error), None)
        except wasmtime.Trap as error:
            gone = InstanceGone("trapped", _trap_reason(error), None)
        finally:
            spent_s = account.stop_clock()
        return account.end(
            report=report,
            value=value,
            gone=gone,
            turned_down=self._turned_down(run),
            spent_s=spent_s,
            peak_memory_bytes=len(self._machine.memory.view),
            files_left_out=self._send_files(run),
        )

    # Runs that go without the host's Python, until they need it: `dspex.wasm.fast_path`.

    @property
    def memory(self) -> tuple[int, int]:
        """Where the guest's memory is, and how long."""
        return self._machine.memory.address, len(self._machine.memory.view)

    def offer_turns(self, fast: FastPath) -> None:
        """Say how the next workers' guest is called."""
        call, context, function = self._turn.address
        memory = self._machine.memory
        fast.lead(Turn(
            call, context, function, self._turn_address, memory.address, len(memory.view),
            memory.address + self._flag_address, _request(_WARM),
        ))

    def take_over(self, fast: FastPath, run: Run | None, link: Link | None) -> None:
        """Go on from where this worker is, as if it had been led from here since its fork.

        Args:
            fast: Who has led it so far.
            run: The run under way, if there is one.
            link: Where it came from.
        """
        self._owned = True
        self._flag.adopt(fast.life.wakeup_fd)
        if run is None or link is None:
            self._reply.expect(ENVELOPE_BYTES)
        else:
            self._expect(run)
            self._account.resume(run, link, fast.spent)
            self._mounts.give(self._files, run)
        self._request.give(fast.request_left)
        self._reply.resume(fast.reply)

    def end_turn(self, fast: FastPath, run: Run) -> Ended:
        """Say how a run ended that was begun elsewhere, and taken over."""
        return self._end(run, partial(self.check_turn, fast))

    def check_turn(self, fast: FastPath) -> None:
        """Raise what the last turn ended with, if it failed."""
        self._turn.raise_failure(fast.life.error, fast.life.trap)
        _check_driver(fast.life.result)

    def save_state(self, descriptor: int, bytes_max: int) -> int:
        """Write the guest's state to a memory file; return its size."""
        self._flag.clear()
        syscalls = self._syscalls
        rest = state.rest_of(self._files, self._clock, syscalls.zone_fields, self._mounts.dump())
        return state.save(self._machine, rest, descriptor, bytes_max)

    def restore_state(
        self, descriptor: int, size: int, terms: state.Terms, *, twin: bool
    ) -> None:
        """Be the guest whose state is in a file."""
        with state.SavedState(descriptor, size) as saved:
            self._machine.boot()
            saved.fill(self._machine, terms.memory_bytes)
            self._enter_guest()
            own = saved.restore_rest(self._files, self._clock, terms)
        self._syscalls.clock = self._clock
        self._syscalls.random_bytes = os.urandom
        if own.zone_fields is not None:
            self._syscalls.zone_fields = own.zone_fields
        if terms.mounted:
            self._mounts.restore(own.own)
        self._reseed = twin

    def become_twin(self, memory_file: int, spent_ns: int) -> None:
        """Go on as a copy of a process: with an interrupt page of its own and fresh randomness."""
        self._flag.move(memory_file)
        self._reseed = True
        self._clock.add_cpu(spent_ns)

    def _call(self, head: dict[str, object], source: bytes = b"", variables: bytes = b"") -> None:
        self._request.give(_request(head, source, variables))
        _check_driver(self._turn(self._turn_address))

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

    def _send_files(self, run: Run) -> list[str]:
        """Send what the guest wrote; return the names of what does not fit."""
        left_out = self._account.send_files(self._files.walk_changed(HOME))
        for change in self._mounts.changes(self._files, run):
            self._account.send(change)
        return left_out + self._mounts.left_out[:FILES_LEFT_OUT_MAX - len(left_out)]

    def _allocate(self, alignment: int, size: int) -> int:
        """Return memory of the guest's own for a file that it maps, or 0; it is asked within a call."""
        return self._machine.function("emscripten_builtin_memalign", 2)(alignment, size)

    def _wait(self, duration_ns: int) -> bool:
        return self._account.sleep(duration_ns)

    def _check_signals(self) -> int:
        """Answer CPython's question whether a signal came in: SIGINT once per raised flag."""
        self._flag.lower()
        self._account.noticed = len(self._flag.seen)
        return GUEST_SIGINT

    def _turned_down(self, run: Run) -> BudgetUsedUp | None:
        """Say which request for more was refused: a reason only if the program failed of it."""
        budget = run.budget
        if self._machine.memory_refused:
            return BudgetUsedUp("memory_bytes", budget.memory_bytes, len(self._machine.memory.view))
        return self._account.files_turned_down(self._files.quotas)


_WARM: dict[str, object] = {
    "kind": "warm", "args": [], "env": {}, "stream": False, "source_bytes": 0,
    "value_bytes": 1024, "value_depth": 2,
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

    drawn = seed

    def draw(count: int) -> bytes:
        nonlocal drawn
        pieces = []
        for _ in range(-(-count // _WORD.size)):
            drawn = (drawn + _SPLITMIX_STEP) & _WORD_MASK
            mixed = drawn
            for shift, factor in _SPLITMIX_ROUNDS:
                mixed = (mixed ^ mixed >> shift) * factor & _WORD_MASK
            pieces.append(_WORD.pack(mixed ^ mixed >> 31))
        return b"".join(pieces)[:count]

    clock = Clock(now_ns=lambda: clock_ns + tick(), monotonic_ns=tick, cpu_ns=tick, wait_ns=wait)
    return clock, draw


_TICK_NS = 1000
_WORD, _WORD_MASK = struct.Struct("<Q"), (1 << 64) - 1
_SPLITMIX_STEP = 0x9E3779B97F4A7C15
_SPLITMIX_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
"""SplitMix64 (Steele, Lea, Flood 2014). Nothing rests on it but that it is the same; `hashlib` would bring OpenSSL along."""


def _request(head: dict[str, object], source: bytes = b"", variables: bytes = b"") -> bytes:
    return b"%b\n%b%b" % (msgspec.json.encode(head), source, variables)


def _check_driver(result: int) -> None:
    if result == 0:
        # The driver itself raised: the program took something from under it.
        msg = "the program broke the part of the interpreter that reports its end"
        raise GuestAborted(msg)


def _trap_reason(trap: wasmtime.Trap) -> str:
    text = str(trap)
    _, marker, reason = text.rpartition("wasm trap: ")
    return reason.strip() if marker else text.strip().splitlines()[-1][:1000]


def host_functions(
    machine: Machine, syscalls: Syscalls, check_signals: Callable[[], int], merged: MergedModules
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
    functions["env", "_dlopen_js"] = merged.dlopen
    functions["env", "_dlsym_js"] = merged.dlsym
    return functions


def _zero(*_arguments: int) -> int:
    """Answer null: no description of a browser."""
    return 0


def load_base_layer(runtime: Path) -> BaseLayer:
    """Map the read-only files of a runtime's folder: standard library and time zones."""
    index = json.loads((runtime / ROOT_INDEX).read_text())
    with (runtime / ROOT_DATA).open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return BaseLayer({os.fsencode(name): (at, size) for name, (at, size) in index.items()},
                     memoryview(data))
