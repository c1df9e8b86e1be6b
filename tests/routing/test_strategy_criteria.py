"""One budget for several criteria of the same instances."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.exceptions import InvalidInput
from routing.strategies.criteria import choose_criteria, price
from routing.strategies.problem import Scores

CRITERIA = ("helpful", "safe")


def scored(gain: list[float], cost: list[float] | None = None, why: str = "unsure") -> Scores:
    n = len(gain)
    return Scores(np.array(gain), np.array(cost or [1.0] * n), np.ones(n), [why] * n)


def keys(n: int) -> list[str]:
    return [f"i{i}" for i in range(n)]


def test_criteria_compete_for_one_budget() -> None:
    made = [scored([3.0, 1.0, 0.0], why="judge flips"), scored([2.0, 4.0, -np.inf])]

    choice = choose_criteria(made, 3, criteria=CRITERIA, keys=keys(3), salt="s")

    assert choice.mask.tolist() == [[True, True], [False, True], [False, False]]
    assert choice.cost == 3
    assert choice.asked(0) == ("helpful", "safe")
    assert choice.reason(0) == "helpful: judge flips; safe: unsure"


def test_a_second_criterion_of_an_instance_costs_less() -> None:
    # Apart 1 each; the second of one instance only 0.4.
    made = [scored([3.0, 1.5]), scored([1.0, 0.0])]

    apart = choose_criteria(made, 2, criteria=CRITERIA, keys=keys(2), salt="s")
    together = choose_criteria(made, 2, criteria=CRITERIA, keys=keys(2), salt="s", shared=0.6)

    assert apart.mask.tolist() == [[True, False], [True, False]]
    assert together.mask[0].tolist() == [True, True]
    assert together.cost == pytest.approx(1.4)


def test_two_that_are_worth_it_only_together_are_bought_together() -> None:
    """Neither criterion of the first instance alone beats the second instance: both do."""
    made = [scored([1.0, 1.1]), scored([1.0, 0.0])]

    choice = choose_criteria(made, 1.2, criteria=CRITERIA, keys=keys(2), salt="s", shared=0.8)

    assert choice.mask.tolist() == [[True, True], [False, False]]
    assert choice.cost == pytest.approx(1.2)


def test_what_a_person_is_asked_already_makes_the_rest_cheaper() -> None:
    made = [scored([5.0, 1.2]), scored([1.0, 0.5])]
    already = np.array([[True, False], [False, False]])

    choice = choose_criteria(
        made, 0.5, criteria=CRITERIA, keys=keys(2), salt="s", shared=0.5, already=already
    )

    assert choice.mask.tolist() == [[False, True], [False, False]]
    assert choice.cost == pytest.approx(0.5)


def test_weights_say_what_a_criterion_is_worth() -> None:
    made = [scored([1.0]), scored([1.5])]

    def first(weights: list[float]) -> tuple[str, ...]:
        found = choose_criteria(made, 1, criteria=CRITERIA, keys=keys(1), salt="s", weights=weights)
        return found.asked(0)

    assert first([1, 1]) == ("safe",)
    assert first([2, 1]) == ("helpful",)
    assert first([0, 0]) == ()


def test_closed_criteria_are_not_asked() -> None:
    made = [scored([3.0]), scored([2.0])]
    closed = np.array([[True, False]])

    found = choose_criteria(made, 9, criteria=CRITERIA, keys=keys(1), salt="s", closed=closed)

    assert found.asked(0) == ("safe",)


def test_one_criterion_is_a_threshold_on_gain_for_the_price() -> None:
    made = scored([3.0, 1.0, 2.0, 5.0], cost=[2.0, 1.0, 1.0, 9.0])

    found = choose_criteria([made], 3.5, criteria=["only"], keys=keys(4), salt="s")

    assert found.mask[:, 0].tolist() == [True, False, True, False]


AMOUNTS = st.lists(
    st.tuples(st.floats(-1, 5), st.floats(-1, 5), st.floats(0.1, 3), st.floats(0.1, 3)),
    min_size=1,
    max_size=12,
)


@given(AMOUNTS, st.floats(0, 12), st.floats(0, 0.9))
def test_the_budget_is_never_exceeded(
    rows: list[tuple[float, float, float, float]], budget: float, shared: float
) -> None:
    a, b, c, d = (list(column) for column in zip(*rows, strict=True))
    made = [scored(a, c), scored(b, d)]

    found = choose_criteria(
        made, budget, criteria=CRITERIA, keys=keys(len(rows)), salt="s", shared=shared
    )

    assert found.cost <= budget * (1 + 1e-6) + 1e-6
    assert not found.mask[np.array([a, b]).T <= 0].any()


def test_it_comes_within_one_step_of_the_best_choice() -> None:
    """Against all 4⁵ choices of five instances: a threshold loses at most the step that missed."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        gain, cost = rng.uniform(0, 3, (5, 2)), rng.uniform(0.5, 2, (5, 2))
        made = [scored(gain[:, c].tolist(), cost[:, c].tolist()) for c in (0, 1)]
        found = choose_criteria(made, 4, criteria=CRITERIA, keys=keys(5), salt="s", shared=0.5)
        nothing = np.zeros(5)
        best = 0.0
        for bits in product((False, True), repeat=10):
            mask = np.array(bits).reshape(5, 2)
            if price(mask, cost, 0.5, nothing) <= 4:
                best = max(best, float(gain[mask].sum()))
        assert gain[found.mask].sum() >= best - gain.sum(axis=1).max()


def test_it_refuses_what_does_not_fit() -> None:
    one = scored([1.0])
    with pytest.raises(InvalidInput, match="its scores"):
        choose_criteria([one], 1, criteria=CRITERIA, keys=keys(1), salt="s")
    with pytest.raises(InvalidInput, match="same instances"):
        choose_criteria([one, scored([1.0, 2.0])], 1, criteria=CRITERIA, keys=keys(1), salt="s")
    with pytest.raises(InvalidInput, match="shared part"):
        choose_criteria([one], 1, criteria=["a"], keys=keys(1), salt="s", shared=1)
    with pytest.raises(InvalidInput, match="weight"):
        choose_criteria([one], 1, criteria=["a"], keys=keys(1), salt="s", weights=[-1])
    with pytest.raises(InvalidInput, match="must be a number"):
        choose_criteria([scored([np.nan])], 1, criteria=["a"], keys=keys(1), salt="s")
