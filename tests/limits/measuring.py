"""What tests of limits measure: how late a run ends, and how large its process was, from outside."""

from __future__ import annotations

import math
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.limits import Limits
from dspex.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    import dspex

GREEDY = {
    "bytearrays": "rows = []\nwhile True: rows.append(bytearray(1 << 20))",
    "lists": "rows = []\nwhile True: rows.append([0] * 1000)",
    "strings": "text = 'x'\nwhile True: text += text",
    "dict": "table = {}\nwhile True: table[len(table)] = str(len(table)) * 50",
    "one": "bytearray(10 ** 9)",
    "generators": "def f():\n    yield\nrows = []\nwhile True: rows += [f() for _ in range(1000)]",
}
"""Programs that take memory until they get no more."""

LOOPS = {
    "loop": "while True: pass",
    "calls": "def f(n):\n    return n and f(n - 1)\nwhile True: f(50)",
    "data": "rows = []\nwhile True:\n    rows = [str(n) for n in range(1000)]",
    "power": "10 ** 10 ** 8",
    "sleep": "import time\ntime.sleep(100)",
    "regex": "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')",
}
"""Programs without end that CPython interrupts."""

STUCK_IN_C = {
    "sum": "sum(range(10**12))",
    "max": "max(range(10**12))",
    "deque": "import collections, itertools\ncollections.deque(itertools.count(), maxlen=0)",
    "caught": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
}
"""Programs that stay in C code, or catch the interrupt: only the outer guard ends them."""


def limited(**limits: object) -> Policy:
    """Return a policy for Python with these limits."""
    return Policy(name="limited", languages={"python"}, limits=Limits(**limits))


def overruns_s(
    engine: dspex.Engine, programs: Sequence[str], *, wall_s: float, grace_s: float, rounds: int
) -> list[float]:
    """Run programs one after another, and return by how much each outlived its deadline.

    The deadline of a program that had to be killed is `wall_s + grace_s`.
    """
    policy, found = limited(wall_s=wall_s, cpu_s=60.0, grace_s=grace_s), []
    for number in range(rounds):
        began = time.monotonic()
        outcome = engine.run(programs[number % len(programs)], policy=policy)
        spent = time.monotonic() - began
        error = outcome.error
        assert error is not None, programs[number % len(programs)]
        assert (outcome.status, error.limit) == ("limit", "wall_s"), error
        allowed = wall_s if error.noticed_by == "inner" else wall_s + grace_s
        found.append(spent - allowed)
    return found


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all values do not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


class PeakMemory:
    """Looks at an engine's workers from outside, as often as it can, while inside the block."""

    def __init__(self, engine: dspex.Engine) -> None:
        """Look at nobody yet."""
        self._engine = engine
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.bytes = 0
        """Largest resident size that the kernel saw of any worker; shared pages included."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.002):
            for pid in self._engine._running().worker_pids():
                self.bytes = max(self.bytes, peak_bytes(pid))


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process ever had at once; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def own_peak_bytes() -> int:
    """Return the most memory that this process ever had at once."""
    return peak_bytes(os.getpid())
