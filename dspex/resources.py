"""Where the files that are not code lie: policies, recipes and prebuilt runtimes.

In an installed wheel they are inside the package; in a checkout, beside it at the top level.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


class ResourceMissing(FileNotFoundError):
    """An installation without its data files; reinstalling helps, nothing else does."""


def find(name: str) -> Path:
    """Return the folder `name` ("sandbox_policies", "runtimes") that came with this dspex.

    Raises:
        ResourceMissing: if the installation lacks it.
    """
    for candidate in (_PACKAGE / "_resources" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    msg = f"this installation of dspex lacks its folder {name!r} (looked beside {_PACKAGE})"
    raise ResourceMissing(msg)


def is_checkout() -> bool:
    """Tell whether dspex runs from its repository, where runtimes can be rebuilt from upstream."""
    return (_PACKAGE.parent / "runtimes" / "package.json").is_file()


def package_folder() -> Path:
    """Return the folder of the package itself, which also holds the code that runs in guests."""
    return _PACKAGE
