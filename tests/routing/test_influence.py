"""Influence, first order, against exact refits; and the strategy that routes by it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.predictor import proxy
from routing.predictor.influence import direction, swap_effects
from routing.predictor.performance import spearman
from routing.strategies import influence
from routing.strategies.problem import Problem
from routing.strategies.selecting import select
from tests.routing import planted


def scene(n: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(2n, d) differences, people's labels, and a judge who errs on a quarter."""
    rng = np.random.default_rng(n + d)
    D = rng.normal(size=(2 * n, d)) / np.sqrt(d)
    chance = 1 / (1 + np.exp(-D @ rng.normal(size=d) * 3))
    human = (rng.random(2 * n) < chance).astype(float)
    return D, human, np.where(rng.random(2 * n) < 0.25, 1 - human, human)


def mean_loss(w: np.ndarray, D: np.ndarray, P: np.ndarray) -> float:
    """Mean Bradley–Terry loss of a head on labels P (n,), in nats."""
    margin = D @ w
    return float((np.logaddexp(0, margin) - P * margin).mean())


# With n instances a swap is a step of about 1/n: the error of the first order falls with it.
@pytest.mark.parametrize(("n", "d", "error"), [(100, 8, 0.2), (300, 20, 0.1), (60, 80, 0.2)])
def test_effects_of_a_swap_are_those_of_an_exact_refit(n: int, d: int, error: float) -> None:
    D, human, judge = scene(n, d)
    train, held = slice(0, n), slice(n, None)
    ridge = 2.0

    v = direction(D[train], judge[train], D[held], human[held], ridge)
    effect = swap_effects(v, D[train], judge[train], 1 - judge[train])

    swapped = np.repeat(judge[None, train], n, axis=0)
    swapped[np.arange(n), np.arange(n)] = 1 - judge[train]
    W = proxy.fit_heads(D[train], swapped, ridge=ridge, tolerance=1e-12)
    before = proxy.fit_heads(D[train], judge[None, train], ridge=ridge, tolerance=1e-12)[0]
    base = mean_loss(before, D[held], human[held])
    exact = np.array([mean_loss(w, D[held], human[held]) - base for w in W])
    rho = spearman(effect, exact)
    assert rho is not None
    assert rho > 0.99
    assert np.linalg.norm(effect - exact) < error * np.linalg.norm(exact)


def test_half_a_swap_has_half_the_effect() -> None:
    D, human, judge = scene(40, 5)
    v = direction(D[:40], judge[:40], D[40:], human[40:], 1.0)

    half = swap_effects(v, D[:40], judge[:40], np.full(40, 0.5))

    assert 2 * half == pytest.approx(swap_effects(v, D[:40], judge[:40], 1 - judge[:40]))


def problem_of(n: int, *, rng_seed: int) -> tuple[Problem, np.ndarray, np.ndarray]:
    new = planted.seed(n, rng_seed=rng_seed)
    problem = replace(new.problem, judge=new.judge, differences=new.differences)
    return problem, new.judge, new.human


def test_the_router_sends_what_helps_most_to_people() -> None:
    router = influence.fit(planted.seed(600))
    again = influence.InfluenceRouter.from_json(json.loads(json.dumps(router.to_json())))
    problem, judge, human = problem_of(300, rng_seed=9)

    scores = again.score(problem)
    bought = select(again, problem, scores, 60, salt="s")

    assert scores.gain == pytest.approx(router.score(problem).gain)
    # A third of the judge's labels are wrong.
    assert (judge != human)[bought].mean() > 0.9
    assert scores.gain[bought].min() > 0
    assert again.report()["notes"] == []


def test_an_instance_that_the_judge_was_not_asked_about_gains_nothing() -> None:
    router = influence.fit(planted.seed(100))
    problem, judge, _ = problem_of(20, rng_seed=9)
    judge = np.where(np.arange(20) < 5, np.nan, judge)
    judge[5] = 0.5
    assert problem.differences is not None
    differences = problem.differences.copy()
    differences[6] = np.nan

    gain = router.score(replace(problem, judge=judge, differences=differences)).gain

    assert gain[:5].tolist() == [0.0] * 5
    assert gain[6] == 0
    assert np.isfinite(gain).all()


def test_a_judge_that_always_agrees_is_said_to() -> None:
    seed = planted.seed(100)

    router = influence.fit(replace(seed, judge=seed.human))

    assert "agrees with people on every" in router.report()["notes"][0]


def test_it_refuses_what_it_cannot_read() -> None:
    seed = planted.seed(100)
    router = influence.fit(seed)
    problem, _, _ = problem_of(10, rng_seed=9)
    with pytest.raises(InvalidInput, match="embeddings and the judge"):
        router.score(replace(problem, judge=None))
    with pytest.raises(InvalidInput, match="have 3 numbers, the router was fitted on 4"):
        router.score(replace(problem, differences=np.zeros((10, 3))))
    with pytest.raises(InvalidInput, match="run an encoder"):
        influence.fit(replace(seed, differences=None))
    with pytest.raises(InvalidInput, match="evaluation"):
        direction(np.ones((3, 2)), np.ones(3), np.zeros((0, 2)), np.zeros(0), 1.0)
