"""All targets by name, written out."""

from __future__ import annotations

from fuzz import canary, framing, host_calls, host_files, messages, policy, saved_sessions, values
from fuzz.target import Target

TARGETS: dict[str, Target] = {
    module.TARGET.name: module.TARGET
    for module in (
        framing, messages, policy, values, host_calls, host_files, saved_sessions, canary,
    )
}
