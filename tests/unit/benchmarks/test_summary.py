"""The benchmark's arithmetic: orders, percentiles, paired ratios."""

from __future__ import annotations

import pytest

from benchmarks.summary import (
    Cell,
    geometric_mean,
    latency_detail,
    paired_ratio,
    percentile,
    speed_against,
    turn_order,
)


def _cell(*rounds: float, contestant: str = "a") -> Cell:
    return Cell("suite", "metric", contestant, "s", rounds)


def test_every_contestant_begins_and_ends_a_round_once_in_as_many_rounds_as_there_are() -> None:
    names = ["a", "b", "c"]
    rounds = [turn_order(names, number) for number in range(6)]

    assert all(sorted(order) == names for order in rounds)
    assert {order[0] for order in rounds} == set(names)
    assert {order[-1] for order in rounds} == set(names)


def test_nobody_has_no_order() -> None:
    assert turn_order([], 3) == []


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (50, 3.0), (75, 4.0), (95, 4.8), (100, 5.0)]
)
def test_a_percentile_is_interpolated_between_neighbours(percent: float, expected: float) -> None:
    assert percentile([5.0, 3.0, 1.0, 4.0, 2.0], percent) == pytest.approx(expected)


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 99) == 7.0


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="percentile of no values"):
        percentile([], 50)


def test_a_percentile_beyond_a_hundred_is_refused() -> None:
    with pytest.raises(ValueError, match="percent: 101 is not between 0 and 100"):
        percentile([1.0], 101)


def test_latency_detail_counts_the_calls_and_keeps_the_worst() -> None:
    detail = latency_detail([0.001] * 99 + [0.5])

    assert detail["calls"] == 100
    assert detail["p50_s"] == 0.001
    assert detail["max_s"] == 0.5
    assert 0.001 < detail["p99_s"] < 0.5


def test_a_geometric_mean_treats_twice_and_half_alike() -> None:
    assert geometric_mean([2.0, 0.5, 4.0, 0.25]) == pytest.approx(1.0)


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [-1.0]])
def test_a_geometric_mean_of_what_is_not_positive_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="needs positive values"):
        geometric_mean(values)


def test_a_cell_shows_the_median_of_its_rounds() -> None:
    assert _cell(3.0, 1.0, 2.0).value == 2.0
    assert _cell().value is None


def test_a_ratio_is_taken_within_rounds_so_that_a_slow_round_cancels() -> None:
    ours = _cell(1.0, 10.0, 1.0)
    theirs = _cell(3.0, 30.0, 3.0)

    assert paired_ratio(theirs, ours) == 3.0


@pytest.mark.parametrize("base", [_cell(), _cell(1.0), _cell(0.0, 1.0)])
def test_there_is_no_ratio_without_a_partner_for_every_round(base: Cell) -> None:
    assert paired_ratio(_cell(1.0, 2.0), base) is None


def test_speed_against_native_is_a_geometric_mean_for_each_round() -> None:
    native = [_cell(1.0, 2.0), _cell(4.0, 4.0)]
    mine = [_cell(2.0, 2.0), _cell(2.0, 1.0)]

    assert speed_against(mine, native) == pytest.approx((1.0, 2.0))


def test_a_program_that_did_not_run_is_left_out_of_the_speed() -> None:
    assert speed_against([_cell(2.0), _cell()], [_cell(1.0), _cell(1.0)]) == pytest.approx((0.5,))
    assert speed_against([_cell()], [_cell(1.0)]) == ()
