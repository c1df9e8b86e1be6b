"""What several labels say together. Pure: the standard library only.

A label is a list of ranks (1 is best, ties share a rank) or, for a judge, P(position 0 wins).
Entropies are in nats.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from annotation.instances.content import EVEN


@dataclass(frozen=True)
class Vote:
    """One label: `ranking` in canonical positions, or `p` = P(position 0 wins) of a pair;
    `calibrated` where people have told what that p is worth.

    Two completions that are both in `unranked` were not told apart; one in `missing` was compared
    with none.
    """

    annotator: int
    ranking: tuple[int, ...]
    p: float | None = None
    unranked: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()
    calibrated: bool = False


def vote_of_scores(annotator: int, scores: Sequence[int | None]) -> Vote:
    """Scores as a ranking, the highest first; a completion without a score is missing."""
    ranking = tuple(
        1 + sum(other is not None and mine is not None and other > mine for other in scores)
        for mine in scores
    )
    missing = frozenset(place for place, score in enumerate(scores) if score is None)
    return Vote(annotator, ranking, missing=missing)


def pair_share(vote: Vote, first: int, second: int) -> float | None:
    """How much of the vote goes to `first` over `second`: 1, 0, ½ for a tie, or the judge's p.

    None where the vote does not tell them apart.
    """
    if {first, second} & vote.missing or {first, second} <= vote.unranked:
        return None
    if vote.p is not None:
        return vote.p if first == 0 else 1 - vote.p
    mine, other = vote.ranking[first], vote.ranking[second]
    return 0.5 if mine == other else float(mine < other)


def as_vote(share: float) -> float:
    """The side that a share leans to: 1, 0, or ½ for neither.

    For models of annotators: a share of a vote would count as half a disagreement of a judge with
    itself, and the model would come to believe that nobody knows anything.
    """
    return 0.5 if abs(share - 0.5) < EVEN else float(share > 0.5)


def majority(votes: Sequence[Vote]) -> tuple[float, ...]:
    """Worth per completion: the mean share of the others it beats, ties counting one half.

    For a pair worth[0] = p and worth[1] = 1 − p. One that nobody compared has worth ½.
    """
    size = len(votes[0].ranking)
    return worth_of(
        size,
        {
            (i, j): _mean(shares)
            for i in range(size)
            for j in range(i + 1, size)
            if (shares := _told(votes, i, j))
        },
    )


def vote_share(votes: Sequence[Vote]) -> tuple[float, ...]:
    """Worths like `majority`, of smoothed shares (k + ½) / (n + 1) of each pair.

    However many say the same, the posterior is what share of people says so and no more: for
    projects where a minority is another view and no error.
    """
    size = len(votes[0].ranking)
    return worth_of(
        size,
        {
            (i, j): (sum(shares) + 0.5) / (len(shares) + 1)
            for i in range(size)
            for j in range(i + 1, size)
            if (shares := _told(votes, i, j))
        },
    )


def _told(votes: Sequence[Vote], i: int, j: int) -> list[float]:
    return [share for vote in votes if (share := pair_share(vote, i, j)) is not None]


def worth_of(size: int, pairs: Mapping[tuple[int, int], float]) -> tuple[float, ...]:
    """The mean of P(it beats the other) over the pairs known, keys (i, j) with i < j."""
    shares: list[list[float]] = [[] for _ in range(size)]
    for (i, j), p in pairs.items():
        shares[i].append(p)
        shares[j].append(1 - p)
    return tuple(_mean(found) if found else 0.5 for found in shares)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@dataclass(frozen=True)
class Scores:
    """Mean and standard deviation of the scores per completion, and how many there are of each.

    None where nobody scored it; the deviation needs two.
    """

    mean: list[float | None]
    spread: list[float | None]
    labels: list[int]


def mean_scores(given: Sequence[Sequence[int | None]]) -> Scores:
    columns = [[s for s in column if s is not None] for column in zip(*given, strict=True)]
    return Scores(
        mean=[_mean(column) if column else None for column in columns],
        spread=[stdev(column) if len(column) > 1 else None for column in columns],
        labels=[len(column) for column in columns],
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
