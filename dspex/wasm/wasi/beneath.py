"""Walking a path that must not leave the directory it begins in, links included.

WASI promises that a directory's descriptor gives no more than what lies beneath it. The tree's own
walk knows no such bound, so each path is first taken apart here, down to one directory and one name.
"""

from __future__ import annotations

from dspex.wasm.emscripten import abi
from dspex.wasm.emscripten.errno import Errno, SyscallError
from dspex.wasm.emscripten.inode import Directory, Inode, Symlink
from dspex.wasm.emscripten.tree import OWNER_SEARCH, Tree


class LeadsOut(Exception):
    """The path leads out of the directory it began in."""


def find(tree: Tree, base: Directory, path: bytes, *, follow: bool) -> tuple[Directory, bytes]:
    """Take a path apart.

    Args:
        tree: Where it lies.
        base: Directory that it begins in and must stay beneath.
        path: The path.
        follow: Whether a link at the end is followed.

    Returns:
        A directory and one last name, with the slash that the path ended in, if any. What the
        name stands for is no link if links were to be followed.

    Raises:
        LeadsOut: It is absolute, or a `..` or a link leads above `base`.
        SyscallError: ENOENT, ENOTDIR, ELOOP, EACCES or ENAMETOOLONG.
    """
    pending = _parts_reversed(path)
    slash = path.endswith(b"/")
    trail = [base]
    links_followed = 0
    while pending:
        name = pending.pop()
        if name == b".":
            continue
        if name == b"..":
            trail.pop()
            if not trail:
                raise LeadsOut
            continue
        child = _child(tree, trail[-1], name)
        if isinstance(child, Symlink) and (pending or follow or slash):
            links_followed += 1
            if links_followed > abi.LINKS_FOLLOWED_MAX:
                raise SyscallError(Errno.ELOOP)
            slash = slash or (not pending and child.target.endswith(b"/"))
            pending += _parts_reversed(child.target)
        elif not pending:
            return trail[-1], name + b"/" * slash
        elif isinstance(child, Directory):
            trail.append(child)
        else:
            raise SyscallError(Errno.ENOENT if child is None else Errno.ENOTDIR)
    return trail[-1], b"."


def _child(tree: Tree, directory: Directory, name: bytes) -> Inode | None:
    if not directory.mode & OWNER_SEARCH:
        raise SyscallError(Errno.EACCES)
    if len(name) > abi.NAME_BYTES_MAX:
        raise SyscallError(Errno.ENAMETOOLONG)
    return tree.child(directory, name)


def _parts_reversed(path: bytes) -> list[bytes]:
    if not path:
        raise SyscallError(Errno.ENOENT)
    if len(path) >= abi.PATH_BYTES_MAX:
        raise SyscallError(Errno.ENAMETOOLONG)
    if path.startswith(b"/"):
        raise LeadsOut
    if b"\0" in path:
        raise SyscallError(Errno.EILSEQ)
    return [part for part in path.split(b"/") if part][::-1]
