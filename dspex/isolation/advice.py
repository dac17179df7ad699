"""What it means when a wall is missing, and what to change on the machine; and the refusal that says so.

For the engine, which refuses to start, and for `dspex doctor`. Child processes never load this.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from dspex.isolation.layers import JAIL, Layer


class Advice(NamedTuple):
    """Two sentences about one wall."""

    absence: str
    """What a guest that has broken out of the interpreter could do without it."""
    remedy: str
    """What to change so that it can be armed."""


_NAMESPACES: Final = (
    "Allow unprivileged user namespaces: sysctl user.max_user_namespaces above 0,"
    " kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu);"
    " in a container, a seccomp profile that permits unshare, mount and pivot_root."
)
_KERNEL: Final = "Use a kernel that has it compiled in and switched on"

ADVICE: Final[Mapping[Layer, Advice]] = MappingProxyType(
    {
        Layer.CLEAN_ENV: Advice(
            "Secrets in the environment at start would stay readable in memory.",
            "Start the zygote with only the names the spec allows.",
        ),
        Layer.OWN_SESSION: Advice(
            "Signals to the process group and input pushed into the terminal would reach the host.",
            "Do not start the zygote as leader of a process group.",
        ),
        Layer.CLOSED_FDS: Advice(
            "Files and sockets of the host left open could be used.",
            "Pass only sockets, pipes and memory files on, never a directory or a disk.",
        ),
        Layer.UNPRIVILEGED_USER: Advice(
            "Code that leaves the other walls would be root.",
            "Give the container CAP_SETUID and CAP_SETGID with user 65534 mapped, or run dspex as an ordinary user.",
        ),
        Layer.OWN_KEYRING: Advice(
            "Keys of the login session that dspex was started in could be read.",
            "In a container, a seccomp profile that permits keyctl.",
        ),
        Layer.USER_NAMESPACE: Advice(
            "The other namespaces need root, and processes of the same user are not set apart.",
            _NAMESPACES,
        ),
        Layer.MOUNT_NAMESPACE: Advice("The host's file tree stays in view.", _NAMESPACES),
        Layer.PID_NAMESPACE: Advice(
            "Host processes can be named, and a process that escapes its group may outlive the engine.",
            _NAMESPACES,
        ),
        Layer.NETWORK_NAMESPACE: Advice(
            "Only seccomp stands between the guest and the network.", _NAMESPACES
        ),
        Layer.IPC_NAMESPACE: Advice(
            "Shared memory and message queues of the host can be reached.", _NAMESPACES
        ),
        Layer.UTS_NAMESPACE: Advice("Only seccomp hides the host's name.", _NAMESPACES),
        Layer.CGROUP_NAMESPACE: Advice("The host's control groups can be read.", _NAMESPACES),
        Layer.NO_NESTED_NAMESPACES: Advice(
            "Only seccomp keeps the guest from namespaces of its own, and the kernel code these open.",
            "Mount /proc writable where dspex starts; it needs a user namespace too.",
        ),
        Layer.EMPTY_ROOT: Advice(
            "Files of the host can be named; only Landlock and seccomp keep them shut.",
            _NAMESPACES + " The root must not be an initial ramdisk.",
        ),
        Layer.RLIMITS: Advice(
            "Core dumps, memory files and processes have no bound from the kernel.",
            "Start dspex with hard limits no lower than the spec asks for.",
        ),
        Layer.CAPABILITIES: Advice(
            "Rights of the administrator inside the namespaces would be left to attack the kernel with.",
            "Run without a wrapper that locks capabilities.",
        ),
        Layer.NOT_DUMPABLE: Advice(
            "Processes of the same user could read a worker's memory.",
            "Report it: every kernel allows this.",
        ),
        Layer.NO_NEW_PRIVS: Advice(
            "A set-uid program would raise rights, and Landlock and seccomp need it.",
            "Report it: every kernel since 3.5 allows this.",
        ),
        Layer.NO_NEW_CODE: Advice(
            "Only seccomp keeps native code from being written and run.", "Use Linux 6.3 or later."
        ),
        Layer.LANDLOCK: Advice(
            "Only the empty root and seccomp keep files shut.",
            _KERNEL + ": Linux 5.13 or later with lsm=landlock.",
        ),
        Layer.PARENT_DEATH_SIGNAL: Advice(
            "Workers could outlive an engine that was killed.",
            "Report it: every kernel allows this.",
        ),
        Layer.SECCOMP: Advice(
            "The whole of the kernel's calls is open to attack.",
            _KERNEL + ": CONFIG_SECCOMP_FILTER, on x86-64 or arm64.",
        ),
    }
)
assert set(ADVICE) == set(JAIL)


def missing(
    required: Iterable[str], armed: Iterable[str], absent: Mapping[str, str] | None = None
) -> str | None:
    """Say why an engine must not start, or None if every required wall stands.

    Args:
        required: Layer names a policy requires.
        armed: Layer names that stand, the engine's own among them.
        absent: Reasons from the report, by layer name.

    Raises:
        ValueError: A required name is not a layer.

    Example:
        >>> print(missing(["seccomp"], [], {"seccomp": "Function not implemented"}))  # doctest: +ELLIPSIS
        1 required isolation layer could not be armed:
        seccomp: Function not implemented.
          without it: The whole of the kernel's calls is open to attack.
          to change it: Use a kernel that has it compiled in and switched on: CONFIG_SECCOMP_FILTER, ...
    """
    standing = set(armed)
    lacking = [
        layer for layer in map(Layer, dict.fromkeys(required)) if layer.value not in standing
    ]
    if not lacking:
        return None
    reasons = absent or {}
    lines = [
        f"{len(lacking)} required isolation layer{'s'[: len(lacking) > 1]} could not be armed:"
    ]
    for layer in lacking:
        lines.append(f"{layer.value}: {reasons.get(layer.value, 'not reported as armed')}.")
        advice = ADVICE.get(layer)
        if advice is not None:
            lines += [f"  without it: {advice.absence}", f"  to change it: {advice.remedy}"]
    return "\n".join(lines)
