"""Wheels opened with distrust: names, sizes and hashes checked before a byte of them is used.

A wheel is a zip file that somebody else made. Nothing is ever written to disk under a name that it
chose; its content becomes a dictionary. What is refused is refused with the name of the file and of the
member. The format is the "Binary distribution format" of the Python packaging specifications.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dspex.runtimes.images.errors import WheelRefused
from dspex.runtimes.images.lockfile import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from pathlib import Path

FILE_BYTES_MAX = 512 << 20
"""Largest wheel."""
MEMBER_BYTES_MAX = 256 << 20
CONTENT_BYTES_MAX = 1 << 30
MEMBERS_MAX = 50_000
PATH_BYTES_MAX = 1000

_PYTHONS = frozenset({"py3", "py2.py3", "cp314", *(f"py3{minor}" for minor in range(15))})
_STABLE = frozenset(f"cp3{minor}" for minor in range(2, 15))
_SCHEMES = ("purelib", "platlib")
_UNSIGNED = (".jws", ".p7s")


@dataclass(frozen=True, slots=True)
class Wheel:
    """The content of one wheel as it lies in `site-packages`."""

    files: Mapping[str, bytes]
    top_level: tuple[str, ...]
    """Modules that it offers for import, without those whose names begin with an underscore."""


def check_tags(file_name: str) -> None:
    """Check by its name that a wheel is for the guest.

    Raises:
        WheelRefused: It is for something else, or not named like a wheel.
    """
    parts = file_name.removesuffix(".whl").split("-")
    if not file_name.endswith(".whl") or len(parts) not in (5, 6):
        raise WheelRefused(f"{file_name}: is not named like a wheel")
    pythons, abis, platforms = (set(part.split(".")) for part in parts[-3:])
    pure = pythons & {*_PYTHONS, "py2"} and "none" in abis and "any" in platforms and pythons != {"py2"}
    native = PLATFORM in platforms and (
        (pythons & _PYTHONS and abis & {"cp314", "none"}) or (pythons & _STABLE and "abi3" in abis)
    )
    if not pure and not native:
        raise WheelRefused(
            f"{file_name}: is for another Python or platform; wanted is py3-none-any or cp314-cp314-{PLATFORM}"
        )


def read_wheel(path: Path, name: str, sha256: str, *, keep_tests: bool = False) -> Wheel:
    """Read a wheel after checking all of it.

    Args:
        path: The file.
        name: What it is called.
        sha256: What its content must hash to.
        keep_tests: Whether folders called `tests` stay; otherwise they are left out.

    Raises:
        WheelRefused: It is another file, or holds what a wheel may not.
    """
    check_tags(name)
    content = _checked(path, name, sha256)
    members = _members(content, name)
    info = {one.split("/")[0] for one in members if one.split("/")[0].endswith(".dist-info")}
    if len(info) != 1:
        raise WheelRefused(f"{name}: has {len(info)} folders .dist-info, not one")
    _check_record(members, info.pop(), name)
    files = _placed(members, name)
    if not keep_tests:
        files = {path: data for path, data in files.items() if not _is_test(path)}
    return Wheel(files, tuple(_top_level(files)))


def read_library(path: Path, name: str, sha256: str) -> Wheel:
    """Read an archive of native libraries, as Pyodide distributes those that are no Python packages.

    Raises:
        WheelRefused: It is another file, or holds what it may not.
    """
    members = _members(_checked(path, name, sha256), name)
    folder = name.partition("-")[0].partition(".")[0] + ".libs"
    return Wheel(
        {f"{folder}/{one.rpartition('/')[2]}": data for one, data in members.items() if one.endswith(".so")}, ()
    )


def check_hash(path: Path, name: str, sha256: str) -> None:
    """Check that a file is the one that is locked.

    Raises:
        WheelRefused: It is another, or too large to be read.
    """
    _checked(path, name, sha256)


def _checked(path: Path, name: str, sha256: str) -> bytes:
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise WheelRefused(f"{name}: {size} bytes, {FILE_BYTES_MAX} is the most")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WheelRefused(f"{name}: its SHA-256 is not {sha256}")
    return content


def _members(content: bytes, name: str) -> dict[str, bytes]:
    """Return the files of an archive by path; sizes are bounded before and while it is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_sizes(entries, name)
            found: dict[str, bytes] = {}
            for entry in entries:
                _check_entry(entry, found, name)
                if not entry.is_dir():
                    found[entry.filename] = _unpacked(archive, entry, name)
    except WheelRefused:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise WheelRefused(f"{name}: cannot be unpacked: {error}") from error
    for path in found:
        for at, character in enumerate(path):
            if character == "/" and path[:at] in found:
                raise WheelRefused(f"{name}: {path[:at]} is a file and a folder")
    return found


def _check_sizes(entries: Iterable[zipfile.ZipInfo], name: str) -> None:
    count = total = 0
    for entry in entries:
        count, total = count + 1, total + entry.file_size
        if entry.file_size > MEMBER_BYTES_MAX:
            raise WheelRefused(
                f"{name}: {entry.filename[:100]} says it has {entry.file_size} bytes, {MEMBER_BYTES_MAX} is the most"
            )
    if count > MEMBERS_MAX or total > CONTENT_BYTES_MAX:
        raise WheelRefused(
            f"{name}: says it has {count} members of {total} bytes, {MEMBERS_MAX} and {CONTENT_BYTES_MAX} are the most"
        )


def _check_entry(entry: zipfile.ZipInfo, found: Container[str], name: str) -> None:
    path = entry.orig_filename
    parts = path.removesuffix("/").split("/")
    if (
        path != entry.filename or not {"", ".", ".."}.isdisjoint(parts) or len(path.encode()) > PATH_BYTES_MAX
        or any(character < " " or character in "\\:\x7f" for character in path)
    ):
        raise WheelRefused(f"{name}: {path[:100]!r} is not a path within it")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WheelRefused(f"{name}: {path} is a link or a device")
    if entry.flag_bits & 1:
        raise WheelRefused(f"{name}: {path} is encrypted")
    if path in found:
        raise WheelRefused(f"{name}: {path} is there twice")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise WheelRefused(f"{name}: {entry.filename} is not of the size that it says")
    return data


def _check_record(members: Mapping[str, bytes], info: str, name: str) -> None:
    """Check that every file is in the wheel's own list with its hash, and every listed one there."""
    record = members.get(f"{info}/RECORD")
    if record is None:
        raise WheelRefused(f"{name}: has no RECORD")
    try:
        rows = [row for row in csv.reader(io.StringIO(record.decode())) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise WheelRefused(f"{name}: its RECORD cannot be read: {error}") from error
    listed = {row[0]: row[1] if len(row) > 1 else "" for row in rows}
    free = {f"{info}/RECORD", *(f"{info}/RECORD{suffix}" for suffix in _UNSIGNED)}
    for path, data in members.items():
        if path not in free and listed.get(path) != _record_hash(data):
            raise WheelRefused(f"{name}: {path} is not what its RECORD says")
    absent = sorted(path for path in listed if path not in members and path not in free)
    if absent:
        raise WheelRefused(f"{name}: {absent[0][:100]} is in its RECORD and not in it")


def _record_hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _placed(members: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    """Return what lies in `site-packages`; programs, headers and data for elsewhere are left out."""
    files: dict[str, bytes] = {}
    for path, data in members.items():
        top, _, rest = path.partition("/")
        place = path
        if top.endswith(".data"):
            scheme, _, place = rest.partition("/")
            if scheme not in _SCHEMES:
                continue
        if place in files:
            raise WheelRefused(f"{name}: {place} is there twice")
        if not place.endswith(".pyc"):
            files[place] = data
    return files


def _is_test(path: str) -> bool:
    folders = path.split("/")[:-1]
    return "tests" in folders[1:] and not folders[0].endswith(".dist-info")


def _top_level(files: Mapping[str, bytes]) -> list[str]:
    found = set()
    for path in files:
        first, slash, rest = path.partition("/")
        if slash and "/" not in rest and rest.partition(".")[0] == "__init__":
            found.add(first)
        elif not slash and (first.endswith((".py", ".so"))):
            found.add(first.partition(".")[0])
    return sorted(one for one in found if one.isidentifier() and not one.startswith("_"))
