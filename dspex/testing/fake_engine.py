"""An engine whose processes are fakes: the whole supervisor, and nothing of a guest.

What the fakes can do is in `dspex.testing.fake_worker`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.engine import Engine
from dspex.policy import Policy

if TYPE_CHECKING:
    from dspex.supervisor.pool import PoolSettings
    from dspex.supervisor.tree import Supervisor


class FakeEngine(Engine):
    """Runs sources that name a misbehaviour, on workers that do it.

    Example:
        >>> with FakeEngine() as engine:
        ...     engine.run("honest").value, engine.run("garbage").status, engine.run("honest").value
        ('honest', 'lost', 'honest')
    """

    def __init__(self, zygote: str = "honest", **options: Any) -> None:
        """Start a zygote that behaves as `zygote` says; `options` are those of `Engine`.

        Its workers are behind no wall, so unless `policy` says otherwise none is required.
        """
        self._behaviour = zygote
        options.setdefault("policy", Policy(name="fake", languages=frozenset({"python"})))
        super().__init__(**options)

    def _start(self, settings: PoolSettings) -> Supervisor:
        return super()._start(replace(settings, program="dspex.testing.fake_worker"))

    def _find_runtime(self) -> Path:
        return Path(self._behaviour)
