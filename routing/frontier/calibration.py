"""How likely the judge is wrong, learned from what a score said of dual-labelled instances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.features.table import Floats, Ints

DRAWS = 200
BINS = 64


@dataclass(frozen=True, eq=False)
class Risk:
    """P(judge wrong) by bin of a score: `edges` (bins − 1,), `draws` (b + 1, bins).

    The first draw is the estimate itself, the others come from resampled prompts.
    """

    edges: Floats
    draws: Floats

    def bins(self, score: Floats) -> Ints:
        return np.searchsorted(self.edges, score, side="right").astype(np.int64)


def fit(
    score: Floats, wrong: Floats, prompts: Sequence[str], pool: Floats, rng: np.random.Generator
) -> Risk:
    """Isotonic regression of `wrong` (m,) on `score` (m,), read at the quantiles of `pool` (n,).

    A higher score never means a smaller risk. Draws resample prompts, so that instances of one
    prompt stand and fall together.
    """
    edges = np.unique(np.quantile(pool, np.linspace(0, 1, BINS + 1)[1:-1]))
    middles = _middles(pool, edges)
    # Each prompt's instances, as places in the sorted scores.
    order = np.argsort(score, kind="stable")
    _, cluster = np.unique(np.array(prompts, dtype=str)[order], return_inverse=True)
    clusters = int(cluster.max()) + 1
    rows = [_risk(score[order], wrong[order], np.ones(len(score)), middles)]
    for _ in range(DRAWS):
        times = np.bincount(rng.integers(clusters, size=clusters), minlength=clusters)
        rows.append(_risk(score[order], wrong[order], times[cluster].astype(float), middles))
    return Risk(edges, np.array(rows))


def _middles(pool: Floats, edges: Floats) -> Floats:
    """The mean score of the pool in each bin."""
    code = np.searchsorted(edges, pool, side="right")
    size = np.bincount(code, minlength=len(edges) + 1)
    total = np.bincount(code, weights=pool, minlength=len(edges) + 1)
    empty = np.concatenate([edges[:1], edges]) if len(edges) else np.zeros(1)
    return np.where(size > 0, total / np.maximum(size, 1), empty)


def _risk(score: Floats, wrong: Floats, weight: Floats, at: Floats) -> Floats:
    kept = weight > 0
    level = isotonic(wrong[kept], weight[kept])
    return np.interp(at, score[kept], level)


def isotonic(values: Floats, weights: Floats) -> Floats:
    """The nondecreasing sequence nearest to `values` in weighted squares (pool adjacent violators).

    [1, 0, 2] with equal weights becomes [½, ½, 2].
    """
    means: list[float] = []
    masses: list[float] = []
    sizes: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, size = value, weight, 1
        while means and means[-1] >= mean:
            before = masses.pop()
            mean = (means.pop() * before + mean * mass) / (before + mass)
            mass, size = mass + before, size + sizes.pop()
        means.append(mean)
        masses.append(mass)
        sizes.append(size)
    return np.repeat(means, sizes)
