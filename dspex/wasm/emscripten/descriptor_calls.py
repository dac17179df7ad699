"""System calls that take a descriptor: read, write, seek, fcntl, poll, mmap, ...

Each method has the parameters of the import of the same name. The kinds of open files are in
`dspex.wasm.emscripten.descriptors`; here the guest's pointers are checked and its structures read.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.calls import Calls, negative_errno, positive_errno
from dspex.wasm.emscripten.descriptors import OpenDirectory, OpenRegular
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import Inode, RegularFile
from dspex.wasm.emscripten.memory import (
    POINTER_MASK,
    TWO_I32,
    TWO_U32,
    check,
    read_i32,
    span,
    write_i32,
    write_i64,
)

_DIRENT = Struct("<QqHB")
_DIRENT_NAME = 19
_POLLFD = Struct("<ihh")
_FDSTAT = Struct("<BxH4xQQ")
_TYPE_OF_MODE = {
    abi.S_IFIFO: abi.DT_FIFO,
    abi.S_IFCHR: abi.DT_CHR,
    abi.S_IFDIR: abi.DT_DIR,
    abi.S_IFREG: abi.DT_REG,
    abi.S_IFLNK: abi.DT_LNK,
}
_WASI_DIRECTORY = 3
_WASI_REGULAR = 4
_PAGE_BYTES = 65_536
_MAPPING_BYTES_MAX = 2**31 - _PAGE_BYTES
_WAIT_MS_MAX = 2**31 - 1


class DescriptorCalls(Calls):
    """The `fd_*` imports and those `__syscall_*` ones that work on open files."""

    __slots__ = ()

    # Reading and writing.

    def _vectors(self, vectors: int, count: int) -> Iterator[memoryview]:
        """Yield the buffers of a readv or writev, each checked when its turn comes."""
        if not 0 <= count <= abi.IOV_COUNT_MAX:
            raise SyscallError(Errno.EINVAL)
        view = self.memory.view
        start = check(view, vectors, TWO_U32.size * count)
        for at in range(start, start + TWO_U32.size * count, TWO_U32.size):
            pointer, length = TWO_U32.unpack_from(view, at)
            if length:
                yield span(view, pointer, length)

    @positive_errno
    def fd_read(self, fd: int, vectors: int, count: int, result: int) -> int:
        """Do what `readv` does."""
        file = self.fs.descriptors.get(fd)
        check(self.memory.view, result, 4)
        total = 0
        try:
            for target in self._vectors(vectors, count):
                got = file.read_into(target)
                total += got
                if got < len(target):
                    break
        except SyscallError:
            # What was read before the error must not be lost.
            if not total:
                raise
        if not total:
            file.check_readable()
        write_i32(self.memory.view, result, total)
        return 0

    @positive_errno
    def fd_write(self, fd: int, vectors: int, count: int, result: int) -> int:
        """Do what `writev` does."""
        file = self.fs.descriptors.get(fd)
        check(self.memory.view, result, 4)
        total = 0
        try:
            for data in self._vectors(vectors, count):
                taken = file.write(data)
                total += taken
                if taken < len(data):
                    break
        except SyscallError:
            if not total:
                raise
        if not total:
            file.check_writable()
        write_i32(self.memory.view, result, total)
        return 0

    @positive_errno
    def fd_pread(self, fd: int, vectors: int, count: int, offset: int, result: int) -> int:
        """Do what `preadv` does."""
        file = self.fs.descriptors.get(fd)
        check(self.memory.view, result, 4)
        if offset < 0:
            raise SyscallError(Errno.EINVAL)
        total = 0
        for target in self._vectors(vectors, count):
            got = file.read_at(offset + total, target)
            total += got
            if got < len(target):
                break
        if not total:
            file.check_readable()
        write_i32(self.memory.view, result, total)
        return 0

    @positive_errno
    def fd_pwrite(self, fd: int, vectors: int, count: int, offset: int, result: int) -> int:
        """Do what `pwritev` does."""
        file = self.fs.descriptors.get(fd)
        check(self.memory.view, result, 4)
        if offset < 0:
            raise SyscallError(Errno.EINVAL)
        total = 0
        try:
            for data in self._vectors(vectors, count):
                taken = file.write_at(offset + total, data)
                total += taken
                if taken < len(data):
                    break
        except SyscallError:
            if not total:
                raise
        if not total:
            file.check_writable()
        write_i32(self.memory.view, result, total)
        return 0

    @positive_errno
    def fd_seek(self, fd: int, offset: int, whence: int, result: int) -> int:
        """Do what `lseek` does."""
        file = self.fs.descriptors.get(fd)
        check(self.memory.view, result, 8)
        write_i64(self.memory.view, result, file.seek(offset, whence))
        return 0

    @positive_errno
    def fd_close(self, fd: int) -> int:
        """Do what `close` does."""
        self.fs.descriptors.close(fd)
        return 0

    @positive_errno
    def fd_sync(self, fd: int) -> int:
        """Do what `fsync` does: nothing is slower than memory here."""
        self.fs.descriptors.get(fd)
        return 0

    @positive_errno
    def fd_fdstat_get(self, fd: int, buffer: int) -> int:
        """Say what isatty(3) asks: directory, regular file, or (0) something else that is no terminal."""
        mode = self.fs.descriptors.get(fd).inode.mode & abi.S_IFMT
        kind = {abi.S_IFDIR: _WASI_DIRECTORY, abi.S_IFREG: _WASI_REGULAR}.get(mode, 0)
        view = self.memory.view
        _FDSTAT.pack_into(view, check(view, buffer, _FDSTAT.size), kind, 0, 0, 0)
        return 0

    @negative_errno
    def fdatasync(self, fd: int) -> int:
        """Do what `fdatasync` does."""
        self.fs.descriptors.get(fd)
        return 0

    @negative_errno
    def ftruncate64(self, fd: int, length: int) -> int:
        """Do what `ftruncate` does."""
        self.fs.descriptors.get(fd).set_length(length)
        return 0

    @negative_errno
    def fallocate(self, fd: int, mode: int, offset: int, length: int) -> int:
        """Do what `fallocate` does without flags: extend the file with zeros if it is shorter."""
        file = self.fs.descriptors.get(fd)
        if mode:
            raise SyscallError(Errno.EOPNOTSUPP)
        if offset < 0 or length <= 0:
            raise SyscallError(Errno.EINVAL)
        if not isinstance(file, OpenRegular):
            raise SyscallError(Errno.ESPIPE)
        if not file.writable:
            raise SyscallError(Errno.EBADF)
        if offset + length > file.inode.size:
            file.set_length(offset + length)
        return 0

    @negative_errno
    def fadvise64(self, fd: int, _offset: int, _length: int, _advice: int) -> int:
        """Do what `posix_fadvise` does: nothing, on an open descriptor."""
        self.fs.descriptors.get(fd)
        return 0

    # Descriptors themselves.

    @negative_errno
    def dup(self, fd: int) -> int:
        """Do what `dup` does."""
        return self.fs.descriptors.duplicate(fd)

    @negative_errno
    def dup3(self, fd: int, target: int, flags: int) -> int:
        """Do what `dup3` does."""
        if flags & ~abi.O_CLOEXEC:
            raise SyscallError(Errno.EINVAL)
        return self.fs.descriptors.duplicate_onto(fd, target, close_on_exec=bool(flags))

    @negative_errno
    def pipe(self, result: int) -> int:
        """Do what `pipe` does."""
        view = self.memory.view
        start = check(view, result, TWO_I32.size)
        TWO_I32.pack_into(view, start, *self.fs.make_pipe())
        return 0

    @negative_errno
    def fcntl64(self, fd: int, command: int, arguments: int) -> int:
        """Do what `fcntl` does with descriptors, flags and locks (which nobody else could hold)."""
        table = self.fs.descriptors
        file = table.get(fd)
        answer = 0
        if command in (abi.F_DUPFD, abi.F_DUPFD_CLOEXEC):
            at_least = read_i32(self.memory.view, arguments)
            close_on_exec = command == abi.F_DUPFD_CLOEXEC
            answer = table.duplicate(fd, at_least=at_least, close_on_exec=close_on_exec)
        elif command == abi.F_GETFD:
            answer = abi.FD_CLOEXEC if fd in table.close_on_exec else 0
        elif command == abi.F_SETFD:
            wanted = bool(read_i32(self.memory.view, arguments) & abi.FD_CLOEXEC)
            self._set_close_on_exec(fd, wanted=wanted)
        elif command == abi.F_GETFL:
            answer = file.flags & (abi.O_ACCMODE | abi.STATUS_FLAGS | abi.O_PATH)
        elif command == abi.F_SETFL:
            flags = read_i32(self.memory.view, arguments) & abi.STATUS_FLAGS
            file.flags = file.flags & ~abi.STATUS_FLAGS | flags
        elif command == abi.F_GETLK:
            view = self.memory.view
            lock = check(view, read_i32(view, arguments), 2)
            view[lock : lock + 2] = abi.F_UNLCK.to_bytes(2, "little")
        elif command not in (abi.F_SETLK, abi.F_SETLKW):
            raise SyscallError(Errno.EINVAL)
        return answer

    def _set_close_on_exec(self, fd: int, *, wanted: bool) -> None:
        if wanted:
            self.fs.descriptors.close_on_exec.add(fd)
        else:
            self.fs.descriptors.close_on_exec.discard(fd)

    @negative_errno
    def ioctl(self, fd: int, request: int, arguments: int) -> int:
        """Answer the few requests that are not for terminals; there are no terminals (ENOTTY)."""
        file = self.fs.descriptors.get(fd)
        view = self.memory.view
        if request in (abi.FIOCLEX, abi.FIONCLEX):
            self._set_close_on_exec(fd, wanted=request == abi.FIOCLEX)
        elif request == abi.FIONREAD:
            write_i32(view, read_i32(view, arguments), file.count_readable())
        elif request == abi.FIONBIO:
            wanted = read_i32(view, read_i32(view, arguments))
            file.flags = file.flags & ~abi.O_NONBLOCK | (abi.O_NONBLOCK if wanted else 0)
        else:
            raise SyscallError(Errno.ENOTTY)
        return 0

    @negative_errno
    def poll(self, descriptors: int, count: int, timeout_ms: int) -> int:
        """Do what `poll` does; EINTR if the guest is to be interrupted while it waits.

        Nothing but the host's channels can become ready while a guest waits that is alone, so it waits
        once and looks once more.
        """
        if not 0 <= count <= self.fs.quotas.open_files_max:
            raise SyscallError(Errno.EINVAL)
        ready = self._poll_once(descriptors, count)
        if ready or not timeout_ms:
            return ready
        wait_ms = timeout_ms if timeout_ms > 0 else _WAIT_MS_MAX
        if self.clock.wait_ns(wait_ms * 1_000_000):
            raise SyscallError(Errno.EINTR)
        return self._poll_once(descriptors, count)

    def _poll_once(self, descriptors: int, count: int) -> int:
        view = self.memory.view
        start = check(view, descriptors, _POLLFD.size * count)
        ready = 0
        for at in range(start, start + _POLLFD.size * count, _POLLFD.size):
            fd, wanted, _ = _POLLFD.unpack_from(view, at)
            file = self.fs.descriptors.files.get(fd)
            if file is not None:
                found = file.poll() & (wanted | abi.POLLERR | abi.POLLHUP)
            else:
                found = abi.POLLNVAL if fd >= 0 else 0
            _POLLFD.pack_into(view, at, fd, wanted, found)
            ready += bool(found)
        return ready

    # Directories.

    @negative_errno
    def getdents64(self, fd: int, buffer: int, size: int) -> int:
        """Do what `getdents64` does."""
        file = self.fs.descriptors.get(fd)
        if not isinstance(file, OpenDirectory):
            raise SyscallError(Errno.ENOTDIR)
        target = span(self.memory.view, buffer, size)
        names = file.list_names()
        records = bytearray()
        position = file.position
        while position < len(names):
            name = names[position]
            inode = file.inode_of(name)
            if inode is not None:
                record = _directory_record(name, inode, position + 1)
                if len(records) + len(record) > len(target):
                    break
                records += record
            position += 1
        if not records and position < len(names):
            raise SyscallError(Errno.EINVAL)
        file.position = position
        target[: len(records)] = records
        return len(records)

    # Files in memory.

    @negative_errno
    def mmap_js(  # noqa: PLR0917 - the import has these parameters
        self,
        length: int,
        protection: int,
        flags: int,
        fd: int,
        offset: int,
        allocated: int,
        address: int,
    ) -> int:
        """Do what `mmap` does with a file: copy it; a shared mapping is written back by msync and munmap."""
        file = self.fs.descriptors.get(fd)
        if not isinstance(file, OpenRegular):
            raise SyscallError(Errno.ENODEV)
        shared_write = protection & abi.PROT_WRITE and not flags & abi.MAP_PRIVATE
        if not file.readable or (shared_write and not file.writable):
            raise SyscallError(Errno.EACCES)
        length &= POINTER_MASK
        if not length or offset < 0:
            raise SyscallError(Errno.EINVAL)
        if length > _MAPPING_BYTES_MAX:
            raise SyscallError(Errno.ENOMEM)
        check(self.memory.view, allocated, 4)
        check(self.memory.view, address, 4)
        if self.allocate is None:
            raise SyscallError(Errno.ENODEV)
        pointer = self.allocate(_PAGE_BYTES, -(-length // _PAGE_BYTES) * _PAGE_BYTES)
        if not pointer:
            raise SyscallError(Errno.ENOMEM)
        # Allocating may have grown the memory: look at it again.
        view = self.memory.view
        target = span(view, pointer, length)
        copied = file.read_at(offset, target)
        tail = target[copied:]
        tail[:] = bytes(len(tail))
        write_i32(view, allocated, 1)
        write_i32(view, address, pointer)
        return 0

    @negative_errno
    def msync_js(
        self, address: int, length: int, _protection: int, flags: int, fd: int, offset: int
    ) -> int:
        """Do what `msync` does: write a shared mapping back, never past the end of the file."""
        file = self.fs.descriptors.get(fd)
        if not isinstance(file, OpenRegular):
            raise SyscallError(Errno.ENODEV)
        if flags & abi.MAP_PRIVATE or offset < 0:
            return 0
        if not isinstance(file.inode, RegularFile) or not file.writable:
            raise SyscallError(Errno.EBADF)
        data = span(self.memory.view, address, length)[: max(0, file.inode.size - offset)]
        file.tree.write_at(file.inode, offset, data)
        return 0

    @negative_errno
    def munmap_js(  # noqa: PLR0917 - the import has these parameters
        self, address: int, length: int, protection: int, flags: int, fd: int, offset: int
    ) -> int:
        """Do what `munmap` does before the C library frees the memory: write a shared mapping back."""
        if protection & abi.PROT_WRITE:
            return self.msync_js(address, length, protection, flags, fd, offset)
        self.fs.descriptors.get(fd)
        return 0


def _directory_record(name: bytes, inode: Inode, next_position: int) -> bytes:
    """Pack one `struct dirent`, padded so that the next one is aligned."""
    size = (_DIRENT_NAME + len(name) + 8) & ~7
    kind = _TYPE_OF_MODE[inode.mode & abi.S_IFMT]
    return (_DIRENT.pack(inode.number, next_position, size, kind) + name).ljust(size, b"\0")
