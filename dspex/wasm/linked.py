"""What a linker left in a module: the names of its functions and its first data, read and taken out.

A module without data is code alone: it is compiled once, and whatever memory it is given is its
state. Sections and their rewriting are `dspex.wasm.binary`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.wasm.binary import (
    DATA,
    KIND_FUNC,
    Export,
    Module,
    WasmFormatError,
    read_unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CUSTOM = 0
_FUNCTION_NAMES = 1
_I32_CONST, _END = 0x41, 0x0B


def export_functions(module: Module, names: Iterable[str]) -> None:
    """Add exports of functions under the names that the linker noted for them, in place.

    Raises:
        WasmFormatError: The module has no function of a name; the message lists these.
    """
    wanted = set(names)
    found = {name: index for name, index in function_names(module) if name in wanted}
    if missing := wanted - found.keys():
        msg = f"the module has no function named {', '.join(sorted(missing))}"
        raise WasmFormatError(msg)
    kept = [one for one in module.exports() if one.name not in found]
    module.set_exports([*kept, *(Export(name, KIND_FUNC, at) for name, at in found.items())])


def function_names(module: Module) -> Iterator[tuple[str, int]]:
    """Yield the name and index of each function that the name section lists."""
    for number, body in module.sections:
        if number != _CUSTOM:
            continue
        length, start = read_unsigned(body, 0)
        if body[start : start + length] != b"name":
            continue
        at = start + length
        while at < len(body):
            kind = body[at]
            size, at = read_unsigned(body, at + 1)
            if kind == _FUNCTION_NAMES:
                yield from _name_map(body, at)
            at += size


def _name_map(body: bytes, at: int) -> Iterator[tuple[str, int]]:
    count, at = read_unsigned(body, at)
    for _ in range(count):
        index, at = read_unsigned(body, at)
        length, at = read_unsigned(body, at)
        yield body[at : at + length].decode("utf-8", "replace"), index
        at += length


def take_data(module: Module) -> list[tuple[int, bytes]]:
    """Take the module's data out, in place, and return it as (address, content).

    Raises:
        WasmFormatError: Some of it is passive, or lies at an address that is not written out.
    """
    body = module.section(DATA)
    count, at = read_unsigned(body, 0)
    taken = []
    for _ in range(count):
        if body[at : at + 2] != bytes((0, _I32_CONST)):
            msg = f"the data segment at byte {at} is not an active one at a fixed address"
            raise WasmFormatError(msg)
        # Addresses are below 2 GiB here, so that the signed number reads like an unsigned one.
        address, at = read_unsigned(body, at + 2)
        if body[at] != _END:
            msg = f"the data segment at byte {at} has an address of several instructions"
            raise WasmFormatError(msg)
        size, at = read_unsigned(body, at + 1)
        taken.append((address, body[at : at + size]))
        at += size
    module.set_data([])
    return taken
