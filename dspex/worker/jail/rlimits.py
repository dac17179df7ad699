"""The limits that the kernel keeps by itself, as a zygote hands them down.

They are outer guards: they always work and report badly. The guards that report well are inside the guest's runtime.
Those of one worker are set in `dspex.worker.jail.worker_step`.
"""

import resource
from typing import Final

CPU: Final = resource.RLIMIT_CPU
DATA: Final = resource.RLIMIT_DATA
PROCESSES: Final = resource.RLIMIT_NPROC
_UNLIMITED: Final = (1 << 64) - 1
_HANDED_DOWN: Final = (
    resource.RLIMIT_CORE,
    resource.RLIMIT_MSGQUEUE,
    resource.RLIMIT_NICE,
    resource.RLIMIT_RTPRIO,
)
"""Zero for all: no core dump with a guest's data, no queue, no priority."""


def arm_zygote(*, open_files: int, file_bytes: int, processes: int | None) -> None:
    """Limit the zygote and all that it forks.

    Args:
        open_files: Descriptors open at once, in each process.
        file_bytes: Size to which any file, memory files among them, may grow.
        processes: Processes and threads of this user in this user namespace; None without a namespace of its
            own, since processes outside would count too.

    Raises:
        OSError: A limit was refused.
    """
    for kind in _HANDED_DOWN:
        _lower(kind, 0)
    _lower(resource.RLIMIT_NOFILE, open_files)
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    if processes is not None:
        _lower(resource.RLIMIT_NPROC, processes)


def forbid_locked_memory() -> None:
    """Allow no more memory to be locked; the zygote itself has locked what it wants to by then.

    Raises:
        OSError: The limit was refused.
    """
    _lower(resource.RLIMIT_MEMLOCK, 0)


def hard(kind: int) -> int:
    """Return the highest value that this process may set a limit to."""
    _, ceiling = resource.getrlimit(kind)
    return _UNLIMITED if ceiling == resource.RLIM_INFINITY else ceiling


def data_bytes_now() -> int | None:
    """Return this process's private writable memory as RLIMIT_DATA counts it; None where /proc is missing."""
    try:
        with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - no pathlib here
            for line in status:
                if line.startswith(b"VmData:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _lower(kind: int, value: int) -> None:
    ceiling = min(value, hard(kind))
    resource.setrlimit(kind, (ceiling, ceiling))
