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
        weight = times[cluster].astype(float)
        rows.append(_risk(score[order], wrong[order], weight, middles, rng))
    return Risk(edges, np.array(rows))


def _middles(pool: Floats, edges: Floats) -> Floats:
    """The mean score of the pool in each bin."""
    code = np.searchsorted(edges, pool, side="right")
    size = np.bincount(code, minlength=len(edges) + 1)
    total = np.bincount(code, weights=pool, minlength=len(edges) + 1)
    empty = np.concatenate([edges[:1], edges]) if len(edges) else np.zeros(1)
    return np.where(size > 0, total / np.maximum(size, 1), empty)


def _risk(
    score: Floats,
    wrong: Floats,
    weight: Floats,
    at: Floats,
    rng: np.random.Generator | None = None,
) -> Floats:
    kept = weight > 0
    level = isotonic(wrong[kept], weight[kept])
    return np.interp(at, score[kept], _softened(level, weight[kept], rng))


def _softened(level: Floats, weight: Floats, rng: np.random.Generator | None) -> Floats:
    """Nobody seen to err is no proof that nobody does, and no resampling can tell.

    Where no instance is wrong, or all are, the level becomes the mean of its posterior under
    Jeffreys' prior, or with `rng` a draw of it; it never passes the level beside it.
    """
    low, high, between = level <= 0, level >= 1, (level > 0) & (level < 1)
    ends = (level[between].min(initial=1.0), level[between].max(initial=0.0))
    soft = np.where(low, min(_rare(weight[low].sum(), rng), ends[0]), level)
    return np.where(high, max(1 - _rare(weight[high].sum(), rng), ends[1]), soft)


def _rare(count: float, rng: np.random.Generator | None) -> float:
    """The rate of what was not seen among `count`."""
    return float(0.5 / (count + 1) if rng is None else rng.beta(0.5, count + 0.5))


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
