"""Held-out figures of reward heads: per annotator, of their variance, of predicted ratings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.fit.figures.intervals import wins
from training.fit.figures.metrics import Outcome, correlation, decided_pairs
from training.fit.heads.modules import RewardHead

QUARTERS = 4
# Fewer pairs than this say nothing of one annotator or of a quarter of the variances.
FEW_PAIRS = 5


def head_report(head: RewardHead | None, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Figures to join to a run's report; those that the data or the head cannot give are left out.

    Returns:
        `eval_by_annotator`: pairs, accuracy and number of training labels by annotator.
        `variance`: see `variance_figures`.
        `attributes`: see `attribute_figures`.
    """
    found: dict[str, Any] = {}
    if annotators := _by_annotator(head, outcomes):
        found["eval_by_annotator"] = annotators
    if figures := variance_figures(outcomes):
        found["variance"] = figures
    if head is not None and head.spec.attributes:
        found["attributes"] = attribute_figures(head.spec.attributes, outcomes)
    return found


def _by_annotator(head: RewardHead | None, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    labels = dict(zip(head.spec.annotators, head.spec.labels, strict=True)) if head else {}
    names = sorted({o.preference.annotator for o in outcomes if o.preference.annotator})
    found = {}
    for name in names:
        pairs = decided_pairs([o for o in outcomes if o.preference.annotator == name])
        if len(pairs.difference):
            accuracy = float(wins(pairs.difference).mean())
            count = len(pairs.difference)
            found[name] = {"pairs": count, "accuracy": accuracy, "trained": labels.get(name, 0)}
    return found


def variance_figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Whether a high variance foretells errors: {} where no head says a variance.

    Returns:
        `error_auc`: P(a wrong pair has the higher variance than a right one), ties by half; None
        where all are right or all wrong. `accuracy_by_quarter`: accuracy of the quarters of pairs
        from the lowest variance to the highest. `mean`: mean variance of a difference.
    """
    if not any(outcome.variance for outcome in outcomes):
        return {}
    pairs = decided_pairs(outcomes)
    if not len(pairs.difference):
        return {}
    variance = np.array(
        [outcomes[n].variance[i] + outcomes[n].variance[j] for n, i, j in pairs.index]
    )
    right = wins(pairs.difference)
    found: dict[str, Any] = {
        "mean": float(variance.mean()),
        "error_auc": _auc(variance[right < 0.5], variance[right > 0.5]),
    }
    if len(right) >= QUARTERS * FEW_PAIRS:
        order = np.argsort(variance, kind="stable")
        quarters = np.array_split(right[order], QUARTERS)
        found["accuracy_by_quarter"] = [float(quarter.mean()) for quarter in quarters]
    return found


def _auc(high: np.ndarray[Any, Any], low: np.ndarray[Any, Any]) -> float | None:
    if not len(high) or not len(low):
        return None
    above = (high[:, None] > low).mean()
    return float(above + (high[:, None] == low).mean() / 2)


def attribute_figures(names: Sequence[str], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """By attribute: number of ratings, root mean squared error and Pearson correlation."""
    found = {}
    for place, name in enumerate(names):
        said, given = [], []
        for outcome in outcomes:
            ratings = outcome.preference.attributes.get(name, ())
            for predicted, rating in zip(outcome.ratings, ratings, strict=False):
                if not math.isnan(rating):
                    said.append(predicted[place])
                    given.append(rating)
        errors = np.square(np.subtract(said, given))
        found[name] = {
            "ratings": len(given),
            "rmse": float(np.sqrt(errors.mean())) if given else None,
            "correlation": correlation(said, given) if given else None,
        }
    return found
