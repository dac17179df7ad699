"""The read-only files of a Python guest: the standard library's archive and the time zones.

They become one data file with an index, which every sandbox shares through one mapping.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from dspex.languages.python import ROOT_DATA, ROOT_INDEX

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

_ALIGN_BYTES = 64
ZONES = "usr/share/zoneinfo"


class ZonesMissing(ModuleNotFoundError):
    """The build dependency `tzdata` is not installed."""


def time_zones() -> dict[str, bytes]:
    """Return the time zone files of the installed `tzdata` package, by path in the guest.

    Raises:
        ZonesMissing: if the package is not installed.
    """
    try:
        root = resources.files("tzdata") / "zoneinfo"
    except ModuleNotFoundError as error:
        msg = "tzdata is needed to build a runtime: `pip install dspex[build]`"
        raise ZonesMissing(msg) from error
    found: dict[str, bytes] = {}
    _collect(root, ZONES, found)
    return found


def _collect(folder: Traversable, prefix: str, into: dict[str, bytes]) -> None:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                _collect(entry, f"{prefix}/{entry.name}", into)
        elif not entry.name.endswith((".py", ".pyc")):
            into[f"{prefix}/{entry.name}"] = entry.read_bytes()


def write_root(files: dict[str, bytes], folder: Path) -> None:
    """Write the data file and the index of a base layer."""
    index: dict[str, tuple[int, int]] = {}
    data = bytearray()
    for name in sorted(files):
        data += bytes(-len(data) % _ALIGN_BYTES)
        index[name] = (len(data), len(files[name]))
        data += files[name]
    (folder / ROOT_DATA).write_bytes(data)
    (folder / ROOT_INDEX).write_text(json.dumps(index))


