"""What this machine is, as far as it explains the numbers, and which Pythons it has.

Facts go into a committed file, so none of them names a host, a user or a path.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil

Version = tuple[int, int]

_PROBE_TIMEOUT_S: Final = 20.0
_PROBED_MINORS: Final = range(11, 20)


def facts() -> dict[str, str | int | float]:
    """Return what a reader needs to judge the numbers."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.system(),
        "kernel": _kernel(),
        "architecture": platform.machine(),
        "virtualised": "hypervisor" in _cpuinfo("flags"),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _cpuinfo(field: str) -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(rf"^{field}\s*: (.*)$", text, flags=re.MULTILINE)
    return found.group(1) if found else ""


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def _kernel() -> str:
    """Return the kernel's number without what its builder appended."""
    found = re.match(r"\d+(\.\d+)*", platform.release())
    return found.group() if found else "unknown"


def pythons() -> dict[Version, Path]:
    """Find a CPython for each minor version present.

    Looks at this interpreter, at `python3.N` on the search path and at pyenv's versions. Each
    candidate is started once, since a shim may exist for a version that is not switched on.

    Returns:
        Interpreters by version, the newest patch release of each found first.
    """
    found: dict[Version, tuple[tuple[int, ...], Path]] = {}
    for candidate in _candidates():
        version = _probe(candidate)
        if version is None:
            continue
        minor = (version[0], version[1])
        if minor not in found or version > found[minor][0]:
            found[minor] = (version, candidate)
    return {minor: path for minor, (_, path) in sorted(found.items())}


def _candidates() -> list[Path]:
    names = [f"python3.{minor}" for minor in _PROBED_MINORS]
    on_path = [Path(path) for name in names if (path := shutil.which(name)) is not None]
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin/python"))
    return [Path(sys.executable), *on_path, *pyenv]


def _probe(python: Path) -> tuple[int, ...] | None:
    code = "import sys, venv, ensurepip; print(sys.implementation.name, *sys.version_info[:3])"
    try:
        done = subprocess.run(
            [python, "-I", "-c", code],
            capture_output=True,
            check=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    implementation, *numbers = done.stdout.split()
    return tuple(map(int, numbers)) if implementation == "cpython" else None
