"""System calls that are not about files: environment, clocks, civil time, randomness, the end.

And all that a sandbox does not offer: sockets, name lookups, timers, other programs. They fail with the
error an ordinary program is ready for, never by ending the guest.
"""

from __future__ import annotations

from struct import Struct

from dspex.wasm.emscripten.calls import Calls, negative_errno, positive_errno
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.memory import (
    POINTER_MASK,
    U32,
    check,
    find_variable,
    read_string,
    span,
    write_i32,
    write_i64,
    write_string,
)
from dspex.wasm.emscripten.timezones import BrokenDown, Moment, Zone, break_down, join

_TM = Struct("<9i")
_TM_WITH_OFFSET = Struct("<10i")
_I32_MAX = 2**31 - 1
_ZONE_NAME_BYTES = 17
_HALF_YEAR_S = 182 * 86_400
_RANDOM_CHUNK_BYTES = 1 << 16
_PROGRAM_NAME = b"python"
_MESSAGE_BYTES_MAX = 512

_CLOCK_REALTIME, _CLOCK_MONOTONIC, _CLOCK_PROCESS, _CLOCK_THREAD = range(4)
_AF_KNOWN = (1, 2, 10)
"""AF_UNIX, AF_INET and AF_INET6: refused for lack of permission, not as unknown."""

_EAI_FAIL = -4
"""getaddrinfo's "non-recoverable failure in name resolution": trying again is of no use."""


class GuestExit(Exception):
    """The guest ended itself with exit; unwinds its whole stack.

    Attributes:
        status: Exit status, 0 to 255.
    """

    def __init__(self, status: int) -> None:
        """Carry an exit status.

        Args:
            status: As it came from the guest; only the low eight bits count.
        """
        super().__init__(f"exit status {status & 0xFF}")
        self.status = status & 0xFF


class GuestAborted(Exception):
    """The guest's C code called abort or failed an assertion; its memory is not to be trusted any more."""


class MachineCalls(Calls):
    """The imports that concern the machine and the process rather than files."""

    __slots__ = ()

    # Environment.

    @positive_errno
    def environ_sizes_get(self, count: int, size: int) -> int:
        """Say how many variables there are, and how many bytes they take."""
        view = self.memory.view
        write_i32(view, count, len(self.environment))
        write_i32(view, size, sum(map(len, self.environment)) + len(self.environment))
        return 0

    @positive_errno
    def environ_get(self, pointers: int, buffer: int) -> int:
        """Copy the variables, and a pointer to each."""
        view = self.memory.view
        at = buffer & POINTER_MASK
        for index, variable in enumerate(self.environment):
            write_i32(view, (pointers & POINTER_MASK) + 4 * index, at)
            span(view, at, len(variable) + 1)[:] = variable + b"\0"
            at += len(variable) + 1
        return 0

    def get_program_name(self, buffer: int, size: int) -> None:
        """Give the program's name, as far as it fits."""
        try:
            write_string(self.memory.view, buffer, _PROGRAM_NAME, size)
        except SyscallError:
            return

    # Clocks.

    @positive_errno
    def clock_time_get(self, clock: int, _precision: int, result: int) -> int:
        """Do what `clock_gettime` does."""
        if clock == _CLOCK_REALTIME:
            now = self.clock.now_ns()
        elif clock == _CLOCK_MONOTONIC:
            now = self.clock.monotonic_ns()
        elif clock in (_CLOCK_PROCESS, _CLOCK_THREAD):
            now = self.clock.cpu_ns()
        else:
            raise SyscallError(Errno.EINVAL)
        write_i64(self.memory.view, result, now)
        return 0

    @positive_errno
    def clock_res_get(self, clock: int, result: int) -> int:
        """Do what `clock_getres` does: a nanosecond."""
        if not _CLOCK_REALTIME <= clock <= _CLOCK_THREAD:
            raise SyscallError(Errno.EINVAL)
        write_i64(self.memory.view, result, 1)
        return 0

    def date_now(self) -> float:
        """Return the wall clock in milliseconds."""
        return self.clock.now_ns() / 1_000_000

    def get_now(self) -> float:
        """Return the monotonic clock in milliseconds; sleeping loops are slowed down."""
        return self.clock.read_ms_while_spinning()

    def set_interval_timer(self, _which: int, delay_ms: float) -> int:
        """Turn timers down, for no signal could be delivered; stopping one succeeds."""
        return -1 if delay_ms else 0

    # Civil time. These imports return nothing, so a wild pointer is simply not written to.

    def _zone(self) -> Zone:
        variable = None
        if self.environ_address:
            variable = find_variable(self.memory.view, self.environ_address, b"TZ")
        else:
            for entry in self.environment:
                if entry.startswith(b"TZ="):
                    variable = entry[3:]
        return self.zones.find(variable or b"")

    def set_time_zone(self, timezone: int, daylight: int, standard: int, summer: int) -> None:
        """Do what `tzset` does, for the rules of the current year."""
        self.zone_fields = (timezone, daylight, standard, summer)
        zone, now = self._zone(), self.clock.now_ns() // 1_000_000_000
        moments = (zone.at(now), zone.at(now + _HALF_YEAR_S))
        winter = next((moment for moment in moments if not moment.is_dst), moments[0])
        saving = next((moment for moment in moments if moment.is_dst), None)
        view = self.memory.view
        try:
            write_i32(view, timezone, -winter.offset_s)
            write_i32(view, daylight, int(saving is not None))
            for buffer, moment in ((standard, winter), (summer, saving or winter)):
                write_string(view, buffer, moment.abbreviation.encode(), _ZONE_NAME_BYTES)
        except SyscallError:
            return

    def local_time(self, seconds: int, result: int) -> None:
        """Do what `localtime_r` does.

        The C library asks for the zone's names once and then takes them from there, so the name that is
        right for this moment is put there now.
        """
        moment = self._zone().at(seconds)
        self._write_local(break_down(seconds + moment.offset_s), moment, result)

    def _write_local(self, fields: BrokenDown, moment: Moment, result: int) -> None:
        view = self.memory.view
        try:
            start = check(view, result, _TM_WITH_OFFSET.size)
            _TM_WITH_OFFSET.pack_into(
                view, start, *_fitting(fields), moment.is_dst, moment.offset_s
            )
            if self.zone_fields is not None:
                buffer = self.zone_fields[3 if moment.is_dst else 2]
                write_string(view, buffer, moment.abbreviation.encode(), _ZONE_NAME_BYTES)
        except SyscallError:
            return

    def universal_time(self, seconds: int, result: int) -> None:
        """Do what `gmtime_r` does."""
        view = self.memory.view
        try:
            start = check(view, result, _TM_WITH_OFFSET.size)
        except SyscallError:
            return
        _TM_WITH_OFFSET.pack_into(view, start, *_fitting(break_down(seconds)), 0, 0)

    def local_to_seconds(self, fields: int) -> int:
        """Do what `mktime` does, putting the fields in order."""
        try:
            *parts, wanted_dst = self._read_fields(fields)
        except SyscallError:
            return -1
        zone = self._zone()
        seconds = zone.to_utc(join(*parts), wanted_dst)
        moment = zone.at(seconds)
        self._write_local(break_down(seconds + moment.offset_s), moment, fields)
        return seconds

    def universal_to_seconds(self, fields: int) -> int:
        """Do what `timegm` does, putting the fields in order."""
        try:
            parts = self._read_fields(fields)[:6]
        except SyscallError:
            return -1
        seconds = join(*parts)
        self.universal_time(seconds, fields)
        return seconds

    def _read_fields(self, fields: int) -> tuple[int, int, int, int, int, int, int]:
        view = self.memory.view
        second, minute, hour, day, month, year, _, _, is_dst = _TM.unpack_from(
            view, check(view, fields, _TM.size)
        )
        return second, minute, hour, day, month, year, is_dst

    # Randomness and the end.

    @positive_errno
    def random_get(self, buffer: int, size: int) -> int:
        """Do what `getrandom` does."""
        target = span(self.memory.view, buffer, size)
        for at in range(0, len(target), _RANDOM_CHUNK_BYTES):
            part = target[at : at + _RANDOM_CHUNK_BYTES]
            part[:] = self.random_bytes(len(part))
        return 0

    def exit(self, status: int) -> None:
        """End the guest.

        Raises:
            GuestExit: Always.
        """
        raise GuestExit(status)

    def abort(self) -> None:
        """End the guest because its C code gave up.

        Raises:
            GuestAborted: Always.
        """
        message = "abort() was called"
        raise GuestAborted(message)

    def fail_assertion(self, condition: int, file: int, line: int, function: int) -> None:
        """End the guest because an assertion of its C code failed.

        Raises:
            GuestAborted: Always.
        """
        texts = [self._describe(pointer) for pointer in (condition, file, function)]
        message = f"assertion failed: {texts[0]} ({texts[1]}:{line}, {texts[2]})"
        raise GuestAborted(message)

    def _describe(self, pointer: int) -> str:
        try:
            text = read_string(self.memory.view, pointer, _MESSAGE_BYTES_MAX)
        except SyscallError:
            return "?"
        return text.decode("utf-8", "backslashreplace")

    # Not offered, or nothing to do.

    def get_user(self) -> int:
        """Do what `getuid` does: the one user is number 0, as the C library says of all other ids."""
        return 0

    def ignore(self, *_arguments: int) -> None:
        """Do nothing: debugging aids, and counters of JavaScript's event loop."""

    def answer_zero(self, *_arguments: int) -> int:
        """Say "none of mine, go on as usual", or "not found"."""
        return 0

    def make_no_promise(self, *_arguments: int) -> None:
        """Return no JavaScript promise: the caller goes on with the ordinary system call."""

    def run_command(self, command: int) -> int:
        """Do what `system` does where there is no shell."""
        return -Errno.ENOSYS if command else 0

    def fail_name_lookup(self, *_arguments: int) -> int:
        """Do what `getaddrinfo` and `getnameinfo` do where there is no resolver."""
        return _EAI_FAIL

    def socket(self, domain: int, *_arguments: int) -> int:
        """Refuse to make sockets."""
        return -Errno.EACCES if domain in _AF_KNOWN else -Errno.EAFNOSUPPORT

    @negative_errno
    def use_socket(self, fd: int, *_arguments: int) -> int:
        """Do what every call on a socket does with something else."""
        self.fs.descriptors.get(fd)
        raise SyscallError(Errno.ENOTSOCK)

    def shut_down(self, fd: int, _how: int, result: int) -> int:
        """Do what `shutdown` does with something else than a socket; 1 says that `result` is set."""
        errno = Errno.ENOTSOCK if fd in self.fs.descriptors.files else Errno.EBADF
        view = self.memory.view
        try:
            U32.pack_into(view, check(view, result, 4), -errno & POINTER_MASK)
        except SyscallError:
            return 0
        return 1


def _fitting(fields: BrokenDown) -> BrokenDown:
    """Keep a year that does not fit into 32 bits at the last one that does."""
    year = fields.years_since_1900
    if -_I32_MAX <= year <= _I32_MAX - 1900:
        return fields
    return fields._replace(years_since_1900=max(-_I32_MAX, min(year, _I32_MAX - 1900)))
