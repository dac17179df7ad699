"""What the stand-ins for larger modules are made from, and where their classes must be made.

Classes that programs get are made before `guards.Guards` looks at every class of the process, so that
their underscored attributes are known and they count as the host's; the guards come in afterwards.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.languages.restricted.guards import Guards
    from dspex.languages.restricted.own_surroundings import OwnSurroundings
    from dspex.languages.restricted.virtual_files import VirtualFiles

Modules = dict[str, dict[str, Any]]
Offer = tuple[Modules, list[type]]
"""Names by module, and those of the classes among them that a program may derive from."""


@dataclass(slots=True)
class Context:
    """One process' files, streams and names, for the functions of stand-ins alone."""

    around: OwnSurroundings
    files: VirtualFiles
    run_text: Callable[[str, str, str, dict[str, Any]], Any]
    """Compiles a text under the program's policy and runs it: text, filename, `exec` or `single`, names."""
    names_of_module: Callable[[str], dict[str, Any]]
    """Gives the names of the program or of a module of its own; nothing for any other module."""
    offered: Callable[[str], Any]
    """Gives a module that a program could import; None if there is none."""
    guards: Guards | None = None

    @property
    def guard(self) -> Guards:
        """Return the guards, which are there before any program."""
        assert self.guards is not None
        return self.guards

    def now_s(self) -> float:
        """Return the time that programs are told."""
        return float(vars(self.offered("time"))["time"]())

    def callers(self) -> list[tuple[str, int, str]]:
        """Return filename, line and function of the program's frames, innermost first."""
        found = []
        frame: Any = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename in self.around.filenames:
                found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
            frame = frame.f_back
        return found

    def is_own(self, kind: Any) -> bool:
        """Tell whether something is a class of the program's own."""
        return issubclass(type(kind), type) and kind not in self.guard.host


def present(kind: type, module: str) -> None:
    """Have a class show itself as one of a library's module."""
    kind.__module__, kind.__qualname__ = module, kind.__name__
