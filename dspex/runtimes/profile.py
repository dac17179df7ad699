"""How often a module's calls are made, where those through the table lead, which way its branches go: counted.

`count` adds a second memory to a module and counters before each call and branch. That has no effect
which the module could see, and the same run counts the same everywhere. What is done with the
counts is up to `dspex.runtimes.tuning`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dspex.wasm import code as wasm
from dspex.wasm.binary import (
    KIND_MEMORY,
    MEMORY,
    PAGE_BYTES,
    Export,
    Module,
    WasmFormatError,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNTERS = "dspex_counters"
"""The export under which the counted module offers its second memory."""

_COUNTER_BYTES = 4
_ENTRIES_ADDED_MAX = 16
"""How many entries of the table may be filled besides those of the module's element segments."""
_ACCESS = b"\x42\x01"
"""What an access to 32 bits of the second memory carries: alignment 4 with the memory's number."""


class Site(NamedTuple):
    """One call instruction."""

    function: int
    offset: int
    """From the beginning of the function's code entry."""


class Turns(NamedTuple):
    """How often a branch was come to, and how often its condition held."""

    times: int
    held: int


@dataclass(slots=True)
class Profile:
    """What a module's code did in some programs."""

    direct: dict[Site, float] = field(default_factory=dict)
    """How often calls were made: as shares of all the calls of a program, averaged over programs."""
    indirect: dict[Site, dict[int, float]] = field(default_factory=dict)
    """The same of calls through the table, by the table's entry."""
    branches: dict[Site, Turns] = field(default_factory=dict)


class _Sites(NamedTuple):
    direct: list[Site]
    indirect: list[Site]
    branches: list[Site]

    @property
    def calls(self) -> int:
        return len(self.direct) + len(self.indirect)

    @property
    def counters(self) -> int:
        """One for each call, then two for each branch; the rows of the table's entries follow."""
        return self.calls + 2 * len(self.branches)


class Counters:
    """The counters of a counted module, and what they held after each program.

    Attributes:
        module: The counted module, which exports the counters' memory as `COUNTERS`.
    """

    def __init__(self, module: bytes, sites: _Sites, entries: int) -> None:
        """Belong to a module that `count` made."""
        self.module = module
        self._sites = sites
        self._entries = entries
        self._before = [0] * sites.calls
        self._shares = [0.0] * sites.calls
        self._programs = 0

    def forget(self, memory: memoryview) -> None:
        """Count what comes from here on: what came before was preparation."""
        totals = memory[: self._sites.counters * _COUNTER_BYTES].cast("I")
        totals[:] = memoryview(bytes(totals.nbytes)).cast("I")
        for number in range(len(self._sites.indirect)):
            row = self._row(memory, number)
            if any(row.tobytes()):
                row[:] = memoryview(bytes(row.nbytes)).cast("I")
        self._before = [0] * self._sites.calls

    def finish_program(self, memory: memoryview) -> None:
        """Take the calls that were counted since the last program, which weighs as much as each other one."""
        totals = self._totals(memory)
        gained = [now - before for now, before in zip(totals, self._before, strict=True)]
        calls = sum(gained)
        if calls:
            self._shares = [
                share + count / calls for share, count in zip(self._shares, gained, strict=True)
            ]
            self._programs += 1
        self._before = totals

    def profile(self, memory: memoryview) -> Profile:
        """Return what was counted since the last `forget`."""
        found, sites, programs = Profile(), self._sites, max(self._programs, 1)
        direct = len(sites.direct)
        for site, share in zip(sites.direct, self._shares[:direct], strict=True):
            if share:
                found.direct[site] = share / programs
        for number, (site, share) in enumerate(zip(sites.indirect, self._shares[direct:], strict=True)):
            if share:
                row = self._row(memory, number)
                calls = sum(row)
                found.indirect[site] = {
                    entry: share / programs * count / calls for entry, count in enumerate(row) if count
                }
        counted = memory[sites.calls * _COUNTER_BYTES : sites.counters * _COUNTER_BYTES].cast("I").tolist()
        for number, site in enumerate(sites.branches):
            if counted[2 * number]:
                found.branches[site] = Turns(counted[2 * number], counted[2 * number + 1])
        return found

    def _totals(self, memory: memoryview) -> list[int]:
        return memory[: self._sites.calls * _COUNTER_BYTES].cast("I").tolist()

    def _row(self, memory: memoryview, number: int) -> memoryview:
        start = _row_start(self._sites, number, self._entries)
        return memory[start : start + self._entries * _COUNTER_BYTES].cast("I")


def count(source: bytes) -> Counters:
    """Return a module that counts its calls and branches, and otherwise does what `source` does.

    Raises:
        WasmFormatError: `source` has more or less than one memory, or code that is not understood.
    """
    module = Module(source)
    functions = wasm.Code(module)
    entries = max(wasm.table_functions(module), default=0) + 1 + _ENTRIES_ADDED_MAX
    sites = _find_sites(functions)
    counting: dict[int, list[tuple[Site, _Counting]]] = defaultdict(list)
    for number, site in enumerate((*sites.direct, *sites.indirect)):
        row = number - len(sites.direct)
        counting[site.function].append((site, _Counting(
            number * _COUNTER_BYTES, row=_row_start(sites, row, entries) if row >= 0 else None
        )))
    for number, site in enumerate(sites.branches):
        address = (sites.calls + 2 * number) * _COUNTER_BYTES
        counting[site.function].append((site, _Counting(address, held=address + _COUNTER_BYTES)))
    for function, places in counting.items():
        _count_in(functions, function, sorted(places))
    module.replace(wasm.CODE, functions.section())
    pages = -(-_row_start(sites, len(sites.indirect), entries) // PAGE_BYTES)
    body = module.section(MEMORY)
    if body[0] != 1:
        msg = f"expected one defined memory, found {body[0]}"
        raise WasmFormatError(msg)
    module.replace(MEMORY, b"\x02" + body[1:] + b"\0" + unsigned(pages))
    module.set_exports([*module.exports(), Export(COUNTERS, KIND_MEMORY, 1)])
    return Counters(module.encode(), sites, entries)


def _row_start(sites: _Sites, number: int, entries: int) -> int:
    return (sites.counters + number * entries) * _COUNTER_BYTES


def _find_sites(functions: wasm.Code) -> _Sites:
    sites = _Sites([], [], [])
    lists = {
        wasm.CALL: sites.direct, wasm.CALL_INDIRECT: sites.indirect,
        wasm.IF: sites.branches, wasm.BRANCH_IF: sites.branches,
    }
    for function in range(functions.imported, len(functions)):
        for code, at, _ in wasm.instructions(functions.body(function)):
            if code in lists:
                lists[code].append(Site(function, at))
    return sites


class _Counting(NamedTuple):
    """Where one instruction is counted: addresses in the second memory."""

    total: int
    row: int | None = None
    """Of a call through the table: counters of the entries."""
    held: int | None = None
    """Of a branch: how often its condition held."""


def _count_in(functions: wasm.Code, function: int, places: Sequence[tuple[Site, _Counting]]) -> None:
    body = functions.body(function)
    first = len(functions.type(function).parameters) + len(body.local_types)
    value, counter = unsigned(first), unsigned(first + 1)
    pieces: list[bytes] = []
    last = body.start
    for site, counting in places:
        pieces += (body.data[last : site.offset], _bump(counting.total))
        if counting.row is not None:
            pieces.append(_bump_entry(counting.row, value, counter))
        if counting.held is not None:
            pieces.append(_bump_held(counting.held, value))
        last = site.offset
    pieces.append(body.data[last:])
    functions.replace(function, (*body.locals, (2, wasm.I32)), b"".join(pieces))


def _bump(address: int) -> bytes:
    """Return code that adds one to the counter at a fixed address."""
    access = _ACCESS + unsigned(address)
    return b"".join((_ZERO, _ZERO, _byte(wasm.I32_LOAD), access, _ADD_ONE, _byte(wasm.I32_STORE), access))


def _bump_entry(row: int, entry: bytes, counter: bytes) -> bytes:
    """Return code that adds one to the counter of the table entry on top of the stack, and leaves it there."""
    access = _ACCESS + unsigned(row)
    return b"".join((
        _byte(wasm.LOCAL_TEE), entry, b"\x41\x02", _byte(wasm.I32_SHL),
        _byte(wasm.LOCAL_TEE), counter, _byte(wasm.LOCAL_GET), counter,
        _byte(wasm.I32_LOAD), access, _ADD_ONE, _byte(wasm.I32_STORE), access,
        _byte(wasm.LOCAL_GET), entry,
    ))


def _bump_held(address: int, condition: bytes) -> bytes:
    """Return code that adds one to a counter if what is on top of the stack is not 0, and leaves it there."""
    access = _ACCESS + unsigned(address)
    return b"".join((
        _byte(wasm.LOCAL_SET), condition, _ZERO, _ZERO, _byte(wasm.I32_LOAD), access,
        _byte(wasm.LOCAL_GET), condition, _ZERO, bytes((wasm.I32_NE, wasm.I32_ADD)),
        _byte(wasm.I32_STORE), access, _byte(wasm.LOCAL_GET), condition,
    ))


def _byte(code: int) -> bytes:
    return bytes((code,))


_ZERO = b"\x41\0"
_ADD_ONE = b"\x41\x01" + _byte(wasm.I32_ADD)
