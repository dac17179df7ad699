"""A WebAssembly module as a list of sections: just enough to take and freeze a snapshot.

It reads and rewrites imports, globals, exports and data; function bodies are passed through as
bytes. Optimising and translating belong to Binaryen (`dspex.runtimes.recipe`), running to wasmtime.
The format is the binary format of the WebAssembly core specification, release 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAGIC = b"\0asm\x01\0\0\0"
PAGE_BYTES = 65536

IMPORT, MEMORY, GLOBAL, EXPORT, START, DATA_COUNT, DATA = 2, 5, 6, 7, 8, 12, 11
KIND_FUNC, KIND_TABLE, KIND_MEMORY, KIND_GLOBAL, KIND_TAG = range(5)
KIND_NAMES = ("func", "table", "memory", "global", "tag")

_I32 = 0x7F
_I64 = 0x7E
_F32 = 0x7D
_F64 = 0x7C
_V128 = 0x7B
_REF_HEAP_PREFIXES = (0x63, 0x64)
_INSTR_END = 0x0B
_INSTR_I32_CONST = 0x41


class WasmFormatError(ValueError):
    """The bytes are not the kind of WebAssembly module that this file handles."""


class Export(NamedTuple):
    """One entry of the export section."""

    name: str
    kind: int
    item: int
    """Number of the exported thing among those of its kind."""


class Import(NamedTuple):
    """One entry of the import section; `kind` is one of the `KIND_*` numbers."""

    module: str
    name: str
    kind: int
    description: bytes


class Global(NamedTuple):
    """One defined global; `init` is its constant expression, with the closing `end`."""

    value_type: bytes
    mutable: bool
    init: bytes


def read_unsigned(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read one unsigned LEB128 number and return it with the offset behind it."""
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            msg = f"a LEB128 number at byte {at} is cut off or too long"
            raise WasmFormatError(msg)
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7


def unsigned(number: int) -> bytes:
    """Return `number` as unsigned LEB128."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def signed(number: int) -> bytes:
    """Return `number` as signed LEB128."""
    out = bytearray()
    while True:
        low = number & 0x7F
        number >>= 7
        if (number == 0 and not low & 0x40) or (number == -1 and low & 0x40):
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def name_bytes(text: str) -> bytes:
    """Return `text` as a length-prefixed name."""
    raw = text.encode()
    return unsigned(len(raw)) + raw


class Module:
    """The sections of one module, in order; sections that nobody asks for stay bytes."""

    def __init__(self, binary: bytes) -> None:
        """Split `binary` into sections.

        Raises:
            WasmFormatError: if it is not a version 1 core module or a section is cut off.
        """
        if binary[:8] != MAGIC:
            msg = "not a WebAssembly core module: the first eight bytes are wrong"
            raise WasmFormatError(msg)
        self.sections: list[tuple[int, bytes]] = []
        at = 8
        while at < len(binary):
            number = binary[at]
            size, start = read_unsigned(binary, at + 1)
            if start + size > len(binary):
                msg = f"section {number} at byte {at} is cut off"
                raise WasmFormatError(msg)
            self.sections.append((number, binary[start : start + size]))
            at = start + size

    def encode(self) -> bytes:
        """Return the module as bytes."""
        parts = [MAGIC]
        for number, body in self.sections:
            parts += (bytes((number,)), unsigned(len(body)), body)
        return b"".join(parts)

    def section(self, number: int) -> bytes:
        """Return the body of section `number`; an absent one counts as empty, a single zero."""
        for found, body in self.sections:
            if found == number:
                return body
        return b"\0"

    def replace(self, number: int, body: bytes | None) -> None:
        """Put `body` where section `number` stands, or remove it if `body` is None."""
        for position, (found, _) in enumerate(self.sections):
            if found == number:
                self.sections[position : position + 1] = [] if body is None else [(number, body)]
                return
        if body is not None:
            msg = f"the module has no section {number} to replace"
            raise WasmFormatError(msg)

    def drop_custom_sections(self, keep: Iterable[str] = ()) -> None:
        """Remove names, producers and other custom sections, except those in `keep`."""
        wanted = set(keep)

        def kept(number: int, body: bytes) -> bool:
            if number != 0:
                return True
            return _read_name(body, 0)[0] in wanted

        self.sections = [pair for pair in self.sections if kept(*pair)]

    def add_custom_section(self, name: str, content: bytes, before: int) -> None:
        """Add a custom section where section `before` stands.

        Raises:
            WasmFormatError: There is no section `before`.
        """
        for position, (found, _) in enumerate(self.sections):
            if found == before:
                self.sections.insert(position, (0, name_bytes(name) + content))
                return
        msg = f"the module has no section {before} to put {name} before"
        raise WasmFormatError(msg)

    def imports(self) -> Iterator[Import]:
        """Yield the imports in index order."""
        body = self.section(IMPORT)
        count, at = read_unsigned(body, 0)
        for _ in range(count):
            module, at = _read_name(body, at)
            name, at = _read_name(body, at)
            kind = _byte(body, at)
            start = at = at + 1
            at = _skip_import_description(body, kind, at)
            yield Import(module, name, kind, body[start:at])

    def exports(self) -> list[Export]:
        """Return the export section, decoded."""
        body = self.section(EXPORT)
        count, at = read_unsigned(body, 0)
        found = []
        for _ in range(count):
            name, at = _read_name(body, at)
            kind = _byte(body, at)
            item, at = read_unsigned(body, at + 1)
            found.append(Export(name, kind, item))
        return found

    def set_exports(self, exports: Iterable[Export]) -> None:
        """Replace the export section."""
        entries = [
            name_bytes(one.name) + bytes((one.kind,)) + unsigned(one.item) for one in exports
        ]
        self.replace(EXPORT, unsigned(len(entries)) + b"".join(entries))

    def imported_globals(self) -> int:
        """Return how many globals are imported: defined ones are numbered after them."""
        return sum(one.kind == KIND_GLOBAL for one in self.imports())

    def globals(self) -> list[Global]:
        """Return the defined globals, decoded."""
        body = self.section(GLOBAL)
        count, at = read_unsigned(body, 0)
        found = []
        for _ in range(count):
            type_end = _skip_value_type(body, at)
            init_end = skip_constant_expression(body, type_end + 1)
            found.append(
                Global(body[at:type_end], bool(_byte(body, type_end)), body[type_end + 1 : init_end])
            )
            at = init_end
        return found

    def set_global_values(self, values: Mapping[int, int]) -> None:
        """Give defined i32 globals (by position in the section) new initial values.

        Raises:
            WasmFormatError: if one of them is not of type i32.
        """
        entries = []
        for position, one in enumerate(self.globals()):
            init = one.init
            if position in values:
                if one.value_type != bytes((_I32,)):
                    msg = f"global {position} is not an i32"
                    raise WasmFormatError(msg)
                init = bytes((_INSTR_I32_CONST,)) + signed(values[position]) + bytes((_INSTR_END,))
            entries.append(one.value_type + bytes((one.mutable,)) + init)
        self.replace(GLOBAL, unsigned(len(entries)) + b"".join(entries))

    def set_memory_pages(self, pages: int) -> None:
        """Give the module's one defined memory a new initial size, keeping its maximum."""
        body = self.section(MEMORY)
        count, at = read_unsigned(body, 0)
        if count != 1:
            msg = f"expected one defined memory, found {count}"
            raise WasmFormatError(msg)
        flags = _byte(body, at)
        _, rest = read_unsigned(body, at + 1)
        _skip_limits(body, at)  # they must be there as a whole
        self.replace(MEMORY, b"\x01" + bytes((flags,)) + unsigned(pages) + body[rest:])

    def memory_pages(self) -> int:
        """Return the initial size of the module's first defined memory."""
        body = self.section(MEMORY)
        return read_unsigned(body, read_unsigned(body, 0)[1] + 1)[0]

    def data_is_active(self) -> bool:
        """Tell whether every data segment is copied at instantiation (none is passive)."""
        body = self.section(DATA)
        count, at = read_unsigned(body, 0)
        for _ in range(count):
            mode, at = read_unsigned(body, at)
            if mode == 1:
                return False
            if mode == 2:
                _, at = read_unsigned(body, at)
            at = skip_constant_expression(body, at)
            size, at = read_unsigned(body, at)
            at += size
            if at > len(body):
                raise _cut_off(at)
        return True

    def set_data(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Replace all data by active segments given as (address, content)."""
        self._put_data(0, b"", segments)

    def add_data(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Add active segments, given as (address, content), which are copied after the others."""
        body = self.section(DATA)
        count, at = read_unsigned(body, 0)
        self._put_data(count, body[at:], segments)

    def _put_data(self, count: int, before: bytes, segments: Iterable[tuple[int, bytes]]) -> None:
        parts = [before]
        for address, content in segments:
            if address >= 1 << 31:
                address -= 1 << 32  # noqa: PLW2901 - i32.const is signed
            count += 1
            parts.append(
                b"\0" + bytes((_INSTR_I32_CONST,)) + signed(address) + bytes((_INSTR_END,))
                + unsigned(len(content)) + content
            )
        self.replace(DATA, unsigned(count) + b"".join(parts))
        if any(number == DATA_COUNT for number, _ in self.sections):
            self.replace(DATA_COUNT, unsigned(count))


def _cut_off(at: int) -> WasmFormatError:
    return WasmFormatError(f"a section is cut off before byte {at}")


def _byte(body: bytes, at: int) -> int:
    if at >= len(body):
        raise _cut_off(at)
    return body[at]


def _read_name(body: bytes, at: int) -> tuple[str, int]:
    length, start = read_unsigned(body, at)
    end = start + length
    if end > len(body):
        raise _cut_off(end)
    try:
        return body[start:end].decode(), end
    except UnicodeDecodeError as error:
        msg = f"a name at byte {start} is not UTF-8"
        raise WasmFormatError(msg) from error


def _skip_value_type(body: bytes, at: int) -> int:
    if _byte(body, at) in _REF_HEAP_PREFIXES:
        return read_unsigned(body, at + 1)[1]
    return at + 1


def _skip_limits(body: bytes, at: int) -> int:
    flags = _byte(body, at)
    _, at = read_unsigned(body, at + 1)
    if flags & 1:
        _, at = read_unsigned(body, at)
    return at


def _skip_import_description(body: bytes, kind: int, at: int) -> int:
    if kind == KIND_FUNC:
        return read_unsigned(body, at)[1]
    if kind == KIND_TABLE:
        return _skip_limits(body, _skip_value_type(body, at))
    if kind == KIND_MEMORY:
        return _skip_limits(body, at)
    if kind == KIND_GLOBAL:
        return _skip_value_type(body, at) + 1
    if kind == KIND_TAG:
        return read_unsigned(body, at + 1)[1]
    msg = f"import kind {kind} is unknown"
    raise WasmFormatError(msg)


def read_signed(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read one signed LEB128 number and return it with the offset behind it."""
    end = at
    while end < len(data) and data[end] >= 0x80 and end - at < 10:
        end += 1
    if end >= len(data) or end - at >= 10:
        msg = f"a LEB128 number at byte {at} is cut off or too long"
        raise WasmFormatError(msg)
    raw, _ = read_unsigned(data, at)
    bits = 7 * (end + 1 - at)
    return raw - (1 << bits if raw >> (bits - 1) else 0), end + 1


def constant_i32(init: bytes) -> int:
    """Return the unsigned value of a constant expression that is a single `i32.const`.

    Raises:
        WasmFormatError: It is anything else.
    """
    if len(init) < 3 or init[0] != _INSTR_I32_CONST:
        msg = "a constant expression is not a plain i32"
        raise WasmFormatError(msg)
    value, at = read_signed(init, 1)
    if init[at:] != bytes((_INSTR_END,)):
        msg = "a constant expression is not a plain i32"
        raise WasmFormatError(msg)
    return value & 0xFFFFFFFF


def skip_constant_expression(body: bytes, at: int) -> int:
    """Return the offset behind the `end` of the constant expression at `at`.

    Raises:
        WasmFormatError: It is cut off, or holds an instruction that none of ours has.
    """
    while True:
        instruction = _byte(body, at)
        at += 1
        if instruction == _INSTR_END:
            return at
        if instruction in (_INSTR_I32_CONST, 0x42, 0x23, 0xD2, 0xD0):  # const, global.get, ref.*
            _, at = read_unsigned(body, at)
        elif instruction == 0x43:
            at += 4
        elif instruction == 0x44:
            at += 8
        elif instruction not in (0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E):  # extended-const arithmetic
            msg = f"constant expression with instruction {instruction:#x} at byte {at - 1}"
            raise WasmFormatError(msg)
