"""Means of wins and their intervals over prompts: numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BOOTSTRAPS = 1000
EVEN = 0.5


def wins(difference: Floats) -> Floats:
    """1 where the winner scores higher, 1/2 where both score the same."""
    values: Floats = np.where(difference > 0, 1.0, np.where(difference == 0, EVEN, 0.0))
    return values


def clustered_interval(
    values: Floats, cluster: NDArray[np.int64], seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`, resampling prompts."""
    names, member = np.unique(cluster, return_inverse=True)
    sums = np.bincount(member, weights=values)
    counts = np.bincount(member).astype(np.float64)
    chance = np.random.default_rng(seed)
    draws = chance.multinomial(len(names), np.full(len(names), 1 / len(names)), BOOTSTRAPS)
    means = (draws @ sums) / (draws @ counts)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def numbered(prompts: Sequence[str]) -> NDArray[np.int64]:
    """A number for each prompt (M,), equal where the prompts are."""
    names = {name: number for number, name in enumerate(dict.fromkeys(prompts))}
    return np.asarray([names[prompt] for prompt in prompts], dtype=np.int64)
