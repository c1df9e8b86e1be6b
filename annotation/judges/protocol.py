"""From the verdicts in both orders to one probability. Pure: no Django, no network.

Position 0 and 1 are the canonical positions of a pair; "shown first" is the display order.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from annotation.instances.content import EVEN, competition_ranks

from .ranked import Pairs, agreement, best_of, pairs_of_rankings, ranking_of_worth, worth_of_pairs

FLOOR, CEILING = 0.01, 0.99
# Accuracy that a hard verdict stands for while a judge's own is not measured: halfway between a
# coin and certainty. It is also what turns a verdict into a soft label.
DEFAULT_ACCURACY = 0.75
# How the calls of a verdict were put together.
ONE_CALL, BOTH_ORDERS, RANKINGS, ALL_PAIRS, SCORES = (
    "one call",
    "both orders",
    "rankings",
    "all pairs",
    "scores",
)


@dataclass(frozen=True)
class Answer:
    """One parsed reply: the order shown (None where unknown) and what it says.

    `ranking` and `scores` have one value per completion shown, by ascending canonical position; 1
    is the best rank. `p_first` is P(the one shown first wins) where the reply gave it.
    """

    shown_order: tuple[int, ...] | None
    ranking: tuple[int, ...]
    p_first: float | None = None
    scores: tuple[float | None, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a judge says about one instance after all its orders, by canonical position.

    `p` = P(position 0 is preferred), None for more than two completions, where `pairs` has
    (i, j, P(i is preferred)) for all i < j and `worth` the mean share of the others each beats.
    `gap`: how far apart the orders are, 0 to 1, the mean over pairs; `flipped`: they do not name
    the same best one. Both are None where the order was not known or there was one answer only.
    `consistency` of a list: mean Kendall's tau of its rankings, or the share of its pairs that did
    not flip. `scores` where completions are scored, and nothing is ranked.
    """

    ranking: tuple[int, ...]
    p: float | None
    gap: float | None = None
    flipped: bool | None = None
    scores: tuple[float, ...] = ()
    pairs: tuple[tuple[int, int, float], ...] = ()
    worth: tuple[float, ...] = ()
    consistency: float | None = None
    confidence: float | None = None
    orders: int = 1
    method: str = ONE_CALL


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


def merge(
    answers: Sequence[Answer],
    accuracy: float | None = None,
    *,
    size: int | None = None,
    least: int = 1,
) -> Verdict | None:
    """One verdict from a judge's parsed answers to one instance, or None where incomplete.

    A pair needs both orders, a list asked by pairs every pair in both, a list asked by rankings
    `least` different orders, scores one for each completion. An answer whose order was never
    written down (an imported label) stands alone: it is a verdict without a flip signal. Of two
    answers in one order the first given counts; of two methods the one answered first.

    Args:
        size: number of completions; by default that of the longest answer.
    """
    if not answers:
        return None
    if answers[0].scores and not answers[0].ranking:
        return _scored(answers, size)
    size = size or max(_size(answer) for answer in answers)
    if size == 2:
        return _pair(answers, accuracy)
    lists = [answer for answer in answers if len(answer.ranking) == size]
    pairs = [answer for answer in answers if len(answer.ranking) == 2 and answer.shown_order]
    by_lists, by_pairs = _lists(lists, accuracy, least), _all_pairs(pairs, accuracy, size)
    return (by_lists or by_pairs) if answers[0] in lists else (by_pairs or by_lists)


def _size(answer: Answer) -> int:
    return max([len(answer.ranking), *(position + 1 for position in answer.shown_order or ())])


def _pair(answers: Sequence[Answer], accuracy: float | None) -> Verdict | None:
    by_order: dict[tuple[int, ...] | None, Answer] = {}
    for answer in answers:
        by_order.setdefault(answer.shown_order, answer)
    if (0, 1) in by_order and (1, 0) in by_order:
        both = by_order[(0, 1)], by_order[(1, 0)]
        p, gap, flipped = combine(_p_lower(both[0], accuracy), 1 - _p_lower(both[1], accuracy))
        return Verdict(
            pair_ranking(p),
            p,
            gap,
            flipped,
            confidence=_mean(each.confidence for each in both),
            orders=2,
            method=BOTH_ORDERS,
        )
    if None in by_order:
        alone = by_order[None]
        p = _p_lower(alone, accuracy)
        return Verdict(pair_ranking(p), clip(p), confidence=alone.confidence)
    return None


def _p_lower(answer: Answer, accuracy: float | None) -> float:
    """P(the lower of the two canonical positions wins)."""
    if answer.p_first is None:
        return p_of_winner(winner_of(answer.ranking), accuracy)
    order = answer.shown_order or (0, 1)
    return answer.p_first if order[0] < order[1] else 1 - answer.p_first


def _lists(answers: Sequence[Answer], accuracy: float | None, least: int) -> Verdict | None:
    """Mean ranks of whole rankings; the first in each order counts, those without one all count."""
    by_order: dict[object, Answer] = {}
    for number, answer in enumerate(answers):
        by_order.setdefault(answer.shown_order or number, answer)
    if len(by_order) < least or not by_order:
        return None
    used = list(by_order.values())
    rankings = [answer.ranking for answer in used]
    known = len(used) > 1 and all(answer.shown_order for answer in used)
    tau, disagree, flipped = agreement(rankings) if known else (None, None, None)
    return Verdict(
        _mean_ranking(rankings),
        None,
        disagree,
        flipped,
        pairs=_pairs(pairs_of_rankings(rankings, p_of_winner(0, accuracy))),
        worth=worth_of_pairs(pairs_of_rankings(rankings, 1.0), len(rankings[0])),
        consistency=tau,
        confidence=_mean(each.confidence for each in used),
        orders=len(used),
        method=RANKINGS if known else ONE_CALL,
    )


def _all_pairs(answers: Sequence[Answer], accuracy: float | None, size: int) -> Verdict | None:
    by_order: dict[tuple[int, ...], Answer] = {}
    for answer in answers:
        by_order.setdefault(answer.shown_order or (), answer)
    combined: Pairs = {}
    gaps, flips, forward, backward = [], [], {}, {}
    for i, j in combinations(range(size), 2):
        if (i, j) not in by_order or (j, i) not in by_order:
            return None
        forward[i, j] = clip(_p_lower(by_order[i, j], accuracy))
        backward[i, j] = clip(_p_lower(by_order[j, i], accuracy))
        combined[i, j], gap, flipped = combine(forward[i, j], 1 - backward[i, j])
        gaps.append(gap)
        flips.append(flipped)
    worth = worth_of_pairs(combined, size)
    best = {frozenset(best_of(worth_of_pairs(each, size))) for each in (forward, backward)}
    return Verdict(
        ranking_of_worth(worth),
        None,
        fmean(gaps),
        len(best) > 1,
        pairs=_pairs(combined),
        worth=worth,
        consistency=1 - fmean(flips),
        confidence=_mean(answer.confidence for answer in by_order.values()),
        orders=2,
        method=ALL_PAIRS,
    )


def _scored(answers: Sequence[Answer], size: int | None) -> Verdict | None:
    """Every completion's score; of two for the same the first given counts."""
    scores: dict[int, float] = {}
    for answer in answers:
        shown = sorted(answer.shown_order or range(len(answer.scores)))
        for position, score in zip(shown, answer.scores, strict=False):
            if score is not None:
                scores.setdefault(position, score)
    size = size or max(scores, default=-1) + 1
    if not size or set(scores) != set(range(size)):
        return None
    return Verdict(
        (),
        None,
        scores=tuple(scores[position] for position in range(size)),
        confidence=_mean(answer.confidence for answer in answers),
        method=SCORES,
    )


def _pairs(found: Pairs) -> tuple[tuple[int, int, float], ...]:
    return tuple((i, j, p) for (i, j), p in sorted(found.items()))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _mean_ranking(rankings: Sequence[Sequence[int]]) -> tuple[int, ...]:
    means = [fmean(ranks) for ranks in zip(*rankings, strict=True)]
    return tuple(competition_ranks(means))
