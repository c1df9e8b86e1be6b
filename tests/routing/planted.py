"""Instances with a planted truth: the judge errs on long prompts, people hardly ever err."""

import numpy as np

from routing.features.signals import with_judge
from routing.features.table import FeatureTable
from routing.lab.dual import DualSet
from routing.strategies.problem import Problem, Seed

NAMES = ("prompt_tokens", "rouge1_f", "noise")


def truth(n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(n, d) embedding differences and (n,) 0/1 preferences that a linear head can learn."""
    D = rng.normal(size=(n, d))
    return D, (D @ np.ones(d) > 0).astype(float)


def table(n: int, rng: np.random.Generator) -> FeatureTable:
    values = np.column_stack([rng.integers(5, 300, n), rng.random(n), rng.random(n)])
    return FeatureTable(NAMES, values.astype(float))


def long_prompts(features: FeatureTable) -> np.ndarray:
    return features.values[:, 0] >= np.quantile(features.values[:, 0], 2 / 3)


def seed(n: int = 300, d: int = 4, *, prompts: int = 30, rng_seed: int = 0) -> Seed:
    rng = np.random.default_rng(rng_seed)
    D, side = truth(n, d, rng)
    features = table(n, rng)
    judge = np.where(long_prompts(features), 1 - side, side)
    return Seed(
        Problem(tuple(f"i{i}" for i in range(n)), features, np.ones(n)),
        tuple(f"p{i % prompts}" for i in range(n)),
        side,
        judge,
        D,
    )


def dual(
    n: int = 360, d: int = 4, *, prompts: int = 36, votes: int = 3, rng_seed: int = 0
) -> DualSet:
    rng = np.random.default_rng(rng_seed)
    D, side = truth(n, d, rng)
    features = table(n, rng)
    wrong = long_prompts(features) & (rng.random(n) < 0.8)
    judge = np.where(wrong, 1 - side, side) * 0.5 + 0.25
    cast = np.where(rng.random((n, votes)) < 0.95, side[:, None], 1 - side[:, None])
    return DualSet(
        keys=tuple(f"i{i}" for i in range(n)),
        prompts=tuple(f"p{i % prompts}" for i in range(n)),
        votes=tuple(tuple(row) for row in cast.tolist()),
        judge=judge,
        features=with_judge(features, judge),
        length_difference=rng.integers(-50, 50, n).astype(float),
        vote_cost=np.full(n, 0.3),
        judge_cost=np.full(n, 0.01),
        differences=D,
        unit="USD",
    )
