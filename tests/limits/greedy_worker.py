"""Workers without an inner guard: they speak the protocol, and take what they like meanwhile."""

from __future__ import annotations

import time

from dspex.testing import fake_worker
from dspex.testing.fake_worker import Misbehaviour

FOREVER_S = 3600.0


class Greedy(Misbehaviour):
    """What a fallen guest could take."""

    def takes_memory(self, run: object) -> None:
        """Hold ten times what is allowed, and touch all of it."""
        rows = []
        for _ in range(1000):
            rows.append(bytearray(b"x" * (1 << 20)))
            time.sleep(0.001)
        time.sleep(FOREVER_S)

    def works(self, run: object) -> None:
        """Use processor time without end."""
        while True:
            pass


def main(arguments: str) -> None:
    """Be the zygote of such workers."""
    fake_worker.Misbehaviour = Greedy  # type: ignore[misc]
    fake_worker.main(arguments)
