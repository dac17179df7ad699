"""Every language by name: ours written out, others' found as entry points.

Importing an implementation is left to the process that serves it. A package adds a language with an
entry point of the group `dspex.languages` that names a `LanguageSpec`; it cannot replace one of ours.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING

from dspex import resources, values
from dspex.errors import LanguageUnavailable
from dspex.languages.base import LanguageSpec

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.languages.base import Workshop
    from dspex.protocol.messages import Run
    from dspex.runtimes.progress import Progress

ENTRY_POINTS = "dspex.languages"
SCIENTIFIC = "scientific"
"""The image of Python that has numpy, pandas and their kin."""


def _python(image: str | None, progress: Progress) -> Path:
    from dspex.runtimes import locate  # noqa: PLC0415 - only in the caller's process

    return locate.runtime("python", progress, image=image)


def _python_images() -> tuple[str, ...]:
    from dspex.runtimes.images import registry  # noqa: PLC0415 - only in the caller's process

    return (SCIENTIFIC, *registry.names())


def _python_of_image(python: LanguageSpec, image: str) -> LanguageSpec:
    if image != SCIENTIFIC:
        return python
    return replace(
        python, guest="dspex.languages.scientific:ScientificGuest", arrays=True, saves=False, forks=True
    )


def _javascript(image: str | None, progress: Progress) -> Path:
    from dspex.runtimes import locate  # noqa: PLC0415 - only in the caller's process

    return locate.runtime("javascript", progress, image=image)


def _typescript(image: str | None, progress: Progress) -> Path:
    from dspex.runtimes import locate  # noqa: PLC0415 - only in the caller's process

    return locate.runtime("typescript", progress, image=image)


def _wasm(_image: str | None, _progress: Progress) -> Path:
    return resources.package_folder()  # nothing is loaded from it: programs bring all they need


def _rust(_image: str | None, _progress: Progress) -> Path:
    from dspex.runtimes import rust  # noqa: PLC0415 - only in the caller's process

    rust.ready()
    return resources.package_folder()


def _prepare_rust(run: Run, workshop: Workshop) -> Run:
    from dspex.runtimes import rust  # noqa: PLC0415 - only when it is needed

    return rust.prepare(run, workshop)


def _prepare_wasm(run: Run, workshop: Workshop) -> Run:
    from dspex.languages import wasm_source  # noqa: PLC0415 - only when it is needed

    return wasm_source.prepare(run, workshop)


def _restricted(_image: str | None, _progress: Progress) -> Path:
    return resources.package_folder()  # the runtime is the interpreter that runs this


def _restricted_packages() -> tuple[str, ...]:
    packages = ("wasmtime", "msgspec", "RestrictedPython")
    return (*packages, "numpy") if importlib.util.find_spec("numpy") else packages


RESTRICTED_LAYERS = frozenset(
    {
        "clean_env", "closed_fds", "unprivileged_user", "user_namespace", "mount_namespace", "pid_namespace",
        "network_namespace", "ipc_namespace", "empty_root", "rlimits", "capabilities", "not_dumpable",
        "no_new_privs", "landlock", "parent_death_signal", "seccomp",
    }
)  # fmt: skip
"""Without any of these, one error in the compiler of restricted Python would be one wall too few."""


IN_WASM = frozenset({"wasm"})
"""What every language needs whose guests are WebAssembly."""


OURS = {
    "python-restricted": LanguageSpec(
        name="python-restricted",
        guest="dspex.languages.python_restricted:RestrictedPythonGuest",
        runtime=_restricted,
        filename="main.py",
        packages=_restricted_packages(),
        require_layers=RESTRICTED_LAYERS,
        arrays=True,
        forks=True,
        single_use=True,
    ),
    "wasm": LanguageSpec(
        name="wasm",
        guest="dspex.languages.wasm:WasmGuest",
        runtime=_wasm,
        filename="main.wasm",
        binary_source=True,
        sessions=False,
        tools=False,
        loads_code=True,
        prepare=_prepare_wasm,
        require_layers=IN_WASM,
    ),
    "rust": LanguageSpec(
        name="rust",
        guest="dspex.languages.wasm:RustGuest",
        runtime=_rust,
        filename="main.rs",
        sessions=False,
        tools=False,
        loads_code=True,
        prepare=_prepare_rust,
        require_layers=IN_WASM,
    ),
    "python": LanguageSpec(
        name="python",
        guest="dspex.languages.python:PythonGuest",
        images=_python_images,
        of_image=_python_of_image,
        runtime=_python,
        filename="main.py",
        saves=True,
        require_layers=IN_WASM,
    ),
    "javascript": LanguageSpec(
        name="javascript",
        guest="dspex.languages.javascript:JavaScriptGuest",
        runtime=_javascript,
        filename="main.js",
        arrays=True,
        saves=True,
        require_layers=IN_WASM,
    ),
    "typescript": LanguageSpec(
        name="typescript",
        guest="dspex.languages.javascript:JavaScriptGuest",
        runtime=_typescript,
        filename="main.ts",
        arrays=True,
        saves=True,
        require_layers=IN_WASM,
    ),
}
"""The languages that come with dspex."""


def names() -> tuple[str, ...]:
    """Return the names that `run(language=...)` takes."""
    return (*OURS, *sorted(_theirs().keys() - OURS.keys()))


def spec(name: str, image: str | None = None) -> LanguageSpec:
    """Return what stands behind a name, with an image.

    Raises:
        LanguageUnavailable: There is no such language, or its package cannot be imported.
    """
    found = OURS.get(name) or _loaded(name)
    return found if image is None or found.of_image is None else found.of_image(found, image)


def _loaded(name: str) -> LanguageSpec:
    entry = _theirs().get(name)
    if entry is None:
        raise LanguageUnavailable(
            name, "there is no such language", remedy=f"use one of {', '.join(names())}"
        )
    try:
        loaded = entry.load()
    except (ImportError, AttributeError) as error:
        remedy = "reinstall the package that brings it"
        raise LanguageUnavailable(name, f"{entry.value}: {error}", remedy=remedy) from error
    if not isinstance(loaded, LanguageSpec) or loaded.name != name:
        reason = f"{entry.value} is not a LanguageSpec of that name"
        raise LanguageUnavailable(name, reason, remedy="tell those who make it")
    return loaded


def takes_arrays(name: str) -> bool:
    """Tell whether guests of a language may send numpy arrays, and whether they can be read here."""
    found = spec(name)
    return (found.arrays or found.of_image is not None) and values.arrays_here()


def _theirs() -> dict[str, importlib.metadata.EntryPoint]:
    return {one.name: one for one in importlib.metadata.entry_points(group=ENTRY_POINTS)}
