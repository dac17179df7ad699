"""Collects what the rounds bring until it becomes cells.

Pure bookkeeping; `benchmarks.measure` decides what is measured when.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.summary import Cell, Unit, latency_detail

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Metric:
    """What a number is about."""

    suite: str
    name: str
    unit: Unit


@dataclass
class _Entry:
    rounds: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    detail: dict[str, float] = field(default_factory=dict)
    failed: str | None = None


class Sheet:
    """Numbers by metric and contestant, in the order in which the metrics were met."""

    def __init__(self) -> None:
        self._entries: dict[Metric, dict[str, _Entry]] = defaultdict(lambda: defaultdict(_Entry))

    def add(
        self,
        metric: Metric,
        contestant: str,
        headline: float,
        *,
        times_s: Iterable[float] = (),
        detail: Mapping[str, float] | None = None,
    ) -> None:
        """Enter one round.

        Args:
            metric: What was measured.
            contestant: Whose number it is.
            headline: The round's number.
            times_s: Single latencies, pooled over the rounds for percentiles.
            detail: Further numbers; a later round replaces an earlier one's.
        """
        entry = self._entries[metric][contestant]
        entry.rounds.append(headline)
        entry.times_s.extend(times_s)
        entry.detail.update(detail or {})

    def fail(self, metric: Metric, contestant: str, reason: str) -> None:
        """Enter why a contestant has no number here; its further rounds are not tried."""
        self._entries[metric][contestant].failed = reason

    def has_failed(self, metric: Metric, contestant: str) -> bool:
        """Whether `fail` was called for this pair."""
        return self._entries[metric][contestant].failed is not None

    def cells(self, contestants: Iterable[str]) -> list[Cell]:
        """Return everything entered.

        Args:
            contestants: Order within a metric, and who is wanted.
        """
        order = list(contestants)
        cells = []
        for metric, entries in self._entries.items():
            for name in order:
                if name not in entries:
                    continue
                entry = entries[name]
                pooled = latency_detail(entry.times_s) if entry.times_s else {}
                cells.append(
                    Cell(
                        suite=metric.suite,
                        metric=metric.name,
                        contestant=name,
                        unit=metric.unit,
                        rounds=tuple(entry.rounds),
                        detail={**pooled, **entry.detail},
                        failed=entry.failed,
                    )
                )
        return cells
