"""The part of an image's build that runs packages' code, in a process of its own.

It gets the merged module, compiled, and the packages' files; lets the guest compile these to byte code,
starts CPython with the native modules, imports what is wanted, and freezes. The packages' code runs
under wasmtime and sees no file of the host. `assemble` starts the process, bounds its time and takes what it
wrote; `dspex.worker.image_stage` puts walls around it. Whatever the guest does, nothing but the frozen
module and some addresses come of it.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.languages.python import ENTRY, ROOT_DATA, ROOT_INDEX, load_base_layer
from dspex.runtimes.builder import Builder, BuildFailed
from dspex.runtimes.stdlib import write_root
from dspex.wasm.emscripten import BaseLayer
from dspex.wasm.engine import new_engine
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JOB, SOURCE, COMPILED, DATA, PACKAGES = "job.json", "opened.wasm", "opened.cwasm", "data.bin", "packages.zip"
FROZEN = "frozen.wasm"
SITE = "lib/python3.14/site-packages"
MEMORY_BYTES_MAX = 1 << 30

_PROGRAM_FILE = "/tmp/compiled.zip"  # noqa: S108 - a path in the guest
_COMPILE = """
import importlib.util, importlib._bootstrap_external as bootstrap, os, sys, warnings, zipfile
warnings.simplefilter("ignore")
target = zipfile.ZipFile({made!r}, "w")
for folder, folders, names in os.walk("/" + {site!r}):
    folders.sort()
    for name in sorted(names):
        if not name.endswith(".py"):
            continue
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            data = file.read()
        try:
            code = compile(data, path, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # a template, or a file for another Python: importing it will say so
        made = importlib.util.cache_from_source(path)
        pyc = bootstrap._code_to_hash_pyc(code, importlib.util.source_hash(data), False)
        target.writestr(zipfile.ZipInfo(made[1:], (1980, 1, 1, 0, 0, 0)), bytes(pyc))
target.close()
"""

_TOUCH = """
def _touch():
    import sys, warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in [sys.modules[name] for name in {names!r}]:
            if "__getattr__" in vars(module):
                for name in list(getattr(module, "__all__", ())):
                    try:
                        getattr(module, name)
                    except Exception:
                        pass  # whoever wants it will be told
_touch()
"""
"""Makes packages load what they load at the first use of a name, such as `pydantic.BaseModel`."""

_WARM = """
for source in ({touch!r}, {warm!r}):
    exec(compile(source, "warm.py", "exec"), {{"__name__": "warm"}})
"""


class _Packages:
    """The packages of one image, as the builder of the guest wants them."""

    path = "/" + SITE

    def __init__(self, job: Mapping[str, Any], data: bytes) -> None:
        self.preload: Sequence[str] = job["preload"]
        self.warm: str = _WARM.format(touch=_TOUCH.format(names=job["preload"]), warm=job["warm"])
        self.native: Mapping[str, Mapping[str, Any]] = job["native"]
        self._layout = job["layout"]
        self._data = data

    def reserve(self, builder: Builder) -> None:
        """Move the start of the heap up, before the C library has used any of it."""
        if not self._layout["reserve_bytes"]:
            return
        start = builder.call("sbrk", self._layout["reserve_bytes"]) & 0xFFFFFFFF
        if start != self._layout["heap_start"]:
            msg = f"the heap starts at {start:#x}, not at {self._layout['heap_start']:#x}"
            raise BuildFailed(msg)

    def link(self, builder: Builder) -> None:
        """Do for each native module what a dynamic linker does last."""
        at = 0
        for module in self._layout["modules"]:
            for address, size in module["data"]:
                builder.write(address, self._data[at : at + size])
                at += size
            for name in module["calls"]:
                builder.call(name)


def run(folder: Path) -> None:
    """Do the work that lies in a folder, and write there what came of it.

    Raises:
        BuildFailed: The packages' code raised or trapped.
    """
    job = json.loads((folder / JOB).read_text())
    machine = Machine.load(new_engine(), folder / COMPILED)
    machine.memory_bytes_max = MEMORY_BYTES_MAX
    packages = _Packages(job, (folder / DATA).read_bytes())
    builder = Builder((folder / SOURCE).read_bytes(), job["slot"], job["recipe"], machine, packages)
    base = _base_files(Path(job["base"]))
    files = _unpacked((folder / PACKAGES).read_bytes())
    program = _COMPILE.format(made=_PROGRAM_FILE, site=SITE)
    compiled = builder.make_file(program, BaseLayer.from_files({**base, **files}), _PROGRAM_FILE)
    everything = {**base, **files, **_unpacked(compiled)}
    write_root(everything, folder)
    frozen, entry = builder.snapshot(load_base_layer(folder))
    (folder / FROZEN).write_bytes(frozen)
    (folder / ENTRY).write_text(json.dumps({**entry, "native": job["native"]}))


def _base_files(runtime: Path) -> dict[str, bytes]:
    index = json.loads((runtime / ROOT_INDEX).read_text())
    data = (runtime / ROOT_DATA).read_bytes()
    return {name: data[at : at + size] for name, (at, size) in index.items()}


def _unpacked(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}
