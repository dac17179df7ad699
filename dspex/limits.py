"""What one run may consume, decided before any code runs, and what it did consume.

`Limits` is plain data on its way from a policy file to a worker. It measures nothing: the guard
inside the sandbox counts and reports well, the supervisor's watchdog outside always works.
`docs/reference/limits.md` is generated from the docstrings of this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

WALL_S_MAX = 86_400.0
"""One day; a longer job is no longer one run."""

MEMORY_BYTES_MIN = 48 * MIB
"""Below this a started Python guest could not allocate anything of its own."""

MEMORY_BYTES_MAX = 4 * GIB
"""The whole address space of a 32-bit WebAssembly memory."""

VALUE_DEPTH_MAX = 200
"""Deeper values would run into the recursion limits of the interpreters on both sides."""

Seconds = Annotated[float, Field(gt=0, le=WALL_S_MAX, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=MEMORY_BYTES_MAX)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Limits(BaseModel):
    """Budget of one run; every default is finite.

    In a session the times, output, source, values and host calls count anew for each run, while
    memory and files are what the session holds at any moment.

    Example:
        >>> Limits(wall_s=2, memory_bytes=64 * MIB).wall_s
        2.0
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    wall_s: Seconds = 10.0
    """Time on the clock, sleeping included; stands still while the guest waits for a host call.

    - Guest sees: `KeyboardInterrupt` at the deadline.
    - Inner guard: a timer of the worker that raises the interpreter's interrupt flag.
    - Outer guard: the supervisor kills the worker at the deadline plus `grace_s`.
    """

    cpu_s: Seconds = 10.0
    """Processor time; stands still while the guest waits for a host call.

    - Guest sees: `KeyboardInterrupt` when it is used up.
    - Inner guard: a timer of the worker that raises the interpreter's interrupt flag.
    - Outer guard: `RLIMIT_CPU`, and the supervisor, which looks at the worker's processor time and
      kills it when it is over by `grace_s`.
    """

    grace_s: Seconds = 0.25
    """Time between the soft interrupt and the kill, in which the guest may clean up.

    - Guest sees: nothing; when it has not ended by then, its worker is killed.
    - Inner guard: none.
    - Outer guard: the supervisor kills the worker.
    """

    memory_bytes: Annotated[int, Field(ge=MEMORY_BYTES_MIN, le=MEMORY_BYTES_MAX)] = 256 * MIB
    """Linear memory of the guest, its interpreter included, its files not; at least 48 MiB.

    - Guest sees: `MemoryError`.
    - Inner guard: the WebAssembly runtime refuses to grow the memory.
    - Outer guard: the supervisor kills a worker whose process holds more than this, twice
      `file_bytes` (files leave as copies) and some room of its own together.
    """

    output_bytes: Bytes = 1 * MIB
    """What may be written to standard output and standard error, both together, as UTF-8.

    - Guest sees: `KeyboardInterrupt` after the write that did not fit.
    - Inner guard: the worker's write call passes on exactly so many bytes.
    - Outer guard: the supervisor takes no more than that from a worker.
    """

    source_bytes: Bytes = 10 * MIB
    """Size of the program text, as UTF-8.

    - Guest sees: nothing; the program does not start.
    - Inner guard: the engine measures before sending.
    - Outer guard: the largest frame that the protocol takes.
    """

    value_bytes: Bytes = 16 * MIB
    """Size of all variables on the way in, and of the result on the way out, as encoded.

    - Guest sees: nothing; its program has not started, or has ended.
    - Inner guard: the encoder of the sending side.
    - Outer guard: the decoder of the receiving side, and the largest frame.
    """

    value_depth: Annotated[int, Field(ge=1, le=VALUE_DEPTH_MAX)] = 100
    """How deep a value may be nested; `1` has depth 0, `[1]` depth 1, `[[1]]` depth 2.

    - Guest sees: nothing; its program has not started, or has ended.
    - Inner guard: the encoder of the sending side.
    - Outer guard: the decoder of the receiving side.
    """

    file_bytes: Bytes = 64 * MIB
    """Sum of the sizes of all files the guest has made, not of those it was given.

    - Guest sees: `OSError` (no space left on device).
    - Inner guard: the in-memory file system.
    - Outer guard: the supervisor takes no more than that from a worker.
    """

    file_count: Count = 1000
    """How many files, directories and links the guest has made, not counting those it was given.

    - Guest sees: `OSError` (disk quota exceeded).
    - Inner guard: the in-memory file system.
    - Outer guard: the supervisor takes no more than that from a worker.
    """

    open_files: Annotated[int, Field(ge=3, le=65_536)] = 256
    """How many files may be open at once, the three standard streams included.

    - Guest sees: `OSError` (too many open files).
    - Inner guard: the in-memory file system.
    - Outer guard: none is needed; an open file of the guest is none of the host's.
    """

    host_wait_s: Seconds = 60.0
    """Time on the clock that all calls of the caller's tools together may take.

    - Guest sees: nothing; it is ended while it waits.
    - Inner guard: none.
    - Outer guard: the supervisor kills the worker.
    """

    host_calls: Count = 1000
    """How often the guest may call the caller's tools.

    - Guest sees: an exception from the call that was one too many.
    - Inner guard: the worker counts.
    - Outer guard: the broker counts too and answers no more.
    """

    def tightened(self, other: Limits) -> Limits:
        """Return the stricter of two budgets, field by field.

        Args:
            other: Budget to combine with; the order does not matter.

        Example:
            >>> Limits(cpu_s=0.5).tightened(Limits(host_calls=3)).cpu_s
            0.5
        """
        mine, theirs = self.__dict__, other.__dict__
        return Limits.model_construct(**{name: min(mine[name], theirs[name]) for name in mine})

    def is_no_looser_than(self, other: Limits) -> bool:
        """Return whether no field of this budget exceeds the same field of the other one."""
        mine, theirs = self.__dict__, other.__dict__
        return all(mine[name] <= theirs[name] for name in mine)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run consumed, as far as it was measured."""

    wall_s: float = 0.0
    """Time on the clock, from the request's arrival in the worker to its end."""

    waited_s: float = 0.0
    """The part of `wall_s` in which the guest waited for host calls."""

    cpu_s: float = 0.0
    """Processor time of the worker within the run."""

    peak_memory_bytes: int = 0
    """Largest size of the guest's linear memory."""

    output_bytes: int = 0
    """Bytes written to both standard streams, cut ones not counted."""

    host_calls: int = 0
    """Calls of the caller's tools."""

    fuel: int | None = None
    """Counted instructions; None where the language does not count them."""
