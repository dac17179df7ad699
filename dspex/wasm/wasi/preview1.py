"""The functions of `wasi_snapshot_preview1`, as plain methods on ints.

A giant because the interface is one: 46 functions, each with the parameters that the witx files give
it. Files are `dspex.wasm.emscripten`'s; what a path may reach, `dspex.wasm.wasi.beneath`'s. There
are no sockets and no signals: those functions answer with an error number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import ParamSpec

from dspex.wasm.emscripten import abi as linux
from dspex.wasm.emscripten.descriptor_calls import DescriptorCalls
from dspex.wasm.emscripten.descriptors import OpenDirectory, OpenFile, OpenRegular
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import Directory, Inode, Symlink
from dspex.wasm.emscripten.machine_calls import MachineCalls
from dspex.wasm.emscripten.memory import POINTER_MASK, check, span, write_i32, write_i64
from dspex.wasm.wasi import abi, beneath

P = ParamSpec("P")
_U64 = (1 << 64) - 1
_U64_TIME_MAX = (1 << 63) - 1


def _errno(method: Callable[P, int]) -> Callable[P, int]:
    """Return a refused call's error number, as preview 1 numbers it."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return method(*args, **kwargs)
        except SyscallError as error:
            return abi.ENOTSUP if error.errno is Errno.EOPNOTSUPP else +error.errno
        except beneath.LeadsOut:
            return abi.ENOTCAPABLE
        except MemoryError:
            return +Errno.ENOMEM

    return call


class Preview1(DescriptorCalls, MachineCalls):
    """The imports of one program.

    Attributes:
        arguments: What the program is called and its arguments.
        preopens: Names of the directories that were open when the program began, by descriptor.

    Example:
        >>> from types import SimpleNamespace
        >>> from dspex.wasm.emscripten.filesystem import MemoryFileSystem
        >>> memory = SimpleNamespace(view=memoryview(bytearray(65536)))
        >>> calls = Preview1(memory, MemoryFileSystem())
        >>> calls.fd_prestat_get(3, 0)
        8
    """

    __slots__ = ("arguments", "preopens")

    arguments: tuple[bytes, ...]
    preopens: dict[int, bytes]

    def begin(self, arguments: Sequence[bytes], environment: Sequence[bytes]) -> None:
        """Begin a program, with nothing opened yet."""
        self.arguments = tuple(arguments)
        self.environment = tuple(environment)
        self.preopens = {}

    def preopen(self, name: str, path: str) -> None:
        """Open a directory of the file system for the program, on the lowest free descriptor.

        Args:
            name: What the program calls it.
            path: Where it lies; made if it does not exist.
        """
        inode = self.fs.make_directories(path)
        descriptors = self.fs.descriptors
        file = OpenDirectory(inode, linux.O_RDONLY | linux.O_DIRECTORY, self.fs.tree)
        fd = descriptors.install(descriptors.free_number(), file)
        self.preopens[fd] = name.encode()

    def functions(self) -> dict[str, Callable[..., int | None]]:
        """Return what answers each import, by name."""
        return {name: getattr(self, method) for name, method in IMPLEMENTED.items()}

    # Arguments and environment.

    @_errno
    def args_sizes_get(self, count: int, size: int) -> int:
        """Say how many arguments there are, and how many bytes they take."""
        view = self.memory.view
        write_i32(view, count, len(self.arguments))
        write_i32(view, size, sum(map(len, self.arguments)) + len(self.arguments))
        return 0

    @_errno
    def args_get(self, pointers: int, buffer: int) -> int:
        """Copy the arguments, and a pointer to each."""
        view = self.memory.view
        at = buffer & POINTER_MASK
        for index, argument in enumerate(self.arguments):
            write_i32(view, (pointers & POINTER_MASK) + 4 * index, at)
            span(view, at, len(argument) + 1)[:] = argument + b"\0"
            at += len(argument) + 1
        return 0

    # Descriptors.

    @_errno
    def fd_advise(self, fd: int, _offset: int, _length: int, advice: int) -> int:
        """Take advice on a file and do nothing."""
        self._file(fd)
        if not 0 <= advice <= _ADVICE_MAX:
            raise SyscallError(Errno.EINVAL)
        return 0

    @_errno
    def fd_allocate(self, fd: int, offset: int, length: int) -> int:
        """Extend a file with zeros if it is shorter."""
        file = self._file(fd)
        if offset < 0 or length <= 0:
            raise SyscallError(Errno.EINVAL)
        if not file.writable:
            raise SyscallError(Errno.EBADF)
        if offset + length > file.inode.size:
            file.set_length(offset + length)
        return 0

    @_errno
    def fd_close(self, fd: int) -> int:
        """Close a descriptor, one that was open at the start too."""
        self.fs.descriptors.close(fd)
        self.preopens.pop(fd, None)
        return 0

    @_errno
    def fd_datasync(self, fd: int) -> int:
        """Do nothing, on an open descriptor."""
        self.fs.descriptors.get(fd)
        return 0

    @_errno
    def fd_fdstat_get(self, fd: int, result: int) -> int:
        """Describe a descriptor: type, flags, and the rights that follow from how it was opened."""
        file = self.fs.descriptors.get(fd)
        rights, inheriting = _rights(file)
        flags = abi.FDFLAG_APPEND * bool(file.flags & linux.O_APPEND)
        flags |= abi.FDFLAG_NONBLOCK * bool(file.flags & linux.O_NONBLOCK)
        view = self.memory.view
        start = check(view, result, abi.FDSTAT.size)
        abi.FDSTAT.pack_into(view, start, _type(file.inode), flags, rights, inheriting)
        return 0

    @_errno
    def fd_fdstat_set_flags(self, fd: int, flags: int) -> int:
        """Change the flags for appending and for not blocking; the ones about disks change nothing."""
        file = self.fs.descriptors.get(fd)
        if flags & ~abi.FDFLAGS_ALL:
            raise SyscallError(Errno.EINVAL)
        file.flags = file.flags & ~linux.STATUS_FLAGS | _status_flags(flags)
        return 0

    @_errno
    def fd_fdstat_set_rights(self, fd: int, _base: int, _inheriting: int) -> int:
        """Refuse: rights follow from how a file was opened, and are not kept apart."""
        self.fs.descriptors.get(fd)
        raise SyscallError(Errno.EOPNOTSUPP)

    @_errno
    def fd_filestat_get(self, fd: int, result: int) -> int:
        """Describe what a descriptor leads to."""
        return self._write_filestat(self.fs.descriptors.get(fd).inode, result)

    @_errno
    def fd_filestat_set_size(self, fd: int, size: int) -> int:
        """Cut a file off, or extend it with zeros."""
        self._file(fd).set_length(size)
        return 0

    @_errno
    def fd_filestat_set_times(self, fd: int, atime: int, mtime: int, flags: int) -> int:
        """Set times of what a descriptor leads to."""
        self._set_times(self.fs.descriptors.get(fd).inode, atime, mtime, flags)
        return 0

    @_errno
    def fd_prestat_get(self, fd: int, result: int) -> int:
        """Say how long the name of a directory is that was open at the start."""
        view = self.memory.view
        start = check(view, result, abi.PRESTAT.size)
        abi.PRESTAT.pack_into(view, start, 0, len(self._preopen(fd)))
        return 0

    @_errno
    def fd_prestat_dir_name(self, fd: int, buffer: int, size: int) -> int:
        """Copy the name of a directory that was open at the start."""
        name = self._preopen(fd)
        if size & POINTER_MASK < len(name):
            raise SyscallError(Errno.ENAMETOOLONG)
        span(self.memory.view, buffer, len(name))[:] = name
        return 0

    def _preopen(self, fd: int) -> bytes:
        name = self.preopens.get(fd)
        if name is None:
            raise SyscallError(Errno.EBADF)
        return name

    @_errno
    def fd_readdir(self, fd: int, buffer: int, size: int, cookie: int, result: int) -> int:
        """List a directory from the entry `cookie` on; the last record may be cut off by the buffer."""
        file = self.fs.descriptors.get(fd)
        if not isinstance(file, OpenDirectory):
            raise SyscallError(Errno.ENOTDIR)
        view = self.memory.view
        target = span(view, buffer, size)
        check(view, result, 4)
        if not cookie:
            file.seek(0, linux.SEEK_SET)
        names = file.list_names()
        used, position = 0, cookie & _U64
        while position < len(names) and used < len(target):
            name = names[position]
            position += 1
            inode = file.inode_of(name)
            if inode is None:
                continue
            record = abi.DIRENT.pack(position, inode.number, len(name), _type(inode)) + name
            piece = record[: len(target) - used]
            target[used : used + len(piece)] = piece
            used += len(piece)
        write_i32(view, result, used)
        return 0

    @_errno
    def fd_renumber(self, fd: int, target: int) -> int:
        """Move a descriptor onto another open one, which is closed."""
        descriptors = self.fs.descriptors
        descriptors.get(fd)
        descriptors.get(target)
        if fd == target:
            return 0
        descriptors.duplicate_onto(fd, target)
        descriptors.close(fd)
        self.preopens.pop(target, None)
        name = self.preopens.pop(fd, None)
        if name is not None:
            self.preopens[target] = name
        return 0

    @_errno
    def fd_tell(self, fd: int, result: int) -> int:
        """Say where in a file the next read begins."""
        file = self.fs.descriptors.get(fd)
        check(self.memory.view, result, 8)
        write_i64(self.memory.view, result, file.seek(0, linux.SEEK_CUR))
        return 0

    def _file(self, fd: int) -> OpenFile:
        """Return an open file that has content: nothing else has a size to change."""
        file = self.fs.descriptors.get(fd)
        if isinstance(file, OpenDirectory):
            raise SyscallError(Errno.EBADF)
        if not isinstance(file, OpenRegular):
            raise SyscallError(Errno.ESPIPE)
        return file

    # Paths.

    def _path(self, pointer: int, length: int) -> bytes:
        return bytes(span(self.memory.view, pointer, length))

    def _find(
        self, fd: int, pointer: int, length: int, *, follow: bool = False
    ) -> tuple[Directory, bytes]:
        """Take a path apart that begins at an open directory."""
        base = self.fs.descriptors.get(fd).inode
        if not isinstance(base, Directory):
            raise SyscallError(Errno.ENOTDIR)
        path = self._path(pointer, min(length & POINTER_MASK, linux.PATH_BYTES_MAX))
        return beneath.find(self.fs.tree, base, path, follow=follow)

    def _inode(self, fd: int, lookup: int, pointer: int, length: int) -> Inode:
        follow = bool(lookup & abi.LOOKUP_FOLLOW)
        directory, name = self._find(fd, pointer, length, follow=follow)
        return self.fs.tree.lookup(directory, name, follow=False)

    @_errno
    def path_create_directory(self, fd: int, path: int, length: int) -> int:
        """Make a directory."""
        directory, name = self._find(fd, path, length)
        self.fs.tree.make_directory(directory, name, 0o777)
        return 0

    @_errno
    def path_filestat_get(self, fd: int, lookup: int, path: int, length: int, result: int) -> int:
        """Describe what a path stands for."""
        return self._write_filestat(self._inode(fd, lookup, path, length), result)

    @_errno
    def path_filestat_set_times(  # noqa: PLR0917 - the import has these parameters
        self, fd: int, lookup: int, path: int, length: int, atime: int, mtime: int, flags: int
    ) -> int:
        """Set times of what a path stands for."""
        self._set_times(self._inode(fd, lookup, path, length), atime, mtime, flags)
        return 0

    @_errno
    def path_link(  # noqa: PLR0917 - the import has these parameters
        self, old_fd: int, lookup: int, old: int, old_length: int,
        new_fd: int, new: int, new_length: int,
    ) -> int:
        """Give a file a second name; links themselves are not followed."""
        if lookup & abi.LOOKUP_FOLLOW:
            raise SyscallError(Errno.EINVAL)
        source, old_name = self._find(old_fd, old, old_length)
        target, new_name = self._find(new_fd, new, new_length)
        self.fs.tree.make_link(source, old_name, target, new_name)
        return 0

    @_errno
    def path_open(  # noqa: PLR0917 - the import has these parameters
        self, fd: int, lookup: int, path: int, length: int, how: int,
        rights: int, _inheriting: int, flags: int, result: int,
    ) -> int:
        """Open or make a file; whether for reading or writing follows from the rights asked for."""
        check(self.memory.view, result, 4)
        directory, name = self._find(fd, path, length, follow=bool(lookup & abi.LOOKUP_FOLLOW))
        opened = self.fs.open_from(directory, name, _open_flags(how, rights, flags))
        write_i32(self.memory.view, result, opened)
        return 0

    @_errno
    def path_readlink(  # noqa: PLR0917 - the import has these parameters
        self, fd: int, path: int, length: int, buffer: int, size: int, result: int
    ) -> int:
        """Copy where a link leads, cut off to fit."""
        view = self.memory.view
        check(view, result, 4)
        found = self._inode(fd, 0, path, length)
        if not isinstance(found, Symlink):
            raise SyscallError(Errno.EINVAL)
        text = found.target[: size & POINTER_MASK]
        span(view, buffer, len(text))[:] = text
        write_i32(view, result, len(text))
        return 0

    @_errno
    def path_remove_directory(self, fd: int, path: int, length: int) -> int:
        """Remove an empty directory."""
        directory, name = self._find(fd, path, length)
        self.fs.tree.remove_directory(directory, name)
        return 0

    @_errno
    def path_rename(  # noqa: PLR0917 - the import has these parameters
        self, fd: int, old: int, old_length: int, new_fd: int, new: int, new_length: int
    ) -> int:
        """Rename, replacing what had the new name."""
        source, old_name = self._find(fd, old, old_length)
        target, new_name = self._find(new_fd, new, new_length)
        self.fs.tree.rename(source, old_name, target, new_name)
        return 0

    @_errno
    def path_symlink(
        self, target: int, target_length: int, fd: int, path: int, length: int
    ) -> int:
        """Make a link; one that could only lead out is refused at once."""
        text = self._path(target, min(target_length & POINTER_MASK, linux.PATH_BYTES_MAX))
        if text.startswith(b"/"):
            raise beneath.LeadsOut
        if b"\0" in text:
            raise SyscallError(Errno.EILSEQ)
        directory, name = self._find(fd, path, length)
        self.fs.tree.make_symlink(directory, name, text)
        return 0

    @_errno
    def path_unlink_file(self, fd: int, path: int, length: int) -> int:
        """Remove a name of a file."""
        directory, name = self._find(fd, path, length)
        self.fs.tree.unlink(directory, name)
        return 0

    def _write_filestat(self, inode: Inode, result: int) -> int:
        view = self.memory.view
        start = check(view, result, abi.FILESTAT.size)
        times = (inode.atime_ns, inode.mtime_ns, inode.ctime_ns)
        abi.FILESTAT.pack_into(
            view, start, 1, inode.number, _type(inode), inode.links, inode.size,
            *(max(0, one) for one in times),
        )
        return 0

    def _set_times(self, inode: Inode, atime: int, mtime: int, flags: int) -> None:
        if flags & abi.TIME_ATIM and flags & abi.TIME_ATIM_NOW:
            raise SyscallError(Errno.EINVAL)
        if flags & abi.TIME_MTIM and flags & abi.TIME_MTIM_NOW:
            raise SyscallError(Errno.EINVAL)
        now = self.fs.tree.now_ns()
        wanted_a = now if flags & abi.TIME_ATIM_NOW else _time(atime)
        wanted_m = now if flags & abi.TIME_MTIM_NOW else _time(mtime)
        self.fs.tree.set_times(
            inode,
            wanted_a if flags & (abi.TIME_ATIM | abi.TIME_ATIM_NOW) else None,
            wanted_m if flags & (abi.TIME_MTIM | abi.TIME_MTIM_NOW) else None,
        )

    # Waiting.

    @_errno
    def poll_oneoff(self, subscriptions: int, events: int, count: int, result: int) -> int:
        """Wait for the first of some events. Files and streams are always ready; clocks are not."""
        if not 0 < count <= abi.SUBSCRIPTIONS_MAX:
            raise SyscallError(Errno.EINVAL)
        view = self.memory.view
        start = check(view, subscriptions, abi.SUBSCRIPTION.size * count)
        check(view, events, abi.EVENT.size * count)
        check(view, result, 4)
        clocks: list[tuple[int, int]] = []
        ready: list[bytes] = []
        for at in range(start, start + abi.SUBSCRIPTION.size * count, abi.SUBSCRIPTION.size):
            userdata, kind, which, timeout, _, flags = abi.SUBSCRIPTION.unpack_from(view, at)
            if kind == abi.EVENT_CLOCK:
                try:
                    clocks.append((userdata, self._left_ns(which, timeout, flags)))
                except SyscallError as error:
                    ready.append(_event(userdata, abi.EVENT_CLOCK, error.errno))
            elif kind in (abi.EVENT_READ, abi.EVENT_WRITE):
                ready.append(self._ready_file(userdata, kind, which))
            else:
                raise SyscallError(Errno.EINVAL)
        waited = 0
        if not ready and clocks:
            waited = max(0, min(left for _, left in clocks))
            if waited and self.clock.wait_ns(waited):
                raise SyscallError(Errno.EINTR)
        ready += [_event(data, abi.EVENT_CLOCK, 0) for data, left in clocks if left <= waited]
        for index, event in enumerate(ready):
            span(view, (events & POINTER_MASK) + abi.EVENT.size * index, abi.EVENT.size)[:] = event
        write_i32(view, result, len(ready))
        return 0

    def _left_ns(self, clock: int, timeout: int, flags: int) -> int:
        sources = (self.clock.now_ns, self.clock.monotonic_ns, self.clock.cpu_ns, self.clock.cpu_ns)
        if not 0 <= clock < len(sources):
            raise SyscallError(Errno.EINVAL)
        timeout = min(timeout, _U64_TIME_MAX)
        return timeout - sources[clock]() if flags & abi.CLOCK_ABSOLUTE else timeout

    def _ready_file(self, userdata: int, kind: int, fd: int) -> bytes:
        file = self.fs.descriptors.files.get(fd)
        if file is None:
            return _event(userdata, kind, Errno.EBADF)
        waiting = 0
        if kind == abi.EVENT_READ:
            try:
                waiting = file.count_readable()
            except SyscallError:
                waiting = 0
        return _event(userdata, kind, 0, waiting)

    # The rest.

    def sched_yield(self) -> int:
        """Do nothing: there is nobody to yield to."""
        return 0

    def proc_raise(self, _signal: int) -> int:
        """Refuse: there are no signals."""
        return abi.ENOTSUP

    @_errno
    def sock_refuse(self, fd: int, *_arguments: int) -> int:
        """Do what every call on a socket does with something else."""
        self.fs.descriptors.get(fd)
        raise SyscallError(Errno.ENOTSOCK)


IMPLEMENTED = {
    "args_get": "args_get",
    "args_sizes_get": "args_sizes_get",
    "environ_get": "environ_get",
    "environ_sizes_get": "environ_sizes_get",
    "clock_res_get": "clock_res_get",
    "clock_time_get": "clock_time_get",
    "fd_advise": "fd_advise",
    "fd_allocate": "fd_allocate",
    "fd_close": "fd_close",
    "fd_datasync": "fd_datasync",
    "fd_fdstat_get": "fd_fdstat_get",
    "fd_fdstat_set_flags": "fd_fdstat_set_flags",
    "fd_fdstat_set_rights": "fd_fdstat_set_rights",
    "fd_filestat_get": "fd_filestat_get",
    "fd_filestat_set_size": "fd_filestat_set_size",
    "fd_filestat_set_times": "fd_filestat_set_times",
    "fd_pread": "fd_pread",
    "fd_prestat_dir_name": "fd_prestat_dir_name",
    "fd_prestat_get": "fd_prestat_get",
    "fd_pwrite": "fd_pwrite",
    "fd_read": "fd_read",
    "fd_readdir": "fd_readdir",
    "fd_renumber": "fd_renumber",
    "fd_seek": "fd_seek",
    "fd_sync": "fd_sync",
    "fd_tell": "fd_tell",
    "fd_write": "fd_write",
    "path_create_directory": "path_create_directory",
    "path_filestat_get": "path_filestat_get",
    "path_filestat_set_times": "path_filestat_set_times",
    "path_link": "path_link",
    "path_open": "path_open",
    "path_readlink": "path_readlink",
    "path_remove_directory": "path_remove_directory",
    "path_rename": "path_rename",
    "path_symlink": "path_symlink",
    "path_unlink_file": "path_unlink_file",
    "poll_oneoff": "poll_oneoff",
    "proc_exit": "exit",
    "proc_raise": "proc_raise",
    "random_get": "random_get",
    "sched_yield": "sched_yield",
    "sock_accept": "sock_refuse",
    "sock_recv": "sock_refuse",
    "sock_send": "sock_refuse",
    "sock_shutdown": "sock_refuse",
}
"""Import name to name of the method of `Preview1` that answers it."""

SIGNATURES = {
    "args_get": "ii", "args_sizes_get": "ii", "environ_get": "ii", "environ_sizes_get": "ii",
    "clock_res_get": "ii", "clock_time_get": "iIi", "fd_advise": "iIIi", "fd_allocate": "iII",
    "fd_close": "i", "fd_datasync": "i", "fd_fdstat_get": "ii", "fd_fdstat_set_flags": "ii",
    "fd_fdstat_set_rights": "iII", "fd_filestat_get": "ii", "fd_filestat_set_size": "iI",
    "fd_filestat_set_times": "iIIi", "fd_pread": "iiiIi", "fd_prestat_dir_name": "iii",
    "fd_prestat_get": "ii", "fd_pwrite": "iiiIi", "fd_read": "iiii", "fd_readdir": "iiiIi",
    "fd_renumber": "ii", "fd_seek": "iIii", "fd_sync": "i", "fd_tell": "ii", "fd_write": "iiii",
    "path_create_directory": "iii", "path_filestat_get": "iiiii",
    "path_filestat_set_times": "iiiiIIi", "path_link": "iiiiiii", "path_open": "iiiiiIIii",
    "path_readlink": "iiiiii", "path_remove_directory": "iii", "path_rename": "iiiiii",
    "path_symlink": "iiiii", "path_unlink_file": "iii", "poll_oneoff": "iiii",
    "proc_raise": "i", "random_get": "ii", "sched_yield": "", "sock_accept": "iii",
    "sock_recv": "iiiiii", "sock_send": "iiiii", "sock_shutdown": "ii", "proc_exit": "i",
}
"""Parameters of each import: i for i32, I for i64; all but `proc_exit` return an i32."""

_ADVICE_MAX = 5


def _type(inode: Inode) -> int:
    return abi.TYPES.get(inode.mode & linux.S_IFMT, abi.TYPE_UNKNOWN)


def _rights(file: OpenFile) -> tuple[int, int]:
    """Return the rights that an open file has, and those that what is opened from it can have."""
    if isinstance(file, OpenDirectory):
        return abi.RIGHTS_OF_DIRECTORY, abi.RIGHTS_ALL
    rights = abi.RIGHTS_OF_FILE if isinstance(file, OpenRegular) else abi.RIGHTS_OF_STREAM
    if file.readable:
        rights |= abi.RIGHT_FD_READ
    if file.writable:
        rights |= abi.RIGHTS_TO_CHANGE if isinstance(file, OpenRegular) else abi.RIGHT_FD_WRITE
    return rights, 0


def _status_flags(flags: int) -> int:
    return (
        linux.O_APPEND * bool(flags & abi.FDFLAG_APPEND)
        | linux.O_NONBLOCK * bool(flags & abi.FDFLAG_NONBLOCK)
    )


def _open_flags(how: int, rights: int, flags: int) -> int:
    """Write what path_open was asked for as open(2) has it."""
    wanted = linux.O_NOFOLLOW | _status_flags(flags)
    if how & abi.OFLAG_DIRECTORY:
        wanted |= linux.O_DIRECTORY
    elif rights & abi.RIGHTS_TO_CHANGE:
        reads = rights & (abi.RIGHT_FD_READ | abi.RIGHT_FD_READDIR)
        wanted |= linux.O_RDWR if reads else linux.O_WRONLY
    if how & abi.OFLAG_CREAT:
        wanted |= linux.O_CREAT
    if how & abi.OFLAG_EXCL:
        wanted |= linux.O_EXCL
    if how & abi.OFLAG_TRUNC:
        wanted |= linux.O_TRUNC
    return wanted


def _time(nanoseconds: int) -> int:
    return min(nanoseconds & _U64, _U64_TIME_MAX)


def _event(userdata: int, kind: int, errno: int, readable_bytes: int = 0) -> bytes:
    return abi.EVENT.pack(userdata, errno, kind, readable_bytes, 0)
