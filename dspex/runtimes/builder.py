"""CPython, started from the interpreter's module as often as a build wants, each time from nothing and all alike.

What it is started for is up to others: to compile files and to be frozen (`dspex.runtimes.pyodide`, images),
or to be watched at work (`dspex.runtimes.training`).
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Protocol

from dspex import resources
from dspex.languages.python import ENVIRONMENT, EXPORTS, REPLY_FD, REQUEST_FD, host_functions
from dspex.runtimes import glue
from dspex.runtimes.freeze import freeze
from dspex.runtimes.heap import fill_holes
from dspex.wasm.binary import Module
from dspex.wasm.emscripten import (
    HOME,
    BaseLayer,
    Clock,
    MemoryFileSystem,
    Quotas,
    Syscalls,
)
from dspex.wasm.emscripten.dylink import MergedModules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dspex.wasm.instance import Machine

STDLIB = "lib/python314.zip"
_GUEST_PACKAGE = "dspex_guest"
_INVENTORY_FD = (1 << 20) + 2
_BUILD_FILE_BYTES = 1 << 30
_OUTPUT_BYTES_MAX, _CHANNEL_BYTES_MAX = 1 << 16, 1 << 27
"""How much of what a guest prints while it is built is kept, and what it may say on its channels."""
_BUILD_TIME_NS = 1_767_225_600 * 10**9
"""1 January 2026: what the guest's clock shows while it is built, so that builds agree."""
_WARM_TURNS = 40
_C_STACK_BYTES = 1 << 20
"""How much of Emscripten's stack CPython may use; see `_protect_stack`."""
_REFERENCE_COUNT, _TYPE = struct.Struct("<I"), struct.Struct("<4xI")

_WARMING = (
    (
        b"import json, math\nrows = [dict(n=i, s=str(i)) for i in range(5)]\n"
        b"print(json.dumps(rows)[:30])\nsum(row['n'] for row in rows)"
    ),
    b"def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nf(6)",
    b"class A:\n    def __init__(self, x):\n        self.x = x\n[A(1).x, {'a': (1, 2)}, {3}]",
    b"x = {}['missing']",
    b"raise ValueError('a message')",
    b"x = = 1",
    b"import re\nprint(re.sub('a+', 'b', 'caat'), f'{1/3:.3f}')",
    b"with open('a.txt', 'w') as f:\n    f.write('hi')\nopen('a.txt').read()",
    b"1 + 1",
)


def open_up(merged: bytes) -> tuple[bytes, int]:
    """Return the interpreter's module ready to be started and read, with the trampoline's table entry."""
    opened = Module(merged)
    slot = glue.open_up(opened)
    return opened.encode(), slot


class Collected:
    """A channel that keeps what the guest writes, and gives what the host has put in."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.offered = b""

    def read_into(self, target: memoryview) -> int:
        """Give what was offered, and return how many bytes."""
        piece, self.offered = self.offered[: len(target)], self.offered[len(target) :]
        target[: len(piece)] = piece
        return len(piece)

    def write(self, data: memoryview) -> int:
        """Keep what the guest says.

        Raises:
            BuildFailed: It says too much.
        """
        if len(self.received) + len(data) > _CHANNEL_BYTES_MAX:
            raise BuildFailed(f"the guest said more than {_CHANNEL_BYTES_MAX} bytes on a channel")
        self.received += data
        return len(data)


class BuildFailed(RuntimeError):
    """The guest failed while it was built; the message ends with what it said."""


class Packages(Protocol):
    """What an image adds to a guest while it is built; see `dspex.runtimes.images.assemble`."""

    preload: Sequence[str]
    """Modules that are imported before the snapshot is taken."""
    native: Mapping[str, Mapping[str, Any]]
    """What `dlopen` finds; see `dspex.wasm.emscripten.dylink`."""
    path: str
    """Folder of the packages, for `sys.path`."""
    warm: str
    """A program that is run before the snapshot is taken, so that what it touches is warm."""

    def reserve(self, builder: Builder) -> None:
        """Take the memory of the native modules: before anything else of the guest runs."""

    def link(self, builder: Builder) -> None:
        """Bring the native modules to life: CPython has started."""


class Builder:
    """Starts the merged module as often as needed, each time from nothing and all alike."""

    def __init__(
        self, source: bytes, slot: int, recipe: dict[str, Any], machine: Machine,
        packages: Packages | None = None,
    ) -> None:
        """Use a module from `open_up`, in text and as `machine`; an image brings its packages."""
        self._source = source
        self._slot = slot
        self._recipe = recipe
        self._packages = packages
        self._machine = machine
        self._memory = self._machine.memory
        self._syscalls = Syscalls(self._memory, MemoryFileSystem(), environment=_START_ENVIRONMENT)
        merged = MergedModules(self._memory, packages.native if packages else {})
        self._machine.bind(host_functions(self._machine, self._syscalls, lambda: 0, merged))
        self._output = bytearray()

    def start(self, base: BaseLayer) -> None:
        """Start CPython on these files."""
        ticks = iter(range(1, 1 << 60))
        self._output.clear()
        files = MemoryFileSystem(
            base=base,
            quotas=Quotas(file_bytes_max=_BUILD_FILE_BYTES, file_count_max=10_000),
            now_ns=lambda: _BUILD_TIME_NS,
            write_output=self._collect_output,
        )
        self._machine.boot()
        self._syscalls.fs = files
        self._syscalls.zone_fields = None
        self._syscalls.clock = Clock(
            now_ns=lambda: _BUILD_TIME_NS + next(ticks) * 1000,
            monotonic_ns=lambda: next(ticks) * 1000,
            cpu_ns=lambda: next(ticks) * 1000,
            wait_ns=lambda _duration: False,
        )
        draws = iter(range(1, 1 << 60))
        self._syscalls.random_bytes = lambda count: bytes(
            (next(draws) * 37 + 11) & 0xFF for _ in range(count)
        )
        self.call("emscripten_stack_init")
        if self._packages is not None:
            self._packages.reserve(self)
        self.call("__wasm_call_ctors")
        self._install_trampoline()
        self._remove_builtin_modules()
        self.call("Py_InitializeEx", 1)
        self._protect_stack()
        if self._packages is not None:
            self._packages.link(self)

    def _collect_output(self, _stream: int, data: memoryview) -> int:
        self._output += data
        del self._output[:-_OUTPUT_BYTES_MAX]
        return len(data)

    def call(self, name: str, *arguments: int) -> int:
        """Call an exported function of the guest.

        Raises:
            BuildFailed: It trapped, or exited.
        """
        function = self._machine.function(name, max(len(arguments), 1))
        try:
            return function(*arguments)
        except Exception as error:
            said = self._output.decode(errors="replace")[-3000:]
            msg = f"{name} failed in the guest: {error}\n{said}"
            raise BuildFailed(msg) from error

    def write(self, address: int, content: bytes) -> None:
        """Write into the guest's memory."""
        self._memory.sync()
        self._memory.view[address : address + len(content)] = content

    def _read_u32(self, address: int) -> int:
        return int(_REFERENCE_COUNT.unpack_from(self._memory.view, address)[0])

    def _install_trampoline(self) -> None:
        offset = self._read_u32(self._machine.global_i32("_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET"))
        field = self._machine.global_i32("_PyRuntime") + offset
        _REFERENCE_COUNT.pack_into(self._memory.view, field, self._slot)

    def _protect_stack(self) -> None:
        """Let CPython raise RecursionError before the wasm stack ends.

        C code has two stacks here: Emscripten's, in linear memory, which CPython watches, and
        wasmtime's, which it cannot see and which would end first. So it is told of less than it has.
        """
        top = self.call("emscripten_stack_get_base")
        self.call(
            "PyUnstable_ThreadState_SetStackProtection",
            self.call("PyThreadState_Get"),
            top - _C_STACK_BYTES,
            _C_STACK_BYTES,
        )

    def _remove_builtin_modules(self) -> None:
        """Take the modules that reach for JavaScript out of CPython's table of built-in modules."""
        unwanted = {name.encode() for name in self._recipe["start"]["builtin_modules_removed"]}
        view = self._memory.view
        read = write = self._read_u32(self._machine.global_i32("PyImport_Inittab"))
        while name_at := self._read_u32(read):
            name = bytes(view[name_at : name_at + 64]).split(b"\0")[0]
            if name not in unwanted:
                view[write : write + 8] = view[read : read + 8]
                write += 8
            read += 8
        view[write : write + 8] = bytes(8)

    def make_file(self, source: str, base: BaseLayer, made: str) -> bytes:
        """Start, run source text and return a file that it wrote.

        Raises:
            BuildFailed: It raised.
        """
        self.start(base)
        self.run(source)
        return self._syscalls.fs.read_file(made)

    def run(self, source: str) -> None:
        """Run source text in `__main__`."""
        encoded = source.encode() + b"\0"
        address = self.call("malloc", len(encoded))
        self._memory.view[address : address + len(encoded)] = encoded
        status = self.call("PyRun_SimpleString", address)
        self.call("free", address)
        if status:
            said = self._output.decode(errors="replace")[-3000:]
            msg = f"the guest raised while it was built:\n{said}"
            raise BuildFailed(msg)

    def compile_stdlib(self, upstream: bytes) -> bytes:
        """Return the standard library's archive with byte code, and with our guest modules."""
        guest = resources.package_folder() / "languages" / "guest"
        extra = {f"{_GUEST_PACKAGE}/__init__.py": b""} | {
            f"{_GUEST_PACKAGE}/{path.name}": path.read_bytes()
            for path in sorted(guest.glob("python_*.py"))
        }
        extra["dbm/__init__.py"] = (guest / "dbm_package.py").read_bytes()
        settings: dict[str, Any] = {
            "SOURCE": f"/{STDLIB}",
            "TARGET": "/tmp/stdlib.zip",  # noqa: S108 - a path in the guest
            "ORIGIN": f"/{STDLIB}",
            "LEAVE_OUT": self._recipe["stdlib"]["leave_out"],
            "EDITS": self._recipe["stdlib"]["edits"],
            "EXTRA": extra,
        }
        lines = [f"{name} = {value!r}" for name, value in settings.items()]
        source = "\n".join([*lines, (guest / "compile_stdlib.py").read_text()])
        return self.make_file(source, BaseLayer.from_files({STDLIB: upstream}), settings["TARGET"])

    def snapshot(self, base: BaseLayer) -> tuple[bytes, dict[str, object]]:
        """Start, warm and freeze; return the module and its entry points.

        It is done twice. The first guest lists its objects, which leaves litter behind; the second
        one is the same to the byte, so the list holds for it too.
        """
        turn, inventory_function = self._prepare(base)
        channel = Collected()
        self._syscalls.fs.install_channel(_INVENTORY_FD, channel)
        self._turn(inventory_function)
        objects = struct.unpack(f"<{len(channel.received) // 4}I", channel.received)
        heads = [bytes(self._memory.view[at : at + 8]) for at in objects]
        turn_again, _ = self._prepare(base)
        immortal = self._machine.function("_Py_SetImmortal", 1)
        for at, head in zip(objects, heads, strict=True):
            now = bytes(self._memory.view[at : at + 8])
            if _TYPE.unpack(now) != _TYPE.unpack(head):
                msg = f"two builds of the guest differ at address {at:#x}"
                raise BuildFailed(msg)
            immortal(at)
        if turn != turn_again:
            msg = "two builds of the guest differ in their entry point"
            raise BuildFailed(msg)
        # Not frozen for the collector: what is immortal is out of its sight already, and a frozen
        # heap makes it believe that it is always behind.
        self.run("import gc; gc.collect(); del gc")
        fill_holes(self.call)
        keep = {*EXPORTS, *self._recipe["start"].get("exports", ())}
        entry: dict[str, object] = {
            "turn": turn,
            "environ": self._read_environ_address(),
            "zone_fields": self._syscalls.zone_fields or (0, 0, 0, 0),
            "objects": len(objects),
        }
        return freeze(self._machine, self._source, keep), entry

    def _read_environ_address(self) -> int:
        return self._machine.global_i32("environ")

    def _prepare(self, base: BaseLayer) -> tuple[int, int]:
        """Bring a guest to the state in which a run begins; return its two functions' addresses."""
        self.start(base)
        packages = self._packages
        preload = [*self._recipe["start"]["preload"], *(packages.preload if packages else ())]
        addresses = Collected()
        self._syscalls.fs.install_channel(REPLY_FD, addresses)
        self.run(_PREPARE.format(
                preload=preload, environment=ENVIRONMENT, home=HOME, reply=REPLY_FD,
                packages=[packages.path] if packages else [],
                warm=packages.warm if packages else "",
            ))
        turn, inventory = struct.unpack("<II", addresses.received)
        requests, replies = Collected(), addresses
        self._syscalls.fs.install_channel(REQUEST_FD, requests)
        for number in range(_WARM_TURNS * len(_WARMING)):
            source = _WARMING[number % len(_WARMING)]
            head = {
                "kind": "run", "single": True, "filename": "main.py", "args": [], "env": {},
                "stream": False, "value_bytes": 1 << 20, "value_depth": 50,
                "source_bytes": len(source), "reseed": False, "tools": None,
            }
            requests.offered = json.dumps(head).encode() + b"\n" + source
            replies.received.clear()
            self._turn(turn)
            if number < len(_WARMING):
                _check_warming(number, bytes(replies.received))
        self.run("import gc; gc.collect(); del gc")
        return turn, inventory

    def _turn(self, function: int) -> None:
        if not self.call("PyObject_CallNoArgs", function):
            self.call("PyErr_Print")
            said = self._output.decode(errors="replace")[-3000:]
            msg = f"the guest's driver raised while it was built:\n{said}"
            raise BuildFailed(msg)


_EXPECTED = ("ok", "ok", "ok", "raised", "raised", "refused", "ok", "ok", "ok")


def _check_warming(number: int, reply: bytes) -> None:
    report = json.loads(reply.partition(b"\n")[0])
    if report["status"] != _EXPECTED[number]:
        msg = f"warming program {number} ended as {report}, not as {_EXPECTED[number]}"
        raise BuildFailed(msg)


_START_ENVIRONMENT = {
    **ENVIRONMENT,
    "PYTHONHOME": "/",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHON_COLORS": "0",
}

_PREPARE = """
import builtins, gc, importlib, importlib.util, os, random, struct, sys, types
sys.path += {packages!r}
for name in {preload!r}:
    importlib.import_module(name)
exec(compile({warm!r}, "warm.py", "exec"), {{"__name__": "warm"}})

def load(name):
    # Each has its own dictionary of built-ins, so that a program's changes do not reach it.
    spec = importlib.util.find_spec("dspex_guest." + name)
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__builtins__"] = dict(builtins.__dict__)
    sys.modules[spec.name] = module
    exec(spec.loader.get_code(spec.name), module.__dict__)
    return module

times, tools, net = load("python_time"), load("python_tools"), load("python_net")
times.install()
times.calls = tools
values, driver = load("python_values"), load("python_driver")
inventory = load("python_inventory")
os.environ.clear()
os.environ.update({environment!r})
import posix
sys.path[:] = [{home!r}] + [entry for entry in sys.path if entry.endswith(".zip")] + {packages!r}
sys.dont_write_bytecode = True
posix.write({reply}, struct.pack("<II", id(driver.turn), id(inventory.inventory)))
driver.generators.extend(
    one for one in gc.get_objects()
    if isinstance(one, random.Random) and not isinstance(one, random.SystemRandom) and one is not random._inst
)
driver.install(values, tools, net)
"""
