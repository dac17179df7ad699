"""What all groups of system calls share: their state, and turning errors into return values.

A method decorated here may raise `SyscallError`; the guest then gets the number, negative from the
Linux family (`__syscall_*`), positive from the WASI family (`fd_*`, ...). Nothing else a guest can
provoke may come out, except the host running out of memory, which becomes ENOMEM.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import ParamSpec

from dspex.wasm.emscripten.clock import Clock
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.filesystem import MemoryFileSystem
from dspex.wasm.emscripten.memory import GuestMemory
from dspex.wasm.emscripten.timezones import ZoneTable

P = ParamSpec("P")

ZONE_DIRECTORY = b"usr/share/zoneinfo/"


def negative_errno(method: Callable[P, int]) -> Callable[P, int]:
    """Return a refused call's error number negated, as the `__syscall_*` family does."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return method(*args, **kwargs)
        except SyscallError as error:
            return -error.errno
        except MemoryError:
            return -Errno.ENOMEM

    return call


def positive_errno(method: Callable[P, int]) -> Callable[P, int]:
    """Return a refused call's error number as it is, as the WASI family does."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return method(*args, **kwargs)
        except SyscallError as error:
            return +error.errno
        except MemoryError:
            return +Errno.ENOMEM

    return call


def encode_environment(variables: Mapping[str, str]) -> tuple[bytes, ...]:
    """Write variables as C programs find them; a NUL, which would end one early, is dropped.

    Example:
        >>> encode_environment({"TZ": "UTC"})
        (b'TZ=UTC',)
    """
    return tuple(
        f"{name}={value}".encode("utf-8", "surrogateescape").replace(b"\0", b"")
        for name, value in variables.items()
    )


class Calls:
    """What the system calls of one guest work on.

    Attributes:
        memory: The guest's linear memory.
        fs: Its files.
        clock: Its clocks.
        random_bytes: Source of randomness.
        environment: `NAME=value`, as the program finds it when it starts.
        environ_address: Where the C variable `environ` lies in the guest, or 0 if that is not known; with
            it a TZ that the program sets itself counts.
        allocate: Called with alignment and size for the memory behind mmap; returns 0 if there is none.
            None turns mmap down.
        zone_fields: Addresses in the guest of `timezone`, `daylight` and the two buffers of `tzname`, as
            the guest gives them to `_tzset_js`. It does so once only, so a host that restores a
            snapshot must carry them over.
        zones: Finds time zones in the base layer.
    """

    __slots__ = (
        "allocate",
        "clock",
        "environ_address",
        "environment",
        "fs",
        "memory",
        "random_bytes",
        "zone_fields",
        "zones",
    )

    def __init__(
        self,
        memory: GuestMemory,
        fs: MemoryFileSystem,
        *,
        clock: Clock | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        environment: Mapping[str, str] | None = None,
        environ_address: int = 0,
        allocate: Callable[[int, int], int] | None = None,
        zone_fields: tuple[int, int, int, int] | None = None,
    ) -> None:
        """Connect a guest's memory to its files.

        Args:
            memory: See the class.
            fs: See the class.
            clock: See the class; the host's clocks if None.
            random_bytes: See the class.
            environment: Variables by name.
            environ_address: See the class.
            allocate: See the class.
            zone_fields: See the class.
        """
        self.memory = memory
        self.fs = fs
        self.clock = clock if clock is not None else Clock()
        self.random_bytes = random_bytes
        self.environment = encode_environment(environment or {})
        self.environ_address = environ_address
        self.allocate = allocate
        self.zone_fields = zone_fields
        self.zones = ZoneTable(self._read_zone)

    def _read_zone(self, name: bytes) -> memoryview | None:
        base = self.fs.tree.base
        return base.read(ZONE_DIRECTORY + name) if base is not None else None
