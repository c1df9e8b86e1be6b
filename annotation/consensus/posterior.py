"""What several labels say together. Pure: numpy and the standard library only.

A label is a list of ranks (1 is best, ties share a rank) or, for a judge, P(position 0 wins).
Entropies are in nats.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Vote:
    """One label: `ranking` in canonical positions, or `p` = P(position 0 wins) of a pair."""

    annotator: int
    ranking: tuple[int, ...]
    p: float | None = None


def pair_share(vote: Vote, first: int, second: int) -> float:
    """How much of the vote goes to `first` over `second`: 1, 0, ½ for a tie, or the judge's p."""
    if vote.p is not None:
        return vote.p if first == 0 else 1 - vote.p
    mine, other = vote.ranking[first], vote.ranking[second]
    return 0.5 if mine == other else float(mine < other)


def majority(votes: Sequence[Vote]) -> tuple[float, ...]:
    """Worth per completion: the mean share of the others it beats, ties counting one half.

    For a pair worth[0] = p and worth[1] = 1 − p.
    """
    size = len(votes[0].ranking)
    return tuple(
        sum(pair_share(vote, i, j) for vote in votes for j in range(size) if j != i)
        / (len(votes) * (size - 1))
        for i in range(size)
    )


def entropy(worth: Sequence[float]) -> float:
    """Mean binary entropy of the worths, in nats: 0 where all agree, ln 2 where nothing is known.

    For a pair it is the entropy of p.
    """
    return sum(_binary_entropy(share) for share in worth) / len(worth)


def _binary_entropy(p: float) -> float:
    if p <= 0 or p >= 1:
        return 0.0
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def dawid_skene(
    pairs: Mapping[int, Sequence[Vote]],
    *,
    prior: tuple[float, float] = (4.0, 2.0),
    rounds: int = 100,
    tolerance: float = 1e-6,
) -> tuple[dict[int, float], dict[int, float]]:
    """One-coin Dawid–Skene for pairs by EM (Dawid & Skene 1979, one accuracy per annotator).

    Annotator a is right with probability g_a: E-step p_i ∝ Π g_a^y (1−g_a)^(1−y) with an even
    prior over the two answers, a tie or a judge's p counting as y between 0 and 1; M-step g_a =
    (right + prior[0] − 1)/(n + prior[0] + prior[1] − 2), the mode under a Beta prior, which keeps
    an annotator with few labels near it and above one half.

    Returns:
        p = P(position 0 wins) per pair, and g per annotator.
    """
    keys = list(pairs)
    index = {key: row for row, key in enumerate(keys)}
    votes = [(index[key], vote) for key in keys for vote in pairs[key]]
    who = sorted({vote.annotator for _, vote in votes})
    column = {annotator: n for n, annotator in enumerate(who)}
    rows = np.array([row for row, _ in votes], dtype=np.intp)
    columns = np.array([column[vote.annotator] for _, vote in votes], dtype=np.intp)
    y = np.array([pair_share(vote, 0, 1) for _, vote in votes], dtype=np.float64)
    p = np.bincount(rows, y, len(keys)) / np.bincount(rows, minlength=len(keys))
    counts = np.bincount(columns, minlength=len(who))
    skill = np.full(len(who), prior[0] / (prior[0] + prior[1]))
    for _ in range(rounds):
        right = np.bincount(columns, y * p[rows] + (1 - y) * (1 - p[rows]), len(who))
        skill = (right + prior[0] - 1) / (counts + prior[0] + prior[1] - 2)
        logit = np.log(skill / (1 - skill))
        updated = 1 / (1 + np.exp(-np.bincount(rows, (2 * y - 1) * logit[columns], len(keys))))
        moved = float(np.abs(updated - p).max(initial=0.0))
        p = updated
        if moved < tolerance:
            break
    return dict(zip(keys, p.tolist(), strict=True)), dict(zip(who, skill.tolist(), strict=True))
