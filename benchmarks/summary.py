"""Pure arithmetic of the benchmark: order of a round, percentiles, ratios, means.

Holds the one shape every measurement takes (`Cell`). Knows neither processes nor clocks:
`benchmarks.measure` fills cells, `benchmarks.report` and `benchmarks.chart` show them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Unit = Literal["s", "1/s", "bytes", "ratio"]


@dataclass(frozen=True)
class Cell:
    """One metric of one contestant, over all rounds."""

    suite: str
    metric: str
    contestant: str
    unit: Unit
    rounds: tuple[float, ...] = ()
    """The headline number of each round, in order; paired by index with other contestants'."""
    detail: dict[str, float] = field(default_factory=dict)
    """Further numbers over all rounds, such as `p95_s`; the unit is last in the name."""
    failed: str | None = None
    """Why there is no number, or not for every round."""

    @property
    def value(self) -> float | None:
        """Median over the rounds; None without any."""
        return median(self.rounds) if self.rounds else None


def counted(number: float, noun: str) -> str:
    """Write a number with its noun, in the plural where it must be.

    Example:
        >>> counted(1, "caller"), counted(10, "caller"), counted(2, "process")
        ('1 caller', '10 callers', '2 processes')
    """
    ending = "es" if noun.endswith("s") else "s"
    return f"{number:.0f} {noun}{'' if number == 1 else ending}"


def turn_order(names: Sequence[str], round_number: int) -> list[str]:
    """Return who is measured when in one round.

    Every round begins with another contestant and every second one runs backwards, so that
    neither a place in the order nor a neighbour favours anybody.

    Args:
        names: Contestants in the order of the report.
        round_number: Counted from 0.

    Example:
        >>> turn_order(["a", "b", "c"], 1)
        ['a', 'c', 'b']
    """
    if not names:
        return []
    first = round_number % len(names)
    turned = [*names[first:], *names[:first]]
    return turned[::-1] if round_number % 2 else turned


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, interpolated linearly between the two nearest values.

    Args:
        values: In any order.
        percent: From 0 to 100.

    Raises:
        ValueError: No values, or `percent` outside of its range.

    Example:
        >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
        2.5
    """
    if not values:
        message = "percentile of no values"
        raise ValueError(message)
    if not 0 <= percent <= 100:
        message = f"percent: {percent} is not between 0 and 100"
        raise ValueError(message)
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def latency_detail(times_s: Sequence[float]) -> dict[str, float]:
    """Return what the report says about a pool of latencies.

    Args:
        times_s: At least one.

    Returns:
        `p50_s`, `p95_s`, `p99_s`, `mean_s`, `max_s` and `calls`.
    """
    return {
        "p50_s": percentile(times_s, 50),
        "p95_s": percentile(times_s, 95),
        "p99_s": percentile(times_s, 99),
        "mean_s": fmean(times_s),
        "max_s": max(times_s),
        "calls": float(len(times_s)),
    }


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean, the fair one for ratios.

    Raises:
        ValueError: No values, or one that is not positive.

    Example:
        >>> geometric_mean([0.5, 2.0])
        1.0
    """
    if not values or min(values) <= 0:
        message = f"geometric mean needs positive values: {list(values)}"
        raise ValueError(message)
    return math.exp(fmean(math.log(value) for value in values))


def paired_ratio(cell: Cell, base: Cell) -> float | None:
    """Compare two contestants round by round, which cancels what the machine did meanwhile.

    Args:
        cell: The numerator.
        base: The denominator.

    Returns:
        Median over the rounds of `cell / base`, or None where one of them lacks a round.
    """
    if not cell.rounds or len(cell.rounds) != len(base.rounds) or min(base.rounds) <= 0:
        return None
    return median(one / other for one, other in zip(cell.rounds, base.rounds, strict=True))


def speed_against(cells: Sequence[Cell], natives: Sequence[Cell]) -> tuple[float, ...]:
    """Return a contestant's speed as a share of native, one geometric mean per round.

    Args:
        cells: The contestant's time for each program.
        natives: The native times of the same programs, in the same order.

    Returns:
        One share per round (1.0: as fast as native), over the programs that both ran in
        every round; empty if there is none.
    """
    pairs = [
        (cell, native)
        for cell, native in zip(cells, natives, strict=True)
        if cell.rounds and len(cell.rounds) == len(native.rounds)
    ]
    if not pairs:
        return ()
    return tuple(
        geometric_mean([native.rounds[number] / cell.rounds[number] for cell, native in pairs])
        for number in range(len(pairs[0][0].rounds))
    )
