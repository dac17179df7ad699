"""What a name in the memory file system stands for: files, directories, links, devices.

Inodes only hold state. Walking and changing the tree is `dspex.wasm.emscripten.tree`'s work, reading
and writing through a descriptor `dspex.wasm.emscripten.descriptors`'s.
"""

from __future__ import annotations

from enum import IntEnum, auto

from dspex.wasm.emscripten import abi


class DeviceKind(IntEnum):
    """The character devices under /dev; `st_rdev` is made of the number."""

    NULL = auto()
    ZERO = auto()
    FULL = auto()
    RANDOM = auto()
    TTY = auto()
    STDIN = auto()
    STDOUT = auto()
    STDERR = auto()


class Inode:
    """One object of the file system, whatever its names.

    Attributes:
        number: `st_ino`, never reused.
        mode: Type and permission bits, as `st_mode` has them.
        links: Names it has; 0 once it was removed.
        opens: Open file descriptions; content is kept until both counts are 0.
        atime_ns: Last read.
        mtime_ns: Last change of the content.
        ctime_ns: Last change of anything.
    """

    __slots__ = ("atime_ns", "ctime_ns", "links", "mode", "mtime_ns", "number", "opens")

    def __init__(self, number: int, mode: int, now_ns: int) -> None:
        """Make an inode that has one name and was never opened.

        Args:
            number: `st_ino`.
            mode: Type and permission bits.
            now_ns: Wall clock time of creation.
        """
        self.number = number
        self.mode = mode
        self.links = 1
        self.opens = 0
        self.atime_ns = self.mtime_ns = self.ctime_ns = now_ns

    @property
    def size(self) -> int:
        """What `st_size` says, in bytes."""
        return 0

    @property
    def device_number(self) -> int:
        """What `st_rdev` says."""
        return 0

    @property
    def fixed(self) -> bool:
        """Whether the inode itself may not be changed, renamed or removed (EROFS)."""
        return False


class RegularFile(Inode):
    """A file whose content the guest (or the host, for it) made.

    Attributes:
        data: The content.
        generation: Value of the tree's generation counter when it last changed.
    """

    __slots__ = ("data", "generation")

    def __init__(self, number: int, mode: int, now_ns: int, generation: int) -> None:
        """Make an empty file.

        Args:
            number: `st_ino`.
            mode: Permission bits.
            now_ns: Wall clock time of creation.
            generation: The tree's generation counter.
        """
        super().__init__(number, abi.S_IFREG | mode, now_ns)
        self.data = bytearray()
        self.generation = generation

    @property
    def size(self) -> int:
        """Length of the content."""
        return len(self.data)


class BaseFile(Inode):
    """A file of the base layer: read-only, its content shared with every other run.

    Attributes:
        data: The content, a slice of the layer's one buffer.
        path: Where the layer has it.
    """

    __slots__ = ("data", "path")

    def __init__(self, number: int, now_ns: int, data: memoryview, path: bytes) -> None:
        """Make an inode for a file of the base layer.

        Args:
            number: `st_ino`.
            now_ns: Modification time of the layer.
            data: The content.
            path: Where the layer has it.
        """
        super().__init__(number, abi.S_IFREG | 0o444, now_ns)
        self.data = data
        self.path = path

    @property
    def size(self) -> int:
        """Length of the content."""
        return len(self.data)

    @property
    def fixed(self) -> bool:
        """Always: the layer belongs to everybody."""
        return True


class Directory(Inode):
    """Names and what they stand for.

    Attributes:
        entries: Names made by the guest or the host, and those of the base layer looked up so far.
        name: The one name the directory has; b"" for the root.
        parent: The directory it lies in; itself for the root.
        base_prefix: Path of the same directory in the base layer, with a slash at the end, or None if
            the layer has nothing here. The root's is b"".
        read_only: Whether names may not be added or removed here (EROFS).
    """

    __slots__ = ("base_prefix", "entries", "name", "parent", "read_only")

    def __init__(
        self,
        number: int,
        mode: int,
        now_ns: int,
        *,
        name: bytes,
        parent: Directory | None,
        base_prefix: bytes | None = None,
        read_only: bool = False,
    ) -> None:
        """Make an empty directory; linking it into its parent is the caller's work.

        Args:
            number: `st_ino`.
            mode: Permission bits.
            now_ns: Wall clock time of creation.
            name: See the class.
            parent: See the class; None makes it its own parent.
            base_prefix: See the class.
            read_only: See the class.
        """
        super().__init__(number, abi.S_IFDIR | mode, now_ns)
        self.links = 2
        self.entries: dict[bytes, Inode] = {}
        self.name = name
        self.parent: Directory = parent if parent is not None else self
        self.base_prefix = base_prefix
        self.read_only = read_only

    @property
    def size(self) -> int:
        """One block, as on most file systems."""
        return abi.BLOCK_BYTES

    @property
    def fixed(self) -> bool:
        """Whether it comes from the base layer or belongs to a read-only tree."""
        return self.read_only or bool(self.base_prefix)

    def lies_in(self, other: Directory) -> bool:
        """Whether `other` is this directory or one above it."""
        here = self
        while here is not other:
            if here.parent is here:
                return False
            here = here.parent
        return True

    @property
    def depth(self) -> int:
        """Directories above this one."""
        depth, here = 0, self
        while here.parent is not here:
            here = here.parent
            depth += 1
        return depth

    @property
    def height(self) -> int:
        """Directories below this one on the longest way down."""
        height, level = 0, [self]
        while level := [
            child
            for directory in level
            for child in directory.entries.values()
            if child.__class__ is Directory
        ]:
            height += 1
        return height


class Symlink(Inode):
    """A name that stands for another path.

    Attributes:
        target: The path, as it was given.
    """

    __slots__ = ("target",)

    def __init__(self, number: int, now_ns: int, target: bytes) -> None:
        """Make a symbolic link.

        Args:
            number: `st_ino`.
            now_ns: Wall clock time of creation.
            target: Where it leads; need not exist.
        """
        super().__init__(number, abi.S_IFLNK | 0o777, now_ns)
        self.target = target

    @property
    def size(self) -> int:
        """Length of the target."""
        return len(self.target)


class Device(Inode):
    """A character device under /dev.

    Attributes:
        kind: What it does when opened.
    """

    __slots__ = ("kind",)

    def __init__(self, number: int, now_ns: int, kind: DeviceKind) -> None:
        """Make a device node.

        Args:
            number: `st_ino`.
            now_ns: Wall clock time of creation.
            kind: See the class.
        """
        super().__init__(number, abi.S_IFCHR | 0o666, now_ns)
        self.kind = kind

    @property
    def device_number(self) -> int:
        """Major 1 and a minor per kind."""
        return 1 << 8 | self.kind

    @property
    def fixed(self) -> bool:
        """Always: devices are part of the machine."""
        return True


class Fifo(Inode):
    """What `fstat` shows for pipes, standard streams and channels; it has no name."""

    __slots__ = ()

    def __init__(self, number: int, now_ns: int) -> None:
        """Make a nameless pipe inode.

        Args:
            number: `st_ino`.
            now_ns: Wall clock time of creation.
        """
        super().__init__(number, abi.S_IFIFO | 0o600, now_ns)
