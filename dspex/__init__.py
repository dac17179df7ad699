"""Run code you do not trust: a real CPython in a fresh, jailed process, in about a millisecond.

`run` is the shortest way in, `Engine` the door with all its options, `open_engine` the same for
trio and asyncio, `Outcome` what comes back, `Policy` what a program may do. Everything is imported
when it is first used, because workers import parts of this package and must stay small.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dspex import images as images
    from dspex.async_engine import AsyncEngine as AsyncEngine
    from dspex.async_engine import AsyncJob as AsyncJob
    from dspex.async_engine import AsyncSession as AsyncSession
    from dspex.async_engine import open_engine as open_engine
    from dspex.engine import Engine as Engine
    from dspex.engine import run as run
    from dspex.errors import CapabilityDenied as CapabilityDenied
    from dspex.errors import DspexError as DspexError
    from dspex.errors import EngineBusy as EngineBusy
    from dspex.errors import Finding as Finding
    from dspex.errors import GuestError as GuestError
    from dspex.errors import GuestRaised as GuestRaised
    from dspex.errors import GuestRefused as GuestRefused
    from dspex.errors import InternalError as InternalError
    from dspex.errors import IsolationMissing as IsolationMissing
    from dspex.errors import LanguageUnavailable as LanguageUnavailable
    from dspex.errors import LimitExceeded as LimitExceeded
    from dspex.errors import PolicyInvalid as PolicyInvalid
    from dspex.errors import ProtocolViolation as ProtocolViolation
    from dspex.errors import ReplayDiffers as ReplayDiffers
    from dspex.errors import RequestError as RequestError
    from dspex.errors import RestartsExhausted as RestartsExhausted
    from dspex.errors import SessionClosed as SessionClosed
    from dspex.errors import SnapshotUnusable as SnapshotUnusable
    from dspex.errors import ValueNotTransferable as ValueNotTransferable
    from dspex.errors import WorkerCrashed as WorkerCrashed
    from dspex.errors import WorkerLost as WorkerLost
    from dspex.errors import WorkerSilent as WorkerSilent
    from dspex.limits import Limits as Limits
    from dspex.limits import Usage as Usage
    from dspex.outcome import GuestErrorReport as GuestErrorReport
    from dspex.outcome import Outcome as Outcome
    from dspex.policy import Mount as Mount
    from dspex.policy import Policy as Policy
    from dspex.recordings import Recording as Recording
    from dspex.running import RunningJob as RunningJob
    from dspex.session import Session as Session
    from dspex.streaming import AsyncStream as AsyncStream
    from dspex.streaming import OutputEvent as OutputEvent
    from dspex.streaming import Stream as Stream

__version__ = "0.1.0"

_HOMES = {
    "dspex.async_engine": ("AsyncEngine", "AsyncJob", "AsyncSession", "open_engine"),
    "dspex.engine": ("Engine", "run"),
    "dspex.errors": (
        "CapabilityDenied", "DspexError", "EngineBusy", "Finding", "GuestError", "GuestRaised",
        "GuestRefused", "InternalError", "IsolationMissing", "LanguageUnavailable", "LimitExceeded",
        "PolicyInvalid", "ProtocolViolation", "ReplayDiffers", "RequestError", "RestartsExhausted",
        "SessionClosed", "SnapshotUnusable", "ValueNotTransferable", "WorkerCrashed", "WorkerLost", "WorkerSilent",
    ),
    "dspex.limits": ("Limits", "Usage"),
    "dspex.outcome": ("GuestErrorReport", "Outcome"),
    "dspex.policy": ("Mount", "Policy"),
    "dspex.recordings": ("Recording",),
    "dspex.running": ("RunningJob",),
    "dspex.session": ("Session",),
    "dspex.streaming": ("AsyncStream", "OutputEvent", "Stream"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", "images", *sorted(_HOME_OF)]  # noqa: PLE0604 - the names are literals above


def __getattr__(name: str) -> object:
    """Import a public name from its home at its first use."""
    home = _HOME_OF.get(name)
    if name == "images":
        return importlib.import_module("dspex.images")
    if home is None:
        msg = f"module 'dspex' has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
