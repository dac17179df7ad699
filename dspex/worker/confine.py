"""Puts a zygote, and each worker forked from it, behind every wall this machine gives.

Here is only the order, which matters: what needs a right comes before that right is given up, and seccomp is last.
Each wall is one file in `dspex.worker.jail`. Nothing is judged here either: the report says what stands, and
whoever starts the zygote refuses what is too little (`dspex.isolation.advice.missing`).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from dspex.isolation.layers import JAIL, Layer, Report
from dspex.worker.jail import (
    capabilities,
    filters,
    keeper,
    landlock,
    namespaces,
    rlimits,
    surroundings,
)
from dspex.worker.jail.seccomp import Filter
from dspex.worker.jail.syscalls import Architecture, machine
from dspex.worker.jail.worker_step import Copyable, WorkerStep

_REHEARSED = (Layer.PARENT_DEATH_SIGNAL, Layer.RLIMITS, Layer.LANDLOCK, Layer.SECCOMP)
"""What a worker arms itself, if its zygote could."""


class JailSpec(NamedTuple):
    """What one zygote and its workers need to be left with; everything else is taken away."""

    keep_fds: tuple[int, ...] = ()
    """Descriptors that stay open: the control socket, and stderr (2) if anyone reads it."""
    environment_names: tuple[str, ...] = ("LC_CTYPE",)
    """Names the environment may hold; Python itself adds LC_CTYPE."""
    parent_pid: int | None = None
    """Process that started the zygote; if another is found, that one has died already."""
    unprivileged_id: int = 65534
    """User and group that root changes to."""
    open_files: int = 1024
    file_bytes: int = 1 << 16
    """Size of any file, memory files among them; it must hold the page through which guests are interrupted."""
    processes: int = 4096
    """Keeper, zygote, workers and their threads together."""
    worker_may_be_copied: bool = False
    """For workers of sessions: `confine_worker` can arm them so that the supervisor may let them copy themselves."""
    worker_may_start_threads: bool = False
    worker_may_send_fds: bool = False
    worker_may_make_memory_files: bool = False
    """For workers that boot a fresh guest after they were confined: sessions and `requests_per_worker`."""
    worker_may_load_code: bool = False
    """For languages whose programs are compiled: the layer `no_new_code` stays down, and a worker seals itself."""
    before_filter: Callable[[], object] | None = None
    """Run in the zygote proper, when all but seccomp stands."""
    without: tuple[Layer, ...] = ()
    """Walls left down on purpose, to show that the others hold; the report says so."""


class ArmedLayers(NamedTuple):
    """What stands around this process, and what each worker still has to do."""

    report: Report
    worker_step: WorkerStep | None
    """None on a machine whose system calls are not known; seccomp is then reported absent."""


def confine(spec: JailSpec) -> ArmedLayers:
    """Arm the zygote. Call once, single-threaded, when all imports and all loading of code are done.

    The calling process forks in here: it becomes the keeper, which never returns, and the call returns in its
    child. Afterwards no file can be opened, no module imported and, unless `spec` says so, no memory made executable.

    Args:
        spec: What is to be left.

    Returns:
        The report, with a reason for each wall that could not be armed, and what `confine_worker` needs.

    Raises:
        RuntimeError: More than one thread runs in this process; nothing was armed.
        OSError: The parent is gone, or the process could not fork.
    """
    surroundings.check_single_thread()
    data_bytes_at_start = rlimits.data_bytes_now()
    arming = _Arming(spec.without)
    parent_fd = keeper.watch_parent(spec.parent_pid)
    _arm_inherited(arming, spec, parent_fd)
    alive_fd = keeper.split(parent_fd, with_filter=Layer.SECCOMP not in spec.without)
    if Layer.OWN_SESSION in arming.armed:
        # Once more, so that a signal to the group does not reach the keeper.
        surroundings.enter_own_session()
    arming.attempt(Layer.PARENT_DEATH_SIGNAL, lambda: keeper.die_with_keeper(alive_fd))
    step = _prepared_worker_step(arming, spec, data_bytes_at_start)
    if spec.before_filter is not None:
        spec.before_filter()
    if Layer.RLIMITS in arming.armed:
        rlimits.forbid_locked_memory()
    arming.attempt(Layer.SECCOMP, lambda: _arm_filter(may_load_code=spec.worker_may_load_code))
    if step is not None and Layer.SECCOMP not in arming.armed:
        # Its filter is no use without the zygote's, which it only adds to.
        step.worker_filter = step.copyable = None
    return ArmedLayers(arming.report(), step)


def prepare_rehearsal(spec: JailSpec) -> ArmedLayers:
    """Return what `confine_worker` needs in a child that is only to show what a worker does, and ends with it.

    Nothing is armed in the calling process, and nothing is promised: walls that this machine lacks are left out.
    """
    arming = _Arming(tuple(layer for layer in JAIL if layer not in _REHEARSED))
    arming.armed += _REHEARSED
    try:
        step = _prepared_worker_step(arming, spec, rlimits.data_bytes_now())
    except OSError:  # without Landlock
        arming.armed.remove(Layer.LANDLOCK)
        step = _prepared_worker_step(arming, spec, rlimits.data_bytes_now())
    return ArmedLayers(Report((), {}, {}), step)


def confine_worker(
    armed: ArmedLayers,
    *,
    keep_fds: tuple[int, ...] | None = None,
    cpu_s: int | None = None,
    data_bytes: int | None = None,
    pass_gate: Callable[[int], None] | None = None,
) -> None:
    """Arm one worker, just forked, before it sees anything of a guest; a few system calls in all.

    Args:
        armed: What `confine` returned in the zygote.
        keep_fds: Descriptors that stay open, so that none of the zygote's is shared by all workers; None for all.
        cpu_s: CPU seconds after which the kernel kills, as an outer guard behind the engine's own.
        data_bytes: Writable memory that the worker may add to what the zygote had.
        pass_gate: For a worker that may be copied: called once with the descriptor at which the supervisor will
            be asked for each copy (borrowed), or -1 if there will be none; the last moment to pass one on.

    Raises:
        WallMissingError: A step failed that the zygote's success promised, or the zygote is dead. Do not serve.
    """
    if armed.worker_step is not None:
        armed.worker_step.take(
            keep_fds=keep_fds, cpu_s=cpu_s, data_bytes=data_bytes, pass_gate=pass_gate
        )
    elif pass_gate is not None:
        pass_gate(-1)


class _Arming:
    """Tries one wall after another and keeps the report."""

    def __init__(self, without: tuple[Layer, ...]) -> None:
        self._without = without
        self.armed: list[Layer] = []
        self._absent: dict[str, str] = {}
        self._cost_us: dict[str, float] = {}

    def attempt(self, layer: Layer, step: Callable[[], object]) -> None:
        """Take one step; a refusal is noted, never passed over and never fatal here."""
        if layer in self._without:
            self._absent[layer.value] = "left down on request"
            return
        started_ns = time.perf_counter_ns()
        try:
            step()
        except OSError as error:
            self._absent[layer.value] = str(error)
        else:
            self.armed.append(layer)
        self._cost_us[layer.value] = (time.perf_counter_ns() - started_ns) / 1000

    def report(self) -> Report:
        assert len(self.armed) + len(self._absent) == len(JAIL)
        names = tuple(layer.value for layer in self.armed)
        return Report(names, dict(self._absent), dict(self._cost_us))


def _arm_inherited(arming: _Arming, spec: JailSpec, parent_fd: int) -> None:
    """Arm all that forks inherit, so that a request pays nothing for it."""
    arm = arming.attempt
    arm(Layer.CLEAN_ENV, lambda: surroundings.check_environment(spec.environment_names))
    arm(Layer.OWN_SESSION, surroundings.enter_own_session)
    arm(
        Layer.CLOSED_FDS,
        lambda: surroundings.close_descriptors((*spec.keep_fds, parent_fd)),
    )
    arm(Layer.UNPRIVILEGED_USER, lambda: surroundings.leave_root(spec.unprivileged_id))
    arm(Layer.OWN_KEYRING, surroundings.enter_own_keyring)
    arm(Layer.USER_NAMESPACE, namespaces.enter_user_namespace)
    for layer in namespaces.NAMESPACES:
        arm(layer, partial(namespaces.enter, layer))
    arm(Layer.NO_NESTED_NAMESPACES, lambda: _forbid_nested(arming))
    arm(Layer.EMPTY_ROOT, lambda: _enter_empty_root(arming))
    counted = spec.processes if Layer.USER_NAMESPACE in arming.armed else None
    arm(
        Layer.RLIMITS,
        lambda: rlimits.arm_zygote(
            open_files=spec.open_files, file_bytes=spec.file_bytes, processes=counted
        ),
    )
    arm(Layer.CAPABILITIES, capabilities.drop_all)
    arm(Layer.NOT_DUMPABLE, lambda: capabilities.set_dumpable(dumpable=False))
    arm(Layer.NO_NEW_PRIVS, capabilities.forbid_new_privileges)
    arm(Layer.NO_NEW_CODE, lambda: _forbid_new_code(spec))
    arm(Layer.LANDLOCK, landlock.arm)


def _forbid_nested(arming: _Arming) -> None:
    # In the host's own namespace this would switch the feature off for everyone.
    if Layer.USER_NAMESPACE not in arming.armed:
        raise OSError("there is no user namespace of its own to forbid it in")
    namespaces.forbid_nested()


def _forbid_new_code(spec: JailSpec) -> None:
    if spec.worker_may_load_code:
        raise OSError("programs of this language are compiled: a worker seals itself once its code is loaded")
    capabilities.forbid_new_code()


def _enter_empty_root(arming: _Arming) -> None:
    # In the host's own namespace this would take the file system away from everyone.
    if Layer.MOUNT_NAMESPACE not in arming.armed:
        raise OSError("there is no mount namespace of its own to change the root in")
    namespaces.enter_empty_root()


def _prepared_worker_step(
    arming: _Arming, spec: JailSpec, data_bytes_at_start: int | None
) -> WorkerStep | None:
    architecture = machine()
    if architecture is None:
        return None
    worker_filter = filters.worker(
        architecture,
        may_start_threads=spec.worker_may_start_threads,
        may_send_fds=spec.worker_may_send_fds,
        may_make_memory_files=spec.worker_may_make_memory_files,
        may_load_code=spec.worker_may_load_code,
    )
    return WorkerStep(
        architecture,
        parent_death_signal=Layer.PARENT_DEATH_SIGNAL in arming.armed,
        own_landlock_domain=Layer.LANDLOCK in arming.armed,
        base_data_bytes=data_bytes_at_start,
        limits=Layer.RLIMITS in arming.armed,
        may_multiply=spec.worker_may_start_threads,
        worker_filter=Filter(worker_filter),
        seal=Filter(filters.sealed(architecture)) if spec.worker_may_load_code else None,
        copyable=_copyable(arming, spec, architecture),
    )


def _copyable(
    arming: _Arming, spec: JailSpec, architecture: Architecture
) -> Copyable | None:
    # Nobody else ends a copy for sure when the zygote dies: it has no parent-death signal.
    if not spec.worker_may_be_copied or Layer.PID_NAMESPACE not in arming.armed:
        return None
    worker_filter = filters.worker(
        architecture,
        may_be_copied=True,
        may_send_fds=spec.worker_may_send_fds,
        may_make_memory_files=spec.worker_may_make_memory_files,
    )
    return Copyable(Filter(filters.copy_gate(architecture)), Filter(worker_filter))


def _arm_filter(*, may_load_code: bool) -> None:
    architecture = machine()
    if architecture is None:
        raise OSError("no system call numbers are known for this machine")
    Filter(filters.zygote(architecture, may_load_code=may_load_code)).arm()
