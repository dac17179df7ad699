"""Every language by name: ours written out, others' found as entry points.

Importing an implementation is left to the process that serves it. A package adds a language with an
entry point of the group `dspex.languages` that names a `LanguageSpec`; it cannot replace one of ours.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from dspex.errors import LanguageUnavailable
from dspex.languages.base import LanguageSpec

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.runtimes.progress import Progress

ENTRY_POINTS = "dspex.languages"


def _python(image: str | None, progress: Progress) -> Path:
    from dspex.runtimes import locate  # noqa: PLC0415 - only in the caller's process

    return locate.runtime("python", progress, image=image)


OURS = {
    "python": LanguageSpec(
        name="python",
        guest="dspex.languages.python:PythonGuest",
        runtime=_python,
        filename="main.py",
    ),
}
"""The languages that come with dspex."""


def names() -> tuple[str, ...]:
    """Return the names that `run(language=...)` takes."""
    return (*OURS, *sorted(_theirs().keys() - OURS.keys()))


def spec(name: str) -> LanguageSpec:
    """Return what stands behind a name.

    Raises:
        LanguageUnavailable: There is no such language, or its package cannot be imported.
    """
    found = OURS.get(name)
    if found is not None:
        return found
    entry = _theirs().get(name)
    if entry is None:
        raise LanguageUnavailable(
            name, "there is no such language", remedy=f"use one of {', '.join(names())}"
        )
    try:
        loaded = entry.load()
    except (ImportError, AttributeError) as error:
        remedy = "reinstall the package that brings it"
        raise LanguageUnavailable(name, f"{entry.value}: {error}", remedy=remedy) from error
    if not isinstance(loaded, LanguageSpec) or loaded.name != name:
        reason = f"{entry.value} is not a LanguageSpec of that name"
        raise LanguageUnavailable(name, reason, remedy="tell those who make it")
    return loaded


def _theirs() -> dict[str, importlib.metadata.EntryPoint]:
    return {one.name: one for one in importlib.metadata.entry_points(group=ENTRY_POINTS)}
