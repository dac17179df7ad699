"""How a portable runtime is made, as `dspex.runtimes.locate` sees it: inputs, build, modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dspex.runtimes.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One runtime; the same inputs make the same runtime on any machine."""

    name: str
    """Of letters, digits and hyphens; an image's is `language-image`."""

    inputs: Callable[[], Iterable[Path | str]]
    """Returns all that goes in: files by their names and content, and versions."""

    build: Callable[[Path, Path, Progress], None]
    """Called with the folder to fill, a scratch folder and whom to tell; what it raises is shown."""

    modules: tuple[str, ...]
    """Files `x.wasm` of the folder that are compiled for the machine, to `x.cwasm`."""
