"""What is known about one prompt's completions, without any model: plain values, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from training.errors import RefusalError
from training.objectives.objective import Objective

EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Preference:
    """The label of one prompt with K completions.

    Attributes:
        relevance: one number per completion, higher is better; NaN marks an unranked completion.
        pair_p: for K = 2, the probability that the first completion is preferred; None derives
            it from `relevance` (1, 0 or one half for a tie).
        weight: importance of this prompt in the loss.
        margin: strength of the preference, in units of the score.
        source: who gave the label; noise rates are looked up by it.
        annotator: the one annotator behind the label, "" for a consensus of several.
        attributes: by attribute, one rating per completion; NaN marks a missing rating.
        tags: the instance's tags, for figures by tag.
    """

    relevance: tuple[float, ...]
    pair_p: float | None = None
    weight: float = 1.0
    margin: float = 0.0
    source: str = ""
    annotator: str = ""
    attributes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def probability(self) -> float | None:
        """P(first completion preferred) for K = 2, else None."""
        if len(self.relevance) != 2:
            return None
        if self.pair_p is not None:
            return self.pair_p
        first, second = self.relevance
        if math.isnan(first) or math.isnan(second):
            return None
        return 1.0 if first > second else 0.0 if first < second else EVEN

    def ranked(self) -> tuple[float, ...]:
        """Relevance that agrees with `pair_p` where there is one."""
        if self.pair_p is not None and len(self.relevance) == 2:
            return (self.pair_p, 1.0 - self.pair_p)
        return self.relevance


def compared_pairs(preference: Preference, objective: Objective) -> list[tuple[int, int, float]]:
    """Pairs (i, j, P(i preferred)) that a pairwise objective compares, label noise untouched."""
    probability = preference.probability
    if probability is not None:
        return _labelled(probability, objective)
    ranked = preference.ranked()
    pairs = [
        (i, j, 1.0) if ranked[i] > ranked[j] else (j, i, 1.0)
        for i, j in combinations(range(len(ranked)), 2)
        if ranked[i] > ranked[j] or ranked[i] < ranked[j]
    ]
    if objective.knows_ties:
        pairs += _tied(ranked)
    if objective.pairs == "all" or not pairs:
        return pairs
    best = max(r for r in ranked if not math.isnan(r))
    with_best = objective.pairs == "best_rest"
    return [pair for pair in pairs if (ranked[pair[0]] == best) == with_best]


def _tied(ranked: Sequence[float]) -> list[tuple[int, int, float]]:
    equal = [(i, j) for i, j in combinations(range(len(ranked)), 2) if ranked[i] == ranked[j]]
    return [(i, j, EVEN) for i, j in equal]


def _labelled(probability: float, objective: Objective) -> list[tuple[int, int, float]]:
    if objective.pairs == "below_best":
        return []
    if objective.labels == "soft" or (probability == EVEN and objective.knows_ties):
        return [(0, 1, probability)]
    if probability == EVEN:
        return []
    return [(0, 1, 1.0) if probability > EVEN else (1, 0, 1.0)]


def wanted(preference: Preference, objective: Objective) -> list[float]:
    """P(completion is a wanted one) of each; NaN where the label does not say.

    Of a pair it is the probability of being preferred; of a longer list 1 above the mean
    relevance and 0 under it; of a completion alone its relevance, from 0 to 1.
    """
    ranked = preference.ranked()
    known = [r for r in ranked if not math.isnan(r)]
    probability = preference.probability
    if probability is not None:
        found = [probability, 1 - probability]
    elif len(ranked) == 1:
        found = list(ranked)
    else:
        middle = sum(known) / len(known) if known else math.nan
        found = [_side(r - middle) for r in ranked]
    if objective.labels == "hard":
        return [_side(p - EVEN) for p in found]
    return found


def _side(distance: float) -> float:
    """1 above, 0 under, NaN at the middle or where nothing is known."""
    return 1.0 if distance > 0 else 0.0 if distance < 0 else math.nan


def win_rates(preference: Preference) -> list[float]:
    """Share of the other completions that each beats, ties by half; NaN where unranked.

    Of a pair it is the probability of being preferred, of a completion alone its relevance.
    """
    ranked = preference.ranked()
    probability = preference.probability
    if probability is not None:
        return [probability, 1 - probability]
    if len(ranked) == 1:
        return list(ranked)
    known = [r for r in ranked if not math.isnan(r)]
    return [_beaten(r, known) for r in ranked]


def _beaten(relevance: float, known: list[float]) -> float:
    if math.isnan(relevance) or len(known) < 2:
        return math.nan
    wins = sum((relevance > r) + EVEN * (relevance == r) for r in known) - EVEN
    return wins / (len(known) - 1)


def other_aims(preference: Preference, objective: Objective) -> list[float]:
    """Weighted sum of each completion's ratings of the other aims, in units of the score.

    Raises:
        RefusalError: a row lacks a rating that the objective weighs.
    """
    total = [0.0] * len(preference.relevance)
    for name, weight in objective.attribute_weights.items():
        ratings = preference.attributes.get(name)
        if ratings is None or any(math.isnan(r) for r in ratings):
            raise RefusalError(
                f"A row has no rating of {name!r} for each completion.",
                "Leave it out of `preset_options.attribute_weights`, or out of the data.",
            )
        total = [t + weight * r for t, r in zip(total, ratings, strict=True)]
    return total


def target_probability(probability: float, objective: Objective, source: str) -> float:
    """Weight q of the labelled side in q*l(d) + (1-q)*l(-d).

    Label smoothing moves p towards one half. The noise correction moves it the other way, past
    1 for a certain label: q = (p - e) / (1 - 2e), which is the loss
    [(1-e) l(d) - e l(-d)] / (1 - 2e) of 2403.00409 at p = 1.
    """
    smoothed = probability * (1 - objective.smoothing) + (1 - probability) * objective.smoothing
    flip = objective.flip_rate(source)
    return (smoothed - flip) / (1 - 2 * flip)


def target_margin(margin: float, objective: Objective) -> float:
    """Margin that the difference of scores has to exceed: gamma + scale * f(margin)."""
    shaped = math.log1p(margin) if objective.margin_shape == "log1p" else margin
    return objective.gamma + objective.margin_scale * shaped


def is_informative(preference: Preference, objective: Objective) -> bool:
    """Whether the label says anything to this objective (a tie says nothing to a hard label).

    Raises:
        RefusalError: a row lacks a rating that the objective weighs.
    """
    if objective.attribute_weight and _is_rated(preference):
        return True
    if objective.link == "none":
        return any(share > 0 for share in shares(preference, objective))
    if objective.link == "win_rate":
        return any(not math.isnan(rate) for rate in win_rates(preference))
    if objective.single:
        return any(not math.isnan(p) for p in wanted(preference, objective))
    if objective.listwise:
        ranks = {r for r in preference.ranked() if not math.isnan(r)}
        unranked = any(math.isnan(r) for r in preference.ranked())
        partial = objective.link == "plackett_luce" and unranked
        return len(ranks) > 1 or (len(ranks) == 1 and partial)
    other_aims(preference, objective)
    return bool(compared_pairs(preference, objective))


def _is_rated(preference: Preference) -> bool:
    ratings = preference.attributes.values()
    return any(not math.isnan(rating) for given in ratings for rating in given)


def shares(preference: Preference, objective: Objective) -> list[float]:
    """Share of each completion in the likelihood term.

    Equal among those ranked highest; or equal among all wanted ones; or, weighted by reward,
    exp(relevance / temperature) / K.
    """
    if objective.likelihood == "reward_weighted":
        ranked = preference.ranked()
        weights = [0.0 if math.isnan(r) else math.exp(r / objective.temperature) for r in ranked]
        return [weight / len(ranked) for weight in weights]
    if objective.likelihood == "all_desirable" or len(preference.relevance) == 1:
        good = [p > EVEN for p in wanted(preference, objective)]
        return [g / max(sum(good), 1) for g in good]
    return best_shares(preference)


def strength(preference: Preference) -> float:
    """How clear the label is: its margin, else how far it is from a tie.

    Of a pair that is 2 |p - 1/2|, of a longer list the distance of best and worst relevance.
    """
    known = [r for r in preference.relevance if not math.isnan(r)]
    if preference.margin:
        return preference.margin
    if preference.probability is not None:
        return abs(2 * preference.probability - 1)
    return max(known) - min(known) if known else 0.0


def ranks_by_strength(preferences: Sequence[Preference], order: str) -> list[float] | None:
    """Numbers by which training goes from clear to unclear labels, or the other way round.

    Args:
        order: "easy_first", "hard_first", or "random" for no order.
    """
    sign = {"easy_first": -1.0, "hard_first": 1.0}.get(order)
    return None if sign is None else [sign * strength(p) for p in preferences]


def best_shares(preference: Preference) -> list[float]:
    """Equal shares of those completions that are ranked highest."""
    ranked = preference.ranked()
    known = [r for r in ranked if not math.isnan(r)]
    if not known:
        return [0.0] * len(ranked)
    best = [r == max(known) for r in ranked]
    return [float(b) / sum(best) for b in best]
