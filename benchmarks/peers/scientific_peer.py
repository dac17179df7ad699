"""Python with numpy and pandas, in dspex's scientific image, through its public interface only.

Mode `bare` runs a program as it comes; mode `numpy` lets each begin with an import of both packages.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchmarks.peers.loop import Conversation, Sandboxes, main

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Code

IMAGE = "scientific"
PREFIX = {"bare": "", "numpy": "import numpy as np, pandas as pd\nnp.arange(3).sum()\n"}
"""What a program begins with, by mode."""


class _Session:
    """One session with the image."""

    def __init__(self, opened: Any, prefix: str) -> None:
        self._session = opened
        self._prefix = prefix

    def run(self, code: Code) -> object:
        """Run a program and return its value."""
        value: object = self._session.run(_source(self._prefix, code)).value_or_raise()
        return value

    def close(self) -> None:
        """End the session and its worker."""
        self._session.close()


class Scientific:
    """A new sandbox per program, from one engine."""

    def __init__(self, mode: str) -> None:
        import dspex  # noqa: PLC0415 - a cold start includes the import.

        self.failures: tuple[type[Exception], ...] = (dspex.DspexError,)
        self._prefix = PREFIX[mode]
        self._engine = dspex.Engine(policy="numeric", languages=[])

    def versions(self) -> dict[str, str]:
        """Return the versions of host and guest."""
        program = "import platform, numpy, pandas\n[platform.python_version(), numpy.__version__, pandas.__version__]"
        guest, numpy, pandas = self._engine.run(program, image=IMAGE).value_or_raise()
        return {
            "dspex": version("dspex"), "wasmtime": version("wasmtime"), "python": platform.python_version(),
            "guest": guest, "numpy": numpy, "pandas": pandas,
        }  # fmt: skip

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new sandbox."""
        source = _source(self._prefix, code)
        value: object = self._engine.run(source, image=IMAGE).value_or_raise()
        return value

    def open_session(self) -> Conversation:
        """Open a session."""
        return _Session(self._engine.session(image=IMAGE), self._prefix)

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Refuse: tools are measured with plain Python."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop the engine."""
        self._engine.close()


def _source(prefix: str, code: Code) -> str:
    return f"{prefix}{code.body}\n{code.expression}\n"


def _open(mode: str) -> Sandboxes:
    return Scientific(mode)


if __name__ == "__main__":
    main(_open)
