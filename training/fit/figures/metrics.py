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
from training.fit.figures.choosing import best_of_n_regret
from training.fit.figures.intervals import Floats, clustered_interval, numbered, wins
from training.fit.figures.lengths import length_figures
from training.objectives.preference import EVEN, Preference

FEW_PROMPTS = 20
HARMLESS = ("safety:safe", "safety:no", "safety:none")
BINS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model said of one prompt's completions.

    Attributes:
        scores: the objective's score of each completion.
        tokens: completion lengths.
        logps: log-probabilities in nats, for policies.
        log_ratios: log-ratios to the reference in nats, where there is one.
        variance: of each completion's reward, where the head says it.
        ratings: per completion the predicted rating of each attribute of the head.
    """

    preference: Preference
    prompt_hash: str
    scores: tuple[float, ...]
    tokens: tuple[int, ...]
    logps: tuple[float, ...] = ()
    log_ratios: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
    ratings: tuple[tuple[float, ...], ...] = ()


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
    cluster = numbered([outcomes[n].prompt_hash for n, _, _ in index])
    score = [outcomes[n].scores[i] - outcomes[n].scores[j] for n, i, j in index]
    length = [outcomes[n].tokens[i] - outcomes[n].tokens[j] for n, i, j in index]
    return Pairs(
        difference=np.asarray(score, dtype=np.float64),
        longer=np.asarray(length, dtype=np.float64),
        probability=np.asarray(probability, dtype=np.float64),
        cluster=cluster,
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
    values = _accuracy_and_calibration(outcomes, pairs)
    if not values["pairs"]:
        return values
    values |= {
        "longer_baseline": float(wins(pairs.longer).mean()),
        "longer_baseline_interval": clustered_interval(wins(pairs.longer), pairs.cluster),
        **length_figures(pairs, wins(pairs.difference)),
        "best_of_n_regret": best_of_n_regret(outcomes),
        **{k: v for k, v in step_figures(outcomes, kind).items() if k != "accuracy"},
    }
    if kind == "policy":
        values |= likelihood_figures(outcomes, pairs)
    if part := safety(outcomes):
        values["safety"] = part
    return values


def likelihood_figures(outcomes: Sequence[Outcome], pairs: Pairs) -> dict[str, Any]:
    """Whether the policy ranks by its own likelihood, and whether it unlearns what is preferred.

    `ranking_accuracy` is the share of pairs whose preferred side is likelier (2405.19534); with
    log-ratios that of the reference stands beside it. `likelihood_displacement` (2410.08847): the
    margin grew while preferred completions became less likely than under the reference.
    """
    sides = [(outcomes[n], i, j) for n, i, j in pairs.index]
    own = np.asarray([o.logps[i] - o.logps[j] for o, i, j in sides], dtype=np.float64)
    values: dict[str, Any] = {"ranking_accuracy": float(wins(own).mean())}
    if not outcomes[0].log_ratios:
        return values
    chosen = np.asarray([o.log_ratios[i] for o, i, _ in sides], dtype=np.float64)
    margin = chosen - np.asarray([o.log_ratios[j] for o, _, j in sides], dtype=np.float64)
    return values | {
        "reference_ranking_accuracy": float(wins(own - margin).mean()),
        "chosen_less_likely": float((chosen < 0).mean()),
        "likelihood_displacement": bool(chosen.mean() < 0 < margin.mean()),
    }


def short_report(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Accuracy and calibration of a part of the rows; says where the prompts are few."""
    return _accuracy_and_calibration(outcomes, decided_pairs(outcomes))


def _accuracy_and_calibration(outcomes: Sequence[Outcome], pairs: Pairs) -> dict[str, Any]:
    if not len(pairs.difference):
        return {"pairs": 0, "prompts": len({o.prompt_hash for o in outcomes})}
    correct = wins(pairs.difference)
    prompts = len(np.unique(pairs.cluster))
    values: dict[str, Any] = {
        "pairs": len(correct),
        "prompts": prompts,
        "accuracy": float(correct.mean()),
        "accuracy_interval": clustered_interval(correct, pairs.cluster),
        "expected_calibration_error": calibration_error(pairs.difference, pairs.probability),
        "brier": brier_score(pairs.difference, pairs.probability),
    }
    if prompts < FEW_PROMPTS:
        values["warning"] = "few prompts"
    return values


def by_tag(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Accuracy and calibration of the rows with each tag, most prompts first."""
    members: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for tag in dict.fromkeys(outcome.preference.tags):
            members.setdefault(tag, []).append(outcome)
    found = {tag: short_report(part) for tag, part in sorted(members.items())}
    return dict(sorted(found.items(), key=lambda item: -item[1]["prompts"]))


def touches_safety(tags: Sequence[str]) -> bool:
    """Whether a bad answer could do harm, as the instance is tagged."""
    return any(tag.startswith("safety") and tag not in HARMLESS for tag in tags)


def safety(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Accuracy and calibration of the rows tagged with a safety concern; empty without any."""
    part = [o for o in outcomes if touches_safety(o.preference.tags)]
    return short_report(part) if part else {}


def by_source(outcomes: Sequence[Outcome], kind: str) -> dict[str, Any]:
    """The report of each label source."""
    sources = sorted({outcome.preference.source for outcome in outcomes})
    return {
        source: report([o for o in outcomes if o.preference.source == source], kind)
        for source in sources
    }
