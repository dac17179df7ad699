"""Saved sessions: any file, any state and any file system in it is refused, or becomes what it says.

The first byte of an input chooses what it is: a whole file, a state as a worker gets it, or the part of
one that describes the guest's files. A file system that is taken must keep its quotas, and be the same
when it is written down and read again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from dspex import saves
from dspex.errors import SnapshotUnusable
from dspex.saves import Header, SavedSession
from dspex.wasm import state
from dspex.wasm.emscripten import HOME, BaseLayer, Clock, MemoryFileSystem, Quotas, abi
from dspex.wasm.emscripten.dump import (
    DirectoryDump,
    DumpUnusable,
    FileDump,
    FileSystemDump,
    dump,
    restore,
)
from dspex.wasm.state import SavedState, StateUnusable, Terms
from fuzz.target import Target

FILE_BYTES, FILE_COUNT, OPEN_FILES = 200, 12, 16
TERMS = Terms(1 << 20, FILE_BYTES, FILE_COUNT, OPEN_FILES)
SIDES = ("file", "state", "files")
BASE = {"lib/a.py": b"a = 1", "lib/deep/b.py": b"b", "etc/passwd": b"guest"}
_DIGITS = re.compile(r"[0-9]+|b'.*'|b\".*\"")


def fresh() -> MemoryFileSystem:
    """Return an empty file system over a small base layer, with small quotas."""
    return MemoryFileSystem(
        base=BaseLayer.from_files(BASE),
        quotas=Quotas(
            file_bytes_max=FILE_BYTES, file_count_max=FILE_COUNT, open_files_max=OPEN_FILES
        ),
        now_ns=lambda: 0,
    )


def check(data: bytes) -> str:
    """Read what the first byte chooses."""
    side, body = SIDES[data[0] % len(SIDES)] if data else "files", data[1:]
    try:
        if side == "file":
            return _check_file(body)
        return _check_state(body) if side == "state" else _check_files(body)
    except (SnapshotUnusable, StateUnusable) as error:
        reason = error.reason if isinstance(error, SnapshotUnusable) else str(error)
        return f"{side}: {_DIGITS.sub('#', reason)[:70]}"


def _check_file(body: bytes) -> str:
    descriptor = _memory_file(body)
    try:
        with SavedSession(Path(f"/proc/self/fd/{descriptor}")) as saved:
            size = saved.header.state_bytes
            assert size < len(body), "says more than the file has, and is believed"
            target = bytearray(size)
            saved.read_state(memoryview(target))
        assert bytes(target) in body, "is not what is in the file"
        return "file: taken"
    finally:
        os.close(descriptor)


def _check_state(body: bytes) -> str:
    descriptor = _memory_file(body)
    try:
        saved = SavedState(descriptor, len(body))
    finally:
        os.close(descriptor)
    pages = sum(count for _, count in saved._runs)
    assert pages * state.PAGE_BYTES <= len(body), "has more pages than the file"
    assert all(first + count <= 2**20 for first, count in saved._runs), "reaches too far"
    files, told = fresh(), "state: taken"
    try:
        saved.restore_rest(files, Clock(), TERMS)
    except StateUnusable as error:
        told = f"state: {_DIGITS.sub('#', str(error))[:70]}"
    else:
        _check_quotas(files)
    saved.close()
    return told


def _check_files(body: bytes) -> str:
    try:
        dumped = msgspec.msgpack.decode(body, type=FileSystemDump)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "files: not decoded"
    files = fresh()
    try:
        restore(files, dumped)
    except DumpUnusable as error:
        return f"files: {_DIGITS.sub('#', str(error))[:70]}"
    _check_quotas(files)
    written = msgspec.msgpack.encode(dump(files))
    again = fresh()
    restore(again, msgspec.msgpack.decode(written, type=FileSystemDump))
    assert msgspec.msgpack.encode(dump(again)) == written, "is another one the second time"
    return f"files: taken, {min(len(dumped.inodes), 20)} inodes, {len(dumped.opened)} open"


def _check_quotas(files: MemoryFileSystem) -> None:
    quotas = files.quotas
    assert quotas.bytes_used <= quotas.bytes_allowed, "more bytes than are allowed"
    assert quotas.entries_used <= quotas.entries_allowed, "more names than are allowed"
    assert all(fd < OPEN_FILES for fd in files.descriptors.files), "more open files than are allowed"
    names = list(files.walk_changed("/"))
    assert all(not {"", ".", ".."} & set(name.split("/")) for name, _ in names), "a name is no name"


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("fuzz")
    os.write(descriptor, content)
    return descriptor


def _sample() -> FileSystemDump:
    """Return a file system with something of each kind in it."""
    files = fresh()
    files.write_file(f"{HOME}/f", b"data")
    files.write_file(f"{HOME}/d/g", b"")
    files.tree.make_symlink(files.working_directory, b"l", b"d/g")
    files.lookup_at(abi.AT_FDCWD, b"/lib/deep/b.py")
    files.open(b"f", abi.O_RDWR)
    files.make_pipe()
    files.set_input(b"typed")
    return dump(files)


def _edited(edits: list[tuple[list[int], object]]) -> Any:
    """Return the sample as plain data, with other things in some places of it."""
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(_SAMPLE))
    for path, junk in edits:
        place = whole
        for step in path[:-1]:
            inner = place[step % len(place)]
            if not isinstance(inner, list) or not inner:
                break
            place = inner
        place[path[-1] % len(place)] = junk
    return whole


def _named(which: int, name: bytes) -> tuple[list[int], object]:
    """Return an edit that gives one of the guest's own files another name."""
    at = [(n, k) for n, one in enumerate(_SAMPLE.inodes) if isinstance(one, DirectoryDump)
          for k in range(len(one.entries))]  # fmt: skip
    inode, entry = at[which % len(at)]
    return [0, inode, _ENTRIES, entry, 0], name


_SAMPLE = _sample()
_ENTRIES, _CONTENT = 7, 5
"""Where a directory's dump has its entries, and a file's its content, behind the tag."""
_junk = (
    st.integers(-1, 20) | st.sampled_from([2**31, 2**32 - 1, 2**53, 2**53 + 1, 2**63])
    | st.sampled_from([b"", b"..", b".", b"a/b", b"a\0", b"f", b"d", b"lib", b"/lib/a.py", b"lib/a.py"])
    | st.binary(max_size=300) | st.booleans() | st.none()
    | st.lists(st.tuples(st.sampled_from([b"x", b"f", b"lib"]), st.integers(0, 20)), max_size=3)
)  # fmt: skip
_files_at = [n for n, one in enumerate(_SAMPLE.inodes) if isinstance(one, FileDump)]
_edits = st.one_of(
    st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=6), _junk),
    st.builds(_named, st.integers(0, 99), st.sampled_from([b"..", b".", b"", b"a/b", b"f", b"new"])),
    st.tuples(
        st.sampled_from(_files_at).map(lambda at: [0, at, _CONTENT]),
        st.integers(0, 2 * FILE_BYTES).map(bytes),
    ),
)
_plain = st.builds(_edited, st.lists(_edits, max_size=3))
_files = _plain.map(msgspec.msgpack.encode)
_rest = _plain.map(lambda files: msgspec.msgpack.encode([1, 1, None, files, b""]))


def _state(rest: bytes, runs: list[tuple[int, int]], memory: int, pages: int) -> bytes:
    table = b"".join(state._RUN.pack(*one) for one in runs)
    whole = state._HEAD.pack(state.MAGIC, memory, len(runs), len(rest)) + table + rest
    return whole + bytes(-len(whole) % state.PAGE_BYTES + pages * state.PAGE_BYTES)


_states = st.builds(
    _state, _rest,
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=3)
    | st.just([(2**32 - 1, 2**32 - 1)]),
    st.sampled_from([0, 65536, 1 << 20, 2**32, 2**63, 65537]), st.integers(0, 3),
)  # fmt: skip


def _file(content: bytes, said: int, keyed: bool) -> bytes:  # noqa: FBT001 - hypothesis gives it
    header = Header("python", None, "0" * 16, "0", "now", 1, said or max(1, len(content)), keyed)
    folder = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")
    path = folder / f"dspex-fuzz-{os.getpid()}"
    saves.write(path, header, memoryview(content or b"\0"))
    try:
        return path.read_bytes()
    finally:
        path.unlink()


_saved_files = st.builds(
    _file, st.binary(max_size=60), st.sampled_from([0, 0, 1, 2**40]), st.booleans()
)


TARGET = Target(
    name="saved_sessions",
    check=check,
    inputs=st.one_of(
        _saved_files.map(lambda body: b"\0" + body),
        _states.map(lambda body: b"\1" + body),
        _files.map(lambda body: b"\2" + body),
        _files.map(lambda body: b"\2" + body),
    ),
)
