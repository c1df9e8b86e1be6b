"""Strategies on embeddings: the design, the Laplace variance, and the precision behind both."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import spearmanr

from core.exceptions import InvalidInput
from routing.features.table import FeatureTable
from routing.predictor import proxy
from routing.strategies import d_optimal, reward_uncertainty
from routing.strategies.d_optimal import design_gains
from routing.strategies.precision import precision
from routing.strategies.problem import Problem, Seed, Strategy
from routing.strategies.selection import choose
from tests.routing import planted


def problem(D: np.ndarray, cost: np.ndarray | None = None) -> Problem:
    n = len(D)
    price = np.ones(n) if cost is None else cost
    keys = tuple(f"i{i}" for i in range(n))
    return Problem(keys, FeatureTable((), np.zeros((n, 0))), price, differences=D)


def exact_greedy(D: np.ndarray, cost: np.ndarray, A: np.ndarray, picks: int) -> list[int]:
    """The design by its definition: one determinant after another."""
    chosen: list[int] = []
    for _ in range(picks):
        start = np.linalg.slogdet(A)[1]
        worth = [
            (np.linalg.slogdet(A + np.outer(d, d))[1] - start) / c if i not in chosen else -1
            for i, (d, c) in enumerate(zip(D, cost, strict=True))
        ]
        best = int(np.argmax(worth))
        chosen.append(best)
        A = A + np.outer(D[best], D[best])
    return chosen


def test_the_precision_is_the_inverse() -> None:
    rng = np.random.default_rng(0)
    D, weights, new = rng.normal(size=(30, 5)), rng.random(30), rng.normal(size=(7, 5))

    found = precision(D, weights, 2.0)

    A = 2 * np.eye(5) + (D * weights[:, None]).T @ D
    assert found.inverse() == pytest.approx(np.linalg.inv(A), abs=1e-7)
    assert found.variance(new) == pytest.approx(
        [d @ np.linalg.solve(A, d) for d in new], rel=1e-6, abs=1e-8
    )


def test_a_low_rank_only_overstates_the_variance() -> None:
    rng = np.random.default_rng(1)
    D, new = rng.normal(size=(50, 8)), rng.normal(size=(20, 8))

    low, full = precision(D, None, 1.0, rank=3), precision(D, None, 1.0)

    assert low.vectors.shape == (3, 8)
    assert (low.variance(new) >= full.variance(new) - 1e-9).all()


def test_the_greedy_design_is_the_one_of_its_definition() -> None:
    rng = np.random.default_rng(2)
    D, cost = rng.normal(size=(40, 4)), rng.uniform(0.5, 2, 40)
    seed = rng.normal(size=(6, 4))

    gain = design_gains(D, cost, precision(seed, None, 1.0), labelled=6, greedy=15)

    order = np.argsort(-gain / cost, kind="stable")[:15]
    assert order.tolist() == exact_greedy(D, cost, np.eye(4) + seed.T @ seed, 15)


def test_gains_add_up_to_the_determinant() -> None:
    rng = np.random.default_rng(3)
    D = rng.normal(size=(30, 5))

    gain = design_gains(D, np.ones(30), precision(D[:0], None, 2.0), labelled=0, greedy=30)

    whole = np.linalg.slogdet(2 * np.eye(5) + D.T @ D)[1] - np.linalg.slogdet(2 * np.eye(5))[1]
    assert gain.sum() == pytest.approx(whole)


def test_blocks_come_close_to_the_greedy_design() -> None:
    """The information of what a budget of a quarter buys: blocks against exact greedy picks."""
    rng = np.random.default_rng(4)
    D = rng.normal(size=(800, 12)) * np.arange(1, 13) ** -0.5
    design = precision(rng.normal(size=(60, 12)), None, 1.0)

    def bought(greedy: int) -> float:
        gain = design_gains(D, np.ones(800), design, labelled=60, greedy=greedy)
        rows = np.argsort(-gain)[:200]
        return float(np.linalg.slogdet(np.linalg.inv(design.inverse()) + D[rows].T @ D[rows])[1])

    drawn = rng.permutation(800)[:200]
    random = float(np.linalg.slogdet(np.linalg.inv(design.inverse()) + D[drawn].T @ D[drawn])[1])
    assert bought(0) > random
    assert (bought(800) - bought(0)) < 0.1 * (bought(800) - random)


def test_a_copy_is_worth_less_than_something_new() -> None:
    seed = replace(planted.seed(40), differences=np.tile([3.0, 0, 0, 0], (40, 1)))
    D = np.array([[3.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 0]])

    scores = d_optimal.fit(seed).score(problem(D))

    assert np.argsort(-scores.gain).tolist() == [1, 0, 2]
    assert scores.reason[1] == "unlike what is labelled already"
    assert scores.reason[2] == "both completions look the same to the encoder"


def test_what_the_design_buys_covers_more_directions_than_chance() -> None:
    rng = np.random.default_rng(5)
    # Nine in ten look alike, one in ten is of another kind.
    D = np.vstack([rng.normal(size=(180, 4)) * [1, 0.1, 0.1, 0.1], rng.normal(size=(20, 4))])
    strategy = d_optimal.fit(replace(planted.seed(40), differences=D[:40]))

    made = problem(D)
    bought = choose(strategy.score(made).gain, made.cost, 20, keys=made.keys, salt="s")

    assert bought[180:].sum() > 10


@pytest.mark.parametrize("fit", [d_optimal.fit, partial(reward_uncertainty.fit, source="laplace")])
def test_embeddings_must_be_there_and_of_the_same_encoder(fit: Callable[[Seed], Strategy]) -> None:
    seed = planted.seed(40)

    with pytest.raises(InvalidInput, match="run an encoder"):
        fit(replace(seed, differences=None))
    with pytest.raises(InvalidInput, match="run an encoder"):
        fit(seed).score(seed.problem)
    with pytest.raises(InvalidInput, match="same encoder"):
        fit(seed).score(problem(np.ones((2, 3))))


@pytest.mark.parametrize("fit", [d_optimal.fit, partial(reward_uncertainty.fit, source="laplace")])
def test_what_is_not_encoded_yet_is_bought_last(fit: Callable[[Seed], Strategy]) -> None:
    D = np.random.default_rng(0).normal(size=(4, 4))
    D[1] = np.nan

    scores = fit(planted.seed(40)).score(problem(D))

    assert scores.gain[1] == 0
    assert (scores.gain[[0, 2, 3]] > 0).all()
    assert "unknown" in scores.reason[1]


def test_laplace_is_the_inverse_hessian_at_the_optimum() -> None:
    seed = planted.seed(60)
    D = seed.differences
    assert D is not None
    new = np.random.default_rng(1).normal(size=(5, 4))

    gain = reward_uncertainty.fit(seed, source="laplace", ridge=2.0).score(problem(new)).gain

    (w,) = proxy.fit_heads(D, seed.human[None, :], ridge=2.0)
    p = 1 / (1 + np.exp(-D @ w))
    H = 2 * np.eye(4) + (D * (p * (1 - p))[:, None]).T @ D
    assert gain == pytest.approx([d @ np.linalg.solve(H, d) for d in new], rel=1e-6)


def test_one_sided_labels_and_a_single_direction_still_have_a_variance() -> None:
    seed = planted.seed(40)
    flat = np.tile([1.0, 0, 0, 0], (40, 1))

    fitted = reward_uncertainty.fit(
        replace(seed, human=np.ones(40), differences=flat), source="laplace"
    )

    gain = fitted.score(problem(np.eye(4))).gain
    assert np.isfinite(gain).all()
    assert gain[0] < gain[1] == pytest.approx(1 / proxy.RIDGE)


def test_laplace_agrees_with_an_ensemble_on_where_it_is_unsure() -> None:
    """The spread of heads refitted on resampled seeds ranks as the variance does."""
    rng = np.random.default_rng(6)
    seed = planted.seed(150)
    D = seed.differences
    assert D is not None
    new = rng.normal(size=(60, 4)) * rng.uniform(0.2, 3, (60, 1))
    heads = []
    for _ in range(60):
        rows = rng.integers(0, 150, 150)
        heads.append(proxy.fit_heads(D[rows], seed.human[rows][None, :])[0])

    spread = (new @ np.array(heads).T).var(axis=1)
    variance = reward_uncertainty.fit(seed, source="laplace").score(problem(new)).gain

    assert spearmanr(spread, variance).statistic > 0.8


def test_the_ensembles_variance_is_a_column() -> None:
    table = FeatureTable(("reward_variance",), np.array([[0.2], [np.nan], [0.9]]))

    scores = reward_uncertainty.fit(None).score(Problem(("a", "b", "c"), table, np.ones(3)))

    assert scores.gain.tolist() == [0.2, 0.0, 0.9]
    assert list(scores.reason) == [
        "reward model fairly sure",
        "the reward model's variance is unknown",
        "reward model unsure: little like it was labelled",
    ]
    with pytest.raises(InvalidInput, match="ensemble"):
        reward_uncertainty.fit(None).score(planted.seed(5).problem)


def test_reward_uncertainty_refuses_other_sources() -> None:
    with pytest.raises(InvalidInput, match="ensemble or laplace"):
        reward_uncertainty.fit(None, source="x")
    with pytest.raises(InvalidInput, match="label one first"):
        reward_uncertainty.fit(None, source="laplace")
