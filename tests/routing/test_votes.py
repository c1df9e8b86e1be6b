"""Votes are divided into bought and held out; a strict majority is the truth."""

import math

import pytest

from core.exceptions import InvalidInput
from routing.lab.votes import divide, strict_majority


@pytest.mark.parametrize(
    ("count", "bought"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 3), (7, 3), (10, 5)]
)
def test_the_largest_odd_number_up_to_half_can_be_bought(count: int, bought: int) -> None:
    votes = divide([[1.0] * count], ["a"], "salt")

    assert votes.size.tolist() == [bought]
    assert votes.single.tolist() == [count == 1]
    assert math.isnan(votes.held_out[0]) == (count == 1)


def test_bought_and_held_out_share_no_vote() -> None:
    given = [[1.0, 0.0]] * 50

    votes = divide(given, [f"i{n}" for n in range(50)], "salt")

    assert (votes.bought == 1 - votes.held_out).all()
    # Which of the two is sold depends on the key.
    assert set(votes.bought.tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("votes", "side"),
    [
        ([1, 1, 0], 1.0),
        ([0, 0, 0.5, 1], 0.0),
        ([1, 0], math.nan),
        ([1, 0.5], math.nan),
        ([0.5, 0.5, 1], math.nan),
        ([], math.nan),
    ],
)
def test_a_strict_majority_beats_the_other_side_and_ties(votes: list[float], side: float) -> None:
    assert strict_majority(votes) == pytest.approx(side, nan_ok=True)


def test_an_instance_without_votes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a has no human vote"):
        divide([[]], ["a"], "salt")
