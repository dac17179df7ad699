"""Open files: what a descriptor number leads to, and the table of numbers.

One class per kind of thing that can be open; each fills a buffer or takes one, so that content is
copied once between a file and the guest's memory. Walking paths is `dspex.wasm.emscripten.tree`'s work;
checking the guest's pointers is `dspex.wasm.emscripten.calls`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import (
    BaseFile,
    Device,
    DeviceKind,
    Directory,
    Inode,
    RegularFile,
)
from dspex.wasm.emscripten.pipe import Pipe
from dspex.wasm.emscripten.quotas import Quotas
from dspex.wasm.emscripten.tree import Tree

DEVICE_READ_BYTES_MAX = 1 << 20
"""One read of /dev/zero or /dev/urandom is cut short here, so that it needs little memory."""


class Channel(Protocol):
    """What the host can put behind a descriptor number of its choice.

    Both methods may raise `SyscallError` and nothing else that a guest could provoke.
    """

    def read_into(self, target: memoryview) -> int:
        """Fill `target` from the start; return the count, 0 for the end of file."""

    def write(self, data: memoryview) -> int:
        """Take bytes (valid during the call only); return how many."""


class OpenFile:
    """An open file description: shared by all descriptors made from it with dup.

    The base class is what has neither content nor position; kinds override what they offer.

    Attributes:
        inode: What `fstat` shows.
        flags: Access mode and status flags of open(2).
        references: Descriptors that lead here.
    """

    __slots__ = ("flags", "inode", "references")

    def __init__(self, inode: Inode, flags: int) -> None:
        """Open an inode.

        Args:
            inode: What to open; its permissions were checked.
            flags: As given to open(2).
        """
        self.inode = inode
        self.flags = flags
        self.references = 0
        inode.opens += 1

    @property
    def readable(self) -> bool:
        """Whether the access mode lets it be read."""
        return self.flags & abi.O_ACCMODE in (abi.O_RDONLY, abi.O_RDWR)

    @property
    def writable(self) -> bool:
        """Whether the access mode lets it be written."""
        return self.flags & abi.O_ACCMODE in (abi.O_WRONLY, abi.O_RDWR)

    def check_readable(self) -> None:
        """Refuse what even a read of no bytes is refused with.

        Raises:
            SyscallError: EBADF, or EISDIR for a directory.
        """
        if not self.readable:
            raise SyscallError(Errno.EBADF)

    def check_writable(self) -> None:
        """Refuse what even a write of no bytes is refused with.

        Raises:
            SyscallError: EBADF.
        """
        if not self.writable:
            raise SyscallError(Errno.EBADF)

    def read_into(self, target: memoryview) -> int:
        """Read at the position and move it on.

        Returns:
            How many bytes were put into `target`.

        Raises:
            SyscallError: EBADF, EISDIR, EAGAIN, ..., as the kind has it.
        """
        raise SyscallError(Errno.EBADF)

    def write(self, data: memoryview) -> int:
        """Write at the position and move it on.

        Returns:
            How many bytes were taken.

        Raises:
            SyscallError: EBADF, ENOSPC, EPIPE, ..., as the kind has it.
        """
        raise SyscallError(Errno.EBADF)

    def read_at(self, position: int, target: memoryview) -> int:
        """Read elsewhere (pread); raises ESPIPE where there is no position."""
        raise SyscallError(Errno.ESPIPE)

    def write_at(self, position: int, data: memoryview) -> int:
        """Write elsewhere (pwrite); raises ESPIPE where there is no position."""
        raise SyscallError(Errno.ESPIPE)

    def seek(self, offset: int, whence: int) -> int:
        """Move the position and return it; raises ESPIPE where there is none, or EINVAL."""
        raise SyscallError(Errno.ESPIPE)

    def set_length(self, length: int) -> None:
        """Truncate or extend (ftruncate); raises EINVAL where there is no length."""
        raise SyscallError(Errno.EINVAL)

    def poll(self) -> int:
        """Return the events that would not block now."""
        return abi.POLLIN | abi.POLLOUT

    def count_readable(self) -> int:
        """Return what FIONREAD answers, in bytes; raises ENOTTY where it makes no sense."""
        raise SyscallError(Errno.ENOTTY)

    def close(self) -> None:
        """Let go of the inode; called once, when the last descriptor is gone."""
        self.inode.opens -= 1


class OpenPath(OpenFile):
    """Opened with O_PATH: good for fstat, fchdir and as a starting directory, else EBADF."""

    __slots__ = ()

    def check_readable(self) -> None:
        """Refuse."""
        raise SyscallError(Errno.EBADF)

    def check_writable(self) -> None:
        """Refuse."""
        raise SyscallError(Errno.EBADF)

    def read_at(self, position: int, target: memoryview) -> int:
        """Refuse."""
        raise SyscallError(Errno.EBADF)

    def write_at(self, position: int, data: memoryview) -> int:
        """Refuse."""
        raise SyscallError(Errno.EBADF)

    def seek(self, offset: int, whence: int) -> int:
        """Refuse."""
        raise SyscallError(Errno.EBADF)

    def set_length(self, length: int) -> None:
        """Refuse."""
        raise SyscallError(Errno.EBADF)


class OpenRegular(OpenFile):
    """A regular file, of the guest's or of the base layer."""

    __slots__ = ("position", "tree")

    inode: RegularFile | BaseFile

    def __init__(self, inode: RegularFile | BaseFile, flags: int, tree: Tree) -> None:
        """Open a file at its start.

        Args:
            inode: The file.
            flags: As given to open(2).
            tree: Asked for the quota and the time, and told when it is closed.
        """
        super().__init__(inode, flags)
        self.tree = tree
        self.position = 0

    def read_into(self, target: memoryview) -> int:
        """Read at the position and move it on."""
        count = self.read_at(self.position, target)
        self.position += count
        return count

    def read_at(self, position: int, target: memoryview) -> int:
        """Read elsewhere; a position past the end reads nothing."""
        if not self.readable:
            raise SyscallError(Errno.EBADF)
        inode = self.inode
        count = min(len(target), len(inode.data) - position)
        if count <= 0:
            return 0
        with memoryview(inode.data) as content:
            target[:count] = content[position : position + count]
        if inode.atime_ns <= inode.mtime_ns and isinstance(inode, RegularFile):
            inode.atime_ns = self.tree.now_ns()
        return count

    def write(self, data: memoryview) -> int:
        """Write at the position, or at the end if opened for appending."""
        if not self.writable:
            raise SyscallError(Errno.EBADF)
        assert isinstance(self.inode, RegularFile)
        if not data:
            return 0
        at = len(self.inode.data) if self.flags & abi.O_APPEND else self.position
        count = self.tree.write_at(self.inode, at, data)
        self.position = at + count
        return count

    def write_at(self, position: int, data: memoryview) -> int:
        """Write elsewhere; opened for appending it is always at the end, as on Linux."""
        if not self.writable:
            raise SyscallError(Errno.EBADF)
        assert isinstance(self.inode, RegularFile)
        at = len(self.inode.data) if self.flags & abi.O_APPEND else position
        return self.tree.write_at(self.inode, at, data)

    def seek(self, offset: int, whence: int) -> int:
        """Move the position; past the end is fine, before the start is EINVAL."""
        size = len(self.inode.data)
        if whence == abi.SEEK_SET:
            position = offset
        elif whence == abi.SEEK_CUR:
            position = self.position + offset
        elif whence == abi.SEEK_END:
            position = size + offset
        elif whence in (abi.SEEK_DATA, abi.SEEK_HOLE):
            if not 0 <= offset < size:
                raise SyscallError(Errno.ENXIO)
            position = offset if whence == abi.SEEK_DATA else size
        else:
            raise SyscallError(Errno.EINVAL)
        if not 0 <= position <= abi.POSITION_MAX:
            raise SyscallError(Errno.EINVAL)
        self.position = position
        return position

    def set_length(self, length: int) -> None:
        """Truncate or extend; a file not opened for writing is EINVAL."""
        if length < 0 or not self.writable:
            raise SyscallError(Errno.EINVAL)
        assert isinstance(self.inode, RegularFile)
        self.tree.set_length(self.inode, length)

    def count_readable(self) -> int:
        """Return how much lies after the position."""
        return max(0, len(self.inode.data) - self.position)

    def close(self) -> None:
        """Let go, and give up the content if no name is left."""
        super().close()
        self.tree.release(self.inode)


class OpenDirectory(OpenFile):
    """A directory, read with getdents.

    Attributes:
        names: Names as they were when reading began, so that removing files while reading skips
            none; None before. They count against a quota, for they outlive the files.
        position: Index of the next entry in `names`.
    """

    __slots__ = ("names", "position", "tree")

    inode: Directory

    def __init__(self, inode: Directory, flags: int, tree: Tree) -> None:
        """Open a directory at its start.

        Args:
            inode: The directory.
            flags: As given to open(2).
            tree: Asked for the names.
        """
        super().__init__(inode, flags)
        self.tree = tree
        self.position = 0
        self.names: list[bytes] | None = None

    def check_readable(self) -> None:
        """Refuse: a directory is not read as bytes."""
        raise SyscallError(Errno.EISDIR)

    def read_into(self, target: memoryview) -> int:
        """Refuse: a directory is not read as bytes."""
        raise SyscallError(Errno.EISDIR)

    def read_at(self, position: int, target: memoryview) -> int:
        """Refuse: a directory is not read as bytes."""
        raise SyscallError(Errno.EISDIR)

    def write_at(self, position: int, data: memoryview) -> int:
        """Refuse: a directory is never open for writing."""
        raise SyscallError(Errno.EBADF)

    def seek(self, offset: int, whence: int) -> int:
        """Go to an entry (seekdir); going to the start lists anew (rewinddir)."""
        position = offset if whence == abi.SEEK_SET else self.position + offset
        if whence not in (abi.SEEK_SET, abi.SEEK_CUR) or not 0 <= position <= abi.POSITION_MAX:
            raise SyscallError(Errno.EINVAL)
        if not position:
            self._forget_names()
        self.position = position
        return position

    def _forget_names(self) -> None:
        if self.names is not None:
            self.tree.quotas.names_listed -= len(self.names)
            self.names = None

    def list_names(self) -> list[bytes]:
        """Return the names, `.` and `..` first.

        Raises:
            SyscallError: ENOENT if the directory was removed, ENOMEM if too many listings are open.
        """
        if not self.inode.links:
            raise SyscallError(Errno.ENOENT)
        if self.names is None:
            names = [b".", b"..", *self.tree.list_names(self.inode)]
            self.tree.quotas.require_listing(len(names))
            self.names = names
        return self.names

    def inode_of(self, name: bytes) -> Inode | None:
        """Return what a listed name stands for now, or None if it is gone."""
        if name == b".":
            return self.inode
        if name == b"..":
            return self.inode.parent
        return self.tree.child(self.inode, name)

    def close(self) -> None:
        """Let go, and forget the names."""
        super().close()
        self._forget_names()


class OpenDevice(OpenFile):
    """A character device of /dev that works by itself: null, zero, full, random."""

    __slots__ = ("random_bytes",)

    inode: Device

    def __init__(self, inode: Device, flags: int, random_bytes: Callable[[int], bytes]) -> None:
        """Open a device.

        Args:
            inode: Which one.
            flags: As given to open(2).
            random_bytes: Source of randomness.
        """
        super().__init__(inode, flags)
        self.random_bytes = random_bytes

    def read_into(self, target: memoryview) -> int:
        """Read nothing, zeros or random bytes; 1 MiB at most at once."""
        if not self.readable:
            raise SyscallError(Errno.EBADF)
        kind = self.inode.kind
        if kind is DeviceKind.NULL:
            return 0
        count = min(len(target), DEVICE_READ_BYTES_MAX)
        target[:count] = self.random_bytes(count) if kind is DeviceKind.RANDOM else bytes(count)
        return count

    def write(self, data: memoryview) -> int:
        """Take and forget everything, except that /dev/full is always full."""
        if not self.writable:
            raise SyscallError(Errno.EBADF)
        if self.inode.kind is DeviceKind.FULL:
            raise SyscallError(Errno.ENOSPC)
        return len(data)

    def read_at(self, position: int, target: memoryview) -> int:
        """Read; the position does not matter."""
        return self.read_into(target)

    def write_at(self, position: int, data: memoryview) -> int:
        """Write; the position does not matter."""
        return self.write(data)

    def seek(self, offset: int, whence: int) -> int:
        """Stay at 0."""
        return 0


class OpenInput(OpenFile):
    """Standard input: bytes the host gave, then the end of file.

    Attributes:
        data: All of them.
        position: How many were read.
    """

    __slots__ = ("data", "position")

    def __init__(self, inode: Inode) -> None:
        """Begin with nothing to read."""
        super().__init__(inode, abi.O_RDONLY)
        self.data = b""
        self.position = 0

    def read_into(self, target: memoryview) -> int:
        """Read on."""
        chunk = self.data[self.position : self.position + len(target)]
        target[: len(chunk)] = chunk
        self.position += len(chunk)
        return len(chunk)

    def poll(self) -> int:
        """Be ready always: the end of file does not block either."""
        return abi.POLLIN

    def count_readable(self) -> int:
        """Return how much was not read yet."""
        return len(self.data) - self.position


class OpenOutput(OpenFile):
    """Standard output or error: handed to the host at once."""

    __slots__ = ("stream", "write_output")

    def __init__(
        self, inode: Inode, stream: int, write_output: Callable[[int, memoryview], int]
    ) -> None:
        """Connect a stream to the host.

        Args:
            inode: What `fstat` shows.
            stream: 1 or 2.
            write_output: Called with the stream and the bytes (valid during the call only); returns how
                many it took.
        """
        super().__init__(inode, abi.O_WRONLY)
        self.stream = stream
        self.write_output = write_output

    def write(self, data: memoryview) -> int:
        """Pass on."""
        return self.write_output(self.stream, data)

    def poll(self) -> int:
        """Be ready always."""
        return abi.POLLOUT


class OpenChannel(OpenFile):
    """A channel of the host's; no path leads to it."""

    __slots__ = ("channel", "guest_may_close")

    def __init__(self, inode: Inode, channel: Channel, *, guest_may_close: bool) -> None:
        """Open a channel.

        Args:
            inode: What `fstat` shows.
            channel: The host's object.
            guest_may_close: If not, closing or replacing its number is EBADF for the guest.
        """
        super().__init__(inode, abi.O_RDWR)
        self.channel = channel
        self.guest_may_close = guest_may_close

    def read_into(self, target: memoryview) -> int:
        """Pass on."""
        return self.channel.read_into(target)

    def write(self, data: memoryview) -> int:
        """Pass on."""
        return self.channel.write(data)


class OpenPipe(OpenFile):
    """One end of a pipe."""

    __slots__ = ("pipe",)

    def __init__(self, inode: Inode, flags: int, pipe: Pipe) -> None:
        """Open an end; which one is said by the access mode.

        Args:
            inode: What `fstat` shows at both ends.
            flags: O_RDONLY or O_WRONLY.
            pipe: What connects the ends.
        """
        super().__init__(inode, flags)
        self.pipe = pipe

    def read_into(self, target: memoryview) -> int:
        """Take from the pipe."""
        if not self.readable:
            raise SyscallError(Errno.EBADF)
        return self.pipe.read_into(target)

    def write(self, data: memoryview) -> int:
        """Put into the pipe."""
        if not self.writable:
            raise SyscallError(Errno.EBADF)
        return self.pipe.write(data)

    def poll(self) -> int:
        """Say whether there is something to read or room to write, and whether the other end is gone."""
        pipe = self.pipe
        if self.readable:
            return (abi.POLLIN if pipe.buffer else 0) | (0 if pipe.writers else abi.POLLHUP)
        if not pipe.readers:
            return abi.POLLOUT | abi.POLLERR
        full = len(pipe.buffer) > abi.PIPE_BYTES_MAX - abi.PIPE_ATOMIC_BYTES
        return 0 if full else abi.POLLOUT

    def count_readable(self) -> int:
        """Return how much is in the pipe."""
        return len(self.pipe.buffer)

    def close(self) -> None:
        """Tell the other end."""
        super().close()
        if self.readable:
            self.pipe.readers -= 1
        else:
            self.pipe.writers -= 1


class DescriptorTable:
    """Descriptor numbers and what they lead to.

    Attributes:
        files: Open files by number.
        close_on_exec: Numbers with FD_CLOEXEC; kept because programs read it back.
    """

    __slots__ = ("_quotas", "close_on_exec", "files")

    def __init__(self, quotas: Quotas) -> None:
        """Start with nothing open.

        Args:
            quotas: `open_files_max` bounds the numbers.
        """
        self._quotas = quotas
        self.files: dict[int, OpenFile] = {}
        self.close_on_exec: set[int] = set()

    def get(self, fd: int) -> OpenFile:
        """Return what a number leads to.

        Raises:
            SyscallError: EBADF.
        """
        try:
            return self.files[fd]
        except KeyError:
            raise SyscallError(Errno.EBADF) from None

    def free_number(self, at_least: int = 0) -> int:
        """Return the lowest number not in use; ask before making what will need one.

        Raises:
            SyscallError: EMFILE.
        """
        files, fd = self.files, at_least
        while fd in files:
            fd += 1
        if fd >= self._quotas.open_files_max:
            refused = self._quotas.refusal("open_files_max", Errno.EMFILE)
            raise refused
        return fd

    def install(self, fd: int, file: OpenFile, *, close_on_exec: bool = False) -> int:
        """Make a free number lead to an open file.

        Args:
            fd: The number, as from `free_number`.
            file: The open file.
            close_on_exec: FD_CLOEXEC.

        Returns:
            The number.
        """
        assert fd not in self.files
        self.files[fd] = file
        file.references += 1
        if close_on_exec:
            self.close_on_exec.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """Free a number, and close what it led to if it was the last.

        Raises:
            SyscallError: EBADF.
        """
        file = self.get(fd)
        if isinstance(file, OpenChannel) and not file.guest_may_close:
            raise SyscallError(Errno.EBADF)
        self.drop(fd)

    def drop(self, fd: int) -> None:
        """Free a number on behalf of the host: channels the guest may not close too."""
        file = self.files.pop(fd)
        self.close_on_exec.discard(fd)
        file.references -= 1
        if not file.references:
            file.close()

    def duplicate(self, fd: int, *, at_least: int = 0, close_on_exec: bool = False) -> int:
        """Make the lowest free number lead to the same open file.

        Args:
            fd: An open number.
            at_least: Lowest number wanted.
            close_on_exec: FD_CLOEXEC of the new number.

        Raises:
            SyscallError: EBADF, EMFILE, or EINVAL if `at_least` is out of range.
        """
        file = self.get(fd)
        if not 0 <= at_least < self._quotas.open_files_max:
            raise SyscallError(Errno.EINVAL)
        return self.install(self.free_number(at_least), file, close_on_exec=close_on_exec)

    def duplicate_onto(self, fd: int, target: int, *, close_on_exec: bool = False) -> int:
        """Make a given number lead to the same open file, closing what it led to.

        Args:
            fd: An open number.
            target: Another number.
            close_on_exec: FD_CLOEXEC of `target`.

        Raises:
            SyscallError: EBADF, or EINVAL if both are the same.
        """
        file = self.get(fd)
        if fd == target:
            raise SyscallError(Errno.EINVAL)
        if not 0 <= target < self._quotas.open_files_max:
            raise SyscallError(Errno.EBADF)
        if target in self.files:
            self.close(target)
        return self.install(target, file, close_on_exec=close_on_exec)
