"""Virtual environments for the peers, made once and kept under `.venv-peers/`.

Packages are installed by name and pinned version with pip. What cannot be installed becomes
`EnvironmentAbsentError` with a reason that is fit to be published.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from filelock import FileLock

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS: Final = ROOT / ".venv-peers"

_INSTALL_TIMEOUT_S: Final = 600.0
_REASON_LENGTH_MAX: Final = 200


class EnvironmentAbsentError(Exception):
    """An environment could not be made; the message says why."""


def environment(python: Path, version: tuple[int, int], requirement: str) -> Path:
    """Return the interpreter of an environment that has a package, making it if need be.

    Args:
        python: Interpreter to make it with.
        version: Its version, for the directory's name.
        requirement: One pinned requirement, such as `pyeryx==0.11.0`.

    Returns:
        Path of the environment's own interpreter.

    Raises:
        EnvironmentAbsentError: venv or pip failed.
    """
    PEERS.mkdir(exist_ok=True)
    (PEERS / ".gitignore").write_text("*\n", encoding="ascii")
    name = f"{requirement.replace('==', '-')}-py{version[0]}.{version[1]}"
    home = PEERS / name
    ready = home / "ready"
    inside = home / "bin" / "python"
    with FileLock(PEERS / f"{name}.lock"):
        if ready.exists():
            return inside
        if home.exists():
            shutil.rmtree(home)
        _checked([python, "-m", "venv", home])
        _checked(
            [
                inside,
                *("-m", "pip", "install", "--quiet", "--no-input"),
                *("--disable-pip-version-check", "--only-binary", ":all:"),
                requirement,
            ]
        )
        ready.write_text(f"{requirement}\n", encoding="utf-8")
    return inside


def _checked(command: list[str | Path]) -> None:
    try:
        subprocess.run(
            command, capture_output=True, check=True, text=True, timeout=_INSTALL_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        raise EnvironmentAbsentError(publishable(error.stderr or error.stdout)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentAbsentError(publishable(str(error))) from error


def publishable(text: str) -> str:
    r"""Cut a tool's message down to what may stand in a committed file.

    Args:
        text: Standard error of a tool.

    Returns:
        The last line that names an error, or the last line, without addresses and paths.

    Example:
        >>> publishable("at /home/me/x.py\nERROR: nothing at https://host/simple for x\n")
        'ERROR: nothing at ... for x'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    line = (errors or lines or ["no message"])[-1]
    line = re.sub(r"\b\w+://\S+", "...", line)
    line = re.sub(r"(?<![\w.])~?/[\w.+-]+(/[\w.+-]+)+/?", "...", line)
    return line[:_REASON_LENGTH_MAX]
