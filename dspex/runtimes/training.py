"""The interpreter's module, rewritten for what programs mostly do with it: found out by running some.

The programs lie in runtimes/pyodide/training. They are not those of the benchmarks, which measure
what comes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wasmtime

from dspex.runtimes.builder import STDLIB, Builder, open_up
from dspex.runtimes.profile import COUNTERS, Profile, count
from dspex.runtimes.recipes import training_programs
from dspex.runtimes.stdlib import time_zones
from dspex.runtimes.tuning import tune
from dspex.wasm.emscripten import BaseLayer
from dspex.wasm.engine import new_engine
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from dspex.runtimes.progress import Progress


def train(module: bytes, stdlib: bytes, recipe: dict[str, Any], progress: Progress) -> bytes:
    """Return the interpreter's module, tuned for what the programs make it do.

    Args:
        module: What will be given to `dspex.runtimes.builder.open_up`.
        stdlib: Upstream's archive of the standard library.
        recipe: The interpreter's.
        progress: Told about each step.

    Raises:
        BuildFailed: The interpreter failed at a program.
    """
    files = BaseLayer.from_files({STDLIB: stdlib, **time_zones()})
    profile = measure(module, files, recipe, progress)
    progress.step("inline the calls that were made most often")
    return tune(module, profile)


def measure(module: bytes, files: BaseLayer, recipe: dict[str, Any], progress: Progress) -> Profile:
    """Run each program twice, and count calls and branches the second time.

    Raises:
        BuildFailed: The interpreter failed at a program.
    """
    progress.step("compile a module that counts its calls and branches")
    counters = count(module)
    opened, slot = open_up(counters.module)
    engine = new_engine()
    machine = Machine(engine, wasmtime.Module(engine, opened))
    builder = Builder(opened, slot, recipe, machine)
    builder.start(files)
    memory = machine.exported_memory(COUNTERS)
    found = training_programs("pyodide")
    progress.step(f"count what {len(found)} programs do")
    sources = [path.read_text() for path in found]
    for path, source in zip(found, sources, strict=True):
        builder.run(_RUN.format(source=source, name=path.name))
    counters.forget(memory.view)
    for path, source in zip(found, sources, strict=True):
        builder.run(_RUN.format(source=source, name=path.name))
        counters.finish_program(memory.view)
    return counters.profile(memory.view)


_RUN = "exec(compile({source!r}, {name!r}, 'exec'), {{'__name__': 'training'}})"
