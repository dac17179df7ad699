"""Every language by name, written out: importing one is left to the process that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.languages.base import Language

NAMES = ("python",)
"""The names that `run(language=...)` takes."""


def load(name: str, runtime: Path) -> Language:
    """Load a language in this process.

    Args:
        name: One of `NAMES`.
        runtime: Folder of its compiled runtime.

    Raises:
        LookupError: if there is no such language.
    """
    if name == "python":
        from dspex.languages.python import PythonGuest  # noqa: PLC0415 - only where it is served

        return PythonGuest(runtime)
    msg = f"no language {name!r}; there are {', '.join(NAMES)}"
    raise LookupError(msg)
