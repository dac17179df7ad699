"""JavaScript and TypeScript: QuickJS under wasmtime. The worker's side of one guest.

The other side is `dspex/languages/guest/javascript_driver.js` and the files beside it, in a realm of
their own inside the sandbox. The host drives: it evaluates the program, runs its jobs and timers,
and asks the driver what to do next, so that no frame of the driver lies beneath a program's. What
the guest says goes to the supervisor as it is, because nothing that it says is believed here.
"""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING

import msgspec
import wasmtime

from dspex.languages import javascript_files
from dspex.languages.account import FILES_LEFT_OUT_MAX, OutputFlood, RunAccount
from dspex.languages.files import FilesRefused, MountedTrees
from dspex.languages.python import load_base_layer, repeatable_sources
from dspex.languages.quickjs import EVAL_ASYNC, EVAL_MODULE, PromiseState, QuickJS, Thrown
from dspex.protocol.messages import Budget, BudgetUsedUp, Ended, InstanceGone, Run
from dspex.wasm import interrupt, state
from dspex.wasm.emscripten import (
    HOME,
    Clock,
    GuestAborted,
    MemoryFileSystem,
    Quotas,
    SyscallError,
    Syscalls,
)
from dspex.wasm.engine import new_engine
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from dspex.languages.base import Link
    from dspex.protocol.messages import Answer

COMPILED = "javascript.cwasm"
ENTRY = "entry.json"

TURN = (
    "begin", "finish", "next", "deliver", "isWaiting", "flush", "moduleError", "plan", "publish",
    "exported", "completed", "rewind",
)
"""Functions of the driver that are called from here; their handles are in `entry.json`."""

HOST = {
    "o": "stdout", "e": "stderr", "b": "encode", "d": "decode", "r": "random", "l": "line",
    "i": "input", "f": "file", "c": "call", "k": "wait", "x": "exit", "p": "proxyTarget",
    "v": "compile", "s": "promiseState", "u": "promiseResult",
}
"""What the driver calls, by the one letter that it is known by at the border."""

BUILTIN_MODULES = frozenset((
    "fs", "fs/promises", "path", "process", "util", "assert", "assert/strict", "timers",
    "timers/promises", "buffer", "crypto", "url", "os",
))  # fmt: skip
_EBADF = 8
_RANDOM_BYTES_MAX = 1 << 16
_NAME_CHARS_MAX = 200
_FULL_WITHIN_BYTES = 1 << 20
_IMPORTS = (b"import", b"export")


class _Interrupted(Exception):
    """The run's budget is used up, or the program asked for its end."""


class _Ended(Exception):
    """The program did not get as far as to run to its end."""

    def __init__(self, kind: str, value: int) -> None:
        super().__init__(kind)
        self.kind, self.value = kind, value


def _noted_signals() -> list[int]:
    """Return a list to which this process' handlers add the signals that arrive.

    The engine asks for them often, through `host_interrupt`, which is when handlers get to run.
    """
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    for number in interrupt.SIGNALS:
        signal.signal(number, note)
        signal.siginterrupt(number, False)
    return seen


class JavaScriptGuest:
    """One guest at a time, from the snapshot in a runtime's folder."""

    in_wasm = True
    rehearsal = b"""
const rows = Array.from({ length: 20 }, (_, n) => ({ n, s: String(n) }));
console.log(JSON.stringify(rows).slice(0, 20), rows[1]);
rows.reduce((sum, row) => sum + row.n, 0)
"""
    smallest = b"1 + 1"

    def __init__(self, runtime: Path) -> None:
        """Load the compiled snapshot.

        Raises:
            FileNotFoundError: if the folder is not a built runtime.
            wasmtime.WasmtimeError: if it was compiled for something else.
        """
        entry = json.loads((runtime / ENTRY).read_text())
        machine = Machine.load(new_engine(), runtime / COMPILED)
        self._prepare(machine, runtime, _noted_signals())
        self.take(entry["turn"], entry["scratch"], entry["random"])

    @staticmethod
    def _more_imports() -> dict[tuple[str, str], Callable[..., object]]:
        """Return further host functions: none in a worker."""
        return {}

    def take(self, turn: dict[str, int], scratch: int, random_at: int) -> None:
        """Learn where the snapshot keeps what is needed here.

        Args:
            turn: Handles of the driver's functions.
            scratch: Address of memory for what is passed to and fro.
            random_at: Address of the state of `Math.random`.
        """
        self._turn, self._scratch, self._random_at = turn, scratch, random_at

    def _prepare(self, machine: Machine, folder: Path, seen: list[int]) -> None:
        self._machine = machine
        self._base = load_base_layer(folder)
        self._js = QuickJS(self._machine)
        self._seen = seen
        self._stopped = False
        self._exit: bytes | None = None
        self._account = RunAccount(self._stop, self._seen)
        self._files = MemoryFileSystem(base=self._base)
        self._mounts = MountedTrees()
        self._real_clock = Clock(wait_ns=self._account.sleep)
        self._syscalls = Syscalls(self._machine.memory, self._files, clock=self._real_clock)
        self._draw: Callable[[int], bytes] = os.urandom
        self._rejected: dict[int, tuple[int, int]] = {}
        self._main = 0
        self._input = b""
        self._tools = False
        self._zone = b""
        self._machine.bind({**host_functions(self._machine, self), **self._more_imports()})

    @property
    def engine(self) -> QuickJS:
        """The engine of the current guest."""
        return self._js

    # What the worker asks for.

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
        self._syscalls.fs = self._files
        self._js.attach(self._scratch)
        self._rejected.clear()

    def enter_worker(self) -> tuple[int, ...]:
        """Take nothing: timers and signal handlers are this process' own after a fork as well."""
        signal.set_wakeup_fd(-1)
        return ()

    def refresh(self) -> None:
        """Draw a seed."""
        self._seed()

    def warm(self) -> None:
        """Run an empty program: it touches the pages that any program does; and draw a seed."""
        self._seed()
        self._run(_WARM)
        self._js.free(self._ask("rewind"))

    def serve(self, run: Run, link: Link) -> Ended:
        """Run a program to its end, its budget's end or the guest's end."""
        account, budget = self._account, run.budget
        machine = self._machine
        machine.memory_refused = False
        machine.limit_memory(budget.memory_bytes)
        self._js.limit_memory(budget.memory_bytes)
        self._use_clock(run)
        self._input, self._zone = run.stdin, run.env.get("TZ", "").encode()
        self._seen.clear()
        account.begin(run, link)
        try:
            self._mounts.give(self._files, run)
        except FilesRefused as refusal:
            return account.end(
                report=refusal.report(), spent_s=account.stop_clock(),
                peak_memory_bytes=len(machine.memory.view),
            )
        gone, said = None, b""
        try:
            said = self._run(run)
        except (GuestAborted, OutputFlood) as error:
            gone = InstanceGone("aborted", str(error), None)
        except MemoryError:
            machine.memory_refused = True
            gone = InstanceGone("aborted", "out of memory", None)
        except wasmtime.Trap as error:
            gone = InstanceGone("trapped", str(error).strip().splitlines()[-1][:1000], None)
        finally:
            spent_s = account.stop_clock()
        machine.memory.sync()
        report, _, value = said.partition(b"\n")
        if len(value) > budget.value_bytes:
            report, value = _over_limit(budget, len(value)), b""
        return account.end(
            report=report,
            value=value,
            gone=gone,
            turned_down=self._turned_down(run),
            spent_s=spent_s,
            peak_memory_bytes=len(machine.memory.view),
            files_left_out=self._send_files(run),
        )

    def save_state(self, descriptor: int, bytes_max: int) -> int:
        """Write the guest's state to a memory file; return its size."""
        self._forget_rejections()
        rest = state.rest_of(self._files, self._syscalls.clock, own=self._mounts.dump())
        return state.save(self._machine, rest, descriptor, bytes_max)

    def restore_state(
        self, descriptor: int, size: int, terms: state.Terms, *, twin: bool
    ) -> None:
        """Be the guest whose state is in a file."""
        with state.SavedState(descriptor, size) as saved:
            self._machine.boot()
            saved.fill(self._machine, terms.memory_bytes)
            self._enter_guest()
            own = saved.restore_rest(self._files, self._real_clock, terms)
        self._syscalls.clock, self._syscalls.random_bytes = self._real_clock, os.urandom
        self._draw = os.urandom
        if terms.mounted:
            self._mounts.restore(own.own)
        if twin:
            self._seed()

    def become_twin(self, _memory_file: int, spent_ns: int) -> None:
        """Go on as a copy of a process, with fresh randomness."""
        self._real_clock.add_cpu(spent_ns)
        self._seed()

    # One run.

    def _run(self, run: Run) -> bytes:
        """Run a program and return what the driver says of it."""
        js = self._js
        self._clear()
        self._forget_rejections()
        self._tools = bool(run.tools)
        head = msgspec.json.encode({
            "filename": run.filename, "args": run.args, "env": run.env, "stream": run.stream,
            "value_bytes": run.budget.value_bytes, "value_depth": run.budget.value_depth,
            "host_calls": run.budget.host_calls,
            "tools": msgspec.Raw(run.tools) if run.tools else None,
        })  # fmt: skip
        try:
            kind, value = self._ended(run, head)
        except Thrown as thrown:
            kind, value = "raised", thrown.value
            if js.is_null(value) and self._is_full(run.budget.memory_bytes):
                kind = "exhausted"
        except _Interrupted:
            kind, value = "interrupted", js.undefined()
        if self._exit is not None:
            js.free(value)
            kind, value = "exit", js.string(self._exit)
        elif self._over():
            kind = "interrupted"
        self._account.noticed = len(self._seen)
        self._stopped = False
        if kind == "reported":
            return self._text_of(value)
        try:
            source = js.string(run.source if kind == "refused" else b"")
            name = js.string(kind.encode())
            said = js.call(self._turn["finish"], (name, value, source))
            js.free(name, value, source)
            return self._text_of(said)
        except Thrown as thrown:
            js.free(thrown.value)
            if self._over() or kind == "interrupted":
                return b'{"status":"raised","type":"InternalError","message":"interrupted"}'
            msg = "out of memory"
            raise MemoryError(msg) from None

    def _ended(self, run: Run, head: bytes) -> tuple[str, int]:
        """Run a program to quiescence; return how it ended and a handle that belongs to that.

        Raises:
            Thrown: It threw.
            _Interrupted: The budget is used up, or the program ended itself.
        """
        js, filename = self._js, run.filename.encode()
        try:
            refusal = self._ask("begin", head, run.variables)
            if not js.is_undefined(refusal):
                return "reported", refusal
            js.free(refusal)
            source = self._translated(run.source.removeprefix(b"\xef\xbb\xbf"), filename)
            plan = self._plan(source)
            if plan["kind"] == "module":
                namespace = self._awaited(source, filename, EVAL_MODULE)
                return "ok", self._part("exported", namespace)
            if plan["kind"] == "imports":
                source = plan["rest"].encode("utf-8", "surrogatepass")
                imports = plan["imports"].encode("utf-8", "surrogatepass")
                namespace = self._awaited(imports, filename, EVAL_MODULE, until_quiet=False)
                js.free(js.call(self._turn["publish"], (namespace,)), namespace)
            return "ok", self._part("completed", self._awaited(source, filename, EVAL_ASYNC))
        except _Ended as ended:
            return ended.kind, ended.value

    def _translated(self, source: bytes, filename: bytes) -> bytes:
        """Return JavaScript for the program, which may be TypeScript."""
        if "strip" not in self._turn:
            return source
        said = self._text_of(self._ask("strip", source, filename))
        if not said.startswith(b"="):
            raise _Ended("reported", self._js.string(said))
        return said[1:]

    def _plan(self, source: bytes) -> dict[str, str]:
        """Ask the driver how to run a program, if that is a question at all."""
        if not any(word in source for word in _IMPORTS):
            return {"kind": "script"}
        plan: dict[str, str] = json.loads(self._text_of(self._ask("plan", source)))
        return plan

    def _awaited(
        self, source: bytes, filename: bytes, flags: int, *, until_quiet: bool = True
    ) -> int:
        """Evaluate a source, wait for its promise and return what that is fulfilled with."""
        js = self._js
        try:
            promise = js.evaluate(source, filename, flags)
        except Thrown as thrown:
            if self._exit is not None or self._over():
                raise
            raise _Ended("refused", thrown.value) from None
        self._main = js.identity(promise)
        self._settle(promise, until_quiet=until_quiet)
        state = js.promise_state(promise)
        if state is PromiseState.PENDING:
            js.free(promise)
            raise _Ended("unsettled", js.undefined())
        value = js.promise_result(promise)
        js.free(promise)
        if state is PromiseState.REJECTED:
            raise Thrown(value)
        return value

    def _part(self, function: str, whole: int) -> int:
        """Let the driver pick the program's value, and look into it if it is a settled promise."""
        js = self._js
        value = js.call(self._turn[function], (whole,))
        js.free(whole)
        while js.is_promise(value) and js.promise_state(value) is not PromiseState.PENDING:
            promise, value = value, js.promise_result(value)
            js.free(promise)
        return value

    def _settle(self, promise: int, *, until_quiet: bool) -> None:
        """Run jobs, timers and answers until the promise fails, or nothing is left to do.

        Raises:
            Thrown: A timer's function threw, or a promise was rejected and nobody handles that.
            _Interrupted: The budget is used up, or the program ended itself.
        """
        js, account = self._js, self._account
        while True:
            try:
                js.run_jobs()
            except Thrown as thrown:
                js.free(thrown.value)
                raise _Interrupted from None
            if self._over() or self._exit is not None:
                raise _Interrupted
            state = js.promise_state(promise)
            if state is PromiseState.REJECTED:
                return
            if self._rejected.keys() - {self._main}:
                promise_of_it, reason = self._rejected.pop(min(self._rejected.keys() - {self._main}))
                js.free(promise_of_it)
                raise Thrown(reason)
            if not until_quiet and state is PromiseState.FULFILLED:
                return
            following = js.call(self._turn["next"])
            if js.is_function(following):
                js.free(js.call(following), following)
                continue
            wait_s = None if js.is_undefined(following) else float(js.text(following)) / 1000
            js.free(following)
            waiting = self._tools and self._text_of(self._ask("isWaiting"))
            if wait_s is None and not waiting:
                return
            js.free(self._ask("flush"))
            if waiting:
                answers = self._answers(account.wait_answers(wait_s))
                js.free(self._ask("deliver", answers))
            else:
                assert wait_s is not None
                self._syscalls.clock.wait_ns(int(wait_s * 1e9) + 1)

    def _ask(self, function: str, *arguments: bytes) -> int:
        """Call a function of the driver with texts."""
        js = self._js
        handles = [js.string(one) for one in arguments]
        try:
            return js.call(self._turn[function], handles)
        finally:
            js.free(*handles)

    def _text_of(self, value: int) -> bytes:
        text = self._js.text(value)
        self._js.free(value)
        return text

    def _is_full(self, memory_bytes: int) -> bool:
        self._machine.memory.sync()
        return len(self._machine.memory.view) > memory_bytes - _FULL_WITHIN_BYTES

    def _over(self) -> bool:
        return self._stopped or self._account.interrupted

    def _stop(self) -> None:
        self._stopped = True

    def _clear(self) -> None:
        """Forget how the last run was ended."""
        self._stopped, self._exit, self._main = False, None, 0

    def _forget_rejections(self) -> None:
        for promise, reason in self._rejected.values():
            self._js.free(promise, reason)
        self._rejected.clear()

    def _seed(self) -> None:
        """Give `Math.random` a state of its own: any but zero."""
        seed = int.from_bytes(self._draw(8), "little") | 1
        self._machine.memory.sync()
        at = self._random_at
        self._machine.memory.view[at : at + 8] = seed.to_bytes(8, "little")

    def _use_clock(self, run: Run) -> None:
        """Give the guest real time and entropy, or made-up ones if the run is to be repeatable."""
        fixed, syscalls = run.repeatable, self._syscalls
        if fixed is not None:
            clock, draw = repeatable_sources(fixed.clock_ns, fixed.seed)
        elif syscalls.clock is self._real_clock:
            return
        else:
            clock, draw = self._real_clock, os.urandom
        syscalls.clock, syscalls.random_bytes, self._draw = clock, draw, draw
        self._files.use_sources(clock.now_ns, draw)
        self._seed()

    def _send_files(self, run: Run) -> list[str]:
        """Send what the guest wrote; return the names of what does not fit."""
        left_out = self._account.send_files(self._files.walk_changed(HOME))
        for change in self._mounts.changes(self._files, run):
            self._account.send(change)
        return left_out + self._mounts.left_out[: FILES_LEFT_OUT_MAX - len(left_out)]

    def _turned_down(self, run: Run) -> BudgetUsedUp | None:
        """Say which request for more was refused: a reason only if the program failed of it."""
        budget = run.budget
        if self._machine.memory_refused:
            return BudgetUsedUp("memory_bytes", budget.memory_bytes, len(self._machine.memory.view))
        return self._account.files_turned_down(self._files.quotas)

    # What the engine asks for, through imports of the module.

    def host_interrupt(self) -> int:
        """Tell the engine, which asks every ten thousand steps, whether to stop the program."""
        return int(self._stopped or self._account.interrupted)

    def host_call(self, name: int, size: int, _this: int, count: int, arguments: int) -> int:
        """Answer a call of the driver; 0 if something was thrown."""
        memory = self._machine.memory
        memory.sync()
        letter = bytes(memory.view[name : name + size]).decode("ascii", "replace")
        given = [
            int.from_bytes(memory.view[arguments + 4 * i : arguments + 4 * i + 4], "little")
            for i in range(count)
        ]
        try:
            answer = getattr(self, f"_host_{HOST[letter]}")(*given)
        except Thrown as thrown:
            self._js.throw(thrown.value)
            self._js.free(thrown.value)
            return 0
        return answer  # type: ignore[no-any-return]

    def _host_stdout(self, text: int) -> int:
        return self._write(1, text)

    def _host_stderr(self, text: int) -> int:
        return self._write(2, text)

    def _write(self, stream: int, text: int) -> int:
        data = _utf8(self._js.text(text))
        self._account.write_output(stream, memoryview(data))
        return self._js.undefined()

    def _host_encode(self, text: int) -> int:
        return self._js.buffer(_utf8(self._js.text(text)))

    def _host_decode(self, buffer: int) -> int:
        data = self._js.buffer_bytes(buffer)
        return self._js.string(data.decode("utf-8", "replace").encode())

    def _host_random(self, count: int) -> int:
        wanted = min(int(self._js.text(count)), _RANDOM_BYTES_MAX)
        return self._js.buffer(self._draw(wanted))

    def _host_line(self) -> int:
        line, _, rest = self._input.partition(b"\n")
        if not self._input:
            return self._js.undefined()
        self._input = rest
        return self._js.string(line.removesuffix(b"\r").decode("utf-8", "replace").encode())

    def _host_input(self) -> int:
        data, self._input = self._input, b""
        return self._js.buffer(data)

    def _host_file(self, operation: int, path: int, rest: int = 0) -> int:
        js = self._js
        wanted = js.text(operation).decode()
        more = b""
        if rest:
            more = js.buffer_bytes(rest) if wanted in ("write", "append") else js.text(rest)
        name = js.text(path).decode("utf-8", "surrogatepass")
        answer = javascript_files.answer(self._files, wanted, name, more)
        return js.string(answer.encode()) if isinstance(answer, str) else js.buffer(answer)

    def _host_call(self, name: int, arguments: int) -> int:
        js = self._js
        tool = js.text(name).decode("utf-8", "replace")[:_NAME_CHARS_MAX]
        number = self._account.call(tool, js.text(arguments)) if self._tools else 0
        return js.string(b"%d" % number)

    def _host_wait(self) -> int:
        found = self._account.wait_answers(None)
        if not found and self._over():
            return self._end_program()
        return self._js.string(self._answers(found))

    @staticmethod
    def _answers(found: list[Answer]) -> bytes:
        return msgspec.json.encode([
            [one.call, one.value.decode(), one.error_type, one.error_message] for one in found
        ])  # fmt: skip

    def _host_exit(self, code: int) -> int:
        self._exit = self._js.text(code)
        return self._end_program()

    def _end_program(self) -> int:
        """Throw what no program can catch; the engine stops at once."""
        error = self._ask("moduleError", b"the program ends", b"END")
        self._js.throw(error, catchable=False)
        self._js.free(error)
        return 0

    def _host_proxyTarget(self, value: int) -> int:  # noqa: N802 - named as the driver does
        return self._js.proxy_target(value)

    def _host_promiseState(self, value: int) -> int:  # noqa: N802 - named as the driver does
        js = self._js
        if not js.is_promise(value):
            return js.undefined()
        return js.string(b"%d" % js.promise_state(value))

    def _host_promiseResult(self, value: int) -> int:  # noqa: N802 - named as the driver does
        return self._js.promise_result(value)

    def _host_compile(self, source: int, filename: int) -> int:
        js = self._js
        return js.evaluate(js.text(source), js.text(filename), 0)

    def host_module_normalize(self, base: int, name: int) -> int:
        """Return the name under which an imported module is known, in memory the engine frees."""
        wanted, importer = self._js.c_string(name), self._js.c_string(base)
        short = wanted.removeprefix("node:")
        if short in BUILTIN_MODULES:
            return self._js.place(f"node:{short}".encode())
        found = None
        if wanted.startswith(("./", "../", "/")):
            found = javascript_files.find_module(
                self._files, javascript_files.resolve(importer, wanted)
            )
        if found is None:
            reason = f"Cannot find module '{wanted}' imported from {importer}"
            return self._fail(reason, "ERR_MODULE_NOT_FOUND")
        return self._js.place(found.encode("utf-8", "surrogatepass"))

    def host_module_load(self, name: int, size_at: int) -> int:
        """Return a module's source, in memory the engine frees; its size goes to an address."""
        module = self._js.c_string(name)
        try:
            source = self._files.read_file(module)
        except SyscallError:
            return self._fail(f"Cannot find module '{module}'", "ERR_MODULE_NOT_FOUND")
        if module.endswith(".json"):
            text = json.dumps(source.decode("utf-8", "replace"))
            source = f"export default JSON.parse({text});".encode()
        elif "strip" in self._turn and module.endswith((".ts", ".mts")):
            stripped = self._text_of(self._ask("strip", source, module.encode()))
            if not stripped.startswith(b"="):
                said = json.loads(stripped)
                place = said["findings"][0]
                where = f"{module}:{place['line']}:{place['column']}"
                return self._fail(f"{where}: {said['message']}", "ERR_INVALID_TYPESCRIPT")
            source = stripped[1:]
        address = self._js.place(source)
        self._js.write_u32(size_at, len(source))
        return address

    def _fail(self, message: str, code: str) -> int:
        error = self._ask("moduleError", message.encode("utf-8", "surrogatepass"), code.encode())
        self._js.throw(error)
        self._js.free(error)
        return 0

    def host_promise_rejection(self, promise: int, reason: int, handled: int) -> None:
        """Note that a promise was rejected, or that somebody handles that after all."""
        mark = self._js.identity(promise)
        known = self._rejected.pop(mark, None)
        if known is not None:
            self._js.free(*known)
        if handled:
            self._js.free(promise, reason)
        else:
            self._rejected[mark] = (promise, reason)

    def host_get_timezone_offset(self, high: int, low: int) -> int:
        """Return by how many seconds local time is ahead of UTC at a point in time."""
        seconds = (high << 32) | (low & 0xFFFFFFFF)
        return self._syscalls.zones.find(self._zone).at(seconds).offset_s

    @property
    def syscalls(self) -> Syscalls:
        """Clocks and randomness, as WASI has them."""
        return self._syscalls


_WARM = Run(
    run=0, source=b"0", filename="warm.js", variables=b"", files={}, stdin=b"", args=[], env={},
    budget=Budget(1.0, 1.0, 1 << 28, 1024, 1024, 2, 0, 0, 0), stream=False, single=True,
)


def _utf8(data: bytes) -> bytes:
    """Return text with U+FFFD for each surrogate that stands alone, as the web's encoders write it."""
    return _ALONE.sub("\ufffd".encode(), data)


_ALONE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def _over_limit(budget: Budget, spent: int) -> bytes:
    return msgspec.json.encode({
        "status": "limit", "limit": "value_bytes", "allowed": budget.value_bytes, "spent": spent
    })  # fmt: skip


def host_functions(
    machine: Machine, guest: JavaScriptGuest
) -> dict[tuple[str, str], Callable[..., object]]:
    """Return what the host answers of the runtime's imports."""

    def clock_time_get(clock: int, precision: int, result: int) -> int:
        machine.memory.sync()
        return guest.syscalls.clock_time_get(clock, precision, result)

    def random_get(buffer: int, size: int) -> int:
        machine.memory.sync()
        return guest.syscalls.random_get(buffer, size)

    env = (
        "host_interrupt", "host_call", "host_module_normalize", "host_module_load",
        "host_promise_rejection", "host_get_timezone_offset",
    )  # fmt: skip
    return {
        **{("env", name): getattr(guest, name) for name in env},
        ("wasi_snapshot_preview1", "clock_time_get"): clock_time_get,
        ("wasi_snapshot_preview1", "random_get"): random_get,
        # QuickJS writes nothing by itself but messages of its own debugging.
        ("wasi_snapshot_preview1", "fd_write"): _no_descriptor,
        ("wasi_snapshot_preview1", "fd_close"): _no_descriptor,
        ("wasi_snapshot_preview1", "fd_seek"): _no_descriptor,
        ("wasi_snapshot_preview1", "fd_fdstat_get"): _no_descriptor,
    }


def _no_descriptor(*_arguments: int) -> int:
    """Answer that there is no such descriptor."""
    return _EBADF
