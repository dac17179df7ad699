"""How often something is started again is decided from the times it died, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dspex.supervisor.restart import DELAY_FIRST_S, DELAY_MAX_S, RestartBudget


def test_each_restart_waits_twice_as_long_up_to_a_bound() -> None:
    budget = RestartBudget(restarts_max=8, within_s=100)

    assert [budget.next_delay_s(0.0) for _ in range(8)] == [
        0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0,
    ]
    assert budget.next_delay_s(0.0) is None


def test_deaths_that_are_long_past_are_forgotten() -> None:
    budget = RestartBudget(restarts_max=2, within_s=10)

    assert [budget.next_delay_s(now) for now in (0.0, 9.0, 9.5)] == [0.05, 0.1, None]
    assert budget.next_delay_s(10.0) == 0.1
    assert budget.next_delay_s(100.0) == DELAY_FIRST_S


def test_a_budget_of_none_gives_up_at_once() -> None:
    assert RestartBudget(restarts_max=0).next_delay_s(0.0) is None


@given(
    st.lists(st.floats(0, 10), max_size=50), st.integers(0, 6), st.floats(0.1, 30),
)
def test_no_window_ever_holds_more_restarts_than_the_budget(
    pauses: list[float], restarts_max: int, within_s: float
) -> None:
    budget, now, restarted = RestartBudget(restarts_max=restarts_max, within_s=within_s), 0.0, []
    for pause in pauses:
        now += pause
        delay_s = budget.next_delay_s(now)
        if delay_s is not None:
            assert DELAY_FIRST_S <= delay_s <= DELAY_MAX_S
            restarted.append(now)

    for start in restarted:
        assert sum(start <= one < start + within_s for one in restarted) <= restarts_max
