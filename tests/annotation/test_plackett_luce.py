"""Plackett–Luce: its likelihood by brute force over orders, its posterior by an optimiser."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from annotation.consensus import plackett_luce
from annotation.consensus.plackett_luce import choices_of, posterior, worths
from annotation.consensus.posterior import Vote


def likely(vote: Vote, strengths: list[float]) -> float:
    """The log likelihood as the choices say it."""
    chosen, sets = choices_of(vote)
    found = sum(c * s for c, s in zip(chosen, strengths, strict=True))
    return found - sum(w * math.log(sum(math.exp(strengths[k]) for k in a)) for a, w in sets)


def by_orders(vote: Vote, strengths: list[float]) -> float:
    """The mean over all orders that the ranks allow; those unranked at the end are never chosen."""
    ranked = [k for k in range(len(strengths)) if k not in vote.unranked]
    orders = [
        order
        for order in permutations(ranked)
        if all(vote.ranking[a] <= vote.ranking[b] for a, b in pairwise(order))
    ]
    total = 0.0
    for order in orders:
        for place, k in enumerate(order):
            among = [*order[place:], *vote.unranked]
            total += strengths[k] - math.log(sum(math.exp(strengths[j]) for j in among))
    return total / len(orders)


rankings = st.lists(st.integers(1, 3), min_size=2, max_size=5)


@given(rankings, st.integers(0, 2), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_the_likelihood_is_the_mean_over_orders(ranks: list[int], loose: int, seed: int) -> None:
    last = max(ranks) + 1
    ranking = (*ranks, *[last] * loose)
    vote = Vote(0, ranking, unranked=frozenset(range(len(ranks), len(ranking))))
    strengths = np.random.default_rng(seed).normal(0, 1, len(ranking)).tolist()
    assert likely(vote, strengths) == pytest.approx(by_orders(vote, strengths), abs=1e-9)


def test_a_pair_is_bradley_terry_and_a_judge_votes_with_its_probability() -> None:
    strengths = [0.7, -0.2]
    win = -math.log(1 + math.exp(-0.9))
    loss = -math.log(1 + math.exp(0.9))
    assert likely(Vote(0, (1, 2)), strengths) == pytest.approx(win)
    assert likely(Vote(0, (1, 1)), strengths) == pytest.approx((win + loss) / 2)
    judge = Vote(0, (1, 2), p=0.8)
    assert likely(judge, strengths) == pytest.approx(0.8 * win + 0.2 * loss)


def test_the_posterior_is_the_maximum_and_its_curvature() -> None:
    votes = [
        Vote(0, (1, 2, 3, 4)),
        Vote(1, (2, 1, 3, 3)),
        Vote(2, (1, 2, 3, 3), unranked=frozenset({2, 3})),
    ]

    def loss(s: np.ndarray) -> float:
        prior = (s**2).sum() / 2 / plackett_luce.SPREAD**2
        return float(prior - sum(likely(vote, s.tolist()) for vote in votes))

    best = minimize(loss, np.zeros(4), tol=1e-12)
    strengths, covariance = posterior([votes], 4)
    assert strengths[0] == pytest.approx(best.x, abs=1e-5)
    bend = np.linalg.inv(covariance[0])
    step = 1e-3 * np.eye(4)
    for i in range(4):
        for j in range(4):
            corners = [
                loss(best.x + a * step[i] + b * step[j]) * a * b for a in (1, -1) for b in (1, -1)
            ]
            assert sum(corners) / 4e-6 == pytest.approx(bend[i, j], abs=1e-3)


def test_worths_order_and_sharpen_with_labels() -> None:
    one, five = worths([[Vote(0, (1, 2, 3))], [Vote(w, (1, 2, 3)) for w in range(5)]])
    assert one[0] > one[1] > one[2]
    assert sum(one) == pytest.approx(1.5)
    assert five[0] > one[0]
    assert worths([[Vote(0, (1, 1, 1))]])[0] == pytest.approx((0.5, 0.5, 0.5))


def test_lists_of_several_lengths_and_a_large_tie_at_once() -> None:
    long = Vote(0, (1, *[2] * 9))
    found = worths([[Vote(0, (1, 2))], [long], [Vote(0, (2, 1))]])
    assert [len(each) for each in found] == [2, 10, 2]
    assert found[0][0] == pytest.approx(found[2][1])
    assert found[1][1:] == pytest.approx([found[1][1]] * 9)
