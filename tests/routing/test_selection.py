"""Selection spends no more than the budget, on the best gain for the price."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.exceptions import InvalidInput
from routing.strategies.selection import choose

ROWS = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 10)), min_size=1, max_size=40)


@given(ROWS, st.floats(0, 100))
def test_the_budget_is_respected_and_the_threshold_holds(
    rows: list[tuple[float, float]], budget: float
) -> None:
    gain, cost = (np.array(column) for column in zip(*rows, strict=True))
    keys = [str(i) for i in range(len(rows))]

    mask = choose(gain, cost, budget, keys=keys, salt="s")

    assert cost[mask].sum() <= budget * (1 + 1e-9) + 1e-9
    value = np.where(gain > 0, gain / cost, gain * cost)
    if mask.any() and not mask.all():
        assert value[mask].min() >= value[~mask].max()
        # The best of those left over did not fit any more.
        left = cost[~mask][value[~mask] == value[~mask].max()]
        assert cost[mask].sum() + left.max() > budget


def test_cheap_gains_come_first() -> None:
    gain, cost = np.array([3.0, 2.0, 2.0]), np.array([3.0, 1.0, 4.0])

    mask = choose(gain, cost, 4, keys=["a", "b", "c"], salt="s")

    assert mask.tolist() == [True, True, False]


def test_ties_are_broken_by_the_salt() -> None:
    keys = [str(i) for i in range(30)]
    ones = np.ones(30)

    draws = {tuple(choose(ones, ones, 10, keys=keys, salt=str(s))) for s in range(5)}

    assert len(draws) == 5
    assert all(sum(draw) == 10 for draw in draws)


def test_an_empty_budget_buys_nothing() -> None:
    assert not choose(np.ones(3), np.ones(3), 0, keys=["a", "b", "c"], salt="s").any()


@pytest.mark.parametrize(
    ("gain", "cost", "says"),
    [([np.nan], [1.0], "not a number"), ([1.0], [0.0], "price"), ([1.0, 2.0], [1.0], "same")],
)
def test_it_refuses(gain: list[float], cost: list[float], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        choose(np.array(gain), np.array(cost), 1, keys=["a"], salt="s")
