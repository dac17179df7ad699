"""How often something that dies is started again: a pure decision over the times it died."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

RESTARTS_MAX = 5
WITHIN_S = 30.0
DELAY_FIRST_S = 0.05
DELAY_MAX_S = 2.0


@dataclass(slots=True)
class RestartBudget:
    """Allows a number of restarts within a time, each waiting longer than the one before.

    Example:
        >>> budget = RestartBudget(restarts_max=1, within_s=10)
        >>> budget.next_delay_s(now_s=0.0), budget.next_delay_s(now_s=1.0)
        (0.05, None)
        >>> budget.next_delay_s(now_s=10.5)
        0.05
    """

    restarts_max: int = RESTARTS_MAX
    within_s: float = WITHIN_S
    _deaths: deque[float] = field(default_factory=deque)

    def next_delay_s(self, now_s: float) -> float | None:
        """Count a death and return how long to wait before the restart; None to give up."""
        while self._deaths and now_s - self._deaths[0] >= self.within_s:
            self._deaths.popleft()
        if len(self._deaths) >= self.restarts_max:
            return None
        self._deaths.append(now_s)
        doubled: float = DELAY_FIRST_S * 2.0 ** (len(self._deaths) - 1)
        return min(doubled, DELAY_MAX_S)
