"""The recipes of the JavaScript and TypeScript runtimes: QuickJS started, filled and frozen.

Upstream is a build of QuickJS-ng for WASI, from npm. It gets a larger stack and two small functions
of our own, is trained, started with the files of `dspex/languages/guest`, warmed and frozen; for TypeScript
with a type stripper inside as well. See docs/explanation/javascript-runtime.md for the reasons.
"""

from __future__ import annotations

import itertools
import json
import shutil
import struct
import tomllib
from typing import TYPE_CHECKING, Any

import wasmtime

from dspex import resources
from dspex.languages.javascript import ENTRY, HOST, TURN, JavaScriptGuest
from dspex.languages.python import ROOT_DATA, ROOT_INDEX
from dspex.languages.quickjs import FUNCTIONS
from dspex.protocol.messages import Budget, Run
from dspex.runtimes import stdlib
from dspex.runtimes.builder import BuildFailed
from dspex.runtimes.freeze import freeze
from dspex.runtimes.glue import GLOBAL_PREFIX
from dspex.runtimes.profile import COUNTERS, Counters, Profile, count
from dspex.runtimes.recipes import LICENCES, TIME_ZONES_LICENCE, recipe_file, training_programs
from dspex.runtimes.toolchain import Binaryen, install_packages
from dspex.runtimes.tuning import tune
from dspex.wasm.binary import KIND_GLOBAL, Export, Module
from dspex.wasm.emscripten import Clock, MemoryFileSystem
from dspex.wasm.engine import new_engine
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from dspex.runtimes.progress import Progress

SNAPSHOT = "javascript.wasm"
STANDALONE = "standalone.wasm"
STANDALONE_GLUE = "standalone"
_STACK_BYTES = 2 << 20
"""Of the stack in the guest's memory: upstream's megabyte ends recursion after a few thousand calls."""
_STACK_USED_BYTES = 1280 << 10
"""How much of it the engine takes before it throws RangeError: its parser uses up to twenty times as
much of wasmtime's stack, which must not end first."""
_STANDALONE_STACK_BYTES = 160 << 10
"""The same where the host is another, whose own stack is smaller."""
_SCRATCH_BYTES = (1 << 16) + 16
_HEAP_SPARE_BYTES = 1 << 20
_GC_SPARE_BYTES = 4 << 20
"""What a program may allocate before the collector first looks at what the snapshot holds."""
_BUILD_TIME_NS = 1_767_225_600 * 10**9
_WARM_TURNS = 30
_DRIVER = ("values", "inspect", "modules", "driver")


def _guest(name: str) -> Path:
    return resources.package_folder() / "languages" / "guest" / name


def build(folder: Path, work: Path, progress: Progress, *, typescript: bool) -> None:
    """Make the portable runtime of JavaScript, or of TypeScript, whose types are stripped first.

    Args:
        folder: Filled with the snapshot, its entry points, the guest's files and licence texts.
        work: Scratch space, kept by nobody.
        progress: Told about each step.
        typescript: Which of the two.

    Raises:
        ToolMissing, ToolFailed: Upstream or a tool cannot be had.
        BuildFailed: The engine failed while it was trained or warmed.
    """
    pins = resources.find("runtimes")
    recipe = tomllib.loads(recipe_file("quickjs").read_text())
    progress.step("fetch pinned upstream packages")
    modules = install_packages(pins / "quickjs", work / "npm")
    binaryen = Binaryen(modules, recipe["binaryen"]["features"])
    progress.step("merge in our own functions")
    upstream = modules / recipe["upstream"]["wasm"]
    glue = _assembled(pins, "glue", work)
    merged = work / "merged.wasm"
    binaryen.merge([(upstream, "main"), (glue, "glue")], merged)
    stdlib.write_root(stdlib.time_zones(), work)
    programs = len(training_programs("quickjs"))
    progress.step(f"count what {programs} programs do, inline the calls that were made most often")
    trained = _trained(merged.read_bytes(), work)
    progress.step("start QuickJS, load the library, warm up, take the snapshot")
    stripper = _stripper(modules, recipe["typescript"]) if typescript else None
    frozen, entry = _Builder(trained, work).snapshot(stripper)
    (work / "frozen.wasm").write_bytes(frozen)
    for name in (ROOT_DATA, ROOT_INDEX):
        shutil.copyfile(work / name, folder / name)
    progress.step("remove what nobody calls")
    binaryen.optimize(
        work / "frozen.wasm", folder / SNAPSHOT, "--remove-unused-module-elements"
    )
    if not typescript:
        progress.step("the same as a module that needs no host, for programs that are compiled")
        # Not trained: larger functions have larger frames, and another host's stack may be small.
        double, single = work / "double.wasm", work / "single.wasm"
        binaryen.merge([(merged, "main"), (_assembled(pins, STANDALONE_GLUE, work), "env")], double)
        binaryen.optimize(double, single, "--duplicate-import-elimination")
        frozen, table = _Builder(single.read_bytes(), work).standalone()
        (work / "frozen.wasm").write_bytes(frozen)
        binaryen.optimize(
            work / "frozen.wasm", folder / STANDALONE, "--remove-unused-module-elements"
        )
        entry["standalone"] = table
    (folder / ENTRY).write_text(json.dumps(entry))
    shutil.copytree(pins / "quickjs" / LICENCES, folder / LICENCES)
    shutil.copy(pins / LICENCES / TIME_ZONES_LICENCE, folder / LICENCES)
    texts = list(recipe["upstream"]["licences"])
    if typescript:
        texts += recipe["typescript"]["licences"]
    for relative in texts:
        shutil.copyfile(modules / relative, folder / LICENCES / relative.replace("/", "-"))


def _trained(merged: bytes, work: Path) -> bytes:
    """Return the module, tuned for what programs make it do.

    Raises:
        BuildFailed: A program did not end well.
    """
    counters = count(merged)
    return tune(merged, _Builder(counters.module, work).profile(counters))


def _assembled(pins: Path, name: str, work: Path) -> Path:
    made = work / f"{name}.wasm"
    made.write_bytes(bytes(wasmtime.wat2wasm((pins / "quickjs" / f"{name}.wat").read_text())))
    return made


def _stripper(modules: Path, settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the source files of the type stripper, by the names they know each other by."""
    root = modules / settings["folder"]
    return [
        (path.relative_to(root).as_posix(), path.read_text())
        for path in sorted(root.rglob("*.js"))
        if path.relative_to(root).parts[0] not in settings["leave_out"]
    ]


def _opened(source: bytes, stack_top: int | None) -> bytes:
    """Return the module with its stack pointer exported, and pointing elsewhere if that is known."""
    module = Module(source)
    exports = module.exports()
    imported = module.imported_globals()
    for position, one in enumerate(module.globals()):
        if one.mutable:
            exports.append(Export(f"{GLOBAL_PREFIX}{position}", KIND_GLOBAL, imported + position))
    module.set_exports(exports)
    if stack_top is not None:
        module.set_global_values({0: stack_top})
    return module.encode()


class _BuildGuest(JavaScriptGuest):
    """A guest that is built up instead of taken from a snapshot; its times and draws never differ."""

    def __init__(self, machine: Machine, work: Path) -> None:
        ticks = iter(range(1, 1 << 60))
        self._ticks = ticks
        self._prepare(machine, work, [])
        self._syscalls.clock = Clock(
            now_ns=lambda: _BUILD_TIME_NS + next(ticks) * 1000,
            monotonic_ns=lambda: next(ticks) * 1000,
            cpu_ns=lambda: next(ticks) * 1000,
            wait_ns=lambda _duration: False,
        )
        self._draw = lambda count: bytes((next(ticks) * 37 + 11) & 0xFF for _ in range(count))

    @staticmethod
    def _more_imports() -> dict[tuple[str, str], Callable[..., object]]:
        """Return what a standalone module imports besides; nothing calls it while it is built."""
        return {("wasi_snapshot_preview1", name): _nothing for name in _WASI}

    def rehearse(self, source: bytes) -> bytes:
        """Run a program as a worker would and return the report."""
        self._files = self._syscalls.fs = MemoryFileSystem(base=self._base)
        self._forget_rejections()
        run = Run(
            run=0, source=source, filename="main.js", variables=b"", files={}, stdin=b"", args=[],
            env={}, budget=_WARM_BUDGET, stream=False, single=True,
        )
        return self._run(run).partition(b"\n")[0]


_WASI = (
    "fd_read", "args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "poll_oneoff",
    "proc_exit",
)  # fmt: skip


def _nothing(*_arguments: int) -> int:
    """Answer that it is done."""
    return 0


_WARM_BUDGET = Budget(5.0, 5.0, 1 << 28, 1 << 16, 1 << 16, 50, 1 << 16, 100, 64)


class _Builder:
    """Starts the module, and brings it to the state in which a run begins."""

    def __init__(self, merged: bytes, work: Path) -> None:
        self._merged, self._work = merged, work
        self._engine = new_engine()

    def _start(self, stack_top: int | None) -> int:
        """Start with the stack at an address; return where the first allocation would put it."""
        self._source = _opened(self._merged, stack_top)
        self._machine = Machine(self._engine, wasmtime.Module(self._engine, self._source))
        self._guest = _BuildGuest(self._machine, self._work)
        self._machine.boot()
        address = self._call("malloc", _STACK_BYTES)
        return address + _STACK_BYTES

    def _call(self, name: str, *arguments: int) -> int:
        return self._machine.function(name, max(len(arguments), 1))(*arguments) & 0xFFFFFFFF

    def _in(self, context: int, source: bytes, filename: str) -> int:
        """Evaluate a script in a realm and return a handle of its value."""
        self._call("qjs_set_runtime_and_context", self._runtime, context)
        js = self._guest.engine
        name, code = js.place(filename.encode()), js.place(source)
        value = self._call("qjs_eval", code, len(source), name, 0)
        js.release(code)
        js.release(name)
        if self._call("qjs_is_exception", value):
            thrown = self._call("qjs_get_exception")
            stack = self._property(thrown, "stack")
            msg = f"{filename}: {js.text(thrown).decode()}\n{js.text(stack).decode()}"
            raise BuildFailed(msg)
        return value

    def _property(self, value: int, name: str) -> int:
        at = self._guest.engine.place(name.encode())
        found = self._call("qjs_get_prop_string", value, at)
        self._guest.engine.release(at)
        return found

    def _set(self, target: int, name: str, value: int) -> None:
        at = self._guest.engine.place(name.encode())
        self._call("qjs_set_prop_string", target, at, value)
        self._guest.engine.release(at)

    def profile(self, counters: Counters) -> Profile:
        """Start, fill and run the training programs, in a module that counts.

        Raises:
            BuildFailed: A program did not end well.
        """
        self._get_ready(None)
        memory = self._machine.exported_memory(COUNTERS)
        counters.forget(memory.view)
        for path in training_programs("quickjs"):
            said = self._guest.rehearse(path.read_bytes())
            if json.loads(said)["status"] != "ok":
                msg = f"{path}: {said.decode(errors='replace')}"
                raise BuildFailed(msg)
            counters.finish_program(memory.view)
        return counters.profile(memory.view)

    def _get_ready(self, stripper: list[tuple[str, str]] | None) -> dict[str, object]:
        """Start and fill, until programs can be run; return what the host has to know."""
        self._fill(HOST, stripper)
        turn = self._handles([*TURN, *(["strip"] if stripper is not None else [])])
        state = self._find_random_state()
        self._enter(self._program)
        self._guest.take(turn, self._scratch, state)
        return {"turn": turn, "scratch": self._scratch, "random": state}

    def snapshot(self, stripper: list[tuple[str, str]] | None) -> tuple[bytes, dict[str, object]]:
        """Start, fill, warm and freeze; return the module and what the host has to know of it."""
        entry = self._get_ready(stripper)
        for _ in range(_WARM_TURNS):
            for source, expected in _WARMING:
                said = self._guest.rehearse(source)
                if json.loads(said)["status"] != expected:
                    msg = f"a warming program was to end as {expected}: {source!r}: {said!r}"
                    raise BuildFailed(msg)
        self._guest.rehearse(b"")
        self._warm_heap()
        return freeze(self._machine, self._source, {"memory", *FUNCTIONS}), entry

    def standalone(self) -> tuple[bytes, int]:
        """Start, fill and freeze a module of its own; return it and its table's address."""
        self._fill({**HOST, **_STANDALONE_HOST}, None)
        self._call("qjs_set_max_stack_size", _STANDALONE_STACK_BYTES)
        handles = self._handles(_STANDALONE_TURN)
        texts = [self._in(self._driver, json.dumps(one).encode(), "dspex:start") for one in _ENDS]
        numbers = [
            0, 0, self._guest.engine.place(b"main.js"), 0, 0, 0, self._find_random_state(),
            *handles.values(), *texts,
        ]
        self._enter(self._program)
        table = self._call("malloc", 4 * len(numbers))
        self._machine.memory.sync()
        struct.pack_into(f"<{len(numbers)}I", self._machine.memory.view, table, *numbers)
        self._call("dspex_set_table", table, self._scratch)
        self._warm_heap()
        return freeze(self._machine, self._source, {"memory", "_start"}), table

    def _enter(self, context: int) -> None:
        self._call("qjs_set_runtime_and_context", self._runtime, context)

    def _handles(self, names: Iterable[str]) -> dict[str, int]:
        """Return handles of the driver's functions."""
        return {name: self._in(self._driver, f"turn.{name}".encode(), "dspex:start") for name in names}

    def _fill(self, offered: Mapping[str, str], stripper: list[tuple[str, str]] | None) -> None:
        """Start the engine and load everything into its two realms."""
        top = self._start(None)
        if self._start(top) != top:
            msg = "two starts put their first allocation at different addresses"
            raise BuildFailed(msg)
        self._call("_initialize")
        self._call("qjs_init")
        self._scratch = self._call("malloc", _SCRATCH_BYTES)
        js = self._guest.engine
        js.attach(self._scratch)
        self._call("qjs_set_max_stack_size", _STACK_USED_BYTES)
        for switch in ("interrupt_handler", "promise_rejection_handler", "module_loader"):
            self._call(f"qjs_set_{switch}", 1)
        self._runtime = self._call("qjs_get_runtime_ptr")
        self._program = program = self._call("qjs_get_context_ptr")
        self._driver = driver = self._call("JS_NewContext", self._runtime)
        self._in(driver, b"globalThis.host = {};", "dspex:start")
        host = self._in(driver, b"host", "dspex:start")
        for letter, name in offered.items():
            at = js.place(letter.encode())
            self._set(host, name, self._call("qjs_new_host_function", at, len(letter), 0))
        realm = self._in(program, b"globalThis", "dspex:start")
        urls = self._in(program, _guest("javascript_url.js").read_bytes(), "dspex:url")
        library = self._in(program, _guest("javascript_library.js").read_bytes(), "dspex:library")
        outer = self._in(driver, b"globalThis", "dspex:start")
        for name, value in (("guest", realm), ("makeUrls", urls), ("installLibrary", library)):
            self._set(outer, name, value)
        for name in _DRIVER:
            self._in(driver, _guest(f"javascript_{name}.js").read_bytes(), f"dspex:{name}")
        if stripper is not None:
            self._load_stripper(stripper)
        self._in(driver, b"const library = installLibrary(core, makeUrls);", "dspex:start")
        self._load_modules(program, self._in(driver, b"library.builtins", "dspex:start"))
        self._in(driver, b"delete globalThis.makeUrls; delete globalThis.installLibrary;", "dspex:start")

    def _load_stripper(self, stripper: list[tuple[str, str]]) -> None:
        js, driver = self._guest.engine, self._driver
        self._in(driver, b"globalThis.sources = {};", "dspex:start")
        sources = self._in(driver, b"sources", "dspex:start")
        for name, text in stripper:
            data = text.encode()
            at = js.place(data)
            self._set(sources, name, self._call("qjs_new_string", at, len(data)))
            js.release(at)
        self._in(driver, _guest("typescript_driver.js").read_bytes(), "dspex:typescript")

    def _load_modules(self, program: int, modules: int) -> None:
        """Have `import ... from "node:fs"` and its like find modules that are there already."""
        js = self._guest.engine
        self._call("qjs_set_runtime_and_context", self._runtime, program)
        outer = self._in(program, b"globalThis", "dspex:start")
        self._set(outer, "dspexModules", modules)
        names = json.loads(js.text(self._in(
            program,
            b"JSON.stringify(Object.entries(dspexModules).map(([n, m]) => [n, Object.keys(m)]))",
            "dspex:start",
        )))
        for module, exports in names:
            plain = [one for one in exports if one.isidentifier() and one not in _RESERVED]
            source = (
                f"const found = dspexModules[{json.dumps(module)}];export default found;"
                + "".join(f"export const {one} = found.{one};" for one in plain)
            )
            promise = js.evaluate(source.encode(), f"node:{module}".encode(), 1)
            js.run_jobs()
            if js.promise_state(promise) != 1:
                msg = f"the module node:{module} cannot be made"
                raise BuildFailed(msg)
        self._in(program, b"delete globalThis.dspexModules;", "dspex:start")

    def _find_random_state(self) -> int:
        """Find the number that `Math.random` goes on from, in the context's memory."""
        view, size, program = self._machine.memory, 2048, self._program
        states = []
        for _ in range(3):
            self._in(program, b"Math.random()", "dspex:start")
            view.sync()
            states.append(struct.unpack(f"<{size // 8}Q", view.view[program : program + size]))
        found = [
            at for at in range(size // 8)
            if all(_xorshift(old[at]) == new[at] for old, new in itertools.pairwise(states))
            and states[0][at]
        ]
        if len(found) != 1:
            msg = f"the state of Math.random was not found: {len(found)} numbers fit"
            raise BuildFailed(msg)
        return program + 8 * found[0]

    def _warm_heap(self) -> None:
        """Collect, and leave free memory, so that small programs neither collect nor grow it."""
        self._call("qjs_run_gc")
        spare = self._call("malloc", _HEAP_SPARE_BYTES)
        self._call("free", spare)
        used = self._call("malloc", 16)
        self._call("free", used)
        self._machine.memory.sync()
        self._call("qjs_set_gc_threshold", len(self._machine.memory.view) + _GC_SPARE_BYTES)


_STANDALONE_HOST = {"a": "args", "n": "environment"}
_STANDALONE_TURN = ("start", "next", "publish", "conclude", "flush")
_ENDS = ("ok", "raised", "unsettled")
_RESERVED = frozenset(("default", "delete", "new", "class", "found"))


def _xorshift(state: int) -> int:
    state ^= state >> 12
    state ^= (state << 25) & 0xFFFFFFFFFFFFFFFF
    return state ^ (state >> 27)


_WARMING = (
    (b"var rows = Array.from({length: 9}, (_, n) => ({n, s: `${n}`}));console.log(rows, 'x');rows", "ok"),
    (b"var fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); fib(8)", "ok"),
    (b"await new Promise((r) => setTimeout(r, 0)); new Map([[1, new Set([2])]])", "ok"),
    (b"null.x", "raised"),
    (b"{ class A { #x = 1; get x() { return this.#x; } } throw new TypeError(`${new A().x}`) }", "raised"),
    (b"x = = 1", "refused"),
    (b"import fs from 'node:fs'; fs.writeFileSync('a', 'b'); fs.readFileSync('a', 'utf8')", "ok"),
    (b"delete globalThis.rows; delete globalThis.fib; delete globalThis.fs; 1 + 1", "ok"),
)
