"""What an image consists of, to the byte: names, versions and hashes of its packages.

A lock file is what makes an image the same tomorrow and elsewhere. It holds no addresses: which index
the files come from is the business of whoever builds, and the hash decides whether they are the right
ones. It is TOML, written and read here; choosing the versions is `resolve`'s work.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import Any

from dspex.runtimes.images.errors import LockInvalid

PYTHON = "3.14"
PYTHON_FULL = "3.14.2"
PLATFORM = "pyemscripten_2026_0_wasm32"
"""What the guest's Python and its native modules are built for; see runtimes/package.json."""

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
VERSION = 1
FILE_BYTES_MAX = 4 << 20
PACKAGES_MAX = 1000
WARM_CHARS_MAX = 100_000
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_HASH = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+!-]{0,250}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One file that goes into an image."""

    name: str
    version: str
    file: str
    sha256: str
    source: str = "index"
    """`index` for the Python package index that pip is configured for, or `pyodide-lock`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asked for: the part of an image that people write."""

    requirements: tuple[str, ...]
    preload: tuple[str, ...] = ()
    warm: str = ""
    keep_tests: bool = False

    def check(self) -> None:
        """Check what pip does not.

        Raises:
            LockInvalid: A name is not one of a module, or something is too long.
        """
        for module in self.preload:
            if not _MODULE.fullmatch(module):
                raise LockInvalid(f"preload: {module!r} is not the name of a module")
        if not self.requirements:
            raise LockInvalid("an image needs at least one package")
        if len(self.warm) > WARM_CHARS_MAX:
            raise LockInvalid(f"warm: {len(self.warm)} characters, {WARM_CHARS_MAX} is the most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One image, decided."""

    image: str
    wanted: Wanted
    packages: tuple[Package, ...]

    def text(self) -> str:
        """Return the lock file's content."""
        wanted = self.wanted
        lines = [
            "# Which files this image is made of. Written by `dspex image build`; keep it with your code.",
            f"version = {VERSION}",
            f"image = {_quoted(self.image)}",
            f"python = {_quoted(PYTHON)}",
            f"platform = {_quoted(PLATFORM)}",
            f"with = {_list(wanted.requirements)}",
            f"preload = {_list(wanted.preload)}",
            f"warm = {_quoted(wanted.warm)}",
            f"keep_tests = {'true' if wanted.keep_tests else 'false'}",
        ]
        for one in self.packages:
            lines += [
                "", "[[package]]",
                *(f"{key} = {_quoted(getattr(one, key))}" for key in ("name", "version", "file", "sha256", "source")),
            ]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str, *, source: str = "lock file") -> Lock:
        """Read a lock file.

        Raises:
            LockInvalid: It is not one, or of another version, Python or platform.
        """
        try:
            found = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise LockInvalid(f"{source}: is not TOML: {error}") from error
        for key, expected in (("version", VERSION), ("python", PYTHON), ("platform", PLATFORM)):
            if found.get(key) != expected:
                raise LockInvalid(f"{source}: {key} is {found.get(key)!r}, not {expected!r}: build the image again")
        packages = found.get("package", [])
        if not isinstance(packages, list) or not 1 <= len(packages) <= PACKAGES_MAX:
            raise LockInvalid(f"{source}: package: between 1 and {PACKAGES_MAX} tables wanted")
        lock = cls(
            image=_text(found, "image", source, re.compile(NAME)),
            wanted=Wanted(
                requirements=_texts(found, "with", source), preload=_texts(found, "preload", source),
                warm=_text(found, "warm", source), keep_tests=found.get("keep_tests") is True,
            ),
            packages=tuple(_package(one, source) for one in packages),
        )
        lock.wanted.check()
        return lock


def _package(found: Any, source: str) -> Package:
    if not isinstance(found, dict):
        raise LockInvalid(f"{source}: package: tables wanted")
    return Package(
        name=_text(found, "name", source, _FILE), version=_text(found, "version", source, _FILE),
        file=_text(found, "file", source, _FILE), sha256=_text(found, "sha256", source, _HASH),
        source=_text(found, "source", source, re.compile("index|pyodide-lock")),
    )


def _text(found: dict[str, Any], key: str, source: str, form: re.Pattern[str] | None = None) -> str:
    value = found.get(key)
    if not isinstance(value, str) or (form is not None and not form.fullmatch(value)):
        raise LockInvalid(f"{source}: {key}: cannot be {value!r:.100}")
    return value


def _texts(found: dict[str, Any], key: str, source: str) -> tuple[str, ...]:
    value = found.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise LockInvalid(f"{source}: {key}: a list of strings wanted")
    return tuple(value)


def _quoted(text: str) -> str:
    # A JSON string is a TOML string, but for one character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(_quoted(one) for one in texts)}]"
