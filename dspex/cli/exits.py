"""Exit codes of the `dspex` command; scripts rely on them, so they never change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OK: Final = 0
RAISED: Final = 1
"""The program raised; for other commands: what was looked for is missing or not ready."""
USAGE: Final = 2
"""The command line, the policy or the request cannot be used; nothing ran."""
REFUSED: Final = 3
LIMIT: Final = 4
LOST: Final = 5
INTERRUPTED: Final = 130
"""By Ctrl-C: 128 + SIGINT, as shells say it."""
OUTPUT_CLOSED: Final = 141
"""Whoever read the output went away: 128 + SIGPIPE, as shells say it."""

OF_STATUS: Final[Mapping[str, int]] = {
    "ok": OK,
    "raised": RAISED,
    "refused": REFUSED,
    "limit": LIMIT,
    "lost": LOST,
}
"""By the status of an outcome."""
