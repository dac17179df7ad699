"""The guest's clocks, and waiting without burning its CPU budget.

Time comes from injected functions, so a run can be repeated with the same times. Civil time is
`dspex.wasm.emscripten.timezones`'s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

NS_PER_MS = 1_000_000
_SPIN_GAP_NS = NS_PER_MS
_SPIN_CALLS = 3
_PAUSE_MIN_NS = 20_000
_PAUSE_MAX_NS = 2 * NS_PER_MS
_PAUSE_SHARE = 16


def sleep_ns(duration_ns: int) -> bool:
    """Sleep on the host; nothing interrupts it early.

    Args:
        duration_ns: How long.

    Returns:
        False: the guest was not interrupted.
    """
    time.sleep(duration_ns / 1e9)
    return False


class Clock:
    """Wall clock, monotonic clock and CPU clock of one guest.

    Attributes:
        now_ns: Wall clock, nanoseconds since 1970.
        monotonic_ns: Nanoseconds since some point; never goes back.
        cpu_ns: CPU time spent by the guest, in nanoseconds.
        wait_ns: Waits for so many nanoseconds; returns early with True if the guest is to be interrupted.
    """

    __slots__ = ("_calls", "_last_ns", "_since_ns", "cpu_ns", "monotonic_ns", "now_ns", "wait_ns")

    def __init__(
        self,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        cpu_ns: Callable[[], int] = time.process_time_ns,
        wait_ns: Callable[[int], bool] = sleep_ns,
    ) -> None:
        """Use the given sources of time; by default the host's.

        Args:
            now_ns: See the class.
            monotonic_ns: See the class.
            cpu_ns: See the class.
            wait_ns: See the class. With a made-up clock it must move that clock on.
        """
        self.now_ns = now_ns
        self.monotonic_ns = monotonic_ns
        self.cpu_ns = cpu_ns
        self.wait_ns = wait_ns
        self._last_ns = self._since_ns = monotonic_ns()
        self._calls = 0

    def add_cpu(self, spent_ns: int) -> None:
        """Count processor time that was spent elsewhere, by the process that this one is a copy of."""
        own = self.cpu_ns
        self.cpu_ns = lambda: own() + spent_ns

    def read_ms_while_spinning(self) -> float:
        """Return the monotonic clock in milliseconds, pausing a caller that asks over and over.

        Emscripten sleeps by asking for the time in a loop. From the third quick question on, the answer
        is held back for a sixteenth of the time asked so far (20 µs to 2 ms), so that sleeping costs
        next to no CPU time and ends at most that much late.

        Returns:
            Milliseconds, or infinity if the guest is to be interrupted, which ends its loop.
        """
        now = self.monotonic_ns()
        if now - self._last_ns > _SPIN_GAP_NS:
            self._since_ns = now
            self._calls = 0
        self._calls += 1
        if self._calls > _SPIN_CALLS:
            share = (now - self._since_ns) // _PAUSE_SHARE
            if self.wait_ns(min(max(share, _PAUSE_MIN_NS), _PAUSE_MAX_NS)):
                self._calls = 0
                return math.inf
            now = self.monotonic_ns()
        self._last_ns = now
        return now / NS_PER_MS
