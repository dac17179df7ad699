"""An engine whose processes are fakes: the whole supervisor, and nothing of a guest.

What the fakes can do is in `dspex.testing.fake_worker`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.engine import Engine
from dspex.policy import Policy
from dspex.supervisor.zygote import Served

if TYPE_CHECKING:
    from dspex.languages.base import LanguageSpec
    from dspex.supervisor.pool import PoolSettings


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

    def _pool_settings(self, spec: LanguageSpec) -> PoolSettings:
        return replace(super()._pool_settings(spec), program="dspex.testing.fake_worker", parks=False)

    def _served(self, spec: LanguageSpec, image: str | None) -> Served:
        name = spec.name if image is None else f"{spec.name}/{image}"
        return Served(name, spec.guest, Path(self._behaviour), spec.packages)
