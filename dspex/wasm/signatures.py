"""The types of a module's imported and exported functions, read from the binary itself.

wasmtime's C interface ends the process if it is asked for a type that it has no number for (vectors,
most references), so it is never asked. The module has been validated before it comes here.
"""

from __future__ import annotations

from typing import NamedTuple

from dspex.wasm.binary import KIND_FUNC, Module, read_unsigned

_TYPE_SECTION, _FUNCTION_SECTION = 1, 3
_FUNCTION, _STRUCT, _ARRAY = 0x60, 0x5F, 0x5E
_REC, _SUB, _SUB_FINAL = 0x4E, 0x50, 0x4F
_NAMES = {
    0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128", 0x70: "funcref",
    0x6F: "externref",
}
_TYPED_REFERENCES = (0x63, 0x64)
OTHER = "ref"


class Signature(NamedTuple):
    """A function's type; vectors and references by name too, though they cannot cross."""

    params: list[str]
    results: list[str]

    def shown(self, name: str) -> str:
        """Return `name(i32, i64) -> i32`."""
        results = ", ".join(self.results)
        return f"{name}({', '.join(self.params)})" + (f" -> {results}" if results else "")


class ImportedFunction(NamedTuple):
    """An import; `signature` is None if it is no function."""

    module: str
    name: str
    signature: Signature | None


def read(binary: bytes) -> tuple[list[ImportedFunction], dict[str, Signature]]:
    """Return what a valid module imports, and the functions that it exports, by name.

    Raises:
        WasmFormatError: It uses something that this file does not know.
    """
    module = Module(binary)
    types = _types(module.section(_TYPE_SECTION))
    imports, functions = [], []
    for one in module.imports():
        signature = None
        if one.kind == KIND_FUNC:
            signature = types[read_unsigned(one.description, 0)[0]]
            functions.append(signature)
        imports.append(ImportedFunction(one.module, one.name, signature))
    body = module.section(_FUNCTION_SECTION)
    if body:
        count, at = read_unsigned(body, 0)
        for _ in range(count):
            number, at = read_unsigned(body, at)
            functions.append(types[number])
    exports = {}
    for export in module.exports():
        if export.kind == KIND_FUNC:
            found = functions[export.item]
            assert found is not None
            exports[export.name] = found
    return imports, exports


def _types(body: bytes) -> list[Signature | None]:
    """Return the types in order; None for those that are no functions."""
    found: list[Signature | None] = []
    if not body:
        return found
    groups, at = read_unsigned(body, 0)
    for _ in range(groups):
        members = 1
        if body[at] == _REC:
            members, at = read_unsigned(body, at + 1)
        for _ in range(members):
            signature, at = _type(body, at)
            found.append(signature)
    return found


def _type(body: bytes, at: int) -> tuple[Signature | None, int]:
    if body[at] in (_SUB, _SUB_FINAL):
        parents, at = read_unsigned(body, at + 1)
        for _ in range(parents):
            _, at = read_unsigned(body, at)
    kind, at = body[at], at + 1
    if kind == _FUNCTION:
        params, at = _value_types(body, at)
        results, at = _value_types(body, at)
        return Signature(params, results), at
    fields = 1
    if kind == _STRUCT:
        fields, at = read_unsigned(body, at)
    for _ in range(fields):
        _, at = _value_type(body, at)
        at += 1  # whether it can be changed
    return None, at


def _value_types(body: bytes, at: int) -> tuple[list[str], int]:
    count, at = read_unsigned(body, at)
    names = []
    for _ in range(count):
        name, at = _value_type(body, at)
        names.append(name)
    return names, at


def _value_type(body: bytes, at: int) -> tuple[str, int]:
    kind, at = body[at], at + 1
    if kind in _TYPED_REFERENCES:
        # A signed number follows, of which only the length matters.
        while body[at] & 0x80:
            at += 1
        return OTHER, at + 1
    return _NAMES.get(kind, OTHER), at
