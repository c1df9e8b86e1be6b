"""From the verdicts in both orders to one probability. Pure: no Django, no network.

Position 0 and 1 are the canonical positions of a pair; "shown first" is the display order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from annotation.instances.content import EVEN, competition_ranks

FLOOR, CEILING = 0.01, 0.99
# Accuracy that a hard verdict stands for while a judge's own is not measured: halfway between a
# coin and certainty. It is also what turns a verdict into a soft label.
DEFAULT_ACCURACY = 0.75


@dataclass(frozen=True)
class Answer:
    """One parsed reply: the order shown (None where unknown) and what it says.

    `p_first` is P(the one shown first wins) where the reply gave it; `ranking` has canonical
    positions, 1 is best.
    """

    shown_order: tuple[int, ...] | None
    ranking: tuple[int, ...]
    p_first: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a judge says about one instance after all its orders.

    `p` = P(position 0 is preferred), None for more than two completions. `gap` and `flipped` are
    None where the order was not known or there was one answer only.
    """

    ranking: tuple[int, ...]
    p: float | None
    gap: float | None = None
    flipped: bool | None = None


def clip(p: float) -> float:
    return min(CEILING, max(FLOOR, p))


def p_of_winner(winner: int, accuracy: float | None) -> float:
    """P(position 0 wins) of a hard verdict: `winner` is 0, 1, or -1 for a tie."""
    if winner == -1:
        return 0.5
    sure = clip(max(0.5, DEFAULT_ACCURACY if accuracy is None else accuracy))
    return sure if winner == 0 else 1 - sure


def combine(p_ab: float, p_ba: float) -> tuple[float, float, bool]:
    """(p, gap, flipped) from P(first shown wins) in the orders (0, 1) and (1, 0).

    p is the mean of p_ab and 1 − p_ba in logit space, both clipped to [0.01, 0.99];
    gap = |p_ab − (1 − p_ba)|; flipped: the two orders do not name the same winner.
    """
    forward, backward = clip(p_ab), 1 - clip(p_ba)
    logit = fmean(math.log(p / (1 - p)) for p in (forward, backward))
    return 1 / (1 + math.exp(-logit)), abs(forward - backward), side(forward) != side(backward)


def side(p: float) -> int:
    """0 or 1 for the preferred position, -1 for neither."""
    if abs(p - 0.5) < EVEN:
        return -1
    return 0 if p > 0.5 else 1


def winner_of(ranking: Sequence[int]) -> int:
    """The preferred position of a pair's ranking; -1 for a tie."""
    if ranking[0] == ranking[1]:
        return -1
    return 0 if ranking[0] < ranking[1] else 1


def pair_ranking(p: float) -> tuple[int, int]:
    return {0: (1, 2), 1: (2, 1), -1: (1, 1)}[side(p)]


def merge(answers: Sequence[Answer], accuracy: float | None = None) -> Verdict | None:
    """One verdict from a judge's parsed answers to one instance, or None where incomplete.

    A pair needs both orders. An answer whose order was never written down (an imported label)
    stands alone: it is a verdict without a flip signal. More than two completions: mean ranks.
    """
    if not answers:
        return None
    if len(answers[0].ranking) > 2:
        return Verdict(ranking=_mean_ranking(answers), p=None)
    by_order: dict[tuple[int, ...] | None, float] = {}
    for answer in answers:
        by_order.setdefault(answer.shown_order, _p_zero(answer, accuracy))
    if (0, 1) in by_order and (1, 0) in by_order:
        p, gap, flipped = combine(by_order[(0, 1)], 1 - by_order[(1, 0)])
        return Verdict(pair_ranking(p), p, gap, flipped)
    if None in by_order:
        return Verdict(pair_ranking(by_order[None]), clip(by_order[None]))
    return None


def _p_zero(answer: Answer, accuracy: float | None) -> float:
    if answer.p_first is None:
        return p_of_winner(winner_of(answer.ranking), accuracy)
    shown_first = answer.shown_order[0] if answer.shown_order else 0
    return answer.p_first if shown_first == 0 else 1 - answer.p_first


def _mean_ranking(answers: Sequence[Answer]) -> tuple[int, ...]:
    means = [fmean(ranks) for ranks in zip(*(a.ranking for a in answers), strict=True)]
    return tuple(competition_ranks(means))
