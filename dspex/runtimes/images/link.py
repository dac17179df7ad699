"""One module of the interpreter and the native modules of an image: the static linker.

A dynamic linker would choose addresses when a module is opened. Here they are chosen beforehand: memory
at the start of the heap, which the guest reserves before it does anything else, and table entries
behind the interpreter's own. What the modules import of a linker become constants, and `wasm-merge`
makes plain calls of what they import of the interpreter and of each other. Nothing of a module runs here;
`dspex.runtimes.images.freeze_stage` does what a dynamic linker does last.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from dspex.runtimes.images.errors import LinkRefused
from dspex.runtimes.images.sidemodule import (
    CONSTRUCT,
    GOT_FUNC,
    GOT_MEM,
    MEMORY_BASE,
    RELOCATE,
    START_EXPORT,
    TABLE_BASE,
    SideModule,
    constants,
    function_slots,
    rewrite,
)
from dspex.runtimes.toolchain import ToolFailed
from dspex.wasm.binary import (
    KIND_FUNC,
    KIND_GLOBAL,
    KIND_MEMORY,
    KIND_TABLE,
    Import,
    Module,
    WasmFormatError,
    constant_i32,
    read_unsigned,
    signed,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from dspex.runtimes.toolchain import Binaryen

MEMORY_BYTES_MAX = 1 << 30
_TABLE, _MEMORY, _ELEMENT = 4, 5, 9
_HEAP_BASE = "__heap_base"
_HEAP_ALIGNMENT = 16
_OPENED_BY_NAME = ("PyInit_", "PyInitU_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where one module lies, and what has to be called to bring it to life."""

    path: str
    place: tuple[int, int, int, int]
    """Memory: address and bytes; table: first entry and entries."""
    functions: dict[str, int]
    """Table entries of what the interpreter may look up."""
    calls: list[str]
    """Exports of the merged module, in the order in which a dynamic linker calls them."""
    data: list[tuple[int, bytes]]
    """Address and content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a guest must do with the merged module before CPython starts, and after."""

    heap_start: int = 0
    reserve_bytes: int = 0
    """How far the heap's start moves up."""
    modules: list[Placed] = field(default_factory=list)

    def native(self) -> dict[str, dict[str, Any]]:
        """Return what `dspex.wasm.emscripten.dylink` answers from."""
        return {
            one.path: {"place": one.place, "functions": one.functions} for one in self.modules
        }

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it, without the data."""
        found = asdict(self)
        for one in found["modules"]:
            one["data"] = [(address, len(content)) for address, content in one["data"]]
        return found


class _Linker:
    """The interpreter's module, and the names and addresses that it gives to others."""

    def __init__(self, main: Module, offered: Collection[tuple[str, str]]) -> None:
        self.main = main
        self.exports = {one.name: one for one in main.exports()}
        self.offered = offered
        self.globals = main.globals()
        self.globals_imported = main.imported_globals()
        self.slots = function_slots(main.section(_ELEMENT), constant_i32)
        self.next_slot = _table_size(main)
        body = main.section(_MEMORY)
        self.pages = read_unsigned(body, read_unsigned(body, 1)[1])[0]
        self.added: dict[str, int] = {}
        """Names of exports of the merged module that get a table entry."""

    def address(self, name: str) -> int | None:
        """Return the address of a variable of the interpreter."""
        one = self.exports.get(name)
        if one is None or one.kind != KIND_GLOBAL:
            return None
        return constant_i32(self.globals[one.item - self.globals_imported].init)

    def add(self, export: str) -> int:
        """Return a new table entry for an export of the merged module, or the one that it has."""
        if export not in self.added:
            self.added[export] = self.next_slot
            self.next_slot += 1
        return self.added[export]


def link(
    binaryen: Binaryen, main: Path, sides: Sequence[SideModule], work: Path,
    offered: Collection[tuple[str, str]],
) -> tuple[bytes, Layout]:
    """Merge native modules into the interpreter's module.

    Args:
        binaryen: Translates and merges.
        main: The interpreter's module, before it is opened up.
        sides: The native modules; each is placed, whether anything will import it or not.
        work: Scratch space.
        offered: What the host answers, as (module, name).

    Returns:
        The merged module, and what a guest of it must do.

    Raises:
        LinkRefused: A module needs what nobody gives, or Binaryen turned it down; the message names it.
    """
    linker = _Linker(Module(main.read_bytes()), offered)
    ordered = _needed_first(sides)
    heap_start = linker.address(_HEAP_BASE)
    if heap_start is None:
        raise WasmFormatError(f"the interpreter does not export {_HEAP_BASE}")
    memory_at, places = heap_start, []
    for side in ordered:
        memory_at = _aligned(memory_at, max(side.memory_alignment, _HEAP_ALIGNMENT))
        linker.next_slot = _aligned(linker.next_slot, side.table_alignment)
        places.append((memory_at, side.memory_bytes, linker.next_slot, side.table_slots))
        memory_at += side.memory_bytes
        linker.next_slot += side.table_slots
    if memory_at - heap_start > MEMORY_BYTES_MAX:
        raise LinkRefused(f"the native modules want {memory_at - heap_start} bytes, {MEMORY_BYTES_MAX} is the most")
    parts: list[tuple[Path, str]] = []
    placed = []
    for number, (side, place) in enumerate(zip(ordered, places, strict=True)):
        one = _Joined(linker, number, ordered, places)
        rewritten, plain = work / f"side-{number}.wasm", work / f"side-{number}-plain.wasm"
        plain.write_bytes(rewrite(side, one.answer, place[2], one.prefix))
        one.check()
        with _refusing(side.path):
            binaryen.optimize(plain, rewritten, "--translate-to-exnref")
        got = work / f"side-{number}-got.wasm"
        got.write_bytes(constants(one.values.values()))
        parts += [(got, one.got), (rewritten, one.home)]
        placed.append(one.placed())
    _set_table_size(linker.main, linker.next_slot)
    roomy, merged = work / "main-roomy.wasm", work / "linked.wasm"
    roomy.write_bytes(linker.main.encode())
    with _refusing(", ".join(side.path for side in ordered)):
        binaryen.merge([(roomy, "main"), *parts], merged)
    module = Module(merged.read_bytes())
    _append_elements(module, linker.added)
    reserve = _aligned(memory_at - heap_start, _HEAP_ALIGNMENT)
    return module.encode(), Layout(heap_start=heap_start, reserve_bytes=reserve, modules=placed)


class _Joined:
    """One native module while its imports are answered."""

    def __init__(
        self, linker: _Linker, number: int, ordered: Sequence[SideModule], places: Sequence[tuple[int, int, int, int]]
    ) -> None:
        side, place = ordered[number], places[number]
        numbers = {one.file_name: at for at, one in enumerate(ordered)}
        self.home, self.got, self.prefix = f"side{number}", f"side{number}.got", prefix_of(number)
        self.values: dict[tuple[str, str], tuple[str, int, bool]] = {}
        self._linker, self._side, self._place = linker, side, place
        self._libraries = [
            (numbers[name], ordered[numbers[name]], places[numbers[name]])
            for name in side.needed if name in numbers
        ]
        self._own = (number, side, place)
        self._absent = [f"the library {name}" for name in side.needed if name not in numbers]

    def answer(self, one: Import) -> tuple[str, str]:
        """Return what answers an import; what nothing does is kept for `check`."""
        if one.module in (GOT_MEM, GOT_FUNC) and one.kind == KIND_GLOBAL:
            found = self._address(one.name) if one.module == GOT_MEM else self._slot(one.name)
            if found is None and (one.module, one.name) in self._side.weak:
                found = 0
            if found is None:
                self._absent.append(f"{one.module}.{one.name}")
            return self._constant(one, found or 0, mutable=True)
        if one.module == "env" and one.name in (MEMORY_BASE, TABLE_BASE):
            return self._constant(one, self._place[0 if one.name == MEMORY_BASE else 2], mutable=False)
        theirs = self._linker.exports.get(one.name)
        if one.module == "env" and theirs is not None and theirs.kind == one.kind:
            self._check_size(one)
            return "main", one.name
        if one.module == "env" and one.kind == KIND_FUNC:
            for number, library, _ in self._libraries:
                export = library.exports.get(one.name)
                if export is not None and export.kind == KIND_FUNC:
                    return f"side{number}", prefix_of(number) + one.name
        if one.kind == KIND_FUNC and (one.module, one.name) in self._linker.offered:
            return one.module, one.name
        self._absent.append(f"{one.module}.{one.name}")
        return one.module, one.name

    def _check_size(self, one: Import) -> None:
        """Refuse an import of the interpreter's memory or table that is not like it."""
        if one.kind == KIND_MEMORY:
            at, size, what = 0, self._linker.pages, "a memory of {} pages"
        elif one.kind == KIND_TABLE:
            at, size, what = 1, self._linker.next_slot, "a table of {} entries"
        else:
            return
        flags, at = read_unsigned(one.description, at)
        wanted, _ = read_unsigned(one.description, at)
        if flags > 1 or wanted > size:
            kind = "shared or 64-bit" if flags > 1 else ""
            raise LinkRefused(
                f"{self._side.path}: wants {what.format(f'{wanted} {kind}'.strip())}, the interpreter's has {size}"
            )

    def check(self) -> None:
        """Refuse the module if something of it has no answer."""
        if self._absent:
            names = ", ".join(sorted(self._absent)[:20])
            raise LinkRefused(f"{self._side.path}: nobody here gives {names}")

    def placed(self) -> Placed:
        """Return where it lies; the linker has taken all its imports."""
        side, base = self._side, self._place[0]
        functions = {
            name: self._linker.add(self.prefix + name)
            for name, one in sorted(side.exports.items())
            if one.kind == KIND_FUNC and name.startswith(_OPENED_BY_NAME)
        }
        calls = [self.prefix + START_EXPORT] if side.starts else []
        calls += [self.prefix + name for name in (RELOCATE, CONSTRUCT) if name in side.exports]
        return Placed(
            path=side.path, place=self._place, functions=functions, calls=calls,
            data=[(base + offset, content) for offset, content in side.data],
        )

    def _constant(self, one: Import, value: int, *, mutable: bool) -> tuple[str, str]:
        name = f"{one.module}.{one.name}"
        self.values[one.module, one.name] = (name, value, mutable)
        return self.got, name

    def _address(self, name: str) -> int | None:
        found = self._linker.address(name)
        if found is not None:
            return found
        for _, side, place in (self._own, *self._libraries):
            one = side.exports.get(name)
            if one is not None and one.kind == KIND_GLOBAL:
                return place[0] + side.data_offset(name)
        return None

    def _slot(self, name: str) -> int | None:
        linker = self._linker
        theirs = linker.exports.get(name)
        if theirs is not None and theirs.kind == KIND_FUNC:
            # The entry that the interpreter has itself: pointers to one function are compared.
            return linker.slots[theirs.item] if theirs.item in linker.slots else linker.add(name)
        for number, side, place in (self._own, *self._libraries):
            one = side.exports.get(name)
            if one is not None and one.kind == KIND_FUNC:
                own = side.slots.get(one.item)
                return linker.add(prefix_of(number) + name) if own is None else place[2] + own
        return None


def prefix_of(number: int) -> str:
    """Return what the exports of a native module begin with after merging."""
    return f"dspex.side{number}."


@contextlib.contextmanager
def _refusing(path: str) -> Iterator[None]:
    """Turn what Binaryen says about a module into a refusal of it."""
    try:
        yield
    except ToolFailed as error:
        raise LinkRefused(f"{path}: {str(error).partition(':')[2].strip()[-1000:]}") from error


def _needed_first(sides: Sequence[SideModule]) -> list[SideModule]:
    by_name = {side.file_name: side for side in sides}
    ordered: list[SideModule] = []
    open_names: list[str] = []

    def put(side: SideModule) -> None:
        if side in ordered:
            return
        if side.file_name in open_names:
            raise LinkRefused(f"{side.path}: its libraries need each other in a circle")
        open_names.append(side.file_name)
        for name in side.needed:
            if name in by_name:
                put(by_name[name])
        open_names.pop()
        ordered.append(side)

    for side in sides:
        put(side)
    return ordered


def _aligned(number: int, alignment: int) -> int:
    return -(-number // alignment) * alignment


def _table_size(module: Module) -> int:
    body = module.section(_TABLE)
    return read_unsigned(body, read_unsigned(body, 0)[1] + 2)[0]


def _set_table_size(module: Module, size: int) -> None:
    """Give the module's first table, which has no largest size, a new first one."""
    body = module.section(_TABLE)
    count, at = read_unsigned(body, 0)
    kind, flags = body[at], body[at + 1]
    if flags:
        raise WasmFormatError("the interpreter's table has a largest size")
    _, rest = read_unsigned(body, at + 2)
    module.replace(_TABLE, unsigned(count) + bytes((kind, flags)) + unsigned(size) + body[rest:])


def _append_elements(module: Module, added: dict[str, int]) -> None:
    if not added:
        return
    items = {one.name: one.item for one in module.exports() if one.kind == KIND_FUNC}
    body = module.section(_ELEMENT)
    count, at = read_unsigned(body, 0)
    parts = [
        b"\0\x41" + signed(slot) + b"\x0b\x01" + unsigned(items[name])
        for name, slot in added.items()
    ]
    module.replace(_ELEMENT, unsigned(count + len(parts)) + body[at:] + b"".join(parts))
