"""Random calls on the memory file system and on a real directory must have the same results.

Only what means the same on every Linux file system is compared: errors by name, content, sizes of files
and links, link counts of files, names in directories. Permissions are not (tests may run as root).
"""

# The system calls themselves are compared, not pathlib.
# ruff: noqa: PTH102, PTH103, PTH104, PTH106, PTH108, PTH115, PTH116, PTH123, PTH208, PTH211

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import SyscallError
from dspex.wasm.emscripten.filesystem import MemoryFileSystem
from dspex.wasm.emscripten.inode import Directory, Inode, RegularFile, Symlink

# So deep that no chain of links to ".." leaves the part that both sides have.
DEPTH = 12
ABOVE = "up/" * DEPTH

names = st.sampled_from(["a", "b", "c"])
components = st.one_of(names, names, names, st.sampled_from([".", ".."]))
paths = st.builds(
    lambda parts, slash: "/".join(parts) + slash,
    st.lists(components, min_size=1, max_size=3),
    st.sampled_from(["", "", "", "", "/"]),
).filter(lambda path: not path.startswith(".."))
targets = st.sampled_from(["a", "b", "c", "a/b", "../b", "..", ".", "b/", "missing/x"])
flags = st.builds(
    lambda access, extra: access | sum(set(extra)),
    st.sampled_from([abi.O_RDONLY, abi.O_WRONLY, abi.O_RDWR]),
    st.lists(
        st.sampled_from(
            [abi.O_CREAT, abi.O_CREAT, abi.O_EXCL, abi.O_TRUNC, abi.O_APPEND, abi.O_NOFOLLOW]
        ),
        max_size=3,
    ),
).filter(lambda value: not value & abi.O_EXCL or value & abi.O_CREAT)
contents = st.binary(max_size=12)
offsets = st.integers(-3, 30)
choices = st.integers(0, 100)


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except SyscallError as error:
        return error.errno.name


def shown(kind: int, size: int, links: int) -> tuple[int, int, int]:
    """Keep of a stat what all file systems agree on."""
    is_directory = kind == abi.S_IFDIR
    return kind, 0 if is_directory else size, 0 if is_directory else links


class Comparison(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.top = tempfile.mkdtemp()
        self.real = f"{self.top}/{ABOVE}work"
        os.makedirs(self.real)
        self.fs = MemoryFileSystem(home=f"/{ABOVE}work")
        self.here = self.fs.working_directory
        self.open_files: list[tuple[int, int]] = []

    def teardown(self) -> None:
        for real, fake in self.open_files:
            os.close(real)
            self.fs.descriptors.close(fake)
        assert sorted(self.fs.descriptors.files) == [0, 1, 2]
        shutil.rmtree(self.top)

    def compare(self, on_linux: Callable[[], object], in_memory: Callable[[], object]) -> None:
        expected, found = outcome(on_linux), outcome(in_memory)
        assert found == expected, f"Linux: {expected}, memory: {found}"

    def at(self, path: str) -> str:
        return f"{self.real}/{path}"

    def pick(self, choice: int) -> tuple[int, int]:
        return self.open_files[choice % len(self.open_files)]

    @rule(path=paths, flags=flags)
    def open(self, path: str, flags: int) -> None:
        def in_memory() -> int:
            return self.fs.open(path.encode(), flags, 0o644)

        expected = outcome(lambda: os.open(self.at(path), flags, 0o644))
        found = outcome(in_memory)
        assert isinstance(expected, int) == isinstance(found, int), (expected, found)
        if isinstance(expected, int) and isinstance(found, int):
            self.open_files.append((expected, found))
        else:
            assert found == expected

    @precondition(lambda self: self.open_files)
    @rule(choice=choices)
    def close(self, choice: int) -> None:
        real, fake = self.open_files.pop(choice % len(self.open_files))
        os.close(real)
        self.fs.descriptors.close(fake)

    @precondition(lambda self: 0 < len(self.open_files) < 20)
    @rule(choice=choices)
    def dup(self, choice: int) -> None:
        real, fake = self.pick(choice)
        self.open_files.append((os.dup(real), self.fs.descriptors.duplicate(fake)))

    @precondition(lambda self: self.open_files)
    @rule(choice=choices, data=contents)
    def write(self, choice: int, data: bytes) -> None:
        real, fake = self.pick(choice)
        file = self.fs.descriptors.get(fake)
        self.compare(lambda: os.write(real, data), lambda: file.write(memoryview(data)))

    @precondition(lambda self: self.open_files)
    @rule(choice=choices, data=contents, offset=st.integers(0, 30))
    def pwrite(self, choice: int, data: bytes, offset: int) -> None:
        real, fake = self.pick(choice)
        file = self.fs.descriptors.get(fake)
        self.compare(
            lambda: os.pwrite(real, data, offset), lambda: file.write_at(offset, memoryview(data))
        )

    @precondition(lambda self: self.open_files)
    @rule(choice=choices, size=st.integers(1, 40))
    def read(self, choice: int, size: int) -> None:
        real, fake = self.pick(choice)
        target = bytearray(size)

        def in_memory() -> bytes:
            count = self.fs.descriptors.get(fake).read_into(memoryview(target))
            return bytes(target[:count])

        self.compare(lambda: os.read(real, size), in_memory)

    @precondition(lambda self: self.open_files)
    @rule(choice=choices, size=st.integers(1, 40), offset=st.integers(0, 30))
    def pread(self, choice: int, size: int, offset: int) -> None:
        real, fake = self.pick(choice)
        target = bytearray(size)

        def in_memory() -> bytes:
            count = self.fs.descriptors.get(fake).read_at(offset, memoryview(target))
            return bytes(target[:count])

        self.compare(lambda: os.pread(real, size, offset), in_memory)

    @precondition(lambda self: self.open_files)
    @rule(choice=choices, offset=offsets, whence=st.integers(0, 2))
    def seek(self, choice: int, offset: int, whence: int) -> None:
        real, fake = self.pick(choice)
        if stat.S_ISDIR(os.fstat(real).st_mode):
            return
        file = self.fs.descriptors.get(fake)
        self.compare(lambda: os.lseek(real, offset, whence), lambda: file.seek(offset, whence))

    @precondition(lambda self: self.open_files)
    @rule(choice=choices, length=offsets)
    def ftruncate(self, choice: int, length: int) -> None:
        real, fake = self.pick(choice)
        file = self.fs.descriptors.get(fake)
        self.compare(lambda: os.ftruncate(real, length), lambda: file.set_length(length))

    @precondition(lambda self: self.open_files)
    @rule(choice=choices)
    def fstat(self, choice: int) -> None:
        real, fake = self.pick(choice)
        self.compare(
            lambda: self.real_stat(os.fstat(real)),
            lambda: self.fake_stat(self.fs.descriptors.get(fake).inode),
        )

    @staticmethod
    def real_stat(found: os.stat_result) -> tuple[int, int, int]:
        return shown(stat.S_IFMT(found.st_mode), found.st_size, found.st_nlink)

    @staticmethod
    def fake_stat(found: Inode) -> tuple[int, int, int]:
        return shown(found.mode & abi.S_IFMT, found.size, found.links)

    @rule(path=paths, follow=st.booleans())
    def stat(self, path: str, follow: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        self.compare(
            lambda: self.real_stat(os.stat(self.at(path), follow_symlinks=follow)),
            lambda: self.fake_stat(self.fs.tree.lookup(self.here, path.encode(), follow=follow)),
        )

    @rule(path=paths)
    def readdir(self, path: str) -> None:
        def in_memory() -> list[str]:
            fd = self.fs.open(path.encode(), abi.O_RDONLY | abi.O_DIRECTORY)
            file = self.fs.descriptors.get(fd)
            try:
                listed = file.list_names()  # type: ignore[attr-defined]
            finally:
                self.fs.descriptors.close(fd)
            return sorted(name.decode() for name in listed[2:])

        self.compare(lambda: sorted(os.listdir(self.at(path))), in_memory)

    @rule(path=paths)
    def mkdir(self, path: str) -> None:
        self.compare(
            lambda: os.mkdir(self.at(path)),
            lambda: self.nothing(self.fs.tree.make_directory(self.here, path.encode(), 0o777)),
        )

    @staticmethod
    def nothing(_result: object) -> None:
        return None

    @rule(path=paths)
    def rmdir(self, path: str) -> None:
        self.compare(
            lambda: os.rmdir(self.at(path)),
            lambda: self.fs.tree.remove_directory(self.here, path.encode()),
        )

    @rule(path=paths)
    def unlink(self, path: str) -> None:
        self.compare(
            lambda: os.unlink(self.at(path)), lambda: self.fs.tree.unlink(self.here, path.encode())
        )

    @rule(old=paths, new=paths)
    def rename(self, old: str, new: str) -> None:
        self.compare(
            lambda: os.rename(self.at(old), self.at(new)),
            lambda: self.fs.tree.rename(self.here, old.encode(), self.here, new.encode()),
        )

    @rule(old=paths, new=paths)
    def link(self, old: str, new: str) -> None:
        self.compare(
            lambda: os.link(self.at(old), self.at(new), follow_symlinks=False),
            lambda: self.fs.tree.make_link(self.here, old.encode(), self.here, new.encode()),
        )

    @rule(path=paths, leads_to=targets)
    def symlink(self, path: str, leads_to: str) -> None:
        self.compare(
            lambda: os.symlink(leads_to, self.at(path)),
            lambda: self.nothing(
                self.fs.tree.make_symlink(self.here, path.encode(), leads_to.encode())
            ),
        )

    @rule(path=paths)
    def readlink(self, path: str) -> None:
        def in_memory() -> str:
            found = self.fs.tree.lookup(self.here, path.encode(), follow=False)
            return found.target.decode() if isinstance(found, Symlink) else "EINVAL"

        self.compare(lambda: os.readlink(self.at(path)), in_memory)

    @rule(path=paths, length=offsets)
    def truncate(self, path: str, length: int) -> None:
        self.compare(
            lambda: os.truncate(self.at(path), length),
            lambda: self.fs.tree.truncate(self.here, path.encode(), length),
        )

    @invariant()
    def the_trees_are_equal(self) -> None:
        """Compare all names and content, and recount what the quota says."""
        pending = [(f"{self.top}/up", self.fs.tree.lookup(self.here, b"/up"))]
        entries, content = 1, 0
        nodes: dict[int, Inode] = {
            file.inode.number: file.inode for file in self.fs.descriptors.files.values()
        }
        while pending:
            real, fake = pending.pop()
            assert isinstance(fake, Directory)
            assert sorted(os.listdir(real)) == sorted(name.decode() for name in fake.entries)
            for name, inode in fake.entries.items():
                path = f"{real}/{name.decode()}"
                assert self.real_stat(os.lstat(path)) == self.fake_stat(inode), path
                entries += 1
                nodes[inode.number] = inode
                if isinstance(inode, RegularFile):
                    with open(path, "rb") as file:
                        assert bytes(inode.data) == file.read(), path
                elif isinstance(inode, Symlink):
                    assert os.readlink(path).encode() == inode.target
                elif isinstance(inode, Directory):
                    assert (inode.name, inode.parent) == (name, fake)
                    below = [
                        child for child in inode.entries.values() if isinstance(child, Directory)
                    ]
                    assert inode.links == 2 + len(below)
                    pending.append((path, inode))
        for inode in nodes.values():
            content += inode.size if isinstance(inode, RegularFile | Symlink) else 0
        assert self.fs.quotas.entries_used == entries
        assert self.fs.quotas.bytes_used == content


TestComparison = Comparison.TestCase
TestComparison.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
