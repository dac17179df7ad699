"""The names of the walls around a guest, and the report of which of them stand.

A closed set: a policy may require only these, and `Outcome.isolation` lists only these. What a missing wall
means and what to change for it is told in `dspex.isolation.advice`, which child processes never load.
"""

from enum import StrEnum
from typing import NamedTuple


class Layer(StrEnum):
    """One wall; the value is the name that users see. Listed in the order in which they are armed."""

    WASM = "wasm"
    PROCESS = "process"
    CLEAN_ENV = "clean_env"
    OWN_SESSION = "own_session"
    CLOSED_FDS = "closed_fds"
    UNPRIVILEGED_USER = "unprivileged_user"
    OWN_KEYRING = "own_keyring"
    USER_NAMESPACE = "user_namespace"
    MOUNT_NAMESPACE = "mount_namespace"
    PID_NAMESPACE = "pid_namespace"
    NETWORK_NAMESPACE = "network_namespace"
    IPC_NAMESPACE = "ipc_namespace"
    UTS_NAMESPACE = "uts_namespace"
    CGROUP_NAMESPACE = "cgroup_namespace"
    NO_NESTED_NAMESPACES = "no_nested_namespaces"
    EMPTY_ROOT = "empty_root"
    RLIMITS = "rlimits"
    CAPABILITIES = "capabilities"
    NOT_DUMPABLE = "not_dumpable"
    NO_NEW_PRIVS = "no_new_privs"
    NO_NEW_CODE = "no_new_code"
    LANDLOCK = "landlock"
    PARENT_DEATH_SIGNAL = "parent_death_signal"
    SECCOMP = "seccomp"


JAIL = tuple(layer for layer in Layer if layer not in {Layer.WASM, Layer.PROCESS})
"""The walls that the operating system gives; the other two are the engine's own."""


class Report(NamedTuple):
    """What stands, what does not and why, and what each wall cost; plain data, fit for a frame."""

    armed: tuple[str, ...]
    absent: dict[str, str]
    """Layer name to the reason it could not be armed."""
    cost_us: dict[str, float]
    """Layer name to microseconds spent, also for those that failed."""


class WallMissingError(Exception):
    """A worker's own step failed although the zygote's succeeded: it must not serve."""
