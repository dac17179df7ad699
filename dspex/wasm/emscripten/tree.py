"""The tree of names: path walking with Linux's rules, and every change of names and content.

It knows nothing of file descriptors, the working directory or the guest's memory: paths are bytes and
start at a directory the caller gives (`dspex.wasm.emscripten.filesystem` keeps those). All names
come from the guest, so whatever is wrong with them ends in a `SyscallError`.

Permissions: there is one user, number 0, to whom the owner's bits apply as to an ordinary user.
Read-only are the files of the base layer and everything below /lib, /usr, /dev and /etc (EROFS); next
to base-layer files elsewhere names may be made as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.baselayer import BaseLayer
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import (
    BaseFile,
    Device,
    DeviceKind,
    Directory,
    Inode,
    RegularFile,
    Symlink,
)
from dspex.wasm.emscripten.quotas import Quotas

OWNER_READ = 0o400
OWNER_WRITE = 0o200
OWNER_SEARCH = 0o100
PERMISSIONS = 0o7777

READ_ONLY_ROOTS = frozenset({b"lib", b"usr", b"dev", b"etc"})
"""Top-level directories in whose trees no name is ever made, removed or changed."""

_DEVICES = {
    b"null": DeviceKind.NULL,
    b"zero": DeviceKind.ZERO,
    b"full": DeviceKind.FULL,
    b"random": DeviceKind.RANDOM,
    b"urandom": DeviceKind.RANDOM,
    b"tty": DeviceKind.TTY,
    b"stdin": DeviceKind.STDIN,
    b"stdout": DeviceKind.STDOUT,
    b"stderr": DeviceKind.STDERR,
}
NOT_NAMES = (b".", b"..", b"/")
"""Last components that name an existing directory and so cannot be made, renamed or removed."""


class Slash(Enum):
    """What a slash at the end of a path means to the one who walks it."""

    LEADS_IN = auto()
    """What is there must be a directory; a symbolic link is followed to it."""
    IGNORED = auto()
    """The caller looks at it: the name itself is to be made, removed or renamed."""
    REFUSED = auto()
    """EISDIR: a file is to be made if nothing is there."""


class Tree:
    """Inodes and the operations on them that a path or a name takes part in.

    Attributes:
        root: The directory `/`.
        base: The read-only layer under the tree, or None.
        quotas: What may be kept; shared with the table of open files.
        generation: Counter that `RegularFile.generation` is compared with; the host raises it to see
            what changes from then on.
        umask: Permission bits that new files and directories do not get.
    """

    __slots__ = ("_next_number", "base", "generation", "now_ns", "quotas", "root", "umask")

    def __init__(
        self, *, quotas: Quotas, now_ns: Callable[[], int], base: BaseLayer | None = None
    ) -> None:
        """Make the initial tree: /dev, /etc, /home, /lib, /tmp and /usr.

        Args:
            quotas: What may be kept.
            now_ns: Wall clock, in nanoseconds since 1970.
            base: The read-only layer to put under it.
        """
        self.quotas = quotas
        self.now_ns = now_ns
        self.base = base
        self.generation = 1
        self.umask = 0o022
        self._next_number = 2
        now = now_ns()
        top = b"" if base is not None else None
        self.root = Directory(1, 0o755, now, name=b"", parent=None, base_prefix=top)
        for name, mode in (
            (b"dev", 0o755),
            (b"etc", 0o755),
            (b"home", 0o755),
            (b"lib", 0o755),
            (b"tmp", 0o1777),
            (b"usr", 0o755),
        ):
            if self.child(self.root, name) is None:
                self._attach_directory(self.root, name, mode, now)
        devices = self.root.entries[b"dev"]
        assert isinstance(devices, Directory)
        for name, kind in _DEVICES.items():
            devices.entries[name] = Device(self.new_number(), now, kind)

    def new_number(self) -> int:
        """Return an inode number that was never used."""
        number = self._next_number
        self._next_number = number + 1
        return number

    @property
    def next_number(self) -> int:
        """What the next inode will be called."""
        return self._next_number

    @next_number.setter
    def next_number(self, number: int) -> None:
        self._next_number = number

    # Walking.

    def child(self, directory: Directory, name: bytes) -> Inode | None:
        """Look up one plain name in one directory.

        Args:
            directory: Where to look.
            name: Neither `.` nor `..`.
        """
        child = directory.entries.get(name)
        if child is None and directory.base_prefix is not None:
            return self._child_of_base(directory, name)
        return child

    def _child_of_base(self, directory: Directory, name: bytes) -> Inode | None:
        base, prefix = self.base, directory.base_prefix
        assert base is not None
        assert prefix is not None
        path = prefix + name
        content = base.read(path)
        child: Inode
        if content is not None:
            child = BaseFile(self.new_number(), base.mtime_ns, content, path)
        elif base.has_directory(path + b"/"):
            read_only = directory.read_only or (not prefix and name in READ_ONLY_ROOTS)
            child = Directory(
                self.new_number(),
                0o555 if read_only else 0o755,
                base.mtime_ns,
                name=name,
                parent=directory,
                base_prefix=path + b"/",
                read_only=read_only,
            )
        else:
            return None
        directory.entries[name] = child
        return child

    def list_names(self, directory: Directory) -> list[bytes]:
        """List a directory: the base layer's names, sorted, then the guest's in order of creation."""
        if directory.base_prefix is None or self.base is None:
            return list(directory.entries)
        names = dict.fromkeys(self.base.list_names(directory.base_prefix))
        names.update(dict.fromkeys(directory.entries))
        return list(names)

    def walk(
        self, start: Directory, path: bytes, *, follow: bool, slash: Slash
    ) -> tuple[Directory, bytes, Inode | None]:
        """Walk a path; all but the last component must exist.

        Args:
            start: Where a relative path begins.
            path: The path.
            follow: Whether a symbolic link at the end is followed.
            slash: What a slash at the end means, there and in a link that is followed at the end.

        Returns:
            The directory that holds (or would hold) the last name, that name, and its inode or None.
            The name may be `.`, `..` or, for the root, `/`.

        Raises:
            SyscallError: ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG, or EISDIR for a slash at the end
                that is refused.
        """
        directory = self.root if path.startswith(b"/") else start
        pending = _components_reversed(path, slash)
        refused = slash is Slash.REFUSED and path.endswith(b"/")
        links_followed = 0
        while pending:
            name = pending.pop()
            child = self._step(directory, name)
            if refused and not pending and name not in NOT_NAMES:
                raise SyscallError(Errno.EISDIR)
            if child.__class__ is Symlink and (pending or follow):
                assert isinstance(child, Symlink)
                links_followed += 1
                if links_followed > abi.LINKS_FOLLOWED_MAX:
                    raise SyscallError(Errno.ELOOP)
                if child.target.startswith(b"/"):
                    directory = self.root
                if pending:
                    pending += _components_reversed(child.target, Slash.LEADS_IN)
                else:
                    refused = slash is Slash.REFUSED and child.target.endswith(b"/")
                    pending = _components_reversed(child.target, slash)
            elif not pending:
                return directory, name, child
            elif isinstance(child, Directory):
                directory = child
            else:
                raise SyscallError(Errno.ENOENT if child is None else Errno.ENOTDIR)
        return self.root, b"/", self.root

    def _step(self, directory: Directory, name: bytes) -> Inode | None:
        if not directory.mode & OWNER_SEARCH:
            raise SyscallError(Errno.EACCES)
        if name == b".":
            return directory
        if name == b"..":
            return directory.parent
        if len(name) > abi.NAME_BYTES_MAX:
            raise SyscallError(Errno.ENAMETOOLONG)
        return self.child(directory, name)

    def lookup(self, start: Directory, path: bytes, *, follow: bool = True) -> Inode:
        """Find what a path stands for.

        Args:
            start: Where a relative path begins.
            path: The path.
            follow: Whether a symbolic link at the end is followed.

        Raises:
            SyscallError: As `walk`, and ENOENT if nothing is there.
        """
        found = self.walk(start, path, follow=follow, slash=Slash.LEADS_IN)[2]
        if found is None:
            raise SyscallError(Errno.ENOENT)
        return found

    def _last_name(self, start: Directory, path: bytes) -> tuple[Directory, bytes, Inode | None]:
        return self.walk(start, path, follow=False, slash=Slash.IGNORED)

    # Making names.

    def create_file(self, directory: Directory, name: bytes, mode: int) -> RegularFile:
        """Make an empty file under a name that `walk` found to be free.

        Raises:
            SyscallError: EROFS, ENOENT (the directory was removed), EACCES or EDQUOT.
        """
        self._require_room(directory)
        made = self.nameless_file(mode)
        made.links = 1
        self._enter(directory, name, made)
        return made

    def nameless_file(self, mode: int) -> RegularFile:
        """Make an empty file that no name stands for yet."""
        made = RegularFile(
            self.new_number(), mode & PERMISSIONS & ~self.umask, self.now_ns(), self.generation
        )
        made.links = 0
        return made

    def make_directory(self, start: Directory, path: bytes, mode: int) -> Directory:
        """Do what `mkdir` does.

        Raises:
            SyscallError: EEXIST, EROFS, EACCES, EDQUOT, or as `walk`.
        """
        directory, name, found = self._last_name(start, path)
        if found is not None:
            raise SyscallError(Errno.EEXIST)
        self._require_room(directory)
        self.quotas.require_depth(directory.depth + 1)
        made = self._attach_directory(directory, name, mode & 0o1777 & ~self.umask, self.now_ns())
        self.quotas.entries_used += 1
        return made

    def make_symlink(self, start: Directory, path: bytes, target: bytes) -> Symlink:
        """Do what `symlink` does.

        Raises:
            SyscallError: EEXIST, ENOENT (empty target), ENAMETOOLONG, EROFS, EACCES, EDQUOT, ENOSPC, or
                as `walk`.
        """
        if not target:
            raise SyscallError(Errno.ENOENT)
        if len(target) >= abi.PATH_BYTES_MAX:
            raise SyscallError(Errno.ENAMETOOLONG)
        directory, name, found = self._last_name(start, path)
        self._require_absent(found, path)
        self._require_room(directory)
        self.quotas.require_bytes(len(target))
        made = Symlink(self.new_number(), self.now_ns(), target)
        self.quotas.bytes_used += len(target)
        self._enter(directory, name, made)
        return made

    def make_link(self, old_start: Directory, old: bytes, new_start: Directory, new: bytes) -> None:
        """Do what `link` does: a second name for a file, links themselves not followed.

        Raises:
            SyscallError: EPERM for a directory, EEXIST, EROFS, EACCES, EDQUOT, or as `walk`.
        """
        found = self.lookup(old_start, old, follow=False)
        directory, name, occupant = self._last_name(new_start, new)
        self._require_absent(occupant, new)
        if isinstance(found, Directory):
            raise SyscallError(Errno.EPERM)
        if found.fixed:
            raise SyscallError(Errno.EROFS)
        self._require_room(directory)
        found.links += 1
        found.ctime_ns = self.now_ns()
        if isinstance(found, RegularFile):
            found.generation = self.generation
        self._enter(directory, name, found)

    @staticmethod
    def _require_absent(found: Inode | None, path: bytes) -> None:
        if found is not None:
            raise SyscallError(Errno.EEXIST)
        if path.endswith(b"/"):
            raise SyscallError(Errno.ENOENT)

    def _require_room(self, directory: Directory) -> None:
        if directory.read_only:
            raise SyscallError(Errno.EROFS)
        if not directory.links:
            raise SyscallError(Errno.ENOENT)
        if not directory.mode & OWNER_WRITE:
            raise SyscallError(Errno.EACCES)
        self.quotas.require_entry()

    def _enter(self, directory: Directory, name: bytes, inode: Inode) -> None:
        directory.entries[name] = inode
        directory.mtime_ns = directory.ctime_ns = self.now_ns()
        self.quotas.entries_used += 1

    def _attach_directory(
        self, parent: Directory, name: bytes, mode: int, now_ns: int
    ) -> Directory:
        read_only = parent.read_only or (parent is self.root and name in READ_ONLY_ROOTS)
        made = Directory(
            self.new_number(), mode, now_ns, name=name, parent=parent, read_only=read_only
        )
        parent.entries[name] = made
        parent.links += 1
        parent.mtime_ns = parent.ctime_ns = now_ns
        return made

    # Removing and renaming.

    def unlink(self, start: Directory, path: bytes) -> None:
        """Do what `unlink` does; an open file's content stays until it is closed.

        Raises:
            SyscallError: EISDIR, ENOENT, ENOTDIR, EROFS, EACCES, or as `walk`.
        """
        directory, name, found = self._last_name(start, path)
        if name in NOT_NAMES:
            raise SyscallError(Errno.EISDIR)
        self._require_removable(directory, found)
        if isinstance(found, Directory):
            raise SyscallError(Errno.EISDIR)
        if path.endswith(b"/"):
            raise SyscallError(Errno.ENOTDIR)
        self._remove(directory, name)

    def remove_directory(self, start: Directory, path: bytes) -> None:
        """Do what `rmdir` does.

        Raises:
            SyscallError: ENOTEMPTY, ENOTDIR, EINVAL (`.`), EBUSY (the root), ENOENT, EROFS, EACCES, or
                as `walk`.
        """
        directory, name, found = self._last_name(start, path)
        if name in NOT_NAMES:
            errors = (Errno.EINVAL, Errno.ENOTEMPTY, Errno.EBUSY)
            raise SyscallError(errors[NOT_NAMES.index(name)])
        self._require_removable(directory, found)
        if not isinstance(found, Directory):
            raise SyscallError(Errno.ENOTDIR)
        if found.entries:
            raise SyscallError(Errno.ENOTEMPTY)
        self._remove(directory, name)

    def _require_removable(self, directory: Directory, found: Inode | None) -> None:
        if directory.read_only:
            raise SyscallError(Errno.EROFS)
        if found is None:
            raise SyscallError(Errno.ENOENT)
        if not directory.mode & OWNER_WRITE:
            raise SyscallError(Errno.EACCES)
        if found.fixed:
            raise SyscallError(Errno.EROFS)

    def _remove(self, directory: Directory, name: bytes) -> None:
        removed = directory.entries.pop(name)
        now = self.now_ns()
        directory.mtime_ns = directory.ctime_ns = removed.ctime_ns = now
        self.quotas.entries_used -= 1
        if isinstance(removed, Directory):
            removed.links = 0
            directory.links -= 1
        else:
            removed.links -= 1
            self.release(removed)

    def release(self, inode: Inode) -> None:
        """Give up a file's content if neither a name nor an open file needs it any more."""
        if inode.links or inode.opens:
            return
        if isinstance(inode, RegularFile):
            self.quotas.bytes_used -= len(inode.data)
            inode.data = bytearray()
        elif isinstance(inode, Symlink):
            self.quotas.bytes_used -= len(inode.target)
            inode.target = b""

    def rename(self, old_start: Directory, old: bytes, new_start: Directory, new: bytes) -> None:
        """Do what `rename` does: replace the new name, whatever it stood for, in one step.

        Raises:
            SyscallError: EBUSY (`.`, `..` or the root), ENOENT, EINVAL (into itself), ENOTEMPTY, ENOTDIR,
                EISDIR, EROFS, EACCES, EDQUOT (too deep), or as `walk`.
        """
        source, old_name, moved = self._last_name(old_start, old)
        target, new_name, replaced = self._last_name(new_start, new)
        if old_name in NOT_NAMES or new_name in NOT_NAMES:
            raise SyscallError(Errno.EBUSY)
        if source.read_only or target.read_only:
            raise SyscallError(Errno.EROFS)
        if moved is None:
            raise SyscallError(Errno.ENOENT)
        if not isinstance(moved, Directory) and (old.endswith(b"/") or new.endswith(b"/")):
            raise SyscallError(Errno.ENOTDIR)
        self._require_no_loop(source, target, moved, replaced)
        if moved is replaced:
            return
        self._require_removable(source, moved)
        self._require_replaceable(target, moved, replaced)
        if isinstance(moved, Directory) and source is not target:
            self.quotas.require_depth(target.depth + 1 + moved.height)
        if replaced is not None:
            self._remove(target, new_name)
        self._move(source, old_name, target, new_name)

    @staticmethod
    def _require_no_loop(
        source: Directory, target: Directory, moved: Inode, replaced: Inode | None
    ) -> None:
        if isinstance(moved, Directory) and target.lies_in(moved):
            raise SyscallError(Errno.EINVAL)
        if isinstance(replaced, Directory) and source.lies_in(replaced):
            raise SyscallError(Errno.ENOTEMPTY)

    @staticmethod
    def _require_replaceable(target: Directory, moved: Inode, replaced: Inode | None) -> None:
        if not target.links:
            raise SyscallError(Errno.ENOENT)
        if not target.mode & OWNER_WRITE:
            raise SyscallError(Errno.EACCES)
        if replaced is None:
            return
        if replaced.fixed:
            raise SyscallError(Errno.EROFS)
        if isinstance(replaced, Directory):
            if not isinstance(moved, Directory):
                raise SyscallError(Errno.EISDIR)
            if replaced.entries:
                raise SyscallError(Errno.ENOTEMPTY)
        elif isinstance(moved, Directory):
            raise SyscallError(Errno.ENOTDIR)

    def _move(self, source: Directory, old: bytes, target: Directory, new: bytes) -> None:
        moved = source.entries.pop(old)
        target.entries[new] = moved
        now = self.now_ns()
        for inode in (source, target):
            inode.mtime_ns = inode.ctime_ns = now
        moved.ctime_ns = now
        if isinstance(moved, Directory):
            moved.name, moved.parent = new, target
            source.links -= 1
            target.links += 1
        elif isinstance(moved, RegularFile):
            moved.generation = self.generation

    # Content and attributes.

    def write_at(self, file: RegularFile, position: int, data: memoryview) -> int:
        """Write into a file, with zeros in any gap before `position`.

        Args:
            file: Where to write.
            position: Offset of the first byte, not negative.
            data: What to write; not kept.

        Returns:
            How many bytes were written: fewer than given if only so many fit into the quota.

        Raises:
            SyscallError: ENOSPC if nothing fits.
        """
        length = len(data)
        if not length:
            return 0
        content, old = file.data, len(file.data)
        end = position + length
        if end > old:
            over = end - old - self.quotas.bytes_free
            if over > 0:
                refusal = self.quotas.refusal("file_bytes_max", Errno.ENOSPC)
                if over >= length:
                    raise refusal
                data, length, end = data[:-over], length - over, end - over
            try:
                if position > old:
                    content += bytes(position - old)
                if position >= old:
                    content += data
                else:
                    content[position:end] = data
            finally:
                self.quotas.bytes_used += len(content) - old
        else:
            content[position:end] = data
        file.generation = self.generation
        file.mtime_ns = file.ctime_ns = self.now_ns()
        return length

    def replace_content(self, file: RegularFile, data: bytes | bytearray | memoryview) -> None:
        """Give a file new content on behalf of the host: no quota applies."""
        self.quotas.bytes_used += len(data) - len(file.data)
        file.data = bytearray(data)
        file.generation = self.generation
        file.mtime_ns = file.ctime_ns = self.now_ns()

    def set_length(self, file: RegularFile, length: int) -> None:
        """Cut a file off or fill it up with zeros.

        Raises:
            SyscallError: ENOSPC if it would not fit.
        """
        content, old = file.data, len(file.data)
        if length > old:
            self.quotas.require_bytes(length - old)
            content += bytes(length - old)
        else:
            del content[length:]
        self.quotas.bytes_used += length - old
        file.generation = self.generation
        file.mtime_ns = file.ctime_ns = self.now_ns()

    def truncate(self, start: Directory, path: bytes, length: int) -> None:
        """Do what `truncate` does.

        Raises:
            SyscallError: EINVAL (negative, or not a file), EISDIR, EROFS, EACCES, ENOSPC, or as `walk`.
        """
        if length < 0:
            raise SyscallError(Errno.EINVAL)
        found = self.lookup(start, path)
        if isinstance(found, Directory):
            raise SyscallError(Errno.EISDIR)
        if isinstance(found, BaseFile):
            raise SyscallError(Errno.EROFS)
        if not isinstance(found, RegularFile):
            raise SyscallError(Errno.EINVAL)
        if not found.mode & OWNER_WRITE:
            raise SyscallError(Errno.EACCES)
        self.set_length(found, length)

    def change_mode(self, inode: Inode, mode: int) -> None:
        """Do what `chmod` does.

        Raises:
            SyscallError: EROFS, or EOPNOTSUPP for a symbolic link.
        """
        if inode.fixed:
            raise SyscallError(Errno.EROFS)
        if isinstance(inode, Symlink):
            raise SyscallError(Errno.EOPNOTSUPP)
        inode.mode = inode.mode & abi.S_IFMT | mode & PERMISSIONS
        inode.ctime_ns = self.now_ns()

    def set_times(self, inode: Inode, atime_ns: int | None, mtime_ns: int | None) -> None:
        """Do what `utimensat` does once it knows the inode.

        Args:
            inode: Whose times to set.
            atime_ns: New time of access, or None to leave it.
            mtime_ns: New time of change, or None to leave it.

        Raises:
            SyscallError: EROFS.
        """
        if inode.fixed:
            raise SyscallError(Errno.EROFS)
        if atime_ns is not None:
            inode.atime_ns = atime_ns
        if mtime_ns is not None:
            inode.mtime_ns = mtime_ns
        inode.ctime_ns = self.now_ns()

    def path_of(self, directory: Directory) -> bytes:
        """Return the absolute path of a directory.

        Raises:
            SyscallError: ENOENT if it was removed.
        """
        names = []
        while directory.parent is not directory:
            if not directory.links:
                raise SyscallError(Errno.ENOENT)
            names.append(directory.name)
            directory = directory.parent
        names.append(b"")
        return b"/".join(reversed(names)) if len(names) > 1 else b"/"


def _components_reversed(path: bytes, slash: Slash) -> list[bytes]:
    """Split a path, last component first; where a slash at the end leads in, `.` is the last."""
    if not path:
        raise SyscallError(Errno.ENOENT)
    if len(path) >= abi.PATH_BYTES_MAX:
        raise SyscallError(Errno.ENAMETOOLONG)
    names = [name for name in path.split(b"/") if name]
    if slash is Slash.LEADS_IN and path.endswith(b"/"):
        names.append(b".")
    names.reverse()
    return names
