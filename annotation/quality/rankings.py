"""Agreement of rankings: Kendall's τ-b and W. Pure: numpy only.

A pair of completions that one of two annotators did not tell apart is left out, which no library
does; where both ranked all, τ-b is SciPy's.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import Estimate, percentiles


@dataclass(frozen=True)
class Ranking:
    """Ranks by canonical position, 1 best; those in `unranked` were not told apart."""

    annotator: int
    ranks: tuple[int, ...]
    unranked: Collection[int] = ()


def tau_b(first: Ranking, second: Ranking) -> float:
    """Kendall's τ-b over the pairs that both tell apart or call a tie; NaN where one ties all."""
    signs = [
        (np.sign(first.ranks[i] - first.ranks[j]), np.sign(second.ranks[i] - second.ranks[j]))
        for i in range(len(first.ranks))
        for j in range(i + 1, len(first.ranks))
        if not ({i, j} <= set(first.unranked) or {i, j} <= set(second.unranked))
    ]
    product = sum(int(a * b) for a, b in signs)
    untied = [sum(1 for pair in signs if pair[side]) for side in (0, 1)]
    if not all(untied):
        return float("nan")
    return float(product / np.sqrt(untied[0] * untied[1]))


def concordance(rankings: Sequence[Ranking]) -> float:
    """Kendall's W with the correction for ties (Kendall & Gibbons 1990); NaN where it has none.

    Rankings with unranked completions are left out: W needs all ranks.
    """
    whole = [each.ranks for each in rankings if not each.unranked]
    if len(whole) < 2:
        return float("nan")
    ranks = np.array([_mid_ranks(each) for each in whole])
    m, n = ranks.shape
    sums = ranks.sum(axis=0)
    ties = sum(sum(c**3 - c for c in np.unique(row, return_counts=True)[1]) for row in ranks)
    scale = m**2 * (n**3 - n) - m * ties
    if scale <= 0:
        return float("nan")
    return float(12 * ((sums - sums.mean()) ** 2).sum() / scale)


def _mid_ranks(ranks: Sequence[int]) -> list[float]:
    """Competition ranks (1, 2, 2, 4) as mid ranks (1, 2.5, 2.5, 4)."""
    return [
        1 + sum(other < mine for other in ranks) + (list(ranks).count(mine) - 1) / 2
        for mine in ranks
    ]


def mean_tau(
    instances: Mapping[int, Sequence[Ranking]], prompts: Mapping[int, str], resamples: int = 500
) -> Estimate:
    """Mean τ-b over all pairs of annotators of an instance, with an interval over prompts."""
    return _mean(instances, prompts, _taus, resamples)


def mean_concordance(
    instances: Mapping[int, Sequence[Ranking]], prompts: Mapping[int, str], resamples: int = 500
) -> Estimate:
    """Mean W over instances, with an interval over prompts."""
    return _mean(instances, prompts, lambda found: [concordance(found)], resamples)


def _taus(rankings: Sequence[Ranking]) -> list[float]:
    return [
        tau_b(first, second)
        for place, first in enumerate(rankings)
        for second in rankings[place + 1 :]
    ]


def _mean(
    instances: Mapping[int, Sequence[Ranking]],
    prompts: Mapping[int, str],
    statistic: Callable[[Sequence[Ranking]], list[float]],
    resamples: int,
) -> Estimate:
    """Mean of a statistic per instance; instances where it is not defined are left out."""
    sums: dict[str, list[float]] = {}
    units = 0
    for instance, rankings in instances.items():
        values = [value for value in statistic(rankings) if not np.isnan(value)]
        if values:
            units += 1
            row = sums.setdefault(prompts[instance], [0.0, 0.0])
            row[0] += sum(values)
            row[1] += len(values)
    if not sums:
        return Estimate(float("nan"), float("nan"), float("nan"), 0, 0)
    table = np.array(list(sums.values()))

    def mean_of(weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        return float(weights @ table[:, 0] / (weights @ table[:, 1]))

    low, high = percentiles(len(table), mean_of, resamples=resamples, level=0.95, seed=0)
    return Estimate(mean_of(np.ones(len(table))), low, high, len(table), units)
