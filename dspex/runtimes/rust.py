"""Rust programs on their way to WebAssembly: the toolchain found, and used behind walls.

Compiling is itself running what nobody has read: a program can read files (`include_str!`), the
environment (`env!`) and compute without end (constants, macros). So rustc runs in `dspex.worker.tool`,
with the toolchain's own files and nothing else in view, and what it makes is as little trusted as
any other module. Made modules are kept, by all that went in.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dspex import resources
from dspex.errors import Finding, GuestRefused, LanguageUnavailable
from dspex.languages import wasm_source
from dspex.runtimes.store import Store, cache_folder, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dspex.languages.base import Workshop
    from dspex.protocol.messages import Run

TARGETS = ("wasm32-wasip1", "wasm32-wasi")
"""The target for WASI preview 1, as it is called since 1.78 and as it was before."""

FLAGS = ("--edition=2021", "-O", "-Cstrip=symbols", "-Cpanic=abort", "-Cembed-bitcode=no")
WALL_S, CPU_S = 20.0, 20
DATA_BYTES = 1 << 30
MADE_BYTES_MAX = 64 << 20
"""What the compiler may spend on one program; none of it counts against the run."""

REMEDY = (
    "`rustup target add wasm32-wasip1`, or on Debian and Ubuntu"
    " `apt-get install rustc libstd-rust-dev-wasm32 lld`"
)
KEPT_COUNT_MAX, KEPT_BYTES_MAX = 500, 512 << 20
_ANSWER_GRACE_S = 5.0
_ASK_TIMEOUT_S = 20.0
_FINDINGS_MAX = 100
_SOURCE, _MADE = "main.rs", "out.wasm"
_CRATE, _CRATE_FILE = "dspex", "libdspex.rlib"
_PROGRAM = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); "
    "importlib.import_module('dspex.worker.tool').main(sys.argv[2])"
)


class NoJail(RuntimeError):
    """The machine gives too few walls to run a compiler behind."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """One rustc that can compile for WASI preview 1."""

    origin: str
    """`rustup` or `system`."""
    rustc: str
    sysroot: str
    target: str
    linker: str
    version: str
    visible: tuple[str, ...]
    """Files and folders that the compiler needs; it sees no others."""


def toolchain() -> Toolchain:
    """Find a toolchain: rustup's first, then the system's.

    Raises:
        LanguageUnavailable: There is none; it says what to install.
    """
    found = _found()
    if found is None:
        reason = "there is no rustc here with the target wasm32-wasip1 and a linker for it"
        raise LanguageUnavailable("rust", reason, remedy=REMEDY)
    return found


@functools.cache
def _found() -> Toolchain | None:
    for origin, rustc, sysroot in _candidates():
        made = _examined(origin, rustc, sysroot)
        if made is not None:
            return made
    return None


def _candidates() -> Iterator[tuple[str, Path, Path]]:
    """Yield origin, compiler and sysroot; rustup's default toolchain before its others."""
    rustup = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    folders = []
    said = _ask([str(cargo / "bin" / "rustc"), "--print", "sysroot"])
    if said:
        folders.append(Path(said))
    with contextlib.suppress(OSError):
        folders += sorted((rustup / "toolchains").iterdir())
    for folder in dict.fromkeys(folders):
        yield "rustup", folder / "bin" / "rustc", folder
    for name in ("/usr/bin/rustc", "/usr/local/bin/rustc"):
        said = _ask([name, "--print", "sysroot"])
        if said:
            yield "system", Path(name), Path(said)


def _examined(origin: str, rustc: Path, sysroot: Path) -> Toolchain | None:
    libraries = sysroot / "lib" / "rustlib"
    target = next((one for one in TARGETS if (libraries / one / "lib").is_dir()), None)
    version = _ask([str(rustc), "-vV"]) if target else None
    if target is None or not version:
        return None
    host = next((line[6:] for line in version.splitlines() if line.startswith("host: ")), "")
    own = libraries / host / "bin" / "rust-lld"
    linker = str(own) if own.is_file() else shutil.which("rust-lld") or shutil.which("wasm-ld")
    if not linker:
        return None
    visible = sorted({
        str(rustc), linker, str(libraries / target), "/dev/null",
        *_shared_objects(rustc), *_shared_objects(Path(linker)),
    })
    return Toolchain(origin, str(rustc), str(sysroot), target, linker, version, tuple(visible))


def _shared_objects(program: Path) -> set[str]:
    """Return the libraries that a program is linked with, and its loader."""
    said = _ask(["/usr/bin/ldd", str(program)]) or ""
    words = (line.partition("=>")[2] or line for line in said.splitlines())
    paths = (word.partition("(")[0].strip() for word in words)
    return {os.path.normpath(path) for path in paths if path.startswith("/")}


def _ask(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_ASK_TIMEOUT_S, check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


# Preparing a request.


def prepare(run: Run, workshop: Workshop) -> Run:
    """Return the request with the compiled program in place of the source.

    Raises:
        GuestRefused: The compiler turned it down, with all its findings.
        LanguageUnavailable: There is no toolchain, or no jail for it.
    """
    chain = toolchain()
    place = _place(chain, run.source)
    module = _recall(place)
    if module is None:
        workshop.enter()
        module = compile_source(run.source)
    return wasm_source.prepare_module(msgspec.structs.replace(run, source=module), workshop)


def compile_source(source: bytes) -> bytes:
    """Compile a program, or find it compiled.

    Args:
        source: One file of Rust; std and the crate `dspex` are there.

    Returns:
        A module for WASI preview 1.

    Raises:
        GuestRefused: The compiler turned it down, with all its findings.
        LanguageUnavailable: There is no toolchain, or no jail for it.
    """
    chain = toolchain()
    place = _place(chain, source)
    module = _recall(place)
    if module is not None:
        return module
    try:
        crate = _crate(chain)
        command = [
            *_command(chain), "--crate-name=main", f"--extern={_CRATE}={crate}", "-o", _MADE
        ]
        header, said, module = _run_tool(chain, command, source, _MADE, visible=[str(crate)])
    except NoJail as error:
        remedy = "see `dspex doctor` for the walls"
        raise LanguageUnavailable("rust", str(error), remedy=remedy) from error
    if header["status"] != 0 or not module:
        raise GuestRefused(_findings(header, said))
    _keep(place, module)
    return module


def ready() -> None:
    """Make what every program is linked with, if it is not there yet.

    Raises:
        LanguageUnavailable: There is no toolchain, or no jail for it.
    """
    try:
        _crate(toolchain())
    except NoJail as error:
        remedy = "see `dspex doctor` for the walls"
        raise LanguageUnavailable("rust", str(error), remedy=remedy) from error


def _command(chain: Toolchain) -> list[str]:
    flavour = ["-Clinker-flavor=wasm-ld"] if chain.linker.endswith("wasm-ld") else []
    return [
        chain.rustc, _SOURCE, *FLAGS, f"--target={chain.target}", f"--sysroot={chain.sysroot}",
        f"-Clinker={chain.linker}", *flavour, "--error-format=json",
    ]


def _crate_source() -> Path:
    return resources.package_folder() / "languages" / "guest" / "rust_prelude.rs"


def _crate(chain: Toolchain) -> Path:
    """Return the compiled crate `dspex`, made once for each toolchain."""
    source = _crate_source().read_bytes()

    def build(folder: Path) -> None:
        command = [
            *_command(chain), "--crate-type=rlib", f"--crate-name={_CRATE}", "-o", _CRATE_FILE
        ]
        header, said, made = _run_tool(chain, command, source, _CRATE_FILE)
        if header["status"] != 0 or not made:
            msg = f"the crate {_CRATE} does not compile: {GuestRefused(_findings(header, said))}"
            raise RuntimeError(msg)
        (folder / _CRATE_FILE).write_bytes(made)

    folder = Store(cache_folder() / "rust").get("crate", digest(_key(chain, source)), build)
    return folder / _CRATE_FILE


def _run_tool(
    chain: Toolchain, command: list[str], source: bytes, made: str, *, visible: Sequence[str] = ()
) -> tuple[dict[str, Any], bytes, bytes]:
    """Run the compiler behind the walls; return the header, what it said and what it made."""
    with tempfile.TemporaryDirectory(prefix="dspex-rust-") as scratch:
        Path(scratch).chmod(0o777)
        order = {
            "command": command, "visible": [*chain.visible, *visible], "source": _SOURCE,
            "made": made, "scratch": scratch, "parent": os.getpid(), "wall_s": WALL_S,
            "cpu_s": CPU_S, "data_bytes": DATA_BYTES, "file_bytes": MADE_BYTES_MAX,
        }
        root = str(resources.package_folder().parent)
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, root, json.dumps(order)],
                input=source, capture_output=True, env={"LC_CTYPE": "C.UTF-8"}, cwd="/",
                timeout=WALL_S + _ANSWER_GRACE_S, check=False,
            )
        except subprocess.TimeoutExpired as error:
            msg = f"the compiler's process did not answer within {error.timeout:.0f} s"
            raise NoJail(msg) from error
    line, _, rest = done.stdout.partition(b"\n")
    try:
        header = json.loads(line)
        said_bytes, made_bytes = header["said_bytes"], header["made_bytes"]
    except (ValueError, KeyError, TypeError):
        complaint = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        msg = f"the compiler's process ended with status {done.returncode}: {' '.join(complaint)}"
        raise NoJail(msg) from None
    if header["lacking"]:
        absent = header["absent"]
        reasons = ", ".join(f"{one} ({absent.get(one, 'none stands')})" for one in header["lacking"])
        msg = f"no program is compiled without a jail, and this machine gives no {reasons}"
        raise NoJail(msg)
    return header, rest[:said_bytes], rest[said_bytes : said_bytes + made_bytes]


def jail() -> tuple[list[str], dict[str, str]]:
    """Compile an empty program, not kept, to see which walls stand around the compiler.

    Returns:
        Names of those that stand, and of those that do not, with reasons.

    Raises:
        NoJail: Too few stand.
        LanguageUnavailable: There is no toolchain.
    """
    chain = toolchain()
    header, _, _ = _run_tool(
        chain, [*_command(chain), "--crate-type=rlib", "--emit=metadata", "-o", _MADE], b"", _MADE
    )
    return header["armed"], header["absent"]


# What the compiler says.


def _findings(header: dict[str, Any], said: bytes) -> list[Finding]:
    """Read rustc's diagnostics; whatever it says, there is at least one finding."""
    found, other = [], []
    for line in said.decode("utf-8", "replace").splitlines():
        try:
            spoken = json.loads(line)
        except (ValueError, RecursionError):
            other.append(line)
            continue
        if isinstance(spoken, dict) and str(spoken.get("level", "")).startswith("error"):
            found.append(spoken)
    findings = [
        _finding(one) for one in found[:_FINDINGS_MAX]
        if not str(one.get("message", "")).startswith("aborting due to")
    ]
    if findings:
        return findings
    if header.get("timed_out"):
        text = f"the compiler was ended after {WALL_S:.0f} s, which is the time it may take"
    elif header["status"] < 0:
        text = (
            f"the compiler was ended by signal {-header['status']}: it may take {CPU_S} s of"
            f" processor time and {DATA_BYTES >> 20} MiB"
        )
    else:
        said_last = next((line for line in other if line.strip()), "it made nothing")
        text = f"the compiler failed with status {header['status']}: {said_last[:500]}"
    return [Finding(0, 0, text)]


def _finding(spoken: dict[str, Any]) -> Finding:
    line, column = _place_of(spoken)
    code = spoken.get("code")
    name = code.get("code") if isinstance(code, dict) else None
    message = f"error[{name}]: {spoken['message']}" if name else f"error: {spoken.get('message')}"
    label = next(
        (one["label"] for one in _spans(spoken) if one.get("is_primary") and one.get("label")), None
    )
    if label:
        message += f" ({label})"
    hints = [
        _hint(child) for child in spoken.get("children") or ()
        if isinstance(child, dict) and child.get("level") == "help"
    ]
    return Finding(line, column, message[:4000], hints[0][:1000] if hints else None)


def _hint(child: dict[str, Any]) -> str:
    wanted = [one["suggested_replacement"] for one in _spans(child) if one.get("suggested_replacement")]
    return f"{child.get('message')}" + (f": `{wanted[0]}`" if wanted else "")


def _spans(spoken: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in spoken.get("spans") or () if isinstance(one, dict)]


def _place_of(spoken: dict[str, Any]) -> tuple[int, int]:
    """Return the place in the program, out of whatever macro the error is in."""
    for span in sorted(_spans(spoken), key=lambda one: not one.get("is_primary")):
        where: Any = span
        for _ in range(100):
            if not isinstance(where, dict):
                break
            if where.get("file_name") == _SOURCE:
                return int(where.get("line_start", 0)), int(where.get("column_start", 0))
            where = (where.get("expansion") or {}).get("span")
    return 0, 0


# What was compiled before.


def _key(chain: Toolchain, source: bytes) -> list[bytes | str]:
    state = Path(chain.linker).stat()
    return [
        chain.version, chain.target, f"{state.st_size}:{state.st_mtime_ns}", *FLAGS,
        _crate_source().read_bytes(), source,
    ]


def _place(chain: Toolchain, source: bytes) -> Path:
    return cache_folder() / "rust" / "programs" / f"{digest(_key(chain, source))}.wasm"


def _recall(place: Path) -> bytes | None:
    try:
        module = place.read_bytes()
        os.utime(place)
    except OSError:
        return None
    Store(place.parent).check_private(place.parent)
    return module


def _keep(place: Path, module: bytes) -> None:
    """Keep a module, and let go of those that were not used for longest."""
    folder = place.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=".part")
    with os.fdopen(descriptor, "wb") as file:
        file.write(module)
    Path(name).rename(place)
    kept = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            state = path.stat()
            kept.append((state.st_mtime_ns, state.st_size, path))
    kept.sort(reverse=True, key=lambda one: one[0])
    total = 0
    for position, (_, size, path) in enumerate(kept):
        total += size
        if position >= KEPT_COUNT_MAX or total > KEPT_BYTES_MAX:
            path.unlink(missing_ok=True)
