"""The package `dbm`, which this build of CPython lacks: small databases of bytes in one file.

It is what `shelve.open` needs. A database is read into memory when it is opened and written as a
whole, through a new file that takes the old one's name, by `sync` and `close`. Runs in the sandbox.
"""

import collections.abc
import os
import struct

__all__ = ["error", "open", "whichdb"]

_MAGIC = b"dspex dbm 1\n"
_SIZES = struct.Struct("<II")
_FLAGS = ("r", "w", "c", "n")


class error(OSError):
    """A database cannot be opened, or its file is not one."""


def whichdb(filename):
    """Return "dbm" if the file is one of these databases, "" if it is something else, None if absent."""
    try:
        with _open_file(filename, "rb") as file:
            return "dbm" if file.read(len(_MAGIC)) == _MAGIC else ""
    except OSError:
        return None


def open(file, flag="r", mode=0o666):
    """Open a database: "r" to read, "w" to write, "c" to make it if need be, "n" for a new one."""
    if flag not in _FLAGS:
        raise ValueError("flag must be 'r', 'w', 'c' or 'n'")
    return _Database(os.fspath(file), flag, mode)


_open_file = __builtins__["open"] if isinstance(__builtins__, dict) else __builtins__.open


class _Database(collections.abc.MutableMapping):
    def __init__(self, path, flag, mode):
        self._path, self._mode = path, mode
        self._writable, self._changed = flag != "r", False
        self._items = {}
        if flag == "n" or flag == "c" and not os.path.exists(path):
            self._changed = True
            self.sync()
        else:
            self._items = _read(path)

    def _open_items(self):
        if self._items is None:
            raise error("the database is closed")
        return self._items

    def __getitem__(self, key):
        return self._open_items()[_as_bytes(key)]

    def __setitem__(self, key, value):
        self._change()[_as_bytes(key)] = _as_bytes(value)

    def __delitem__(self, key):
        del self._change()[_as_bytes(key)]

    def _change(self):
        items = self._open_items()
        if not self._writable:
            raise error("the database was opened for reading only")
        self._changed = True
        return items

    def __contains__(self, key):
        return _as_bytes(key) in self._open_items()

    def __iter__(self):
        return iter(list(self._open_items()))

    def __len__(self):
        return len(self._open_items())

    def keys(self):
        """Return the keys as a list, as the databases of the standard library do."""
        return list(self._open_items())

    def sync(self):
        """Write what has changed."""
        if not self._changed or self._items is None:
            return
        beside = f"{self._path}.new"
        with _open_file(beside, "wb") as file:
            file.write(_MAGIC)
            for key, value in self._items.items():
                file.write(_SIZES.pack(len(key), len(value)) + key + value)
        os.chmod(beside, self._mode & ~0o022)
        os.replace(beside, self._path)
        self._changed = False

    def close(self):
        """Write what has changed and forget the rest; closing twice is closing once."""
        self.sync()
        self._items = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __del__(self):
        if getattr(self, "_items", None) is not None:
            self.close()


def _read(path):
    with _open_file(path, "rb") as file:
        data = file.read()
    if not data.startswith(_MAGIC):
        raise error(f"{path}: not a database of this kind")
    items, at = {}, len(_MAGIC)
    while at < len(data):
        if at + _SIZES.size > len(data):
            raise error(f"{path}: cut off at byte {at}")
        key_bytes, value_bytes = _SIZES.unpack_from(data, at)
        start = at + _SIZES.size
        at = start + key_bytes + value_bytes
        if at > len(data):
            raise error(f"{path}: cut off at byte {len(data)}")
        items[data[start : start + key_bytes]] = data[start + key_bytes : at]
    return items


def _as_bytes(text):
    return text.encode() if isinstance(text, str) else bytes(text)
