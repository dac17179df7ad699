"""What the JavaScript tests share: the type of their fixtures, and a look at a run that went well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspex

Run = Callable[..., dspex.Outcome]
"""`Engine.run` for one language."""


def value_of(outcome: dspex.Outcome) -> Any:
    """Return the value of a run that must have gone well, with nothing left behind."""
    assert (outcome.status, outcome.error, outcome.notes) == ("ok", None, ())
    return outcome.value
