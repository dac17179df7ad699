"""The functions of a WebAssembly module: their types, their bodies, where each instruction ends.

Enough to count what a program does and to rewrite it (`dspex.runtimes.profile`,
`dspex.runtimes.inlining`). Bodies stay bytes; what an instruction means is up to who reads it. The format is
the binary format of the WebAssembly core specification, release 3, section 5.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dspex.wasm.binary import (
    KIND_FUNC,
    Module,
    WasmFormatError,
    constant_i32,
    read_unsigned,
    skip_constant_expression,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPE, FUNCTION, ELEMENT, CODE = 1, 3, 9, 10

BLOCK, LOOP, IF, ELSE, END = 0x02, 0x03, 0x04, 0x05, 0x0B
BRANCH, BRANCH_IF, RETURN = 0x0C, 0x0D, 0x0F
TRY_TABLE = 0x1F
CALL, CALL_INDIRECT = 0x10, 0x11
LOCAL_GET, LOCAL_SET, LOCAL_TEE = 0x20, 0x21, 0x22
I32_LOAD, I32_STORE, I32_CONST = 0x28, 0x36, 0x41
I32_EQ, I32_NE, I32_ADD, I32_SHL = 0x46, 0x47, 0x6A, 0x74

OPENERS = frozenset((BLOCK, LOOP, IF, TRY_TABLE))
"""Instructions that an `end` belongs to."""

I32, I64, F32, F64, V128 = b"\x7f", b"\x7e", b"\x7d", b"\x7c", b"\x7b"
_REF_HEAP_PREFIXES = (0x63, 0x64)
_SUBTYPE, _SUBTYPE_FINAL, _RECURSIVE, _FUNCTION_FORM = 0x50, 0x4F, 0x4E, 0x60
_OTHER_MEMORY = 0x40


class FunctionType(NamedTuple):
    """What a function takes and gives; each type is its encoding."""

    parameters: tuple[bytes, ...]
    results: tuple[bytes, ...]


class Body(NamedTuple):
    """One function's code entry."""

    data: bytes
    """Locals and instructions, up to and with the last `end`."""
    locals: tuple[tuple[int, bytes], ...]
    """Groups of (count, type), parameters not among them."""
    start: int
    """Offset of the first instruction."""

    @property
    def local_types(self) -> list[bytes]:
        """The type of each local after the parameters."""
        return [kind for count, kind in self.locals for _ in range(count)]


class Code:
    """The functions of a module, by index; imported ones come first and have no body."""

    def __init__(self, module: Module) -> None:
        """Read a module's types and split its code section.

        Raises:
            WasmFormatError: A section is not what this file reads.
        """
        self.types = _read_types(module.section(TYPE))
        self.type_of = [
            read_unsigned(one.description, 0)[0] for one in module.imports() if one.kind == KIND_FUNC
        ]
        self.imported = len(self.type_of)
        section = module.section(FUNCTION)
        count, at = read_unsigned(section, 0)
        for _ in range(count):
            number, at = read_unsigned(section, at)
            self.type_of.append(number)
        self._bodies: list[bytes] = []
        section = module.section(CODE)
        count, at = read_unsigned(section, 0)
        for _ in range(count):
            size, at = read_unsigned(section, at)
            self._bodies.append(section[at : at + size])
            at += size
        if at > len(section) or self.imported + count != len(self.type_of):
            raise WasmFormatError("the code section is cut off, or has another number of functions")

    def __len__(self) -> int:
        """Return the number of functions, imported ones among them."""
        return len(self.type_of)

    def type(self, function: int) -> FunctionType:
        """Return a function's type."""
        return self.types[self.type_of[function]]

    def size(self, function: int) -> int:
        """Return the bytes of a defined function's entry."""
        return len(self._bodies[function - self.imported])

    def body(self, function: int) -> Body:
        """Return the code of a defined function."""
        data = self._bodies[function - self.imported]
        groups = []
        count, at = read_unsigned(data, 0)
        for _ in range(count):
            repeated, at = read_unsigned(data, at)
            end = _skip_value_type(data, at)
            groups.append((repeated, data[at:end]))
            at = end
        return Body(data, tuple(groups), at)

    def replace(self, function: int, groups: tuple[tuple[int, bytes], ...], instructions: bytes) -> int:
        """Give a defined function other locals and instructions; return the offset of the first instruction."""
        head = unsigned(len(groups)) + b"".join(unsigned(count) + kind for count, kind in groups)
        self._bodies[function - self.imported] = head + instructions
        return len(head)

    def section(self) -> bytes:
        """Return the code section's body."""
        return unsigned(len(self._bodies)) + b"".join(
            unsigned(len(body)) + body for body in self._bodies
        )


def instructions(body: Body) -> Iterator[tuple[int, int, int]]:
    """Yield (first byte, offset, offset behind it) of each instruction.

    Raises:
        WasmFormatError: One is unknown here, or the body does not end where one does.
    """
    data, at = body.data, body.start
    size = len(data)
    while at < size:
        try:
            behind = _end_of(data, at)
        except IndexError:
            behind = size + 1
        if behind > size:
            msg = f"a function's last instruction, at byte {at}, is cut off"
            raise WasmFormatError(msg)
        yield data[at], at, behind
        at = behind


def table_functions(module: Module) -> dict[int, int]:
    """Return the functions that a module puts into its table when it begins, by entry.

    Raises:
        WasmFormatError: It has other element segments than active ones of functions for table 0.
    """
    section = module.section(ELEMENT)
    count, at = read_unsigned(section, 0)
    found = {}
    for _ in range(count):
        form, at = read_unsigned(section, at)
        if form:
            msg = f"an element segment of form {form}, where only form 0 is read"
            raise WasmFormatError(msg)
        start = at
        at = skip_constant_expression(section, at)
        entry = constant_i32(section[start:at])
        entries, at = read_unsigned(section, at)
        for position in range(entries):
            found[entry + position], at = read_unsigned(section, at)
    return found


# The type section.


def _read_types(section: bytes) -> list[FunctionType]:
    count, at = read_unsigned(section, 0)
    found: list[FunctionType] = []
    for _ in range(count):
        grouped = 1
        if section[at] == _RECURSIVE:
            grouped, at = read_unsigned(section, at + 1)
        for _ in range(grouped):
            at = _read_type(section, at, found)
    return found


def _read_type(section: bytes, at: int, found: list[FunctionType]) -> int:
    if section[at] in (_SUBTYPE, _SUBTYPE_FINAL):
        parents, at = read_unsigned(section, at + 1)
        for _ in range(parents):
            at = _skip_number(section, at)
    if section[at] != _FUNCTION_FORM:
        msg = f"a type of form {section[at]:#x}, where only functions are read"
        raise WasmFormatError(msg)
    parameters, at = _read_value_types(section, at + 1)
    results, at = _read_value_types(section, at)
    found.append(FunctionType(parameters, results))
    return at


def _read_value_types(section: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    count, at = read_unsigned(section, at)
    found = []
    for _ in range(count):
        end = _skip_value_type(section, at)
        found.append(section[at:end])
        at = end
    return tuple(found), at


def _skip_value_type(data: bytes, at: int) -> int:
    return _skip_number(data, at + 1) if data[at] in _REF_HEAP_PREFIXES else at + 1


# Where an instruction ends: its first byte says what follows.

_PLAIN, _NUMBER, _TWO_NUMBERS, _TYPED, _MEMORY, _OTHER = range(6)


def _forms() -> bytes:
    forms = bytearray((_OTHER,)) * 256
    for code in (0x00, 0x01, ELSE, 0x0A, END, RETURN, 0x1A, 0x1B, 0xD1, 0xD3, 0xD4, *range(0x45, 0xC5)):
        forms[code] = _PLAIN
    for code in (
        0x08, BRANCH, BRANCH_IF, CALL, 0x12, 0x14, 0x15, *range(0x20, 0x27), 0x3F, 0x40, I32_CONST, 0x42,
        0xD0, 0xD2, 0xD5, 0xD6,
    ):
        forms[code] = _NUMBER
    for code in (CALL_INDIRECT, 0x13):
        forms[code] = _TWO_NUMBERS
    for code in (BLOCK, LOOP, IF):
        forms[code] = _TYPED
    for code in range(I32_LOAD, 0x3F):
        forms[code] = _MEMORY
    return bytes(forms)


_FORM = _forms()


def _end_of(data: bytes, at: int) -> int:
    form = _FORM[data[at]]
    if form == _PLAIN:
        return at + 1
    if form == _NUMBER:
        return _skip_number(data, at + 1)
    if form == _MEMORY:
        return _skip_memory(data, at + 1)
    if form == _TYPED:
        return _skip_block_type(data, at + 1)
    if form == _TWO_NUMBERS:
        return _skip_number(data, _skip_number(data, at + 1))
    return _end_of_other(data, at)


def _skip_number(data: bytes, at: int) -> int:
    while data[at] >= 0x80:
        at += 1
    return at + 1


def _skip_memory(data: bytes, at: int) -> int:
    if data[at] & _OTHER_MEMORY:
        at = _skip_number(data, at)
    return _skip_number(data, _skip_number(data, at))


def _skip_block_type(data: bytes, at: int) -> int:
    return _skip_number(data, at + 1 if data[at] in _REF_HEAP_PREFIXES else at)


def _end_of_other(data: bytes, at: int) -> int:
    code = data[at]
    at += 1
    if code == 0x43:  # f32.const
        return at + 4
    if code == 0x44:  # f64.const
        return at + 8
    if code == 0x0E:  # br_table
        count, at = read_unsigned(data, at)
        return _skip_numbers(data, at, count + 1)
    if code == 0x1C:  # select with types
        count, at = read_unsigned(data, at)
        for _ in range(count):
            at = _skip_value_type(data, at)
        return at
    if code == TRY_TABLE:
        return _end_of_try_table(data, at)
    if code in (0xFB, 0xFC, 0xFD):
        number, at = read_unsigned(data, at)
        return _end_of_prefixed(data, code, number, at)
    msg = f"instruction {code:#x} at byte {at - 1} is unknown here"
    raise WasmFormatError(msg)


def _skip_numbers(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        at = _skip_number(data, at)
    return at


def _end_of_try_table(data: bytes, at: int) -> int:
    count, at = read_unsigned(data, _skip_block_type(data, at))
    for _ in range(count):
        names_tag = data[at] < 2
        at = _skip_numbers(data, at + 1, 2 if names_tag else 1)
    return at


def _end_of_prefixed(data: bytes, prefix: int, number: int, at: int) -> int:
    if prefix == 0xFB and number in (20, 21, 22, 23):  # ref.test, ref.cast
        return _skip_number(data, at)
    if prefix == 0xFC and number <= 17:
        # Saturating truncations have no operand; copies and initialisers have two.
        return _skip_numbers(data, at, 0 if number < 8 else 2 if number in (8, 10, 12, 14) else 1)
    if prefix == 0xFD:
        return _end_of_vector(data, number, at)
    msg = f"instruction {prefix:#x} {number} before byte {at} is unknown here"
    raise WasmFormatError(msg)


def _end_of_vector(data: bytes, number: int, at: int) -> int:
    if number <= 11 or number in (92, 93):  # loads and the store
        return _skip_memory(data, at)
    if number in (12, 13):  # a constant, a shuffle
        return at + 16
    if 21 <= number <= 34:  # a lane
        return at + 1
    if 84 <= number <= 91:  # a lane from or to memory
        return _skip_memory(data, at) + 1
    return at
