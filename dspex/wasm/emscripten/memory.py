"""Reading and writing the guest's linear memory, never past its end.

Slicing a memoryview past the end shortens the slice silently, so every pointer and length of the
guest's goes through a function here, which raises EFAULT instead. Pointers arrive as signed 32-bit numbers.
Owning the memory and replacing `view` when it grows is `dspex.wasm.instance`'s work.
"""

from __future__ import annotations

from struct import Struct
from typing import Protocol

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno, SyscallError

U32 = Struct("<I")
I32 = Struct("<i")
I64 = Struct("<q")
U64 = Struct("<Q")
TWO_I32 = Struct("<ii")
TWO_U32 = Struct("<II")

POINTER_MASK = 0xFFFFFFFF
_SHORT_STRING_BYTES = 128


class GuestMemory(Protocol):
    """What system calls need to see of a guest's memory."""

    @property
    def view(self) -> memoryview:
        """The whole linear memory now: format `B`, writable; replaced whenever the memory grows."""


def check(view: memoryview, pointer: int, length: int) -> int:
    """Require that a range lies in memory.

    Args:
        view: The guest's memory.
        pointer: Start, as it came from the guest.
        length: Bytes, not negative.

    Returns:
        The start as an unsigned number.

    Raises:
        SyscallError: EFAULT.
    """
    start = pointer & POINTER_MASK
    if start + length > len(view):
        raise SyscallError(Errno.EFAULT)
    return start


def span(view: memoryview, pointer: int, length: int) -> memoryview:
    """Return a range of memory that is as long as it was asked for.

    Args:
        view: The guest's memory.
        pointer: Start, as it came from the guest.
        length: Bytes, as it came from the guest (a `size_t`).

    Raises:
        SyscallError: EFAULT.
    """
    start = pointer & POINTER_MASK
    end = start + (length & POINTER_MASK)
    if end > len(view):
        raise SyscallError(Errno.EFAULT)
    return view[start:end]


def read_string(view: memoryview, pointer: int, bytes_max: int = abi.PATH_BYTES_MAX) -> bytes:
    """Copy a C string out of memory.

    Args:
        view: The guest's memory.
        pointer: Where it starts.
        bytes_max: Bound on its length with the NUL.

    Raises:
        SyscallError: ENAMETOOLONG if there is no NUL in that many bytes, EFAULT if memory ends first.
    """
    start = pointer & POINTER_MASK
    if start >= len(view) or not start:
        raise SyscallError(Errno.EFAULT)
    text, nul, _ = bytes(view[start : start + _SHORT_STRING_BYTES]).partition(b"\0")
    if nul:
        return text
    chunk = bytes(view[start : start + bytes_max])
    text, nul, _ = chunk.partition(b"\0")
    if nul:
        return text
    raise SyscallError(Errno.ENAMETOOLONG if len(chunk) == bytes_max else Errno.EFAULT)


def write_string(view: memoryview, pointer: int, text: bytes, bytes_max: int) -> None:
    """Put a C string into a buffer, cut off to fit.

    Args:
        view: The guest's memory.
        pointer: Where the buffer starts.
        text: The string without the NUL.
        bytes_max: Size of the buffer, as it came from the guest; nothing is written if it is 0.

    Raises:
        SyscallError: EFAULT.
    """
    room = bytes_max & POINTER_MASK
    if room:
        terminated = text[: room - 1] + b"\0"
        span(view, pointer, len(terminated))[:] = terminated


def read_u32(view: memoryview, pointer: int) -> int:
    """Read an unsigned 32-bit number; raises EFAULT."""
    number: int = U32.unpack_from(view, check(view, pointer, 4))[0]
    return number


def read_i32(view: memoryview, pointer: int) -> int:
    """Read a signed 32-bit number; raises EFAULT."""
    number: int = I32.unpack_from(view, check(view, pointer, 4))[0]
    return number


def write_i32(view: memoryview, pointer: int, number: int) -> None:
    """Write a number of 32 bits, signed or not; raises EFAULT."""
    U32.pack_into(view, check(view, pointer, 4), number & POINTER_MASK)


def write_i64(view: memoryview, pointer: int, number: int) -> None:
    """Write a signed 64-bit number; raises EFAULT."""
    I64.pack_into(view, check(view, pointer, 8), number)


def find_variable(view: memoryview, environ_address: int, name: bytes) -> bytes | None:
    """Find an environment variable as the guest's program sees it now.

    Programs change their environment without a system call; the C library's `environ` shows it.

    Args:
        view: The guest's memory.
        environ_address: Where the C variable `environ` lies (an export of that name says).
        name: Name of the variable.

    Returns:
        Its value (cut off at 4 KiB), or None if it is not set or the table is not in order.
    """
    wanted = name + b"="
    try:
        table = read_u32(view, environ_address)
        for index in range(_VARIABLES_MAX):
            entry = read_u32(view, table + 4 * index) if table else 0
            if not entry:
                return None
            if view[entry : entry + len(wanted)] == wanted:
                return read_string(view, entry)[len(wanted) :]
    except SyscallError:
        return None
    return None


_VARIABLES_MAX = 4096
