"""The process that runs packages' code while an image is built: walls first, then the work.

Native code of packages runs under wasmtime, which is the wall. Behind it this process sees the folder that
it works in, read-only what Python itself needs, and nothing else of the machine: no network, no other
program, no capability. What it does there is `dspex.runtimes.images.freeze_stage`'s.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import dspex
from dspex.isolation.layers import Layer
from dspex.runtimes.builder import BuildFailed
from dspex.runtimes.images import freeze_stage
from dspex.worker.jail import capabilities, filters, landlock, namespaces, surroundings
from dspex.worker.jail.seccomp import Filter
from dspex.worker.jail.syscalls import machine, prctl

if TYPE_CHECKING:
    from collections.abc import Callable

CPU_S = 600
WRITTEN_BYTES_MAX = 4 << 30
FAILED, NO_JAIL = 3, 71
REQUIRED = (Layer.RLIMITS, Layer.NO_NEW_PRIVS, Layer.SECCOMP)
_PR_SET_PDEATHSIG = 1


def main(folder: str, base: str) -> NoReturn:
    """Do the work that lies in a folder and exit; what went wrong is on standard error.

    Args:
        folder: Holds the job; its results are written there.
        base: Folder of the bare runtime, which is read.
    """
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    absent = arm(folder, base)
    lacking = [layer.value for layer in REQUIRED if layer in absent]
    if lacking:
        sys.stderr.write(f"packages' code is not run without {', '.join(lacking)}; see `dspex doctor`")
        sys.exit(NO_JAIL)
    try:
        freeze_stage.run(Path(folder))
    except BuildFailed as error:
        sys.stderr.write(str(error))
        sys.exit(FAILED)
    sys.exit(0)


def arm(folder: str, base: str) -> dict[Layer, str]:
    """Raise every wall that this machine gives; return why others are absent."""
    absent: dict[Layer, str] = {}

    def attempt(layer: Layer, step: Callable[[], object]) -> None:
        try:
            step()
        except OSError as error:
            absent[layer] = str(error)

    attempt(Layer.OWN_SESSION, surroundings.enter_own_session)
    attempt(Layer.CLOSED_FDS, lambda: surroundings.close_all_but({0, 1, 2}))
    attempt(Layer.OWN_KEYRING, surroundings.enter_own_keyring)
    if os.geteuid():
        attempt(Layer.USER_NAMESPACE, namespaces.enter_user_namespace)
    for layer in (Layer.NETWORK_NAMESPACE, Layer.IPC_NAMESPACE):
        attempt(layer, partial(namespaces.enter, layer))
    ruleset: list[int] = []
    attempt(Layer.LANDLOCK, lambda: ruleset.append(_rules(folder, base)))
    attempt(Layer.RLIMITS, _limit)
    attempt(Layer.CAPABILITIES, capabilities.drop_all)
    attempt(Layer.NO_NEW_PRIVS, capabilities.forbid_new_privileges)
    if ruleset:
        attempt(Layer.LANDLOCK, lambda: landlock.enter(ruleset[0]))
    attempt(Layer.SECCOMP, _filter)
    return absent


def _rules(folder: str, base: str) -> int:
    ruleset = landlock.open_ruleset()
    landlock.allow_beneath(ruleset, folder, landlock.WORK)
    package = Path(dspex.__file__).parent.parent
    for path in {base, sys.prefix, sys.base_prefix, *sys.path, str(package)}:
        with contextlib.suppress(FileNotFoundError):
            landlock.allow_beneath(ruleset, path, landlock.READ)
    return ruleset


def _limit() -> None:
    for kind, value in (
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_FSIZE, WRITTEN_BYTES_MAX),
    ):
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _filter() -> None:
    architecture = machine()
    if architecture is None:
        raise OSError("no system call numbers are known for this machine")
    Filter(filters.tool(architecture)).arm()
