"""A module, rewritten for what it mostly does: on its bytes, guided by a profile.

wasmtime compiles each function for itself, so every call costs a frame, a check of the stack and, through the
table, three more checks. A call through the table that mostly leads to a few functions becomes
comparisons and direct calls; a direct call of a small function becomes that function's body. Branches
that nearly always go one way are marked, so that wasmtime moves the other way out of theirs. All of it
leaves what the module does as it is. docs/explanation/python-runtime.md says why, and what it brings.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dspex.runtimes.profile import Site
from dspex.wasm import code as wasm
from dspex.wasm.binary import Module, read_unsigned, signed, unsigned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.runtimes.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Which calls are replaced and which branches marked. Measured: more makes large functions slower again."""

    share_min: float = 5e-5
    """Share of all calls that a call must have."""
    entry_share_min: float = 0.15
    """Share of the calls of one instruction, through the table, that must lead to an entry."""
    entries_max: int = 3
    """How many entries one instruction's calls are compared with."""
    body_bytes_max: int = 500
    """Size of a function that is still put in a caller's place, with what was put into it."""
    growth_bytes_max: int = 20_000
    """How much a function may grow."""
    one_way_share_min: float = 0.95
    """How often a branch must go the same way."""
    one_way_times_min: int = 100
    """How often it must have been come to."""


HINTS = "metadata.code.branch_hint"
"""The custom section of the branch hinting proposal."""


def tune(source: bytes, profile: Profile, thresholds: Thresholds | None = None) -> bytes:
    """Return a module that does the same as `source` with fewer calls, and whose branches are marked.

    The entries that the module puts into its table when it begins must stay as they are while it runs.

    Raises:
        WasmFormatError: `source` has code that is not understood.
    """
    thresholds = thresholds or Thresholds()
    module = Module(source)
    functions = wasm.Code(module)
    plan = _Plan(functions, wasm.table_functions(module), thresholds)
    plan.choose(profile)
    marked = dict(_one_way(profile, thresholds))
    rewriter = _Rewriter(functions, plan.chosen, marked)
    changed = {site.function for site in (*plan.chosen, *marked)}
    rewritten = {function: rewriter.rewrite(function) for function in sorted(changed)}
    hints = {}
    for function, new in rewritten.items():
        start = functions.replace(function, new.locals, new.instructions)
        if new.hints:
            hints[function] = [(start + offset, likely) for offset, likely in new.hints]
    module.replace(wasm.CODE, functions.section())
    if hints:
        module.add_custom_section(HINTS, _hint_section(hints), wasm.CODE)
    return module.encode()


def _one_way(profile: Profile, thresholds: Thresholds) -> Iterator[tuple[Site, bool]]:
    """Yield the branches that nearly always go one way, and whether their condition then holds."""
    for site, (times, held) in profile.branches.items():
        if times >= thresholds.one_way_times_min:
            if held >= thresholds.one_way_share_min * times:
                yield site, True
            elif times - held >= thresholds.one_way_share_min * times:
                yield site, False


def _hint_section(hints: dict[int, list[tuple[int, bool]]]) -> bytes:
    parts = [unsigned(len(hints))]
    for function, marked in hints.items():
        parts += (unsigned(function), unsigned(len(marked)))
        parts += (unsigned(offset) + b"\x01" + bytes((likely,)) for offset, likely in marked)
    return b"".join(parts)


class _Choice(NamedTuple):
    callee: int
    entry: int
    """Of the table, that the call must lead to; -1 for a direct call."""
    inlined: bool
    """Whether the callee's body takes the call's place."""


class _Candidate(NamedTuple):
    share: float
    site: Site
    callee: int
    entry: int
    """Of the table; -1 for a direct call."""


class _Plan:
    """Which calls are replaced by what: the most frequent ones first, while the sizes allow."""

    def __init__(self, functions: wasm.Code, table: dict[int, int], thresholds: Thresholds) -> None:
        self._functions = functions
        self._table = table
        self._thresholds = thresholds
        self.chosen: dict[Site, list[_Choice]] = {}
        """By site: what its call may lead to, most frequent first."""
        self._holders: dict[int, dict[int, int]] = defaultdict(dict)
        """By function: those that hold its body, through others too, and how many times."""
        self._held: dict[int, set[int]] = defaultdict(set)
        """By function: those whose body it holds, through others too."""
        self._grown: dict[int, int] = defaultdict(int)

    def choose(self, profile: Profile) -> None:
        chosen: dict[Site, list[_Choice]] = defaultdict(list)
        for one in sorted(self._candidates(profile), reverse=True):
            inlined = self._fits(one.site.function, one.callee)
            if inlined:
                self._hold(one.site.function, one.callee)
            if inlined or one.entry >= 0:
                chosen[one.site].append(_Choice(one.callee, one.entry, inlined))
        self.chosen = dict(chosen)

    def _candidates(self, profile: Profile) -> Iterator[_Candidate]:
        """Yield the calls that are frequent enough."""
        thresholds = self._thresholds
        for site, share in profile.direct.items():
            callee = self._operand(site)
            if share >= thresholds.share_min and callee >= self._functions.imported:
                yield _Candidate(share, site, callee, -1)
        for site, shares in profile.indirect.items():
            least = max(thresholds.share_min, thresholds.entry_share_min * sum(shares.values()))
            expected = self._functions.types[self._operand(site)]
            frequent = sorted(shares, key=lambda entry: (-shares[entry], entry))
            for entry in frequent[: thresholds.entries_max]:
                callee = self._table.get(entry, 0)
                defined = callee >= self._functions.imported
                if shares[entry] >= least and defined and self._functions.type(callee) == expected:
                    yield _Candidate(shares[entry], site, callee, entry)

    def _operand(self, site: Site) -> int:
        """Return the function that a direct call names, or the type that an indirect one names."""
        return read_unsigned(self._functions.body(site.function).data, site.offset + 1)[0]

    def _fits(self, caller: int, callee: int) -> bool:
        functions, thresholds = self._functions, self._thresholds
        if caller == callee or caller in self._held[callee]:
            return False  # it would hold itself
        size = functions.size(callee) + self._grown[callee]
        if size > thresholds.body_bytes_max or not _can_be_inlined(functions, callee):
            return False
        return all(
            self._grown[holder] + times * size <= thresholds.growth_bytes_max
            for holder, times in (*self._holders[caller].items(), (caller, 1))
        )

    def _hold(self, caller: int, callee: int) -> None:
        size = self._functions.size(callee) + self._grown[callee]
        inner = {callee, *self._held[callee]}
        for holder, times in (*self._holders[caller].items(), (caller, 1)):
            self._grown[holder] += times * size
            self._held[holder] |= inner
            for one in inner:
                copies = 1 if one == callee else self._holders[one][callee]
                held = self._holders[one]
                held[holder] = held.get(holder, 0) + times * copies


def _can_be_inlined(functions: wasm.Code, callee: int) -> bool:
    kinds = (*functions.type(callee).parameters, *functions.body(callee).local_types)
    return all(kind in _ZERO for kind in kinds) and len(functions.type(callee).results) <= 1


_ZERO = {
    wasm.I32: b"\x41\0", wasm.I64: b"\x42\0", wasm.F32: b"\x43" + bytes(4), wasm.F64: b"\x44" + bytes(8),
    wasm.V128: b"\xfd\x0c" + bytes(16), b"\x6f": b"\xd0\x6f", b"\x70": b"\xd0\x70",
}
"""Code for what a local of each type holds when its function begins."""


class _Locals:
    """The locals that a rewritten function has besides its own; used again when a copy has ended."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.kinds: list[bytes] = []
        self._free: dict[bytes, list[int]] = defaultdict(list)

    def take(self, kind: bytes) -> int:
        if self._free[kind]:
            return self._free[kind].pop()
        self.kinds.append(kind)
        return self._first + len(self.kinds) - 1

    def give(self, kind: bytes, number: int) -> None:
        self._free[kind].append(number)


class _Rewritten(NamedTuple):
    locals: tuple[tuple[int, bytes], ...]
    instructions: bytes
    hints: list[tuple[int, bool]]
    """Branches by their offset from the first instruction, and whether their condition is likely to hold."""


class _Rewriter:
    def __init__(
        self, functions: wasm.Code, chosen: dict[Site, list[_Choice]], marked: dict[Site, bool]
    ) -> None:
        self._functions = functions
        self._chosen = chosen
        self._marked = marked
        self._written = bytearray()
        self._hints: list[tuple[int, bool]] = []
        self._locals = _Locals(0)

    def rewrite(self, function: int) -> _Rewritten:
        """Return a function as it is to be."""
        body = self._functions.body(function)
        own = len(self._functions.type(function).parameters) + len(body.local_types)
        self._written, self._hints, self._locals = bytearray(), [], _Locals(own)
        self._copy(function, None)
        groups = (*body.locals, *((1, kind) for kind in self._locals.kinds))
        return _Rewritten(groups, bytes(self._written), self._hints)

    def _copy(self, function: int, renamed: list[int] | None) -> None:
        """Write a function's instructions, with those that are chosen replaced.

        Args:
            function: Which one.
            renamed: The locals that stand for its own, if it is put in a call's place; its last `end` is
                then left to the caller.
        """
        body = self._functions.body(function)
        data, last, depth = body.data, body.start, 0
        for code, at, behind in wasm.instructions(body):
            if code in wasm.OPENERS:
                depth += 1
            elif code == wasm.END:
                depth -= 1
            if code not in _LOOKED_AT:
                continue
            site = Site(function, at)
            if site in self._marked:
                self._written += data[last:at]
                self._hints.append((len(self._written), self._marked[site]))
                last = at
            elif site in self._chosen:
                self._written += data[last:at]
                self._replace_call(self._chosen[site], data[at:behind])
                last = behind
            elif renamed is not None and code in _RENAMED:
                self._written += data[last:at]
                if code == wasm.RETURN:
                    self._write(wasm.BRANCH, unsigned(depth))
                else:
                    number, _ = read_unsigned(data, at + 1)
                    self._write(code, unsigned(renamed[number]))
                last = behind
        self._written += data[last : len(data) - (renamed is not None)]

    def _write(self, code: int, operand: bytes = b"") -> None:
        self._written.append(code)
        self._written += operand

    def _replace_call(self, choices: list[_Choice], original: bytes) -> None:
        if choices[0].entry < 0:
            self._put_body(choices[0].callee)
            return
        local = self._locals.take(wasm.I32)
        self._write(wasm.LOCAL_SET, unsigned(local))
        for choice in choices:
            self._write(wasm.LOCAL_GET, unsigned(local))
            self._write(wasm.I32_CONST, signed(choice.entry))
            self._write(wasm.I32_EQ)
            self._write(wasm.IF, signed(self._functions.type_of[choice.callee]))
            if choice.inlined:
                self._put_body(choice.callee)
            else:
                self._write(wasm.CALL, unsigned(choice.callee))
            self._write(wasm.ELSE)
        self._write(wasm.LOCAL_GET, unsigned(local))
        self._written += original
        self._written += bytes((wasm.END,)) * len(choices)
        self._locals.give(wasm.I32, local)

    def _put_body(self, callee: int) -> None:
        """Write a function's body where its arguments lie on the stack."""
        parameters, results = self._functions.type(callee)
        kinds = [*parameters, *self._functions.body(callee).local_types]
        renamed = [self._locals.take(kind) for kind in kinds]
        given = len(parameters)
        for number in reversed(renamed[:given]):
            self._write(wasm.LOCAL_SET, unsigned(number))
        for kind, number in zip(kinds[given:], renamed[given:], strict=True):
            self._written += _ZERO[kind]
            self._write(wasm.LOCAL_SET, unsigned(number))
        self._write(wasm.BLOCK, results[0] if results else _NO_RESULT)
        self._copy(callee, renamed)
        self._write(wasm.END)
        for kind, number in zip(kinds, renamed, strict=True):
            self._locals.give(kind, number)


_RENAMED = frozenset((wasm.LOCAL_GET, wasm.LOCAL_SET, wasm.LOCAL_TEE, wasm.RETURN))
_LOOKED_AT = _RENAMED | {wasm.CALL, wasm.CALL_INDIRECT, wasm.IF, wasm.BRANCH_IF}
_NO_RESULT = b"\x40"
