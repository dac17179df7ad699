"""A session in a file: what is around the state, so that a wrong, broken or foreign file is refused.

A header in JSON, the state as the worker wrote it, a checksum over both, and under a key of the
caller's also proof that nobody else made the file. The state is not looked at here: that is left to
a worker behind its walls, whatever the checksum says.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import struct
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from dspex.errors import SnapshotUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

MAGIC = b"dspex session\n\x1a\n"
FORMAT = 1
"""Version of everything described here; a file of another one is refused."""

HEADER_BYTES_MAX = 1 << 14
_HEAD = struct.Struct("<16sHHI32s")
"""Magic, format, zero, size of the header, and its SHA-256: what it says is used before all is read."""
_DIGEST_BYTES = 32
_CHUNK_BYTES = 1 << 22
_Short = Annotated[str, msgspec.Meta(max_length=1000)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of itself."""

    language: _Short
    image: _Short | None
    runtime: _Short
    """Key of the runtime that the session lives in; it means nothing in another."""
    dspex: _Short
    created: _Short
    """When, in UTC, as ISO 8601."""
    runs: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    """Runs that the session has had."""
    state_bytes: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    keyed: bool
    """Whether a key is needed to read it."""


_header_decoder = msgspec.json.Decoder(Header)


def now() -> str:
    """Return the time of day, for a header."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write(path: Path, header: Header, state: memoryview, key: bytes | None = None) -> None:
    """Write a file in one step: afterwards there is the old file or the new one, never half of one.

    Args:
        path: Where; an older file there is replaced.
        header: What to say of the state.
        state: The state.
        key: Proves to whoever reads with the same key that the file is not somebody else's.

    Raises:
        OSError: It cannot be written.
    """
    encoded = msgspec.json.encode(header)
    own = hashlib.sha256(encoded).digest()
    head = _HEAD.pack(MAGIC, FORMAT, 0, len(encoded), own) + encoded
    total = hashlib.sha256(head)
    with _new_file(path) as descriptor:
        _write_all(descriptor, memoryview(head))
        for at in range(0, len(state), _CHUNK_BYTES):
            piece = state[at : at + _CHUNK_BYTES]
            total.update(piece)
            _write_all(descriptor, piece)
        checksum = total.digest()
        _write_all(descriptor, memoryview(checksum + _proof(checksum, key)))


class SavedSession:
    """A file, opened: its header is decoded, its content not yet checked."""

    def __init__(self, path: Path) -> None:
        """Open a file and read its header.

        Raises:
            SnapshotUnusable: It is no saved session, or one of another format.
            OSError: It cannot be read.
        """
        self._name = str(path)
        # Without waiting for whoever may be at the other end of a pipe of that name.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise self._unusable("it is not a regular file")
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        try:
            self._read_header(found.st_size)
        except BaseException:
            self._file.close()
            raise

    def _read_header(self, file_bytes: int) -> None:
        head = self._read_exactly(_HEAD.size)
        magic, version, _, size, checksum = _HEAD.unpack(head)
        if magic != MAGIC:
            raise self._unusable("it is not a saved session")
        if version != FORMAT:
            raise self._unusable(f"it has format {version}; this dspex reads format {FORMAT}")
        if size > HEADER_BYTES_MAX:
            raise self._unusable(f"its header has {size} bytes, {HEADER_BYTES_MAX} are allowed")
        encoded = self._read_exactly(size)
        if hashlib.sha256(encoded).digest() != checksum:
            raise self._unusable("its header is damaged, or was changed")
        try:
            self.header = _header_decoder.decode(encoded)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise self._unusable(f"its header is broken: {error}") from error
        expected = len(head) + size + self.header.state_bytes + 2 * _DIGEST_BYTES
        if file_bytes != expected:
            raise self._unusable(
                f"it has {file_bytes} bytes in place of {expected}: it is cut off or damaged"
            )
        self._total = hashlib.sha256(head + encoded)

    def read_state(self, target: memoryview, key: bytes | None = None) -> None:
        """Copy the state into `target`, of its size, and check what was copied.

        Raises:
            SnapshotUnusable: It is damaged, or not under this key.
            OSError: It cannot be read.
        """
        if self.header.keyed != (key is not None):
            raise self._unusable(
                "it needs its key" if self.header.keyed else "it was saved without a key"
            )
        done = 0
        while done < len(target):
            piece = target[done : done + _CHUNK_BYTES]
            got = self._file.readinto(piece)
            if not got:
                raise self._unusable("it is cut off")
            self._total.update(piece[:got])
            done += got
        checksum, proof = self._read_exactly(_DIGEST_BYTES), self._read_exactly(_DIGEST_BYTES)
        if checksum != self._total.digest():
            raise self._unusable("its checksum is wrong: it is damaged, or was changed")
        if not hmac.compare_digest(proof, _proof(checksum, key)):
            raise self._unusable("it was not saved with this key, or was changed since")

    def _read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._file.read(size - len(data))
            if not piece:
                raise self._unusable("it is cut off")
            data += piece
        return data

    def _unusable(self, reason: str) -> SnapshotUnusable:
        return SnapshotUnusable(self._name, reason)

    def close(self) -> None:
        """Close the file; closing twice is closing once."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()


def _proof(checksum: bytes, key: bytes | None) -> bytes:
    return bytes(_DIGEST_BYTES) if key is None else hmac.digest(key, checksum, "sha256")


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[int]:
    """Lend a file, for this user alone, that takes the place of `path` when all is written.

    It has no name until then, where the file system can do that: whoever is killed leaves nothing.
    """
    folder = path.parent
    try:
        descriptor, name = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600), None
    except OSError:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
    try:
        yield descriptor
        if name is None:
            name = _named(descriptor, folder / f".{path.name}.{secrets.token_hex(8)}")
        Path(name).replace(path)
    except BaseException:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _named(descriptor: int, name: Path) -> str:
    """Give a nameless file a name, for the moment until it is renamed."""
    numbers = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # With a folder given, Python makes the one call that follows the link to the file itself.
        os.link(str(descriptor), name, src_dir_fd=numbers, follow_symlinks=True)
    finally:
        os.close(numbers)
    return str(name)


def checked_key(key: object) -> bytes | None:
    """Return the key of a saved session, or None.

    Raises:
        TypeError: It is none.
    """
    if key is None or (isinstance(key, bytes) and key):
        return key
    msg = f"key: some bytes wanted, {type(key).__name__} given"
    raise TypeError(msg)


