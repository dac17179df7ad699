"""WebAssembly: programs compiled for WASI preview 1, and single functions. The worker's side.

A worker does one of two things, said by the first byte of what it is sent: it compiles a program and
sends back what came of it, or it loads what another worker compiled, seals itself so that no
other code can be loaded, and runs it. Which of them, is `dspex.languages.wasm_source`'s.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import msgspec
import wasmtime

from dspex import values
from dspex.errors import ValueNotTransferable
from dspex.languages.account import OutputFlood, RunAccount
from dspex.languages.order import ARGUMENTS, CALL, COMPILE, COMPILED, RUN
from dspex.languages.python import repeatable_sources
from dspex.protocol.messages import BudgetUsedUp, Ended, GuestFinding, GuestReport, Run
from dspex.wasm import interrupt
from dspex.wasm.emscripten import HOME, Clock, GuestExit, MemoryFileSystem, Quotas, SyscallError
from dspex.wasm.program import Invalid, Program
from dspex.wasm.wasi import Preview1

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dspex.languages.base import Link

EXCHANGE = "/dspex"
VARIABLES, VALUE = "variables.json", "value.json"
_STDERR_TAIL_BYTES = 4096
_PANIC = re.compile(rb"thread '[^'\n]*' (?:\(\d+\) )?panicked at ([^\n]*)\n?([^\n]*)")
_TRACEBACK_CHARS_MAX = 20_000

_HELLO = b"""
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "hello\\n")
  (func (export "_start")
    (drop (call $args (i32.const 0) (i32.const 4)))
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 6))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
"""


class WasmGuest:
    """One program at a time; nothing of it is left in the process that could be used again."""

    in_wasm = True
    calls_exports = True
    """Whether variables can ask for one exported function."""

    def __init__(self, _runtime: Path) -> None:
        """Make the engine, and compile the program that is rehearsed."""
        self.seal: Callable[[], None] = _nothing
        self._flag = interrupt.InterruptFlag()
        self._account = RunAccount(self._flag.raise_flag, self._flag.seen)
        self._program = Program()
        self._files = MemoryFileSystem()
        self._clock = Clock(wait_ns=self._account.sleep)
        self._calls = Preview1(self._program.memory, self._files, clock=self._clock)
        self._program.offer(self._calls.functions())
        self._stderr_tail = b""
        self.rehearsal = self.smallest = RUN + self._program.compile_program(_HELLO)

    def boot(self) -> None:
        """Forget the last program, if any."""
        self._program.close()

    def enter_worker(self) -> tuple[int, ...]:
        """Give this process a memory file of its own, for `serve` to map."""
        self._flag.own()
        return (self._flag.descriptor,)

    def warm(self) -> None:
        """Do nothing: a program brings everything along, randomness is drawn when it asks."""

    def serve(self, run: Run, link: Link) -> Ended:
        """Compile or run a program, to its end or its budget's."""
        # The epoch lies on a page of the host's heap, which no fork may share: so only for now.
        self._flag.attach(self._program.epoch_address)
        try:
            self._program.memories.begin(run.budget.memory_bytes)
            self._account.begin(run, link)
            if run.source[:1] == COMPILE:
                return self._compile(run)
            return self._run(run)
        finally:
            self._flag.detach()

    def _compile(self, run: Run) -> Ended:
        report, files = GuestReport("ok"), []
        try:
            files = [(COMPILED, self._program.compile_program(run.source[1:]))]
        except Invalid as error:
            report = _refusal(error)
        spent_s = self._account.stop_clock()
        left_out = self._account.send_files(files)
        return self._account.end(
            report=msgspec.json.encode(report), spent_s=spent_s,
            peak_memory_bytes=0, files_left_out=left_out,
        )

    def _run(self, run: Run) -> Ended:
        account, program = self._account, self._program
        value = b""
        files = self._open_files(run)
        try:
            program.load(run.source, at=1)
            self.seal()
            report, result = self._perform(run)
            if result is not _NO_VALUE:
                value = values.encode(
                    result, bytes_max=run.budget.value_bytes, depth_max=run.budget.value_depth
                )
            elif report.status == "ok":
                value = self._written_value(run)
        except values.ValueOverLimit as error:
            report = GuestReport(
                "limit", limit=error.limit, allowed=error.allowed, spent=error.spent  # type: ignore[arg-type]
            )
        except (values.ValueUndecodable, ValueNotTransferable) as error:
            report = GuestReport("raised", type="ValueError", message=f"{EXCHANGE}/{VALUE}: {error}")
        finally:
            spent_s = account.stop_clock()
        # An interrupted program has its count in a register, where nobody can read it.
        fuel = None if self._account.seen or self._account.truncated else program.fuel
        peak = program.memories.peak_bytes
        turned_down = self._turned_down(run)
        if turned_down is not None and turned_down.limit != "memory_bytes":
            report = msgspec.structs.replace(
                report, notes=[f"{turned_down.limit}: the program was refused more"]
            )
        left_out = account.send_files(files.walk_changed(HOME))
        program.close()
        return account.end(
            report=msgspec.json.encode(report),
            value=value if report.status == "ok" else b"",
            turned_down=turned_down,
            spent_s=spent_s,
            peak_memory_bytes=peak,
            files_left_out=left_out,
            fuel=fuel,
        )

    def _perform(self, run: Run) -> tuple[GuestReport, Any]:
        """Run the program or call the function; the second is a value, if it returned one."""
        wanted = self._wanted_call(run)
        program = self._program
        result: Any = _NO_VALUE
        report = GuestReport("ok")
        try:
            if wanted is None:
                program.check_command()
            program.start()
            if wanted is None:
                program.run_command()
            else:
                result = program.call(*wanted)
        except Invalid as error:
            report = _refusal(error)
        except GuestExit as error:
            report = _exit_report(error.status)
        except OutputFlood:
            report = GuestReport("raised", type="OutputFlood")
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            report = self._trap_report(error)
        return report, result

    def _wanted_call(self, run: Run) -> tuple[str, list[Any]] | None:
        """Return which function is to be called with what; None for the whole program."""
        if not run.variables or not self.calls_exports:
            return None
        given = values.decode(
            run.variables, bytes_max=run.budget.value_bytes, depth_max=run.budget.value_depth
        )
        assert isinstance(given, dict)
        if CALL not in given:
            return None
        return str(given[CALL]), list(given.get(ARGUMENTS, []))

    def _trap_report(self, error: wasmtime.Trap | wasmtime.WasmtimeError) -> GuestReport:
        said = str(error).strip()
        _, _, cause = said.partition("Caused by:")
        lines = [line.strip() for line in (cause or said).splitlines() if line.strip()]
        reason = re.sub(r"^(?:\d+: )?(?:wasm trap: )?", "", lines[-1] if lines else "")
        if self._program.memories.refused:
            return GuestReport("raised", type="MemoryError", message=reason)
        panic = _PANIC.search(self._stderr_tail)
        if panic is not None and "unreachable" in reason:
            return GuestReport("raised", type="Panic", message=_panic_message(panic))
        return GuestReport(
            "raised", type="Trap", message=reason[:2000], traceback=said[:_TRACEBACK_CHARS_MAX]
        )

    # Files, time and output.

    def _open_files(self, run: Run) -> MemoryFileSystem:
        budget = run.budget
        quotas = Quotas(
            file_bytes_max=budget.file_bytes, file_count_max=budget.file_count,
            open_files_max=budget.open_files,
        )
        clock, draw = self._clock, os.urandom
        if run.repeatable is not None:
            clock, draw = repeatable_sources(run.repeatable.clock_ns, run.repeatable.seed)
        files = self._files = MemoryFileSystem(
            quotas=quotas, now_ns=clock.now_ns, random_bytes=draw, write_output=self._write_output
        )
        for name, data in run.files.items():
            files.write_file(f"{HOME}/{name}", data)
        files.write_file(f"{EXCHANGE}/{VARIABLES}", run.variables or b"{}")
        files.set_input(run.stdin)
        calls = self._calls
        calls.fs, calls.clock, calls.random_bytes = files, clock, draw
        arguments = [one.encode() for one in (run.filename, *run.args)]
        calls.begin(arguments, [f"{name}={value}".encode() for name, value in run.env.items()])
        calls.preopen("/", HOME)
        calls.preopen(EXCHANGE, EXCHANGE)
        files.mark()
        quotas.hit = None
        self._stderr_tail = b""
        return files

    def _written_value(self, run: Run) -> bytes:
        """Return what the program wrote as its value, if it did.

        Raises:
            values.ValueUndecodable, values.ValueOverLimit: It is none, or too large.
        """
        try:
            written = self._files.read_file(f"{EXCHANGE}/{VALUE}")
        except SyscallError:
            return b""
        budget = run.budget
        values.decode(written, bytes_max=budget.value_bytes, depth_max=budget.value_depth)
        return written

    def _write_output(self, stream: int, data: memoryview) -> int:
        if stream == 2:
            self._stderr_tail = (self._stderr_tail + bytes(data))[-_STDERR_TAIL_BYTES:]
        return self._account.write_output(stream, data)

    def _turned_down(self, run: Run) -> BudgetUsedUp | None:
        budget, memories = run.budget, self._program.memories
        if memories.refused:
            return BudgetUsedUp("memory_bytes", budget.memory_bytes, memories.peak_bytes)
        return self._account.files_turned_down(self._files.quotas)


class RustGuest(WasmGuest):
    """The same for programs that were written in Rust: they have a `main`, and any variables."""

    calls_exports = False


_NO_VALUE = object()


def _nothing() -> None:
    """Seal nothing: in a zygote, and where there is no jail."""


def _refusal(error: Invalid) -> GuestReport:
    finding = GuestFinding(error.message, error.line, error.column, error.hint)
    return GuestReport("refused", findings=[finding])


def _exit_report(status: int) -> GuestReport:
    if status == 0:
        return GuestReport("ok")
    return GuestReport("raised", type="SystemExit", message=str(status))


def _panic_message(found: re.Match[bytes]) -> str:
    """Return a panic's text and place, as both the older and the newer standard library print it."""
    first, second = (part.decode("utf-8", "replace").strip() for part in found.groups())
    if first.startswith("'"):  # 'text', main.rs:3:5
        text, _, place = first.rpartition(", ")
        return f"{text[1:-1]} ({place})"
    return f"{second} ({first.rstrip(':')})"
