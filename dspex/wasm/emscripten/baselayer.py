"""The read-only files every run shares: the standard library, the time zone data, an image's packages.

A layer is a sorted list of paths over one buffer (an mmap, usually). Nothing is made per file: lookups
and listings bisect, and `dspex.wasm.emscripten.tree` makes an inode when a path is first used. Finding
the buffer and checking its hash is `dspex.wasm.artifacts`'s work.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping


class BaseLayer:
    """Files by path, as slices of one buffer.

    Paths are bytes without a slash at the start (b"usr/share/zoneinfo/UTC").

    Example:
        >>> layer = BaseLayer.from_files({"lib/a.txt": b"one", "lib/sub/b.txt": b"two"})
        >>> bytes(layer.read(b"lib/a.txt")), layer.list_names(b"lib/")
        (b'one', [b'a.txt', b'sub'])
    """

    __slots__ = ("_data", "_lengths", "_offsets", "_paths", "mtime_ns")

    def __init__(
        self,
        index: Mapping[bytes, tuple[int, int]],
        data: memoryview,
        *,
        mtime_ns: int = 315_532_800 * 10**9,
    ) -> None:
        """Lay an index over a buffer.

        Args:
            index: Path to offset and length in `data`. Cheapest if sorted by path already.
            data: The content of all files; stays referenced.
            mtime_ns: What `stat` shows as the time of every file (1980, the earliest a zip file can say).

        Raises:
            ValueError: If a path is absolute, has an empty, `.` or `..` component, is also a
                directory, or its slice does not lie in `data`.
        """
        self._paths = sorted(index)
        self._offsets = array("Q")
        self._lengths = array("Q")
        self._data = data.toreadonly()
        self.mtime_ns = mtime_ns
        for path in self._paths:
            offset, length = index[path]
            if not 0 <= offset <= offset + length <= len(data):
                msg = f"{path!r}: bytes {offset} to {offset + length} of a buffer of {len(data)}"
                raise ValueError(msg)
            if not {b"", b".", b".."}.isdisjoint(path.split(b"/")):
                msg = f"{path!r}: not a plain relative path"
                raise ValueError(msg)
            if self.has_directory(path + b"/"):
                msg = f"{path!r}: both a file and a directory"
                raise ValueError(msg)
            self._offsets.append(offset)
            self._lengths.append(length)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> BaseLayer:
        """Make a layer of content that is in memory already.

        Args:
            files: Content by relative path.
        """
        index: dict[bytes, tuple[int, int]] = {}
        blob = bytearray()
        for path, content in files.items():
            index[path.encode()] = (len(blob), len(content))
            blob += content
        return cls(index, memoryview(bytes(blob)))

    def __len__(self) -> int:
        """Count the files."""
        return len(self._paths)

    def read(self, path: bytes) -> memoryview | None:
        """Return the content of a file without copying it.

        Args:
            path: Path of the file.

        Returns:
            The content, or None if there is no such file.
        """
        paths = self._paths
        at = bisect_left(paths, path)
        if at == len(paths) or paths[at] != path:
            return None
        offset = self._offsets[at]
        return self._data[offset : offset + self._lengths[at]]

    def has_directory(self, prefix: bytes) -> bool:
        """Whether any file lies below a directory.

        Args:
            prefix: The directory with a slash at the end; b"" for the top.
        """
        at = bisect_left(self._paths, prefix)
        return at < len(self._paths) and self._paths[at].startswith(prefix)

    def list_names(self, prefix: bytes) -> list[bytes]:
        """List what lies directly in a directory, sorted.

        Args:
            prefix: The directory with a slash at the end; b"" for the top.
        """
        paths, names, skip = self._paths, [], len(prefix)
        at = bisect_left(paths, prefix)
        while at < len(paths) and paths[at].startswith(prefix):
            name, slash, _ = paths[at][skip:].partition(b"/")
            names.append(name)
            # "0" is the character after "/": everything below the directory sorts before it.
            at = bisect_left(paths, prefix + name + b"0", at) if slash else at + 1
        return names
