"""Figures of a run from what the model said of each prompt: numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import RefusalError
from training.objectives.preference import EVEN, Preference

Floats = NDArray[np.float64]

BOOTSTRAPS = 1000
FEW_PROMPTS = 20
BINS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model said of one prompt's completions.

    Attributes:
        scores: the objective's score of each completion.
        tokens: completion lengths.
        logps: log-probabilities in nats, for policies.
        log_ratios: log-ratios to the reference in nats, where there is one.
    """

    preference: Preference
    prompt_hash: str
    scores: tuple[float, ...]
    tokens: tuple[int, ...]
    logps: tuple[float, ...] = ()
    log_ratios: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Pairs:
    """All decided pairs of some prompts, as (M,) arrays; the first side is the preferred one."""

    difference: Floats
    longer: Floats
    probability: Floats
    cluster: NDArray[np.int64]
    index: list[tuple[int, int, int]]


def numbers_only(outcomes: list[Outcome]) -> list[Outcome]:
    """The same outcomes.

    Raises:
        RefusalError: a score is not a finite number; no figure of such a model means anything.
    """
    if not all(math.isfinite(score) for outcome in outcomes for score in outcome.scores):
        raise RefusalError(
            "The model's scores are not finite numbers: its weights have blown up.",
            "Lower `learning_rate`, or use precision fp32, and train again.",
        )
    return outcomes


def decided_pairs(outcomes: Sequence[Outcome]) -> Pairs:
    """Pairs whose label names a winner, ordered (winner, loser); ties are left out."""
    index: list[tuple[int, int, int]] = []
    probability: list[float] = []
    for number, outcome in enumerate(outcomes):
        for i, j, p in _winners(outcome.preference):
            index.append((number, i, j))
            probability.append(p)
    names = {h: k for k, h in enumerate(dict.fromkeys(o.prompt_hash for o in outcomes))}
    score = [outcomes[n].scores[i] - outcomes[n].scores[j] for n, i, j in index]
    length = [outcomes[n].tokens[i] - outcomes[n].tokens[j] for n, i, j in index]
    return Pairs(
        difference=np.asarray(score, dtype=np.float64),
        longer=np.asarray(length, dtype=np.float64),
        probability=np.asarray(probability, dtype=np.float64),
        cluster=np.asarray([names[outcomes[n].prompt_hash] for n, _, _ in index], dtype=np.int64),
        index=index,
    )


def _winners(preference: Preference) -> list[tuple[int, int, float]]:
    p = preference.probability
    if p is not None:
        if p == EVEN:
            return []
        return [(0, 1, p)] if p > EVEN else [(1, 0, 1 - p)]
    ranks = preference.ranked()
    ordered = [
        (i, j) if ranks[i] > ranks[j] else (j, i)
        for i, j in combinations(range(len(ranks)), 2)
        if ranks[i] > ranks[j] or ranks[i] < ranks[j]
    ]
    return [(i, j, 1.0) for i, j in ordered]


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


def calibration_error(difference: Floats, probability: Floats) -> float:
    """Expected calibration error of sigma(d) in ten bins, both orders of every pair counted."""
    said = _sigmoid(np.concatenate([difference, -difference]))
    true = np.concatenate([probability, 1 - probability])
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    weight = np.bincount(bins, minlength=BINS)
    gap = np.bincount(bins, said - true, minlength=BINS)
    return float(np.abs(gap).sum() / weight.sum())


def brier_score(difference: Floats, probability: Floats) -> float:
    """Mean squared distance of sigma(d) from the label's probability."""
    return float(np.square(_sigmoid(difference) - probability).mean())


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson correlation; NaN where one side does not vary."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def _sigmoid(values: Floats) -> Floats:
    result: Floats = 0.5 * (1 + np.tanh(values / 2))
    return result


def _mean(values: Sequence[float] | Floats) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def step_figures(outcomes: Sequence[Outcome], kind: str) -> dict[str, float]:
    """Figures shown beside the loss at every step."""
    pairs = decided_pairs(outcomes)
    figures = {
        "accuracy": _mean(wins(pairs.difference)),
        "margin": _mean(pairs.difference),
    }
    if kind == "policy":
        return figures | _policy_figures(outcomes, pairs)
    scores = [s for outcome in outcomes for s in outcome.scores]
    lengths = [float(n) for outcome in outcomes for n in outcome.tokens]
    return figures | {
        "mean_reward": _mean(scores),
        "length_correlation": correlation(scores, lengths),
    }


def _policy_figures(outcomes: Sequence[Outcome], pairs: Pairs) -> dict[str, float]:
    figures = {}
    for side, place in (("chosen", 1), ("rejected", 2)):
        members = [(outcomes[entry[0]], entry[place]) for entry in pairs.index]
        figures[f"logp_{side}"] = _mean([o.logps[k] for o, k in members])
        figures[f"tokens_{side}"] = _mean([float(o.tokens[k]) for o, k in members])
        if outcomes and outcomes[0].log_ratios:
            figures[f"log_ratio_{side}"] = _mean([o.log_ratios[k] for o, k in members])
    return figures


def report(outcomes: Sequence[Outcome], kind: str) -> dict[str, Any]:
    """Held-out figures: accuracy with its interval beside the longer-completion baseline."""
    pairs = decided_pairs(outcomes)
    if not len(pairs.difference):
        return {"pairs": 0, "prompts": len({o.prompt_hash for o in outcomes})}
    correct = wins(pairs.difference)
    prompts = len(np.unique(pairs.cluster))
    values: dict[str, Any] = {
        "pairs": len(correct),
        "prompts": prompts,
        "accuracy": float(correct.mean()),
        "accuracy_interval": clustered_interval(correct, pairs.cluster),
        "longer_baseline": float(wins(pairs.longer).mean()),
        "longer_baseline_interval": clustered_interval(wins(pairs.longer), pairs.cluster),
        "accuracy_where_longer_wins": _mean(correct[pairs.longer > 0]),
        "accuracy_where_shorter_wins": _mean(correct[pairs.longer < 0]),
        "expected_calibration_error": calibration_error(pairs.difference, pairs.probability),
        "brier": brier_score(pairs.difference, pairs.probability),
        **{k: v for k, v in step_figures(outcomes, kind).items() if k != "accuracy"},
    }
    if prompts < FEW_PROMPTS:
        values["warning"] = "few prompts"
    return values


def by_source(outcomes: Sequence[Outcome], kind: str) -> dict[str, Any]:
    """The report of each label source."""
    sources = sorted({outcome.preference.source for outcome in outcomes})
    return {
        source: report([o for o in outcomes if o.preference.source == source], kind)
        for source in sources
    }
