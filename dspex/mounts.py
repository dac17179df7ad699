"""Directories of the host that a policy lets guests see: read before a run, written back after it.

A guest never touches the host: it gets a copy, and what it changed is carried back here, in the
caller's process, file by file and each one atomically. Names come from a guest and are hostile: every
step down is taken without following symbolic links, from a descriptor of the step above.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dspex.errors import LimitExceeded, RequestError
from dspex.protocol.messages import MountGiven

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from dspex.policy import Mount

DEPTH_MAX = 64
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Changes(NamedTuple):
    """What a guest changed below one mount."""

    written: dict[str, bytes]
    """Content by name relative to the mount; the name of a mounted file is empty."""
    removed: list[str]


def read(mount: Mount, *, file_count: int) -> MountGiven:
    """Copy what a guest will see of the host under a mount.

    Regular files only: symbolic links, devices, sockets, pipes and names that are not UTF-8 are left out.

    Args:
        mount: What the policy grants.
        file_count: Most files that may be given.

    Raises:
        RequestError: The host has no such path, it cannot be read, or it is deeper than `DEPTH_MAX`.
        LimitExceeded: It holds more than `bytes_max` or than `file_count` files.
    """
    files: dict[str, bytes] = {}
    left = mount.bytes_max
    try:
        with contextlib.closing(_walk(mount.host)) as found:
            for name, descriptor in found:
                with os.fdopen(descriptor, "rb") as file:
                    if len(files) >= file_count:
                        raise LimitExceeded("file_count", file_count, len(files) + 1, "inner")
                    data = file.read(left + 1)
                left -= len(data)
                if left < 0:
                    spent = mount.bytes_max - left
                    raise LimitExceeded("file_bytes", mount.bytes_max, spent, "inner")
                files[name] = data
    except OSError as error:
        msg = f"mount {mount.guest}: {mount.host} cannot be read: {error}"
        raise RequestError(msg) from error
    return MountGiven(mount.guest, mount.mode == "write", mount.bytes_max, files)


def _walk(host: str) -> Generator[tuple[str, int], None, None]:
    """Yield names and open descriptors of the regular files at or below a path; they are the caller's."""
    if not Path(host).is_dir():
        yield "", os.open(host, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return
    # The policy's author may name a link; what lies below is not theirs to choose.
    top = os.open(host, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        yield from _below(top, "", DEPTH_MAX)
    finally:
        os.close(top)


def _below(directory: int, prefix: str, levels: int) -> Generator[tuple[str, int], None, None]:
    """Go through an open directory; besides the file, one descriptor per level is open at a time."""
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda one: one.name)
    for entry in entries:
        name = prefix + entry.name
        if not _is_text(name):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not levels:
                raise OSError(errno.ENAMETOOLONG, f"more than {DEPTH_MAX} levels of directories", name)
            below = os.open(entry.name, _DIRECTORY, dir_fd=directory)
            try:
                yield from _below(below, f"{name}/", levels - 1)
            finally:
                os.close(below)
        elif entry.is_file(follow_symlinks=False):
            opened = os.open(entry.name, _FILE, dir_fd=directory)
            if stat.S_ISREG(os.fstat(opened).st_mode):
                yield name, opened
            else:
                os.close(opened)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def write_back(mount: Mount, changes: Changes) -> list[str]:
    """Carry a guest's changes to the host.

    Each file is replaced atomically; one that cannot be is left as it was.

    Args:
        mount: The mount, whose mode is `write`.
        changes: What the guest changed, already within the mount's `bytes_max`.

    Returns:
        A note for each name that could not be carried over, with the reason.
    """
    notes = []
    for name, data in sorted(changes.written.items()):
        try:
            _write(mount.host, name, data)
        except OSError as error:
            notes.append(_note(mount, name, error))
    for name in sorted(changes.removed):
        try:
            _remove(mount.host, name)
        except OSError as error:
            notes.append(_note(mount, name, error))
    return notes


def _note(mount: Mount, name: str, error: OSError) -> str:
    place = f"{mount.guest}/{name}" if name else mount.guest
    return f"mount {place[:300]}: not written back: {error.strerror or error}"


def _write(host: str, name: str, data: bytes) -> None:
    folder, last = _split(host, name)
    with _opened_folder(host if name else "", folder, make=True) as directory:
        replaced = _replaced(directory, last)
        # The kernel applies the umask to a new file; one that takes another's place is nobody's until then.
        descriptor, temporary = _temporary(directory, 0o666 if replaced is None else 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if replaced is not None:
                    with contextlib.suppress(PermissionError):
                        os.fchown(file.fileno(), replaced.st_uid, replaced.st_gid)
                    os.fchmod(file.fileno(), stat.S_IMODE(replaced.st_mode) & 0o777)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, last, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)
            raise


def _replaced(directory: int, name: str) -> os.stat_result | None:
    """Return what is known of the file that is replaced; None if it will be a new one."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(errno.EEXIST, "something that is not a regular file is there")
    return found


def _temporary(directory: int, mode: int) -> tuple[int, str]:
    for _ in range(100):
        made = f".dspex-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileExistsError):
            return os.open(made, flags, mode, dir_fd=directory), made
    raise FileExistsError(errno.EEXIST, "no free name for a temporary file")


def _remove(host: str, name: str) -> None:
    folder, last = _split(host, name)
    with _opened_folder(host if name else "", folder, make=False) as directory:
        found = os.stat(last, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise FileExistsError(errno.EEXIST, "something that is not a regular file is there")
        os.unlink(last, dir_fd=directory)


def _split(host: str, name: str) -> tuple[Sequence[str], str]:
    """Return the folders to go down, and the last name."""
    if not name:  # the mount is a file
        head, _, last = os.path.realpath(host).rpartition("/")
        return [head or "/"], last
    *folders, last = name.split("/")
    if not {"", ".", ".."}.isdisjoint((*folders, last)):
        raise OSError(errno.EINVAL, "the name leads elsewhere")  # the protocol has refused it before
    return folders, last


@contextlib.contextmanager
def _opened_folder(host: str, folders: Sequence[str], *, make: bool) -> Iterator[int]:
    """Open a folder below `host`, one step after the other and never through a link."""
    if not host:
        here = os.open(folders[0], _DIRECTORY & ~os.O_NOFOLLOW)
        folders = ()
    else:
        here = os.open(host, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        for folder in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o777, dir_fd=here)
            below = os.open(folder, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def changes_by_mount(
    mounts: Sequence[Mount], written: Mapping[tuple[int, str], bytes],
    removed: Sequence[tuple[int, str]],
) -> list[tuple[Mount, Changes]]:
    """Sort what a worker sent by mount; only those that may be written to have any."""
    sorted_out = []
    for number, mount in enumerate(mounts):
        mine = {name: data for (at, name), data in written.items() if at == number}
        gone = [name for at, name in removed if at == number]
        if mine or gone:
            sorted_out.append((mount, Changes(mine, gone)))
    return sorted_out
