"""Plackett–Luce over the rankings of one list: its worths with what is not known about them. Pure.

A ranking is a row of choices: the best among all, the best among the rest, … Tied completions
stand for each of their orders, which share the label out evenly, as a tie of a pair is half a win
for both. Completions that nobody ranked at the end are in the denominators of the choices before
them and are chosen never. Strengths are normal beforehand; their posterior is Laplace's.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, groupby
from math import comb

import numpy as np
import numpy.typing as npt

from .posterior import Vote

Vector = npt.NDArray[np.float64]
# Standard deviation of a strength beforehand: one vote of a pair makes the odds about three to one.
SPREAD = 1.5
# Of a larger group of ties all subsets are too many: its cyclic orders stand for all.
MOST_TIED = 6
STEPS, ENOUGH, LONGEST = 60, 1e-9, 2.0

# Completions to choose from, and how much of a choice that is.
Choice = tuple[frozenset[int], float]


def choices_of(vote: Vote) -> tuple[list[float], list[Choice]]:
    """How often each completion is chosen, and what it was chosen from.

    The log likelihood of the strengths s is Σ chosen_i s_i − Σ weight · log Σ_{j in set} exp s_j.
    """
    size = len(vote.ranking)
    if vote.p is not None:
        return [vote.p, 1 - vote.p], [(frozenset({0, 1}), 1.0)]
    chosen = [0.0] * size
    left = sorted((r, k) for k, r in enumerate(vote.ranking) if k not in vote.missing)
    groups = [{k for _, k in group} for _, group in groupby(left, key=lambda pair: pair[0])]
    told = not groups or not groups[-1] <= vote.unranked
    rest: frozenset[int] = frozenset() if told else frozenset(groups.pop())
    found: list[Choice] = []
    for group in reversed(groups):
        for k in group:
            chosen[k] += 1.0
        found += [(rest | part, weight) for part, weight in _parts(sorted(group))]
        rest |= group
    return chosen, found


def _parts(group: Sequence[int]) -> Iterator[Choice]:
    """What is left of a tied group at each of its choices, over its orders."""
    size = len(group)
    if size <= MOST_TIED:
        for left in range(1, size + 1):
            for part in combinations(group, left):
                yield frozenset(part), 1 / comb(size, left)
        return
    for order in (list(group), list(group)[::-1]):
        for start in range(size):
            turned = order[start:] + order[:start]
            for left in range(1, size + 1):
                yield frozenset(turned[-left:]), 1 / (2 * size)


def worths(lists: Sequence[Sequence[Vote]], *, spread: float = SPREAD) -> list[tuple[float, ...]]:
    """Per list the worth of each completion: the mean probability that it beats another.

    Lists of one length are fitted at once.

    Args:
        lists: the votes of each list, at least one, all of the same length.
    """
    found: list[tuple[float, ...]] = [()] * len(lists)
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, votes in enumerate(lists):
        by_size[len(votes[0].ranking)].append(place)
    for size, places in by_size.items():
        strengths, covariance = posterior([lists[place] for place in places], size, spread)
        for place, worth in zip(places, _worths(strengths, covariance), strict=True):
            found[place] = tuple(worth)
    return found


def posterior(
    lists: Sequence[Sequence[Vote]], size: int, spread: float = SPREAD
) -> tuple[Vector, Vector]:
    """(lists, size) strengths and (lists, size, size) covariances, by Newton's method."""
    chosen, sets, weight, row = _counted(lists, size)
    flat = 1 / spread**2
    strengths = np.zeros_like(chosen)
    bend = np.zeros((len(lists), size, size))
    for _ in range(STEPS):
        share = sets * np.exp(strengths - strengths.max(axis=1, keepdims=True))[row]
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        weighed = share * weight[:, None]
        slope = chosen - flat * strengths
        np.subtract.at(slope, row, weighed)
        bend = np.zeros((len(lists), size, size))
        np.subtract.at(bend, row, weighed[:, :, None] * share[:, None, :])
        diagonal = np.zeros_like(chosen)
        np.add.at(diagonal, row, weighed)
        bend[:, range(size), range(size)] += diagonal + flat
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        strengths += np.clip(step, -LONGEST, LONGEST)
        if np.abs(step).max(initial=0.0) < ENOUGH:
            break
    return strengths, np.asarray(np.linalg.inv(bend), dtype=np.float64)


def _counted(
    lists: Sequence[Sequence[Vote]], size: int
) -> tuple[Vector, Vector, Vector, npt.NDArray[np.intp]]:
    """How often each was chosen; the sets (choices, size), their weights and lists."""
    chosen = np.zeros((len(lists), size))
    sets: dict[tuple[int, frozenset[int]], float] = defaultdict(float)
    for place, votes in enumerate(lists):
        for vote in votes:
            wins, given = choices_of(vote)
            chosen[place] += wins
            for among, weight in given:
                sets[place, among] += weight
    inside = np.zeros((len(sets), size))
    for number, (_, among) in enumerate(sets):
        inside[number, list(among)] = 1.0
    row = np.array([place for place, _ in sets], dtype=np.intp)
    return chosen, inside, np.array(list(sets.values()), dtype=np.float64), row


def _worths(strengths: Vector, covariance: Vector) -> list[list[float]]:
    """The mean over the others of P(it beats them), uncertainty of both strengths included."""
    size = strengths.shape[1]
    if size == 1:
        return [[0.5]] * len(strengths)
    gap = strengths[:, :, None] - strengths[:, None, :]
    own = np.diagonal(covariance, axis1=1, axis2=2)
    spread = own[:, :, None] + own[:, None, :] - 2 * covariance
    beats = 1 / (1 + np.exp(-gap / np.sqrt(1 + np.pi / 8 * np.maximum(spread, 0))))
    beats[:, range(size), range(size)] = 0
    found: list[list[float]] = (beats.sum(axis=2) / (size - 1)).tolist()
    return found
