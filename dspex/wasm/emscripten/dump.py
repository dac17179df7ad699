"""The memory file system written down, and read back: all names, contents, open files, positions.

What is read may come from anybody: reading is bounded and total. It gives a file system within its
quotas, or raises `DumpUnusable`; names lead nowhere but into the guest's own tree. What belongs to
the base layer is only named. Channels and standard streams are the reader's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.descriptors import (
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
from dspex.wasm.emscripten.errno import SyscallError
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
from dspex.wasm.emscripten.tree import PERMISSIONS, READ_ONLY_ROOTS

if TYPE_CHECKING:
    from dspex.wasm.emscripten.filesystem import MemoryFileSystem

MOVED_ROOTS = frozenset({b"dev", b"etc", b"home", b"lib", b"tmp", b"usr"})
"""What every tree begins with; these count for nobody's quota."""

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
InodeNumber = Annotated[int, msgspec.Meta(ge=0, le=2**52)]
"""Smaller, so that whatever comes after it is a number that can be written down, too."""
Index = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Bits = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Position = Annotated[int, msgspec.Meta(ge=0, le=abi.POSITION_MAX)]
Name = Annotated[bytes, msgspec.Meta(max_length=abi.NAME_BYTES_MAX)]
Path = Annotated[bytes, msgspec.Meta(max_length=abi.PATH_BYTES_MAX)]
Times = tuple[Time, Time, Time]


class DumpUnusable(ValueError):
    """The dump is not one, or not of a file system that there can be here."""


class _Part(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Arrays: shorter, and no key to misspell."""


class DirectoryDump(_Part, frozen=True, tag=0):
    """A directory; those above it come before it, the root first."""

    number: InodeNumber
    mode: Bits
    times: Times
    links: Index
    parent: Index
    name: Name
    entries: list[tuple[Name, Index]]


class FileDump(_Part, frozen=True, tag=1):
    """A regular file of the guest's."""

    number: InodeNumber
    mode: Bits
    times: Times
    generation: Number
    data: memoryview


class SymlinkDump(_Part, frozen=True, tag=2):
    """A symbolic link."""

    number: InodeNumber
    times: Times
    target: Path


class DeviceDump(_Part, frozen=True, tag=3):
    """A device of /dev."""

    number: InodeNumber
    times: Times
    kind: DeviceKind


class BaseDump(_Part, frozen=True, tag=4):
    """A file of the base layer, by its path there."""

    number: InodeNumber
    path: bytes


class FifoDump(_Part, frozen=True, tag=5):
    """What both ends of a pipe show."""

    number: InodeNumber
    times: Times


class PathOpen(_Part, frozen=True, tag=0):
    """Opened with O_PATH."""

    inode: Index
    flags: Bits


class RegularOpen(_Part, frozen=True, tag=1):
    """An open file."""

    inode: Index
    flags: Bits
    position: Position


class DirectoryOpen(_Part, frozen=True, tag=2):
    """An open directory."""

    inode: Index
    flags: Bits
    position: Position
    names: list[Name] | None


class DeviceOpen(_Part, frozen=True, tag=3):
    """An open device."""

    inode: Index
    flags: Bits


class InputOpen(_Part, frozen=True, tag=4):
    """Standard input."""

    flags: Bits


class OutputOpen(_Part, frozen=True, tag=5):
    """Standard output or error."""

    stream: Index
    flags: Bits


class ChannelOpen(_Part, frozen=True, tag=6):
    """A channel of the host's, by the number that it put it behind."""

    number: Index


class PipeOpen(_Part, frozen=True, tag=7):
    """One end of a pipe."""

    inode: Index
    flags: Bits
    pipe: Index


InodeDump = DirectoryDump | FileDump | SymlinkDump | DeviceDump | BaseDump | FifoDump
OpenDump = (
    PathOpen | RegularOpen | DirectoryOpen | DeviceOpen | InputOpen | OutputOpen | ChannelOpen | PipeOpen
)


_OfInode = PathOpen | RegularOpen | DirectoryOpen | DeviceOpen | PipeOpen


class FileSystemDump(_Part, frozen=True):
    """A whole file system."""

    inodes: list[InodeDump]
    working_directory: Index
    umask: Bits
    generation: Number
    next_number: Number
    opened: list[OpenDump]
    descriptors: list[tuple[Index, Index, bool]]
    """Number, index in `opened`, and whether it is closed on exec."""
    pipes: list[Annotated[bytes, msgspec.Meta(max_length=abi.PIPE_BYTES_MAX)]]
    input: tuple[bytes, Number]
    """What standard input holds, and how much of it was read."""
    of_host: tuple[Number, Number]
    """Bytes and entries that came from the host, and so are not the guest's share."""


def dump(files: MemoryFileSystem) -> FileSystemDump:
    """Write a file system down; contents are not copied, so encode it before the guest goes on."""
    return _Writer(files).dump


def restore(files: MemoryFileSystem, dumped: FileSystemDump) -> None:
    """Make a fresh file system what was dumped, under the quotas that it has.

    Raises:
        DumpUnusable: It cannot be; the file system is of no use any more.
    """
    try:
        _Reader(files, dumped).restore()
    except SyscallError as error:
        msg = f"files: {error}"
        raise DumpUnusable(msg) from error


class _Writer:
    def __init__(self, files: MemoryFileSystem) -> None:
        self._files = files
        self._index: dict[int, int] = {}
        self._inodes: list[Inode] = []
        tree, quotas = files.tree, files.quotas
        self._add_tree(tree.root)
        pipes: dict[int, int] = {}
        buffers: list[bytes] = []
        opened: dict[int, int] = {}
        written: list[OpenDump] = []
        descriptors: list[tuple[int, int, bool]] = []
        table = files.descriptors
        own = {id(one): fd for fd, one in reversed(table.files.items()) if _is_fixed(one)}
        for fd, one in table.files.items():
            if own.get(id(one)) == fd:
                continue
            if isinstance(one, OpenPipe) and id(one.pipe) not in pipes:
                pipes[id(one.pipe)] = len(buffers)
                buffers.append(bytes(one.pipe.buffer))
            if id(one) not in opened:
                opened[id(one)] = len(written)
                written.append(self._opened(one, pipes, own))
            descriptors.append((fd, opened[id(one)], fd in table.close_on_exec))
        working_directory = self._add(files.working_directory)
        inodes = [self._inode(one) for one in self._inodes]
        self.dump = FileSystemDump(
            inodes, working_directory, tree.umask & 0xFFFF, tree.generation,
            tree.next_number, written, descriptors, buffers,
            (files.input.data, files.input.position), quotas.of_host,
        )

    def _add(self, inode: Inode) -> int:
        known = self._index.get(id(inode))
        if known is not None:
            return known
        if isinstance(inode, Directory):
            self._add(inode.parent)
            self._add_tree(inode)
            return self._index[id(inode)]
        self._index[id(inode)] = at = len(self._inodes)
        self._inodes.append(inode)
        return at

    def _add_tree(self, top: Directory) -> None:
        pending = [top]
        while pending:
            directory = pending.pop()
            if id(directory) in self._index:
                continue
            self._index[id(directory)] = len(self._inodes)
            self._inodes.append(directory)
            for child in directory.entries.values():
                if isinstance(child, Directory):
                    pending.append(child)
                else:
                    self._add(child)

    def _inode(self, inode: Inode) -> InodeDump:
        times = (inode.atime_ns, inode.mtime_ns, inode.ctime_ns)
        if isinstance(inode, Directory):
            entries = [(name, self._index[id(one)]) for name, one in inode.entries.items()]
            return DirectoryDump(
                inode.number, inode.mode & PERMISSIONS, times, inode.links,
                self._index[id(inode.parent)], inode.name, entries,
            )
        if isinstance(inode, RegularFile):
            return FileDump(
                inode.number, inode.mode & PERMISSIONS, times, inode.generation,
                memoryview(inode.data),
            )
        if isinstance(inode, Symlink):
            return SymlinkDump(inode.number, times, inode.target)
        if isinstance(inode, Device):
            return DeviceDump(inode.number, times, inode.kind)
        if isinstance(inode, BaseFile):
            return BaseDump(inode.number, inode.path)
        assert isinstance(inode, Fifo)
        return FifoDump(inode.number, times)

    def _opened(self, one: OpenFile, pipes: dict[int, int], own: dict[int, int]) -> OpenDump:
        flags = one.flags & 0xFFFFFFFF
        match one:
            case OpenInput():
                found: OpenDump = InputOpen(flags)
            case OpenOutput():
                found = OutputOpen(one.stream, flags)
            case OpenChannel():
                found = ChannelOpen(own[id(one)])
            case OpenRegular():
                found = RegularOpen(self._add(one.inode), flags, one.position)
            case OpenDirectory():
                found = DirectoryOpen(self._add(one.inode), flags, one.position, one.names)
            case OpenDevice():
                found = DeviceOpen(self._add(one.inode), flags)
            case OpenPipe():
                found = PipeOpen(self._add(one.inode), flags, pipes[id(one.pipe)])
            case _:
                assert isinstance(one, OpenPath)
                found = PathOpen(self._add(one.inode), flags)
        return found


def _is_fixed(one: OpenFile) -> bool:
    return isinstance(one, OpenChannel) and not one.guest_may_close


class _Reader:
    def __init__(self, files: MemoryFileSystem, dumped: FileSystemDump) -> None:
        self._files = files
        self._dumped = dumped
        self._inodes: list[Inode] = []
        self._placed: set[int] = set()
        """Indexes of directories that have their name."""

    def restore(self) -> None:
        dumped, files = self._dumped, self._files
        tree, quotas = files.tree, files.quotas
        quotas.bytes_used = quotas.entries_used = quotas.names_listed = 0
        # Hard to undo, so nothing below looks at the fresh tree but for its base layer.
        for position, one in enumerate(dumped.inodes):
            self._inodes.append(self._make(position, one))
        root = self._inodes[0] if self._inodes else None
        if not isinstance(root, Directory):
            raise _unusable("there is no root directory")
        for position, one in enumerate(dumped.inodes):
            if isinstance(one, DirectoryDump):
                self._fill(position, one)
        self._check_directories()
        tree.root = root
        tree.umask = dumped.umask & 0o777
        tree.generation = dumped.generation
        tree.next_number = max([dumped.next_number, *(one.number + 1 for one in self._inodes)])
        here = self._inode(dumped.working_directory)
        if not isinstance(here, Directory):
            raise _unusable("the working directory is none")
        files.working_directory = here
        self._open_all()
        for inode in self._inodes:
            if isinstance(inode, RegularFile | Symlink) and not inode.links and not inode.opens:
                raise _unusable(f"file {inode.number} has neither a name nor a descriptor")
        data, read = dumped.input
        files.set_input(data)
        files.input.position = min(read, len(data))
        self._check_quotas()

    def _check_directories(self) -> None:
        for position, one in enumerate(self._dumped.inodes):
            named = position in self._placed or not position
            if isinstance(one, DirectoryDump) and named != bool(one.links):
                raise _unusable(f"directory {position} has no name, or one too many")

    def _check_quotas(self) -> None:
        quotas = self._files.quotas
        of_host_bytes, of_host_entries = self._dumped.of_host
        quotas.of_host = (
            min(of_host_bytes, quotas.bytes_used), min(of_host_entries, quotas.entries_used)
        )
        if quotas.bytes_used > quotas.bytes_allowed:
            raise _unusable(
                f"files: {quotas.bytes_used} bytes, {quotas.bytes_allowed} allowed (file_bytes)"
            )
        if quotas.entries_used > quotas.entries_allowed:
            raise _unusable(
                f"files: {quotas.entries_used} names, {quotas.entries_allowed} allowed (file_count)"
            )

    def _inode(self, index: int) -> Inode:
        if index >= len(self._inodes):
            raise _unusable(f"there is no inode {index}")
        return self._inodes[index]

    def _make(self, position: int, one: InodeDump) -> Inode:
        tree = self._files.tree
        made: Inode
        if isinstance(one, DirectoryDump):
            return self._make_directory(position, one)
        if isinstance(one, FileDump):
            made = RegularFile(one.number, one.mode & PERMISSIONS, 0, one.generation)
            made.data = bytearray(one.data)
            tree.quotas.bytes_used += len(made.data)
            made.links = 0
        elif isinstance(one, SymlinkDump):
            if not one.target or b"\0" in one.target:
                raise _unusable("a symbolic link leads nowhere")
            made = Symlink(one.number, 0, one.target)
            tree.quotas.bytes_used += len(one.target)
            made.links = 0
        elif isinstance(one, DeviceDump):
            made = Device(one.number, 0, one.kind)
        elif isinstance(one, BaseDump):
            content = tree.base.read(one.path) if tree.base is not None else None
            if tree.base is None or content is None:
                raise _unusable(f"the base layer has no file {one.path[:100]!r}")
            return BaseFile(one.number, tree.base.mtime_ns, content, one.path)
        else:
            made = Fifo(one.number, 0)
        made.atime_ns, made.mtime_ns, made.ctime_ns = one.times
        return made

    def _make_directory(self, position: int, one: DirectoryDump) -> Directory:
        tree = self._files.tree
        above: Directory | None = None
        prefix = b"" if tree.base is not None else None
        read_only = False
        if position:
            parent = self._inodes[one.parent] if one.parent < position else None
            if not isinstance(parent, Directory):
                raise _unusable(f"directory {position} lies in none that comes before it")
            above = parent
            _check_name(one.name)
            path = None if parent.base_prefix is None else parent.base_prefix + one.name + b"/"
            known = tree.base is not None and path is not None and tree.base.has_directory(path)
            prefix = path if known else None
            read_only = parent.read_only or (
                parent is self._inodes[0] and one.name in READ_ONLY_ROOTS
            )
            tree.quotas.require_depth(parent.depth + 1)
        made = Directory(
            one.number, one.mode & PERMISSIONS, 0, name=one.name if position else b"",
            parent=above, base_prefix=prefix, read_only=read_only,
        )
        made.links = one.links
        made.atime_ns, made.mtime_ns, made.ctime_ns = one.times
        return made

    def _fill(self, position: int, one: DirectoryDump) -> None:
        tree, directory = self._files.tree, self._inodes[position]
        assert isinstance(directory, Directory)
        in_devices = directory.parent is self._inodes[0] and directory.name == b"dev"
        for name, index in one.entries:
            _check_name(name)
            if name in directory.entries:
                raise _unusable(f"{name!r} is there twice")
            child = self._inode(index)
            if isinstance(child, Directory):
                if child.parent is not directory or child.name != name or not index:
                    raise _unusable(f"directory {name!r} does not know where it lies")
                self._placed.add(index)
                initial = not position and name in MOVED_ROOTS
                counted = not initial and child.base_prefix is None
            else:
                counted = self._check_entry(directory, name, child, in_devices=in_devices)
                if not isinstance(child, BaseFile | Device):
                    child.links += 1
            tree.quotas.entries_used += counted
            directory.entries[name] = child

    def _check_entry(
        self, directory: Directory, name: bytes, child: Inode, *, in_devices: bool
    ) -> bool:
        """Check that a name may stand for a file; return whether it counts for the quota."""
        prefix, base = directory.base_prefix, self._files.tree.base
        path = None if prefix is None else prefix + name
        if isinstance(child, BaseFile):
            if child.path != path:
                raise _unusable(f"{name!r} is not where the base layer has it")
            return False
        if path is not None and base is not None and base.read(path) is not None:
            raise _unusable(f"{name!r} hides a file of the base layer")
        if isinstance(child, Device):
            if not in_devices:
                raise _unusable(f"there is a device {name!r} outside /dev")
            return False
        if directory.read_only or not isinstance(child, RegularFile | Symlink):
            raise _unusable(f"{name!r} cannot be where it is")
        return True

    def _open_all(self) -> None:
        dumped, files = self._dumped, self._files
        table = files.descriptors
        fixed = {fd: one for fd, one in table.files.items() if _is_fixed(one)}
        outputs = {
            one.stream: one for one in table.files.values() if isinstance(one, OpenOutput)
        }
        pipes = [Pipe() for _ in dumped.pipes]
        for pipe, content in zip(pipes, dumped.pipes, strict=True):
            pipe.buffer[:] = content
            pipe.readers = pipe.writers = 0
        opened = [self._open(one, fixed, outputs, pipes) for one in dumped.opened]
        table.files = dict(fixed)
        table.close_on_exec = set()
        for one in (*outputs.values(), files.input):
            one.references = 0
        for fd, index, close_on_exec in dumped.descriptors:
            if fd in table.files or fd >= files.quotas.open_files_max:
                raise _unusable(f"descriptor {fd} cannot be open")
            if index >= len(opened):
                raise _unusable(f"descriptor {fd} leads nowhere")
            table.install(fd, opened[index], close_on_exec=close_on_exec)
        if any(not one.references for one in opened):
            raise _unusable("something is open without a descriptor")

    def _open(
        self,
        one: OpenDump,
        fixed: dict[int, OpenFile],
        outputs: dict[int, OpenOutput],
        pipes: list[Pipe],
    ) -> OpenFile:
        if isinstance(one, ChannelOpen):
            if one.number not in fixed:
                raise _unusable(f"there is no channel {one.number}")
            return fixed[one.number]
        if isinstance(one, InputOpen):
            self._files.input.flags = one.flags
            return self._files.input
        if isinstance(one, OutputOpen):
            if one.stream not in outputs:
                raise _unusable(f"there is no stream {one.stream}")
            outputs[one.stream].flags = one.flags
            return outputs[one.stream]
        opened = self._open_inode(one, self._inode(one.inode), pipes)
        if opened is None:
            raise _unusable("something is open as what it is not")
        return opened

    def _open_inode(self, one: _OfInode, inode: Inode, pipes: list[Pipe]) -> OpenFile | None:
        """Open what has an inode; None if the inode is of another kind."""
        files = self._files
        match one, inode:
            case PathOpen(), _:
                return OpenPath(inode, one.flags)
            case RegularOpen(), RegularFile() | BaseFile():
                return self._open_regular(one, inode)
            case DirectoryOpen(), Directory():
                directory = OpenDirectory(inode, one.flags, files.tree)
                directory.position = one.position
                if one.names is not None:
                    files.quotas.require_listing(len(one.names))
                    directory.names = list(one.names)
                return directory
            case DeviceOpen(), Device():
                return files.open_device(inode, one.flags)
            case PipeOpen(), Fifo() if one.pipe < len(pipes):
                return _open_pipe(one, inode, pipes[one.pipe])
        return None

    def _open_regular(self, one: RegularOpen, inode: RegularFile | BaseFile) -> OpenRegular:
        if isinstance(inode, BaseFile) and one.flags & abi.O_ACCMODE != abi.O_RDONLY:
            raise _unusable("a file of the base layer is open for writing")
        regular = OpenRegular(inode, one.flags, self._files.tree)
        regular.position = one.position
        return regular


def _open_pipe(one: PipeOpen, inode: Fifo, pipe: Pipe) -> OpenPipe:
    access = one.flags & abi.O_ACCMODE
    if access not in (abi.O_RDONLY, abi.O_WRONLY):
        raise _unusable("a pipe is open at both ends at once")
    pipe.readers += access == abi.O_RDONLY
    pipe.writers += access == abi.O_WRONLY
    return OpenPipe(inode, one.flags, pipe)


def _check_name(name: bytes) -> None:
    if not name or b"/" in name or b"\0" in name or name in (b".", b".."):
        raise _unusable(f"{name!r} is not a name")


def _unusable(reason: str) -> DumpUnusable:
    return DumpUnusable(reason)
