"""System calls that take a path: stat, mkdir, rename, ...

Each method has the parameters of the import of the same name and copies strings and structures between
the guest's memory and `dspex.wasm.emscripten.filesystem`, which has the semantics.
"""

from __future__ import annotations

from struct import Struct

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.calls import Calls, negative_errno
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import Inode, Symlink
from dspex.wasm.emscripten.memory import check, read_i32, read_string, span

NS_PER_S = 1_000_000_000

_STAT = Struct("<6IqiiqI4xqI4xqI4xQ")
_STATFS = Struct("<IIqqqqq8xIII20x")
_TIMESPEC_PAIR = Struct("<qi4xqi4x")
_TMPFS_MAGIC = 0x01021994


class PathCalls(Calls):
    """The `__syscall_*` imports that name files by path."""

    __slots__ = ()

    def _path(self, pointer: int) -> bytes:
        return read_string(self.memory.view, pointer)

    # Looking.

    def _write_stat(self, inode: Inode, buffer: int) -> int:
        view = self.memory.view
        start = check(view, buffer, _STAT.size)
        size = inode.size
        _STAT.pack_into(
            view,
            start,
            1,
            inode.mode,
            inode.links,
            0,
            0,
            inode.device_number,
            size,
            abi.BLOCK_BYTES,
            (size + 511) >> 9,
            *divmod(inode.atime_ns, NS_PER_S),
            *divmod(inode.mtime_ns, NS_PER_S),
            *divmod(inode.ctime_ns, NS_PER_S),
            inode.number,
        )
        return 0

    @negative_errno
    def stat64(self, path: int, buffer: int) -> int:
        """Do what `stat` does."""
        return self._write_stat(self.fs.lookup_at(abi.AT_FDCWD, self._path(path)), buffer)

    @negative_errno
    def lstat64(self, path: int, buffer: int) -> int:
        """Do what `lstat` does."""
        found = self.fs.lookup_at(abi.AT_FDCWD, self._path(path), follow=False)
        return self._write_stat(found, buffer)

    @negative_errno
    def fstat64(self, fd: int, buffer: int) -> int:
        """Do what `fstat` does."""
        return self._write_stat(self.fs.descriptors.get(fd).inode, buffer)

    @negative_errno
    def newfstatat(self, dirfd: int, path: int, buffer: int, flags: int) -> int:
        """Do what `fstatat` does."""
        return self._write_stat(self._inode_at(dirfd, path, flags), buffer)

    def _inode_at(self, dirfd: int, path: int, flags: int) -> Inode:
        name = self._path(path)
        if not name and flags & abi.AT_EMPTY_PATH:
            if dirfd == abi.AT_FDCWD:
                return self.fs.working_directory
            return self.fs.descriptors.get(dirfd).inode
        return self.fs.lookup_at(dirfd, name, follow=not flags & abi.AT_SYMLINK_NOFOLLOW)

    @negative_errno
    def faccessat(self, dirfd: int, path: int, mode: int, flags: int) -> int:
        """Do what `faccessat` does, with the owner's bits."""
        if mode & ~(abi.R_OK | abi.W_OK | abi.X_OK):
            raise SyscallError(Errno.EINVAL)
        found = self._inode_at(dirfd, path, flags)
        if mode & abi.W_OK and found.fixed and found.mode & abi.S_IFMT != abi.S_IFCHR:
            raise SyscallError(Errno.EROFS)
        if (found.mode >> 6) & mode != mode:
            raise SyscallError(Errno.EACCES)
        return 0

    @negative_errno
    def readlinkat(self, dirfd: int, path: int, buffer: int, size: int) -> int:
        """Do what `readlinkat` does: no NUL, cut off at the size of the buffer."""
        if size <= 0:
            raise SyscallError(Errno.EINVAL)
        found = self.fs.lookup_at(dirfd, self._path(path), follow=False)
        if not isinstance(found, Symlink):
            raise SyscallError(Errno.EINVAL)
        target = found.target[:size]
        span(self.memory.view, buffer, len(target))[:] = target
        return len(target)

    @negative_errno
    def getcwd(self, buffer: int, size: int) -> int:
        """Do what `getcwd` does; the length that is returned includes the NUL."""
        if not size:
            raise SyscallError(Errno.EINVAL)
        path = self.fs.tree.path_of(self.fs.working_directory) + b"\0"
        if size & 0xFFFFFFFF < len(path):
            raise SyscallError(Errno.ERANGE)
        span(self.memory.view, buffer, len(path))[:] = path
        return len(path)

    @negative_errno
    def statfs64(self, path: int, _size: int, buffer: int) -> int:
        """Do what `statfs` does: the quotas as a disk."""
        self.fs.lookup_at(abi.AT_FDCWD, self._path(path))
        return self._write_statfs(buffer)

    @negative_errno
    def fstatfs64(self, fd: int, _size: int, buffer: int) -> int:
        """Do what `fstatfs` does."""
        self.fs.descriptors.get(fd)
        return self._write_statfs(buffer)

    def _write_statfs(self, buffer: int) -> int:
        view, quotas = self.memory.view, self.fs.quotas
        start = check(view, buffer, _STATFS.size)
        free = max(0, quotas.bytes_free) // abi.BLOCK_BYTES
        _STATFS.pack_into(
            view,
            start,
            _TMPFS_MAGIC,
            abi.BLOCK_BYTES,
            quotas.bytes_allowed // abi.BLOCK_BYTES,
            free,
            free,
            quotas.entries_allowed,
            max(0, quotas.entries_allowed - quotas.entries_used),
            abi.NAME_BYTES_MAX,
            abi.BLOCK_BYTES,
            0,
        )
        return 0

    # Changing.

    @negative_errno
    def openat(self, dirfd: int, path: int, flags: int, arguments: int) -> int:
        """Do what `openat` does; the mode is the first of the variable arguments."""
        creates = flags & (abi.O_CREAT | abi.O_TMPFILE & ~abi.O_DIRECTORY)
        mode = read_i32(self.memory.view, arguments) if creates and arguments else 0
        return self.fs.open(self._path(path), flags, mode, dirfd)

    @negative_errno
    def chdir(self, path: int) -> int:
        """Do what `chdir` does."""
        self.fs.change_directory(self.fs.lookup_at(abi.AT_FDCWD, self._path(path)))
        return 0

    @negative_errno
    def fchdir(self, fd: int) -> int:
        """Do what `fchdir` does."""
        self.fs.change_directory(self.fs.descriptors.get(fd).inode)
        return 0

    @negative_errno
    def chmod(self, path: int, mode: int) -> int:
        """Do what `chmod` does."""
        self.fs.tree.change_mode(self.fs.lookup_at(abi.AT_FDCWD, self._path(path)), mode)
        return 0

    @negative_errno
    def fchmod(self, fd: int, mode: int) -> int:
        """Do what `fchmod` does."""
        self.fs.tree.change_mode(self.fs.descriptors.get(fd).inode, mode)
        return 0

    @negative_errno
    def fchmodat2(self, dirfd: int, path: int, mode: int, flags: int) -> int:
        """Do what `fchmodat2` does."""
        self.fs.tree.change_mode(self._inode_at(dirfd, path, flags), mode)
        return 0

    @negative_errno
    def fchownat(self, dirfd: int, path: int, owner: int, group: int, flags: int) -> int:
        """Do what `fchownat` does where there is one user: allow what changes nothing."""
        return self._change_owner(self._inode_at(dirfd, path, flags), owner, group)

    @negative_errno
    def fchown32(self, fd: int, owner: int, group: int) -> int:
        """Do what `fchown` does where there is one user."""
        return self._change_owner(self.fs.descriptors.get(fd).inode, owner, group)

    @staticmethod
    def _change_owner(inode: Inode, owner: int, group: int) -> int:
        if owner not in (0, -1) or group not in (0, -1):
            raise SyscallError(Errno.EPERM)
        if inode.fixed:
            raise SyscallError(Errno.EROFS)
        return 0

    @negative_errno
    def utimensat(self, dirfd: int, path: int, times: int, flags: int) -> int:
        """Do what `utimensat` does; without a path it is futimens(3)."""
        descriptors = self.fs.descriptors
        found = self._inode_at(dirfd, path, flags) if path else descriptors.get(dirfd).inode
        now = self.fs.tree.now_ns()
        atime: int | None = now
        mtime: int | None = now
        if times:
            view = self.memory.view
            start = check(view, times, _TIMESPEC_PAIR.size)
            atime_s, atime_part, mtime_s, mtime_part = _TIMESPEC_PAIR.unpack_from(view, start)
            atime = _time_ns(atime_s, atime_part, now)
            mtime = _time_ns(mtime_s, mtime_part, now)
        self.fs.tree.set_times(found, atime, mtime)
        return 0

    @negative_errno
    def truncate64(self, path: int, length: int) -> int:
        """Do what `truncate` does."""
        name = self._path(path)
        self.fs.tree.truncate(self.fs.working_directory, name, length)
        return 0

    # Names.

    @negative_errno
    def mkdirat(self, dirfd: int, path: int, mode: int) -> int:
        """Do what `mkdirat` does."""
        name = self._path(path)
        self.fs.tree.make_directory(self.fs.start_for(dirfd, name), name, mode)
        return 0

    @negative_errno
    def mknodat(self, dirfd: int, path: int, mode: int, _device: int) -> int:
        """Make a regular file, which is what mknod(2) may do without privileges; no FIFOs."""
        if mode & abi.S_IFMT not in (0, abi.S_IFREG):
            raise SyscallError(Errno.EPERM)
        name = self._path(path)
        fd = self.fs.open(name, abi.O_WRONLY | abi.O_CREAT | abi.O_EXCL, mode, dirfd)
        self.fs.descriptors.close(fd)
        return 0

    @negative_errno
    def unlinkat(self, dirfd: int, path: int, flags: int) -> int:
        """Do what `unlinkat` does."""
        name = self._path(path)
        start = self.fs.start_for(dirfd, name)
        if not flags:
            self.fs.tree.unlink(start, name)
        elif flags == abi.AT_REMOVEDIR:
            self.fs.tree.remove_directory(start, name)
        else:
            raise SyscallError(Errno.EINVAL)
        return 0

    @negative_errno
    def rmdir(self, path: int) -> int:
        """Do what `rmdir` does."""
        self.fs.tree.remove_directory(self.fs.working_directory, self._path(path))
        return 0

    @negative_errno
    def renameat(self, old_dirfd: int, old: int, new_dirfd: int, new: int) -> int:
        """Do what `renameat` does."""
        source, target = self._path(old), self._path(new)
        old_start = self.fs.start_for(old_dirfd, source)
        new_start = self.fs.start_for(new_dirfd, target)
        self.fs.tree.rename(old_start, source, new_start, target)
        return 0

    @negative_errno
    def symlinkat(self, target: int, dirfd: int, path: int) -> int:
        """Do what `symlinkat` does."""
        name = self._path(path)
        self.fs.tree.make_symlink(self.fs.start_for(dirfd, name), name, self._path(target))
        return 0

    def set_umask(self, mask: int) -> int:
        """Do what `umask` does: set it and return the old one."""
        old, self.fs.tree.umask = self.fs.tree.umask, mask & 0o777
        return old


def _time_ns(seconds: int, nanoseconds: int, now_ns: int) -> int | None:
    """Turn one of utimensat's times into nanoseconds; None leaves the time as it is."""
    if nanoseconds == abi.UTIME_NOW:
        return now_ns
    if nanoseconds == abi.UTIME_OMIT:
        return None
    if not 0 <= nanoseconds < NS_PER_S:
        raise SyscallError(Errno.EINVAL)
    return seconds * NS_PER_S + nanoseconds
