"""What is lost when a model chooses one of n completions: exact over all subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.fit.figures.intervals import Floats

if TYPE_CHECKING:
    from training.fit.figures.metrics import Outcome


def expected_choice(scores: Sequence[float], values: Sequence[float], n: int) -> float:
    """Mean value of the completion with the highest score among n drawn without replacement.

    Of K completions in ascending order of score the k-th is the choice in C(k-1, n-1) of the
    C(K, n) subsets; equal scores are told apart by chance, so that each stands for their mean.
    """
    order = np.argsort(np.asarray(scores, dtype=np.float64), kind="stable")
    ordered, gains = _with_shared_ties(scores, values, order)
    count = len(ordered)
    shares = [math.comb(k, n - 1) / math.comb(count, n) for k in range(count)]
    return float(np.dot(shares, gains))


def _with_shared_ties(
    scores: Sequence[float], values: Sequence[float], order: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    ordered = np.asarray(scores, dtype=np.float64)[order]
    gains = np.asarray(values, dtype=np.float64)[order]
    _, group = np.unique(ordered, return_inverse=True)
    means = np.bincount(group, weights=gains) / np.bincount(group)
    return ordered, means[group]


def best_of_n_regret(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """By n: mean over prompts of the best relevance among n less that of the model's choice.

    Prompts with fewer than n ranked completions are left out; `prompts` says how many remain.
    Relevance is that of the labels (for a pair, the probability of each side).
    """
    found: dict[int, list[float]] = {}
    for outcome in outcomes:
        ranked = outcome.preference.ranked()
        known = [k for k, relevance in enumerate(ranked) if not math.isnan(relevance)]
        values = [ranked[k] for k in known]
        scores = [outcome.scores[k] for k in known]
        for n in range(2, len(known) + 1):
            lost = expected_choice(values, values, n) - expected_choice(scores, values, n)
            found.setdefault(n, []).append(lost)
    return {
        str(n): {"regret": float(np.mean(lost)), "prompts": len(lost)}
        for n, lost in sorted(found.items())
    }
