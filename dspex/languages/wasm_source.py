"""A WebAssembly program on its way to a worker: compiled first, by another worker. The caller's side.

Nothing is compiled or even parsed in this process. What a compiling worker returns is native code that a
hostile program may have had a hand in, so it is kept as bytes, in memory, for workers of the same
engine and the same program only; docs/explanation/wasm.md has the reasons.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from dspex import values
from dspex.errors import Finding, GuestRefused, RequestError
from dspex.languages.order import ARGUMENTS, CALL, COMPILE, COMPILED, RUN

if TYPE_CHECKING:
    from dspex.languages.base import Workshop
    from dspex.protocol.messages import Run

COMPILED_BYTES_MAX = 256 << 20


def prepare(run: Run, workshop: Workshop) -> Run:
    """Return the request with the compiled program in place of the program.

    Raises:
        RequestError: The variables ask for a call in a way that cannot be meant.
        GuestRefused: Compiling it yielded more than can be kept.
    """
    _check_call(run)
    return prepare_module(run, workshop)


def prepare_module(run: Run, workshop: Workshop) -> Run:
    """Do the same, whatever the variables are."""
    key = hashlib.sha256(run.source).digest()
    compiled = workshop.recall(key)
    if compiled is None:
        workshop.enter()
        made = workshop.make(_order(run))
        compiled = made.get(COMPILED)
        if compiled is None:
            raise GuestRefused([Finding(0, 0, "its compiled form is too large")])
        workshop.keep(key, compiled)
    return msgspec.structs.replace(run, source=RUN + compiled)


def _order(run: Run) -> Run:
    """Write the request to compile: it holds the program and nothing else of the caller's."""
    spent_s = max(run.budget.wall_s, run.budget.cpu_s)
    budget = msgspec.structs.replace(
        run.budget, wall_s=spent_s, file_bytes=COMPILED_BYTES_MAX, file_count=1
    )
    return msgspec.structs.replace(
        run, source=COMPILE + run.source, variables=b"", files={}, stdin=b"", args=[], env={},
        budget=budget, stream=False, repeatable=None,
    )


def _check_call(run: Run) -> None:
    if not run.variables:
        return
    given = values.decode(
        run.variables, bytes_max=run.budget.value_bytes, depth_max=run.budget.value_depth
    )
    assert isinstance(given, dict)
    if CALL not in given:
        return
    if not isinstance(given[CALL], str):
        msg = f"variables[{CALL!r}]: the name of an exported function wanted"
        raise RequestError(msg)
    if not isinstance(given.get(ARGUMENTS, []), list | tuple):
        msg = f"variables[{ARGUMENTS!r}]: a list wanted, one for each parameter"
        raise RequestError(msg)
    others = sorted(given.keys() - {CALL, ARGUMENTS})
    if others:
        msg = f"variables: {others[0]!r} beside {CALL!r}, which takes {ARGUMENTS!r} only"
        raise RequestError(msg)
