"""One guest's file system: a tree, its open files, a working directory, and the host's side of it.

`MemoryFileSystem` joins `dspex.wasm.emscripten.tree` (names) and `dspex.wasm.emscripten.descriptors`
(open files) and adds what needs both. The guest comes in through `dspex.wasm.emscripten.syscalls`;
the host uses `write_file`, `read_file`, `mark`, `walk_changed`, `set_input` and `install_channel`.

A process builds it and forks; each child then serves one run. So everything has slots, the base
layer's files are made inodes on first use, and making one takes some twenty objects.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.baselayer import BaseLayer
from dspex.wasm.emscripten.descriptors import (
    Channel,
    DescriptorTable,
    OpenChannel,
    OpenDevice,
    OpenDirectory,
    OpenFile,
    OpenInput,
    OpenOutput,
    OpenPath,
    OpenPipe,
    OpenRegular,
)
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import (
    BaseFile,
    Device,
    DeviceKind,
    Directory,
    Fifo,
    Inode,
    RegularFile,
    Symlink,
)
from dspex.wasm.emscripten.pipe import Pipe
from dspex.wasm.emscripten.quotas import Quotas
from dspex.wasm.emscripten.tree import OWNER_READ, OWNER_WRITE, Slash, Tree

HOME = "/home/sandbox"
"""The guest's working directory when a run begins."""

_STREAM_OF_DEVICE = {DeviceKind.STDIN: 0, DeviceKind.STDOUT: 1, DeviceKind.STDERR: 2}


def discard_output(_stream: int, data: memoryview) -> int:
    """Take output and forget it: the sink of a file system that nobody listens to."""
    return len(data)


class MemoryFileSystem:
    """Files in memory with the semantics of a small Linux machine.

    Paths of the guest are bytes; the host's methods take str, relative to the working directory.

    Attributes:
        tree: Names and content.
        quotas: What the guest may keep; adjustable at any time.
        descriptors: Open files; 0 to 2 are the standard streams, which are pipes, not terminals.
        working_directory: Where relative paths begin.

    Example:
        >>> fs = MemoryFileSystem()
        >>> fs.write_file("rows/a.csv", b"1,2")
        >>> fs.mark()
        >>> fd = fs.open(b"rows/b.csv", abi.O_WRONLY | abi.O_CREAT, 0o644)
        >>> fs.descriptors.get(fd).write(memoryview(b"3,4"))
        3
        >>> fs.walk_changed(HOME)
        [('rows/b.csv', bytearray(b'3,4'))]
    """

    __slots__ = ("_input", "_random_bytes", "descriptors", "quotas", "tree", "working_directory")

    def __init__(
        self,
        *,
        base: BaseLayer | None = None,
        quotas: Quotas | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        random_bytes: Callable[[int], bytes] = os.urandom,
        write_output: Callable[[int, memoryview], int] = discard_output,
        home: str = HOME,
    ) -> None:
        """Make the initial tree and open the standard streams.

        Args:
            base: Read-only layer to put under the tree.
            quotas: What the guest may keep; the defaults of `Quotas` if None.
            now_ns: Wall clock, in nanoseconds since 1970.
            random_bytes: Source of randomness for /dev/urandom.
            write_output: Called with 1 or 2 and the bytes (valid during the call only) of every write
                to a standard stream; returns how many it took, or raises `SyscallError`.
            home: Working directory; made if it does not exist.
        """
        self.quotas = quotas if quotas is not None else Quotas()
        self.tree = Tree(quotas=self.quotas, now_ns=now_ns, base=base)
        self.descriptors = DescriptorTable(self.quotas)
        self._random_bytes = random_bytes
        self.working_directory = self.tree.root
        self.working_directory = self.make_directories(home)
        self._input = OpenInput(self._nameless())
        self.descriptors.install(0, self._input)
        for stream in (1, 2):
            output = OpenOutput(self._nameless(), stream, write_output)
            self.descriptors.install(stream, output)

    def _nameless(self) -> Fifo:
        return Fifo(self.tree.new_number(), self.tree.now_ns())

    @property
    def quota_hit(self) -> str | None:
        """Name of the first quota that turned something down since it was set to None."""
        return self.quotas.hit

    @quota_hit.setter
    def quota_hit(self, value: str | None) -> None:
        self.quotas.hit = value

    # What a system call needs from both the tree and the open files.

    def start_directory(self, dirfd: int) -> Directory:
        """Return where a path of an *at call begins.

        Args:
            dirfd: A descriptor, or AT_FDCWD.

        Raises:
            SyscallError: EBADF or ENOTDIR.
        """
        if dirfd == abi.AT_FDCWD:
            return self.working_directory
        inode = self.descriptors.get(dirfd).inode
        if not isinstance(inode, Directory):
            raise SyscallError(Errno.ENOTDIR)
        return inode

    def lookup_at(self, dirfd: int, path: bytes, *, follow: bool = True) -> Inode:
        """Find what a path of an *at call stands for.

        Args:
            dirfd: A descriptor, or AT_FDCWD.
            path: The path; an absolute one makes `dirfd` irrelevant.
            follow: Whether a symbolic link at the end is followed.

        Raises:
            SyscallError: EBADF, ENOTDIR, ENOENT, ..., as `Tree.walk`.
        """
        return self.tree.lookup(self.start_for(dirfd, path), path, follow=follow)

    def start_for(self, dirfd: int, path: bytes) -> Directory:
        """Return where a path begins, without looking at `dirfd` if the path is absolute or empty."""
        if not path:
            raise SyscallError(Errno.ENOENT)
        if path.startswith(b"/"):
            return self.tree.root
        return self.start_directory(dirfd)

    def change_directory(self, inode: Inode) -> None:
        """Make a directory the working directory.

        Raises:
            SyscallError: ENOTDIR or EACCES.
        """
        if not isinstance(inode, Directory):
            raise SyscallError(Errno.ENOTDIR)
        if not inode.mode & 0o100:
            raise SyscallError(Errno.EACCES)
        self.working_directory = inode

    def open(self, path: bytes, flags: int, mode: int = 0o666, dirfd: int = abi.AT_FDCWD) -> int:
        """Do what `openat` does.

        Args:
            path: What to open.
            flags: O_RDONLY, O_CREAT, ...
            mode: Permission bits of a file that is made, before the umask.
            dirfd: Where a relative path begins.

        Returns:
            The lowest free descriptor number.

        Raises:
            SyscallError: With every errno open(2) documents that can occur here.
        """
        return self.open_from(self.start_for(dirfd, path), path, flags, mode)

    def open_from(self, start: Directory, path: bytes, flags: int, mode: int = 0o666) -> int:
        """Do what `openat` does, from a directory that need not be open."""
        fd = self.descriptors.free_number()
        file = self._open_inode(start, path, flags, mode)
        return self.descriptors.install(fd, file, close_on_exec=bool(flags & abi.O_CLOEXEC))

    def _open_inode(self, start: Directory, path: bytes, flags: int, mode: int) -> OpenFile:
        if flags & abi.O_PATH:
            found = self.tree.lookup(start, path, follow=not flags & abi.O_NOFOLLOW)
            if flags & abi.O_DIRECTORY and not isinstance(found, Directory):
                raise SyscallError(Errno.ENOTDIR)
            return OpenPath(found, flags)
        if flags & abi.O_TMPFILE == abi.O_TMPFILE:
            return self._open_nameless(self.tree.lookup(start, path), flags, mode)
        if flags & abi.O_CREAT:
            return self._open_or_create(start, path, flags, mode)
        found = self.tree.lookup(start, path, follow=not flags & abi.O_NOFOLLOW)
        return self._open_existing(found, flags)

    def _open_nameless(self, directory: Inode, flags: int, mode: int) -> OpenFile:
        if not isinstance(directory, Directory):
            raise SyscallError(Errno.ENOTDIR)
        if flags & abi.O_ACCMODE not in (abi.O_WRONLY, abi.O_RDWR):
            raise SyscallError(Errno.EINVAL)
        if directory.read_only:
            raise SyscallError(Errno.EROFS)
        if not directory.mode & OWNER_WRITE:
            raise SyscallError(Errno.EACCES)
        return OpenRegular(self.tree.nameless_file(mode), flags, self.tree)

    def _open_or_create(self, start: Directory, path: bytes, flags: int, mode: int) -> OpenFile:
        follow = not flags & (abi.O_EXCL | abi.O_NOFOLLOW)
        directory, name, found = self.tree.walk(start, path, follow=follow, slash=Slash.REFUSED)
        if flags & abi.O_DIRECTORY:
            raise SyscallError(Errno.EINVAL)
        if found is None:
            return OpenRegular(self.tree.create_file(directory, name, mode), flags, self.tree)
        if flags & abi.O_EXCL:
            raise SyscallError(Errno.EEXIST)
        if isinstance(found, Directory):
            raise SyscallError(Errno.EISDIR)
        return self._open_existing(found, flags)

    def _open_existing(self, inode: Inode, flags: int) -> OpenFile:
        writes = flags & abi.O_ACCMODE != abi.O_RDONLY or flags & abi.O_TRUNC
        if isinstance(inode, Symlink):
            raise SyscallError(Errno.ELOOP)
        if isinstance(inode, Directory):
            if writes:
                raise SyscallError(Errno.EISDIR)
            self._require_permission(inode, OWNER_READ)
            return OpenDirectory(inode, flags, self.tree)
        if flags & abi.O_DIRECTORY:
            raise SyscallError(Errno.ENOTDIR)
        if isinstance(inode, Device):
            return self._open_device(inode, flags)
        assert isinstance(inode, RegularFile | BaseFile)
        if flags & abi.O_ACCMODE != abi.O_WRONLY:
            self._require_permission(inode, OWNER_READ)
        if writes:
            if isinstance(inode, BaseFile):
                raise SyscallError(Errno.EROFS)
            self._require_permission(inode, OWNER_WRITE)
            if flags & abi.O_TRUNC:
                self.tree.set_length(inode, 0)
        return OpenRegular(inode, flags, self.tree)

    def _open_device(self, device: Device, flags: int) -> OpenFile:
        if device.kind is DeviceKind.TTY:
            raise SyscallError(Errno.ENXIO)
        stream = _STREAM_OF_DEVICE.get(device.kind)
        if stream is None:
            return self.open_device(device, flags)
        # As /dev/stdin leads to whatever descriptor 0 is at the moment.
        file = self.descriptors.files.get(stream)
        if file is None:
            raise SyscallError(Errno.ENOENT)
        return file

    @staticmethod
    def _require_permission(inode: Inode, bit: int) -> None:
        if not inode.mode & bit:
            raise SyscallError(Errno.EACCES)

    def make_pipe(self) -> tuple[int, int]:
        """Do what `pipe` does.

        Returns:
            Descriptors of the read end and the write end.

        Raises:
            SyscallError: EMFILE.
        """
        read_fd = self.descriptors.free_number()
        write_fd = self.descriptors.free_number(read_fd + 1)
        pipe, inode = Pipe(), self._nameless()
        self.descriptors.install(read_fd, OpenPipe(inode, abi.O_RDONLY, pipe))
        self.descriptors.install(write_fd, OpenPipe(inode, abi.O_WRONLY, pipe))
        return read_fd, write_fd

    def open_device(self, device: Device, flags: int) -> OpenDevice:
        """Open a device that works by itself, by whatever name."""
        return OpenDevice(device, flags, self._random_bytes)

    # The host's side.

    @property
    def input(self) -> OpenInput:
        """Standard input, open or not."""
        return self._input

    def set_input(self, data: bytes) -> None:
        """Set what standard input gives from now on; after it comes the end of file."""
        self._input.data = data
        self._input.position = 0

    def use_sources(
        self, now_ns: Callable[[], int], random_bytes: Callable[[int], bytes]
    ) -> None:
        """Take time and randomness from other sources from now on.

        Args:
            now_ns: Wall clock, in nanoseconds since 1970.
            random_bytes: Source of randomness for /dev/urandom.
        """
        self.tree.now_ns = now_ns
        self._random_bytes = random_bytes

    def install_channel(self, fd: int, channel: Channel, *, guest_may_close: bool = False) -> None:
        """Put a channel of the host's behind a descriptor number; no path leads there.

        Args:
            fd: The number; above `open_files_max` the guest cannot take it by dup2.
            channel: Called for every read and write.
            guest_may_close: If not, closing or replacing it is EBADF for the guest.

        Raises:
            SyscallError: EBUSY if the number is in use.
        """
        if fd in self.descriptors.files:
            raise SyscallError(Errno.EBUSY)
        file = OpenChannel(self._nameless(), channel, guest_may_close=guest_may_close)
        self.descriptors.install(fd, file)

    def make_directories(self, path: str) -> Directory:
        """Make a directory and all above it, as far as they do not exist.

        Args:
            path: Absolute, or relative to the working directory.

        Raises:
            SyscallError: ENOTDIR if a file is in the way, EROFS, or as `Tree.walk`.
        """
        encoded = _encoded(path)
        here: Inode = self.tree.root if encoded.startswith(b"/") else self.working_directory
        for name in encoded.split(b"/"):
            if not isinstance(here, Directory):
                raise SyscallError(Errno.ENOTDIR)
            if not name:
                continue
            found = self.tree.walk(here, name, follow=True, slash=Slash.LEADS_IN)[2]
            if found is None:
                self.quotas.grant_to_host(entries=1)
                found = self.tree.make_directory(here, name, 0o755)
            here = found
        if not isinstance(here, Directory):
            raise SyscallError(Errno.ENOTDIR)
        return here

    def write_file(self, path: str, data: bytes | bytearray | memoryview) -> None:
        """Put a file of the host's into the tree, with the directories above it; quotas do not apply.

        Args:
            path: Absolute, or relative to the working directory.
            data: The whole content; replaces what was there.

        Raises:
            SyscallError: EISDIR if a directory has that name, EROFS, or as `Tree.walk`.
        """
        head, _, name = path.rpartition("/")
        start = self.make_directories(head or ("/" if path.startswith("/") else "."))
        directory, last, found = self.tree.walk(
            start, _encoded(name or "."), follow=True, slash=Slash.REFUSED
        )
        if found is None:
            self.quotas.grant_to_host(entries=1)
            found = self.tree.create_file(directory, last, 0o644)
        if isinstance(found, Directory):
            raise SyscallError(Errno.EISDIR)
        if not isinstance(found, RegularFile):
            raise SyscallError(Errno.EROFS)
        self.quotas.grant_to_host(content_bytes=max(0, len(data) - len(found.data)))
        self.tree.replace_content(found, data)

    def read_file(self, path: str) -> bytes:
        """Return the content of a regular file.

        Args:
            path: Absolute, or relative to the working directory.

        Raises:
            SyscallError: EISDIR, ENOENT, ..., as `Tree.walk`; EINVAL for a device.
        """
        found = self.tree.lookup(self.working_directory, _encoded(path))
        if isinstance(found, Directory):
            raise SyscallError(Errno.EISDIR)
        if not isinstance(found, RegularFile | BaseFile):
            raise SyscallError(Errno.EINVAL)
        return bytes(found.data)

    def mark(self) -> None:
        """Begin a new generation: `walk_changed` lists what changes from now on."""
        self.tree.generation += 1

    def walk_changed(self, root: str) -> list[tuple[str, bytearray]]:
        r"""List the regular files below a directory made, changed, renamed or linked since `mark`.

        Symbolic links are never followed, and nothing from the base layer is listed.

        Args:
            root: The directory; if the guest removed it or put something else there, there are none.

        Returns:
            Relative name and content, sorted by name. Bytes of a name that are not UTF-8 are shown
            as `\xNN`. The content is the file's own, not a copy: the next write changes it.
        """
        try:
            found = self.tree.lookup(self.tree.root, _encoded(root), follow=False)
        except SyscallError:
            return []
        changed: list[tuple[str, bytearray]] = []
        pending: list[tuple[bytes, Directory]] = []
        if isinstance(found, Directory):
            pending.append((b"", found))
        while pending:
            prefix, directory = pending.pop()
            for name, inode in directory.entries.items():
                if isinstance(inode, Directory):
                    pending.append((prefix + name + b"/", inode))
                elif isinstance(inode, RegularFile) and inode.generation >= self.tree.generation:
                    shown = (prefix + name).decode("utf-8", "backslashreplace")
                    changed.append((shown, inode.data))
        return sorted(changed)


def _encoded(path: str) -> bytes:
    """Turn a path of the host's into the guest's bytes; a NUL would end it early there."""
    encoded = path.encode("utf-8", "surrogateescape")
    if b"\0" in encoded:
        raise SyscallError(Errno.EINVAL)
    return encoded
