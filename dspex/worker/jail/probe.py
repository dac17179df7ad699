"""Finds out which walls this machine gives, by putting all of them up in a process made for it.

For `dspex doctor`. Asking the kernel for each feature would miss containers, security modules and sysctls that say
no only when it comes to it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from dspex.isolation.layers import JAIL, Layer

_TIMEOUT_S: Final = 30.0
_ROOT: Final = str(Path(__file__).resolve().parents[3])
_PROGRAM: Final = f"""
import json, os, sys
sys.path.insert(0, {_ROOT!r})
from dspex.worker.confine import JailSpec, confine
armed = confine(JailSpec(keep_fds=(1, 2), parent_pid={{parent}}))
os.write(1, json.dumps(armed.report._asdict()).encode())
os._exit(0)
"""


class LayerState(NamedTuple):
    """One wall on this machine."""

    layer: Layer
    available: bool
    reason: str
    """Why it is not available; empty if it is."""
    cost_us: float
    """Microseconds that arming took, once for each zygote."""


def available_layers() -> tuple[LayerState, ...]:
    """Put all walls up in a process of their own and tell which stood.

    Returns:
        One entry for each layer of the operating system, in the order in which they are armed.

    Raises:
        OSError: The process could not be started or ended without a report.
    """
    program = _PROGRAM.format(parent=os.getpid())
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-c", program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"isolation probe: no report within {_TIMEOUT_S} s"
        raise OSError(message) from error
    if ended.returncode != 0:
        complaint = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        message = f"isolation probe: status {ended.returncode}: {' '.join(complaint)}"
        raise OSError(message)
    report = json.loads(ended.stdout)
    return tuple(
        LayerState(
            layer=layer,
            available=layer.value in report["armed"],
            reason=report["absent"].get(layer.value, ""),
            cost_us=report["cost_us"].get(layer.value, 0.0),
        )
        for layer in JAIL
    )
