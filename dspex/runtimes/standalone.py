"""JavaScript programs as WebAssembly modules of their own: engine and program in one, WASI preview 1.

The engine is a snapshot that the recipe has made (`dspex.runtimes.quickjs`); compiling checks the
program and puts its text beside it. Nothing of the program runs before somebody calls `_start`.
"""

from __future__ import annotations

import json
import struct
import threading
from typing import TYPE_CHECKING

from dspex.errors import Finding, GuestRefused
from dspex.languages.javascript import COMPILED, ENTRY, JavaScriptGuest
from dspex.languages.quickjs import EVAL_ASYNC, EVAL_MODULE, Thrown
from dspex.runtimes import locate
from dspex.runtimes.quickjs import STANDALONE
from dspex.wasm.binary import PAGE_BYTES, Module
from dspex.wasm.engine import NATIVE_STACK_BYTES, new_engine
from dspex.wasm.instance import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.runtimes.progress import Progress

_MEMORY_BYTES_MAX = 1 << 28
_PROGRAM_FIELDS = struct.Struct("<II")
_NAME_AT, _IMPORTS_AT = 8, 16


def compile_javascript(
    source: bytes, filename: str, *, progress: Progress | None = None
) -> bytes:
    r"""Return a module that does what a program does, under any host with WASI preview 1.

    It finds its arguments, its environment, standard input and output, clocks and randomness, and the
    library of docs/reference/javascript.md; no files, no tools, no variables.

    Args:
        source: The program, as UTF-8; it can import only what comes with the library.
        filename: What the program is called in what is said of its errors.
        progress: Told about each step if the runtime must be made first.

    Returns:
        A WebAssembly module with `memory` and `_start`.

    Raises:
        GuestRefused: It does not compile, with the place; the exit status of what it does later is 1.
        ToolMissing, ToolFailed, CompileFailed: if there is no runtime and none could be made.

    Example:
        >>> compile_javascript(b"console.log('hello')", "hello.js")[:4]
        b'\x00asm'
    """
    runtime = locate.runtime("javascript", progress)
    source = source.removeprefix(b"\xef\xbb\xbf")
    checked = _in_thread(runtime, source, filename)
    return _put_in(runtime, filename, *checked)


def _in_thread(runtime: Path, source: bytes, filename: str) -> tuple[bytes, bytes, int]:
    """Check the program where the stack is as large as its nesting may need."""
    found: list[tuple[bytes, bytes, int] | BaseException] = []

    def work() -> None:
        try:
            found.append(_checked(runtime, source, filename))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            found.append(error)

    before = threading.stack_size(NATIVE_STACK_BYTES)
    try:
        thread = threading.Thread(target=work, name="dspex-compile")
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    (result,) = found
    if isinstance(result, BaseException):
        raise result
    return result


def _checked(runtime: Path, source: bytes, filename: str) -> tuple[bytes, bytes, int]:
    """Return the program, the module that imports for it (or nothing), and how to evaluate it."""
    checker = _Checker(runtime, filename)
    text = source.decode("utf-8", "strict").encode()
    plan = checker.plan(text)
    flags = EVAL_MODULE if plan["kind"] == "module" else EVAL_ASYNC
    imports = b""
    if plan["kind"] == "imports":
        imports, text = plan["imports"].encode(), plan["rest"].encode()
        checker.check(imports, filename, EVAL_MODULE)
    checker.check(text, filename, flags)
    return text, imports, flags


class _Checker(JavaScriptGuest):
    """The engine in this process, for reading programs; it handles no signals and runs none."""

    def __init__(self, runtime: Path, filename: str) -> None:
        entry = json.loads((runtime / ENTRY).read_text())
        machine = Machine.load(new_engine(), runtime / COMPILED)
        self._prepare(machine, runtime, [])
        self.take(entry["turn"], entry["scratch"], entry["random"])
        self.boot()
        machine.limit_memory(_MEMORY_BYTES_MAX)
        self.engine.limit_memory(_MEMORY_BYTES_MAX)
        head: dict[str, object] = {"filename": filename, "args": [], "env": {}, "tools": None}
        self.engine.free(self._ask("begin", json.dumps(head).encode(), b""))

    def plan(self, source: bytes) -> dict[str, str]:
        """Ask the driver how the program is to be run."""
        found: dict[str, str] = json.loads(self._text_of(self._ask("plan", source)))
        return found

    def check(self, source: bytes, filename: str, flags: int) -> None:
        """Compile a source.

        Raises:
            GuestRefused: It does not compile.
        """
        try:
            self.engine.check(source, filename.encode(), flags)
        except Thrown as thrown:
            kind = self.engine.string(b"refused")
            said = self._text_of(self.engine.call(self._turn["finish"], (kind, thrown.value)))
            place = json.loads(said)["findings"][0]
            finding = Finding(place["line"], place["column"], place["message"])
            raise GuestRefused([finding]) from None


def _put_in(runtime: Path, filename: str, source: bytes, imports: bytes, flags: int) -> bytes:
    """Lay the program behind the snapshot's memory and write into its table where it lies."""
    module = Module((runtime / STANDALONE).read_bytes())
    table = json.loads((runtime / ENTRY).read_text())["standalone"]
    pages = module.memory_pages()
    start = pages * PAGE_BYTES
    data = source + b"\0" + imports + b"\0" + filename.encode() + b"\0"
    module.set_memory_pages(pages + -(-len(data) // PAGE_BYTES))
    imports_at = start + len(source) + 1
    name_at = imports_at + len(imports) + 1
    module.add_data((
        (start, data),
        (table, _PROGRAM_FIELDS.pack(start, len(source))),
        (table + _NAME_AT, _PROGRAM_FIELDS.pack(name_at, flags)),
        (table + _IMPORTS_AT, _PROGRAM_FIELDS.pack(imports_at, len(imports))),
    ))  # fmt: skip
    return module.encode()
