"""Extension modules as Emscripten's linker makes them, rewritten so that they can be merged into CPython.

Such a module (a "side module") expects a dynamic linker: it imports where its data and its table
entries begin, and the addresses of what others define. Here it is taken apart and its imports get the
names under which `dspex.runtimes.images.link` answers them; which addresses these are is decided there.
The section `dylink.0` is described in WebAssembly's tool conventions, "DynamicLinking.md".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.runtimes.images.errors import LinkRefused
from dspex.wasm.binary import (
    DATA,
    DATA_COUNT,
    EXPORT,
    IMPORT,
    KIND_FUNC,
    KIND_GLOBAL,
    START,
    Export,
    Import,
    Module,
    WasmFormatError,
    constant_i32,
    name_bytes,
    read_signed,
    read_unsigned,
    signed,
    skip_constant_expression,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MEMORY_BYTES_MAX = 512 << 20
TABLE_SLOTS_MAX = 1 << 20
ALIGNMENT_MAX = 12
"""Largest alignment, as a power of two: a page."""

GOT_MEM, GOT_FUNC = "GOT.mem", "GOT.func"
MEMORY_BASE, TABLE_BASE = "__memory_base", "__table_base"
RELOCATE, CONSTRUCT, START_EXPORT = "__wasm_apply_data_relocs", "__wasm_call_ctors", "__dspex_start"
_TABLE, _MEMORY, _ELEMENT = 4, 5, 9
_MEM_INFO, _NEEDED, _IMPORT_INFO = 1, 2, 4
_WEAK = 1
_PLACED, _DECLARED = 0, 3
_GLOBAL_GET, _I32_CONST, _END = 0x23, 0x41, 0x0B


@dataclass(slots=True)
class SideModule:
    """One native module of a wheel, taken apart."""

    path: str
    """Where it lies in the guest."""
    module: Module
    memory_bytes: int = 0
    memory_alignment: int = 1
    table_slots: int = 0
    table_alignment: int = 1
    needed: list[str] = field(default_factory=list)
    """File names of other native modules that it was linked against."""
    weak: frozenset[tuple[str, str]] = frozenset()
    """Imports that may stay unanswered."""
    exports: dict[str, Export] = field(default_factory=dict)
    data: list[tuple[int, bytes]] = field(default_factory=list)
    """Offset from the module's own data area, and content."""
    slots: dict[int, int] = field(default_factory=dict)
    """Number of a function to its first table entry, counted from the module's own."""
    starts: bool = False
    """Whether it has a start function."""

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def data_offset(self, name: str) -> int:
        """Return where an exported variable lies in the module's own data area.

        Raises:
            LinkRefused: It is none, or not at a constant place.
        """
        one = self.exports.get(name)
        at = -1 if one is None or one.kind != KIND_GLOBAL else one.item - self.module.imported_globals()
        if at < 0:
            raise LinkRefused(f"{self.path}: {name} is no variable of the module's own")
        try:
            return constant_i32(self.module.globals()[at].init)
        except WasmFormatError as error:
            raise LinkRefused(f"{self.path}: {name}: {error}") from error


def take_apart(path: str, binary: bytes) -> SideModule:
    """Read a side module.

    Raises:
        LinkRefused: It is no side module, wants too much, or has what no linker of ours knows.
    """
    try:
        module = Module(binary)
        side = SideModule(path=path, module=module)
        _read_dylink(side)
        numbers = [number for number, _ in module.sections if number]
        if len(numbers) != len(set(numbers)):
            raise LinkRefused(f"{path}: has a section twice")
        for number, what in ((_TABLE, "table"), (_MEMORY, "memory")):
            if read_unsigned(module.section(number), 0)[0]:
                raise LinkRefused(f"{path}: brings a {what} of its own")
        side.exports = {one.name: one for one in module.exports()}
        side.starts = START in numbers
        if side.starts and EXPORT not in numbers:
            raise LinkRefused(f"{path}: has a start function and exports nothing")
        side.data = _data(side)
        side.slots = function_slots(
            module.section(_ELEMENT), lambda init: _base_offset(side, init, TABLE_BASE)
        )
        for init, functions in _elements(module.section(_ELEMENT)):
            first = _base_offset(side, init, TABLE_BASE)
            if not 0 <= first <= first + len(functions) <= side.table_slots:
                raise LinkRefused(f"{path}: its table entries do not fit into the {side.table_slots} it asks for")
    except (WasmFormatError, IndexError) as error:
        raise LinkRefused(f"{path}: {error}") from error
    return side


def _read_dylink(side: SideModule) -> None:
    number, body = side.module.sections[0] if side.module.sections else (-1, b"")
    if number != 0 or not body.startswith(name_bytes("dylink.0")):
        raise LinkRefused(f"{side.path}: no side module: its first section is not dylink.0")
    readers = {_MEM_INFO: _read_sizes, _NEEDED: _read_needed, _IMPORT_INFO: _read_import_info}
    at = len(name_bytes("dylink.0"))
    while at < len(body):
        kind = body[at]
        size, at = read_unsigned(body, at + 1)
        if at + size > len(body):
            raise LinkRefused(f"{side.path}: its section dylink.0 is cut off")
        if kind in readers:
            readers[kind](side, body[at : at + size])
        at += size
    if side.memory_bytes > MEMORY_BYTES_MAX or side.table_slots > TABLE_SLOTS_MAX:
        raise LinkRefused(
            f"{side.path}: wants {side.memory_bytes} bytes and {side.table_slots} table entries;"
            f" {MEMORY_BYTES_MAX} and {TABLE_SLOTS_MAX} are the most"
        )


def _read_sizes(side: SideModule, body: bytes) -> None:
    side.memory_bytes, at = read_unsigned(body, 0)
    memory_power, at = read_unsigned(body, at)
    side.table_slots, at = read_unsigned(body, at)
    table_power, at = read_unsigned(body, at)
    if max(memory_power, table_power) > ALIGNMENT_MAX:
        raise LinkRefused(f"{side.path}: wants an alignment of more than a page")
    side.memory_alignment, side.table_alignment = 1 << memory_power, 1 << table_power


def _read_needed(side: SideModule, body: bytes) -> None:
    count, at = read_unsigned(body, 0)
    for _ in range(count):
        name, at = _name(body, at)
        side.needed.append(name)


def _read_import_info(side: SideModule, body: bytes) -> None:
    count, at = read_unsigned(body, 0)
    weak = set()
    for _ in range(count):
        home, at = _name(body, at)
        name, at = _name(body, at)
        flags, at = read_unsigned(body, at)
        if flags & _WEAK:
            weak.add((home, name))
    side.weak = frozenset(weak)


def _name(body: bytes, at: int) -> tuple[str, int]:
    size, at = read_unsigned(body, at)
    if at + size > len(body):
        raise WasmFormatError("a name is cut off")
    return body[at : at + size].decode("utf-8", "replace"), at + size


def _base_offset(side: SideModule, init: bytes, base: str) -> int:
    """Return the constant that a segment's place adds to a base.

    Raises:
        LinkRefused: The place is anything but the base, or the base and a constant.
    """
    globals_imported = [
        one.name if one.module == "env" else "" for one in side.module.imports() if one.kind == KIND_GLOBAL
    ]
    at, offset, based = 0, 0, False
    while at < len(init) and init[at] != _END:
        instruction = init[at]
        if instruction == _GLOBAL_GET:
            number, at = read_unsigned(init, at + 1)
            if based or number >= len(globals_imported) or globals_imported[number] != base:
                break
            based = True
        elif instruction == _I32_CONST:
            more, at = read_signed(init, at + 1)
            offset += more
        elif instruction == 0x6A:  # i32.add
            at += 1
        else:
            break
    else:
        if based:
            return offset
    raise LinkRefused(f"{side.path}: a segment is not placed from {base}")


def _data(side: SideModule) -> list[tuple[int, bytes]]:
    body = side.module.section(DATA)
    count, at = read_unsigned(body, 0)
    found = []
    for _ in range(count):
        mode, at = read_unsigned(body, at)
        if mode != 0:
            raise LinkRefused(f"{side.path}: has passive data, as only modules for threads have")
        end = skip_constant_expression(body, at)
        offset = _base_offset(side, body[at:end], MEMORY_BASE)
        size, at = read_unsigned(body, end)
        content = body[at : at + size]
        at += size
        if len(content) != size or not 0 <= offset <= offset + size <= side.memory_bytes:
            raise LinkRefused(f"{side.path}: data does not fit into the {side.memory_bytes} bytes it asks for")
        found.append((offset, content))
    return found


def rewrite(side: SideModule, answer: Callable[[Import], tuple[str, str]], table_base: int, prefix: str) -> bytes:
    """Return the module ready to be merged.

    Its data is left out (the linker writes it), its start function becomes an export, and its
    table entries get their place.

    Args:
        side: A module from `take_apart`.
        answer: Called with each import; returns the module and the name that answer it.
        table_base: Its first table entry.
        prefix: Put before the names of its exported functions; nothing else stays exported.

    Raises:
        LinkRefused: It places table entries as no linker does.
    """
    module = Module(side.module.encode())
    imports = []
    for one in module.imports():
        home, name = answer(one)
        imports.append(name_bytes(home) + name_bytes(name) + bytes((one.kind,)) + one.description)
    exports = [
        Export(prefix + one.name, one.kind, one.item)
        for one in side.exports.values() if one.kind == KIND_FUNC
    ]
    if side.starts:
        start, _ = read_unsigned(module.section(START), 0)
        exports.append(Export(prefix + START_EXPORT, KIND_FUNC, start))
        module.replace(START, None)
    if imports:
        module.replace(IMPORT, unsigned(len(imports)) + b"".join(imports))
    if side.exports:
        module.set_exports(exports)
    module.replace(_ELEMENT, _placed_elements(side, table_base))
    for number in (DATA_COUNT, DATA):
        if any(found == number for found, _ in module.sections):
            module.replace(number, None)
    module.drop_custom_sections()
    return module.encode()


def _placed_elements(side: SideModule, table_base: int) -> bytes | None:
    if not any(number == _ELEMENT for number, _ in side.module.sections):
        return None
    segments = list(_elements(side.module.section(_ELEMENT)))
    parts = [unsigned(len(segments))]
    for init, functions in segments:
        offset = _base_offset(side, init, TABLE_BASE)
        parts += (b"\0", bytes((_I32_CONST,)), signed(table_base + offset), bytes((_END,)))
        parts += (unsigned(len(functions)), *(unsigned(one) for one in functions))
    return b"".join(parts)


def function_slots(section: bytes, place: Callable[[bytes], int]) -> dict[int, int]:
    """Return the first table entry of each function that an element section puts into the table.

    Args:
        section: Body of the section.
        place: Returns the table entry that the constant expression of a segment stands for.

    Raises:
        WasmFormatError: It holds segments of a kind that linkers do not make.
    """
    found: dict[int, int] = {}
    for init, functions in _elements(section):
        start = place(init)
        for at, function in enumerate(functions):
            found.setdefault(function, start + at)
    return found


def _elements(section: bytes) -> Iterator[tuple[bytes, list[int]]]:
    """Yield place and functions of each segment that fills the first table; skip declarations."""
    count, at = read_unsigned(section, 0)
    for _ in range(count):
        mode, at = read_unsigned(section, at)
        if mode not in (_PLACED, _DECLARED):
            raise WasmFormatError(f"table entries of a kind that no linker makes ({mode})")
        start = at
        at = skip_constant_expression(section, at) if mode == _PLACED else at + 1
        init = section[start:at]
        entries, at = read_unsigned(section, at)
        functions = []
        for _ in range(entries):
            number, at = read_unsigned(section, at)
            functions.append(number)
        if mode == _PLACED:
            yield init, functions


def constants(values: Iterable[tuple[str, int, bool]]) -> bytes:
    """Return a module that exports i32 globals given as (name, value, mutable)."""
    bodies, exports = [], []
    for at, (name, value, mutable) in enumerate(values):
        value = value - (1 << 32) if value >= 1 << 31 else value  # noqa: PLW2901 - i32.const is signed
        bodies.append(
            b"\x7f" + bytes((mutable,)) + bytes((_I32_CONST,)) + signed(value) + bytes((_END,))
        )
        exports.append(name_bytes(name) + bytes((KIND_GLOBAL,)) + unsigned(at))
    sections = ((6, bodies), (EXPORT, exports))
    encoded = []
    for number, entries in sections:
        body = unsigned(len(entries)) + b"".join(entries)
        encoded.append(bytes((number,)) + unsigned(len(body)) + body)
    return b"\0asm\x01\0\0\0" + b"".join(encoded)
