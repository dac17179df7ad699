"""The files of a run, the same for every language with a memory file system: given, and taken back.

The working directory belongs to the run: what the guest writes there comes back. A mount is a copy of
a path of the host: what changed there comes back too, if the policy says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dspex.protocol.messages import MountedFile, MountedRemoval, MountGiven
from dspex.wasm.emscripten import HOME, SyscallError
from dspex.wasm.state import StateUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dspex.protocol.messages import Run
    from dspex.wasm.emscripten import MemoryFileSystem

_READ_ONLY_FILE = 0o444
REMOVALS_PER_MESSAGE_MAX = 1000
_mounts_decoder = msgspec.msgpack.Decoder(list[tuple[MountGiven, set[str]]])


class FilesRefused(OSError):
    """A file or mount of the run cannot be put where it is wanted; the message says which and why."""

    def report(self) -> bytes:
        """Return what a guest would say of it: the run is refused."""
        return msgspec.json.encode({"status": "refused", "findings": [{"message": str(self)}]})


class MountedTrees:
    """The mounts of one guest, from run to run."""

    def __init__(self) -> None:
        """Start with none."""
        self._mounts: list[tuple[MountGiven, set[str]]] = []
        self.left_out: list[str] = []
        """Names that the last `changes` left out, because they do not fit their mount."""

    def dump(self) -> bytes:
        """Write down which mounts there are; their files are the file system's."""
        return msgspec.msgpack.encode(self._mounts)

    def restore(self, dumped: bytes) -> None:
        """Have the mounts that were written down.

        Raises:
            StateUnusable: They are none.
        """
        try:
            self._mounts = _mounts_decoder.decode(dumped)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            msg = f"mounts: {error}"
            raise StateUnusable(msg) from error

    def give(self, files: MemoryFileSystem, run: Run) -> None:
        """Put the run's files and mounts into the guest's file system, under the run's quotas.

        Raises:
            FilesRefused: One of them cannot be; in a session the guest may have put a directory there.
        """
        budget, quotas = run.budget, files.quotas
        quotas.file_bytes_max, quotas.file_count_max = budget.file_bytes, budget.file_count
        quotas.open_files_max = budget.open_files
        quotas.hit = None
        for name, data in run.files.items():
            _write(files, f"{HOME}/{name}", data, f"files[{name!r}]")
        for mount in run.mounts:
            self._mount(files, mount)
        files.set_input(run.stdin)
        files.mark()

    def _mount(self, files: MemoryFileSystem, mount: MountGiven) -> None:
        place = f"mount {mount.guest}"
        if "" not in mount.files:
            try:
                files.make_directories(mount.guest)
            except SyscallError as error:
                raise _refused(place, error) from error
        for name, data in mount.files.items():
            path = f"{mount.guest}/{name}" if name else mount.guest
            _write(files, path, data, place)
            if not mount.writable:
                inode = files.tree.lookup(files.tree.root, path.encode())
                files.tree.change_mode(inode, _READ_ONLY_FILE)
        self._mounts.append((msgspec.structs.replace(mount, files={}), set(mount.files)))

    def changes(self, files: MemoryFileSystem, run: Run) -> Iterator[MountedFile | MountedRemoval]:
        """Yield what the guest changed below the mounts that may be written to."""
        self.left_out.clear()
        for number, (mount, names) in enumerate(self._mounts):
            guest, left = mount.guest, mount.bytes_max
            if not mount.writable:
                continue
            changed = files.walk_changed(guest)
            if "" in names:
                head, _, last = guest.rpartition("/")
                changed = [("", data) for name, data in files.walk_changed(head or "/") if name == last]
            for name, data in changed:
                left -= len(data)
                if left < 0:
                    self.left_out.append(f"{guest}/{name}")
                    left += len(data)
                else:
                    yield MountedFile(run.run, number, name, data)  # type: ignore[arg-type]
            if "" in names:
                continue
            present = {name for name in names if _exists(files, f"{guest}/{name}")}
            gone = sorted(names - present)
            for at in range(0, len(gone), REMOVALS_PER_MESSAGE_MAX):
                yield MountedRemoval(run.run, number, gone[at : at + REMOVALS_PER_MESSAGE_MAX])
            names.clear()
            names.update(present, (name for name, _ in changed))

    def forget(self) -> None:
        """Forget the mounts of a guest that is gone."""
        self._mounts.clear()


def _write(files: MemoryFileSystem, path: str, data: bytes, place: str) -> None:
    try:
        files.write_file(path, data)
    except SyscallError as error:
        raise _refused(place, error) from error


def _refused(place: str, error: SyscallError) -> FilesRefused:
    return FilesRefused(f"{place}: cannot be put into the sandbox: {error}")


def _exists(files: MemoryFileSystem, path: str) -> bool:
    try:
        files.tree.lookup(files.tree.root, path.encode(), follow=False)
    except SyscallError:
        return False
    return True
