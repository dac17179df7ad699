"""What the guest may keep in its file system, and what it keeps now.

One `Quotas` is shared by the tree and the table of open files. It only counts; the callers ask before
they allocate. What the host puts into the tree raises an allowance, so a large input file does not
eat the guest's share.
"""

from __future__ import annotations

from dspex.wasm.emscripten.errno import Errno, SyscallError

MIB = 1024 * 1024
LISTED_PER_ENTRY = 4
LISTED_FREELY = 10_000


class Quotas:
    """Bounds of one file system; every field may be changed at any time.

    Attributes:
        file_bytes_max: Sum of the content of all regular files the guest made, unlinked but still open
            ones too, and of the targets of symbolic links. Over it: ENOSPC (a write that fits in part
            is cut short first, as Linux does).
        file_count_max: Directory entries the guest made. Over it: EDQUOT.
        open_files_max: File descriptor numbers are below this. Over it: EMFILE.
        directory_depth_max: Directories above any entry. Over it: EDQUOT.
        hit: Name of the first quota that turned something down since the host last cleared it.
        bytes_used: Content of all regular files outside the base layer.
        names_listed: Names held by directories that are being read.
        entries_used: Directory entries outside the base layer and the initial tree.
        bytes_allowed: `file_bytes_max` plus what the host itself wrote.
        entries_allowed: `file_count_max` plus the entries the host itself made.
    """

    __slots__ = (
        "_bytes_of_host",
        "_entries_of_host",
        "bytes_used",
        "directory_depth_max",
        "entries_used",
        "file_bytes_max",
        "file_count_max",
        "hit",
        "names_listed",
        "open_files_max",
    )

    def __init__(
        self,
        *,
        file_bytes_max: int = 64 * MIB,
        file_count_max: int = 10_000,
        open_files_max: int = 256,
        directory_depth_max: int = 128,
    ) -> None:
        """Start with nothing used.

        Args:
            file_bytes_max: See the class.
            file_count_max: See the class.
            open_files_max: See the class.
            directory_depth_max: See the class.
        """
        self.file_bytes_max = file_bytes_max
        self.file_count_max = file_count_max
        self.open_files_max = open_files_max
        self.directory_depth_max = directory_depth_max
        self.hit: str | None = None
        self.bytes_used = 0
        self.entries_used = 0
        self.names_listed = 0
        self._bytes_of_host = 0
        self._entries_of_host = 0

    @property
    def bytes_allowed(self) -> int:
        """How much content may exist now, the host's own included."""
        return self.file_bytes_max + self._bytes_of_host

    @property
    def entries_allowed(self) -> int:
        """How many directory entries may exist now, the host's own included."""
        return self.file_count_max + self._entries_of_host

    @property
    def bytes_free(self) -> int:
        """How much content still fits; below zero after a quota was lowered."""
        return self.file_bytes_max + self._bytes_of_host - self.bytes_used

    @property
    def of_host(self) -> tuple[int, int]:
        """Bytes and entries that the host itself has put there, beyond what the guest may have."""
        return self._bytes_of_host, self._entries_of_host

    @of_host.setter
    def of_host(self, granted: tuple[int, int]) -> None:
        self._bytes_of_host, self._entries_of_host = granted

    def grant_to_host(self, *, content_bytes: int = 0, entries: int = 0) -> None:
        """Make room for what the host is about to put into the tree.

        Args:
            content_bytes: Bytes by which files will grow.
            entries: Directory entries that will be made.
        """
        self._bytes_of_host += content_bytes
        # A count that was lowered below what is used must not turn the host itself down.
        needed = self.entries_used + entries - self.file_count_max
        self._entries_of_host = max(self._entries_of_host + entries, needed)

    def require_bytes(self, extra: int) -> None:
        """Ask before content grows.

        Raises:
            SyscallError: ENOSPC if `extra` bytes do not fit.
        """
        if extra > self.bytes_free:
            refused = self.refusal("file_bytes_max", Errno.ENOSPC)
            raise refused

    def require_entry(self) -> None:
        """Ask before a directory entry is made.

        Raises:
            SyscallError: EDQUOT if there are too many.
        """
        if self.entries_used >= self.entries_allowed:
            refused = self.refusal("file_count_max", Errno.EDQUOT)
            raise refused

    def require_depth(self, depth: int) -> None:
        """Ask before a directory comes to lie `depth` below the root.

        Raises:
            SyscallError: EDQUOT if that is too deep.
        """
        if depth > self.directory_depth_max:
            refused = self.refusal("directory_depth_max", Errno.EDQUOT)
            raise refused

    def require_listing(self, names: int) -> None:
        """Ask before a directory's names are copied for reading, and count them.

        Four times all the files there may be, and as many again as an ordinary base layer has.

        Raises:
            SyscallError: ENOMEM if too many copies are held.
        """
        if self.names_listed + names > LISTED_PER_ENTRY * self.entries_allowed + LISTED_FREELY:
            refused = self.refusal("file_count_max", Errno.ENOMEM)
            raise refused
        self.names_listed += names

    def refusal(self, quota: str, errno: Errno) -> SyscallError:
        """Note which quota was hit (the first one stays) and return the error to raise.

        Args:
            quota: Field name of the quota.
            errno: What the guest shall see.
        """
        if self.hit is None:
            self.hit = quota
        return SyscallError(errno)
