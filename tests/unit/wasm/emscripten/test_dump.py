"""A file system that is written down and read back is the same, whatever state it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from dspex.wasm.emscripten import HOME, BaseLayer, MemoryFileSystem, Quotas, abi
from dspex.wasm.emscripten.dump import DumpUnusable, FileDump, FileSystemDump, dump, restore

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = {"lib/a.py": b"a = 1", "lib/deep/b.py": b"b"}


def fresh(**quotas: int) -> MemoryFileSystem:
    given: dict[str, Any] = {"file_bytes_max": 1000, "file_count_max": 20, "open_files_max": 32}
    return MemoryFileSystem(base=BaseLayer.from_files(BASE), quotas=Quotas(**{**given, **quotas}))


def written(files: MemoryFileSystem) -> bytes:
    return msgspec.msgpack.encode(dump(files))


def read(content: bytes) -> FileSystemDump:
    return msgspec.msgpack.decode(content, type=FileSystemDump)


def again(files: MemoryFileSystem, **quotas: int) -> MemoryFileSystem:
    whole = dump(files)
    made = fresh(**quotas)
    restore(made, read(msgspec.msgpack.encode(whole)))
    # What the host gave and the guest removed is not given to the copy, where nothing proves it.
    given = dump(made).of_host
    assert all(ours <= theirs for ours, theirs in zip(given, whole.of_host, strict=True))
    assert written(made) == msgspec.msgpack.encode(msgspec.structs.replace(whole, of_host=given))
    return made


def test_names_contents_and_links_come_back() -> None:
    files = fresh()
    files.write_file(f"{HOME}/folder/f", b"content")
    files.tree.make_symlink(files.working_directory, b"link", b"folder/f")
    files.tree.make_link(files.working_directory, b"folder/f", files.working_directory, b"hard")
    made = again(files)

    assert made.read_file(f"{HOME}/link") == b"content"
    assert made.lookup_at(abi.AT_FDCWD, b"hard") is made.lookup_at(abi.AT_FDCWD, b"folder/f")
    assert made.lookup_at(abi.AT_FDCWD, b"hard").links == 2
    assert made.read_file("/lib/deep/b.py") == b"b"
    assert made.quotas.bytes_used == files.quotas.bytes_used
    assert made.quotas.entries_used == files.quotas.entries_used


def test_open_files_keep_their_places_and_share_them() -> None:
    files = fresh()
    files.write_file(f"{HOME}/f", b"abcdef")
    fd = files.open(b"f", abi.O_RDWR)
    files.descriptors.get(fd).position = 4
    files.descriptors.install(20, files.descriptors.get(fd), close_on_exec=True)
    base = files.open(b"/lib/a.py", abi.O_RDONLY)
    made = again(files)

    assert made.descriptors.get(fd).position == 4
    assert made.descriptors.get(20) is made.descriptors.get(fd)
    assert made.descriptors.close_on_exec == {20}
    assert made.descriptors.get(base).inode.path == b"lib/a.py"


def test_what_has_no_name_any_more_is_kept_while_it_is_open() -> None:
    files = fresh()
    files.write_file(f"{HOME}/f", b"unlinked")
    fd = files.open(b"f", abi.O_RDONLY)
    files.tree.unlink(files.working_directory, b"f")
    inner = files.tree.make_directory(files.working_directory, b"gone", 0o755)
    files.change_directory(inner)
    files.tree.remove_directory(inner.parent, b"gone")
    made = again(files)

    assert made.descriptors.get(fd).inode.data == b"unlinked"
    assert made.working_directory.links == 0
    assert made.quotas.bytes_used == len(b"unlinked")


def test_pipes_keep_what_was_written_and_not_read() -> None:
    files = fresh()
    ends = files.make_pipe()
    files.descriptors.get(ends[0]).pipe.buffer += b"waiting"
    made = again(files)

    assert made.descriptors.get(ends[1]).pipe is made.descriptors.get(ends[0]).pipe
    assert made.descriptors.get(ends[0]).pipe.buffer == b"waiting"


def test_closed_standard_streams_stay_closed_and_input_goes_on() -> None:
    files = fresh()
    files.set_input(b"typed")
    files.input.position = 2
    files.descriptors.close(1)
    made = again(files)

    assert sorted(made.descriptors.files) == [0, 2]
    assert (made.input.data, made.input.position) == (b"typed", 2)


@pytest.mark.parametrize(
    ("quotas", "reason"),
    [
        ({"file_bytes_max": 6}, "7 bytes, 6 allowed"),
        ({"file_count_max": 1}, "3 names, 2 allowed"),
        ({"open_files_max": 3}, "descriptor 3 cannot be open"),
    ],
)
def test_quotas_of_the_reader_hold(quotas: dict[str, int], reason: str) -> None:
    files = fresh()
    files.tree.make_directory(files.working_directory, b"folder", 0o755)
    fd = files.open(b"folder/f", abi.O_RDWR | abi.O_CREAT)
    file = files.descriptors.get(fd).inode
    files.tree.write_at(file, 0, memoryview(b"content"))
    again(files)
    with pytest.raises(DumpUnusable, match=reason):
        again(files, **quotas)


def test_any_number_of_an_inode_that_is_taken_can_be_written_down_again() -> None:
    files = fresh()
    files.write_file(f"{HOME}/f", b"")
    whole = dump(files)

    def numbered(number: int) -> bytes:
        inodes = [
            msgspec.structs.replace(one, number=number) if isinstance(one, FileDump) else one
            for one in whole.inodes
        ]
        return msgspec.msgpack.encode(msgspec.structs.replace(whole, inodes=inodes))

    made = fresh()
    restore(made, read(numbered(2**52)))
    again(made)
    with pytest.raises(msgspec.ValidationError):
        read(numbered(2**52 + 1))


def test_a_change_since_the_mark_is_a_change_in_the_copy_too() -> None:
    files = fresh()
    files.write_file(f"{HOME}/before", b"1")
    files.mark()
    fd = files.open(b"after", abi.O_RDWR | abi.O_CREAT)
    files.tree.write_at(files.descriptors.get(fd).inode, 0, memoryview(b"2"))
    look: Callable[[MemoryFileSystem], object] = lambda some: some.walk_changed(HOME)  # noqa: E731

    assert look(again(files)) == look(files) == [("after", bytearray(b"2"))]
