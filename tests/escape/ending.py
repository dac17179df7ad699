"""How an attack ended, in one line that a table can hold: status, and exact error or value."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import dspex

if TYPE_CHECKING:
    from tests.escape.canary import Canary

Attack = Callable[..., dspex.Outcome]
"""The fixture `attack`: `Engine.run` for a program that is told where the canary is."""


class Attempt(NamedTuple):
    """One attack and the one way in which it must fail."""

    name: str
    code: str
    """Program for the guest; it finds `canary`, a dict of all places, among its globals."""
    ending: str
    """`status type: message`, or `ok` and the value."""


def ending(outcome: dspex.Outcome, canary: Canary) -> str:
    """Return status, type and message, or the value, with what differs from host to host by name."""
    if outcome.error is None:
        said = f"{outcome.status} {outcome.value!r}"
    else:
        said = f"{outcome.status} {outcome.error.type}: {outcome.error.message}"
    folder = str(canary.folder)
    for real, shown in ((folder, "CANARY"), (folder[1:], "CANARY"), (f"/{os.getpid()}/", "/PID/")):
        said = said.replace(real, shown)
    return said


def names(attempts: Iterable[Attempt]) -> list[str]:
    """Return the names of attempts, checked to be different, for pytest's ids."""
    found = [attempt.name for attempt in attempts]
    assert len(set(found)) == len(found)
    return found
