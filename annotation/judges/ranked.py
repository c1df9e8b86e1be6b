"""Several rankings of one list, or the verdicts on all its pairs, as one. Pure.

In a list where every pair is compared equally often, the order of Bradley-Terry worths is the
order of the mean shares won; so the mean share is what is kept.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean

from annotation.instances.content import EVEN, competition_ranks

# (i, j) with i < j: P(i is preferred to j).
Pairs = dict[tuple[int, int], float]


def share_of(first: int, second: int) -> float:
    """What a pair of ranks says of the first: 1, 0, or a half for a tie."""
    return 0.5 if first == second else float(first < second)


def pairs_of_rankings(rankings: Sequence[Sequence[int]], sure: float) -> Pairs:
    """P(i preferred to j) where each ranking says so with probability `sure`: the logit mean.

    With `sure` = 1 it is the plain share of the rankings that put i before j.
    """
    shares = {
        (i, j): fmean(share_of(ranks[i], ranks[j]) for ranks in rankings)
        for i, j in combinations(range(len(rankings[0])), 2)
    }
    if sure >= 1:
        return shares
    weight = math.log(sure / (1 - sure))
    return {pair: 1 / (1 + math.exp(-weight * (2 * s - 1))) for pair, s in shares.items()}


def worth_of_pairs(pairs: Mapping[tuple[int, int], float], size: int) -> tuple[float, ...]:
    """The mean share of the others that each completion beats: 1 beats all, 0 none."""
    total = [0.0] * size
    for (i, j), p in pairs.items():
        total[i] += p
        total[j] += 1 - p
    return tuple(each / (size - 1) for each in total)


def ranking_of_worth(worth: Sequence[float]) -> tuple[int, ...]:
    return tuple(competition_ranks([-each for each in worth]))


def best_of(worth: Sequence[float]) -> list[int]:
    """The positions of highest worth."""
    return [place for place, each in enumerate(worth) if max(worth) - each < EVEN]


def agreement(rankings: Sequence[Sequence[int]]) -> tuple[float | None, float, bool]:
    """(mean Kendall's tau-b, mean share of pairs put differently, the best differs somewhere).

    A ranking that ties all has no tau with another; tau is None where no two have one.
    """
    couples = list(combinations(rankings, 2))
    taus = [tau for a, b in couples if (tau := tau_b(a, b)) is not None]
    pairs = list(combinations(range(len(rankings[0])), 2))
    apart = [abs(share_of(a[i], a[j]) - share_of(b[i], b[j])) for a, b in couples for i, j in pairs]
    best = {frozenset(i for i, rank in enumerate(ranks) if rank == 1) for ranks in rankings}
    return (fmean(taus) if taus else None), fmean(apart), len(best) > 1


def tau_b(first: Sequence[int], second: Sequence[int]) -> float | None:
    """Kendall's tau-b of two rankings of all completions; None where one ties all."""
    signs = [
        (share_of(first[i], first[j]) - 0.5, share_of(second[i], second[j]) - 0.5)
        for i, j in combinations(range(len(first)), 2)
    ]
    product = sum(a * b for a, b in signs)
    spread = math.sqrt(sum(a * a for a, _ in signs) * sum(b * b for _, b in signs))
    return product / spread if spread else None
