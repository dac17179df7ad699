"""Packages from an index in the form of `pyodide-lock.json`: a folder, or an address.

Pyodide publishes packages that the Python package index does not have. Its index names a file and a hash for
each, and what it depends on by name; the package `pyodide-lock` reads it. Only files whose hash is there are
used.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from dspex.runtimes.images.errors import ExtraMissing, ResolveFailed
from dspex.runtimes.images.lockfile import PYTHON, Package
from dspex.runtimes.images.wheels import FILE_BYTES_MAX, check_tags

if TYPE_CHECKING:
    from packaging.requirements import Requirement

INDEX_FILE = "pyodide-lock.json"
INDEX_BYTES_MAX = 64 << 20
TIMEOUT_S = 60.0
ABI = "2026_0"
_KINDS = ("package", "shared_library")
_LOCAL = ("localhost", "127.0.0.1", "::1")


class PyodideIndex:
    """One index; files are fetched from beside it."""

    def __init__(self, location: str) -> None:
        """Read an index.

        Args:
            location: Folder or file, or an address that begins with `https://`.

        Raises:
            ResolveFailed: It cannot be read, or is for another Python.
            ExtraMissing: The extra `images` is not installed.
        """
        try:
            import pyodide_lock  # noqa: PLC0415 - an extra
            from packaging.utils import canonicalize_name  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            raise ExtraMissing("pyodide-lock") from error
        self._location = _index_of(location)
        try:
            told = json.loads(_read(self._location, INDEX_BYTES_MAX))
            abi = told["info"].get("abi_version")
            spec = _spec_of(_known_fields(told, pyodide_lock), pyodide_lock)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ResolveFailed(f"{self._location}: is no pyodide-lock: {str(error)[:300]}") from error
        info = spec.info
        if info.arch != "wasm32" or not info.python.startswith(f"{PYTHON}.") or abi != ABI:
            raise ResolveFailed(
                f"{self._location}: is for Python {info.python}, {info.arch}, ABI {abi};"
                f" wanted is {PYTHON}, wasm32, {ABI}"
            )
        self._canonical: Any = canonicalize_name
        self._packages = {canonicalize_name(one.name): one for one in spec.packages.values()}

    def has(self, wanted: Requirement) -> bool:
        """Tell whether a requirement is met by a package of this index."""
        one = self._packages.get(self._canonical(wanted.name))
        return one is not None and bool(wanted.specifier.contains(one.version, prereleases=True))

    def closure(self, wanted: Requirement) -> list[Package]:
        """Return a package and all that it depends on, which an index of this kind holds itself.

        Raises:
            ResolveFailed: One is absent, has no hash, or is of a kind that cannot be used.
        """
        found: dict[str, Package] = {}
        waiting = [wanted.name]
        while waiting:
            name = self._canonical(waiting.pop())
            if name in found:
                continue
            one = self._packages.get(name)
            if one is None:
                raise ResolveFailed(f"{self._location}: {name} is needed and not there")
            if one.package_type not in _KINDS:
                raise ResolveFailed(f"{self._location}: {name} is a {one.package_type}, which is not supported")
            if not one.sha256:
                raise ResolveFailed(f"{self._location}: {name} has no hash")
            file = urlsplit(one.file_name).path.rpartition("/")[2]
            if one.package_type == "package":
                check_tags(file)
            found[name] = Package(
                name=one.name, version=one.version, file=file, sha256=one.sha256, source="pyodide-lock"
            )
            waiting += one.depends
        return list(found.values())

    def fetch(self, package: Package, into: Path) -> Path:
        """Fetch a file into a folder.

        Raises:
            ResolveFailed: It cannot be had, or is not the file of that hash.
        """
        one = self._packages.get(self._canonical(package.name))
        if one is None or one.sha256 != package.sha256:
            raise ResolveFailed(f"{self._location}: does not hold the {package.file} that is locked")
        content = _read(_beside(self._location, one.file_name), FILE_BYTES_MAX)
        if hashlib.sha256(content).hexdigest() != package.sha256:
            raise ResolveFailed(f"{self._location}: {package.file}: its SHA-256 is not {package.sha256}")
        target = into / package.file
        target.write_bytes(content)
        return target


def _spec_of(told: dict[str, Any], pyodide_lock: Any) -> Any:
    """Return an index as an object: up to 0.1 (the last for Python 3.11) that package used pydantic."""
    kind = pyodide_lock.PyodideLockSpec
    return kind.from_dict(told) if hasattr(kind, "from_dict") else kind.model_validate(told)


def _known_fields(told: dict[str, Any], pyodide_lock: Any) -> dict[str, Any]:
    """Return an index as the installed `pyodide-lock` knows it.

    It refuses fields of later versions, and which version can be installed depends on this Python. What is used
    here has been there from the first.
    """
    info, package = (
        inspect.get_annotations(kind) for kind in (pyodide_lock.InfoSpec, pyodide_lock.PackageSpec)
    )
    defaults = {"version": ""} if "version" in info else {}
    return {
        "info": defaults | {key: one for key, one in told["info"].items() if key in info},
        "packages": {
            name: {key: one for key, one in fields.items() if key in package}
            for name, fields in told["packages"].items()
        },
    }


def _index_of(location: str) -> str:
    if _is_address(location):
        return location if location.endswith(".json") else f"{location.rstrip('/')}/{INDEX_FILE}"
    path = Path(location)
    return str(path / INDEX_FILE if path.is_dir() else path)


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL):
        return True
    if "://" in text:
        raise ResolveFailed(f"{text}: an address that begins with https:// is wanted")
    return False


def _beside(index: str, file_name: str) -> str:
    if _is_address(file_name):
        return file_name
    if _is_address(index):
        return urljoin(index, file_name)
    folder = Path(index).resolve().parent
    path = (folder / file_name).resolve()
    if not path.is_relative_to(folder):
        raise ResolveFailed(f"{index}: {file_name} does not lie beside it")
    return str(path)


def _read(place: str, bytes_max: int) -> bytes:
    try:
        if _is_address(place):
            with urllib.request.urlopen(place, timeout=TIMEOUT_S) as stream:  # noqa: S310 - checked above
                _is_address(stream.url)  # where it was sent on to
                content: bytes = stream.read(bytes_max + 1)
        else:
            with Path(place).open("rb") as file:
                content = file.read(bytes_max + 1)
    except (urllib.error.URLError, OSError) as error:
        raise ResolveFailed(f"{place}: cannot be read: {error}") from error
    if len(content) > bytes_max:
        raise ResolveFailed(f"{place}: is larger than {bytes_max} bytes")
    return content
