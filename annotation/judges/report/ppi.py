"""Means from a few human labels and many judge values. Pure.

Prediction-powered inference, PPI++ (Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453), for a
random labelled part, and its propensity form for labels obtained with known probabilities. Errors
are clustered by prompt: labels on one prompt are no independent draws.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.quality.bias import Z
from core.exceptions import InvalidInput

from .units import Floats, Values, by_prompt, clustered_error

FOLDS = 5


@dataclass(frozen=True)
class Powered:
    """A mean with its 95 % interval, the weight λ given to the judge, and what it stands on.

    `human`: human labels used; `judged`: judge values without one. λ = 0 is the plain mean.
    """

    value: float
    low: float
    high: float
    weight: float
    human: int
    judged: int
    prompts: int


def best_weight(y: Floats, f: Floats, judged: int) -> float:
    """λ* = Cov(y, f) / ((1 + n/N) Var f), clipped to [0, 1]; 0 where f does not vary or N is 0."""
    n = len(y)
    if judged == 0 or n < 2:
        return 0.0
    spread = float(np.var(f, ddof=1))
    if spread < 1e-12:
        return 0.0
    both = float(np.cov(y, f)[0, 1])
    return min(1.0, max(0.0, both / ((1 + n / judged) * spread)))


def powered_mean(
    y: Values,
    f: Values,
    rest: Values,
    *,
    prompts: Sequence[str] | None = None,
    rest_prompts: Sequence[str] | None = None,
    weight: float | None = None,
) -> Powered:
    """θ̂ = (λ/N) Σ f(x̃) + (1/n) Σ (y − λ f(x)).

    Without prompts the error is the published Var = λ² Var(f)/N + Var(y − λf)/n; with them the
    contributions of a prompt to both sums are added up before they are squared.

    Args:
        y: (n,) human values; f: (n,) the judge's on the same; rest: (N,) the judge's on instances
            without a human label, drawn from the same population.
        weight: λ; by default λ* of these very values.

    Raises:
        InvalidInput: there is no human value.
    """
    if not len(y):
        raise InvalidInput("There is no human label to estimate from.")
    human, said, more = (np.asarray(each, dtype=np.float64) for each in (y, f, rest))
    lam = best_weight(human, said, len(more)) if weight is None else weight
    if not len(more):
        lam = 0.0
    left = human - lam * said
    value = float(left.mean() + (lam * more.mean() if len(more) else 0.0))
    if prompts is None:
        variance = np.var(left, ddof=1) / len(left) if len(left) > 1 else math.nan
        variance += lam**2 * np.var(more, ddof=1) / len(more) if len(more) > 1 else 0.0
        error, count = math.sqrt(variance), len(human)
    else:
        parts = [(left - left.mean()) / len(left)]
        names = list(prompts)
        if lam > 0:
            parts.append(lam * (more - more.mean()) / len(more))
            names += list(rest_prompts or [])
        sums = by_prompt(names, np.concatenate(parts))
        error, count = clustered_error(sums, 1), len(set(prompts))
    return Powered(value, *_ends(value, error), lam, len(human), len(more) if lam else 0, count)


def _ends(value: float, error: float) -> tuple[float, float]:
    return value - Z * error, value + Z * error


def weighted_mean(
    y: Values,
    f: Values,
    labelled: Values,
    propensity: Values,
    prompts: Sequence[str],
) -> Powered:
    """θ̂ = (1/N) Σ [λ f_i + (ξ_i/e_i)(y_i − λ f_i)]: routed labels, by their propensities.

    λ is fitted on the other folds of the prompts and clipped to [0, 1], so that no term weighs
    itself; the variance is that of the terms, clustered by prompt.

    Args:
        y: human values; ignored where `labelled` is False.
        propensity: e_i = P(a human label is obtained), fixed before labelling.

    Raises:
        InvalidInput: some e_i is 0 (nothing unbiased can be said), or there is no label.
    """
    e = np.asarray(propensity, dtype=np.float64)
    xi = np.asarray(labelled, dtype=np.float64)
    if not xi.sum():
        raise InvalidInput("There is no human label to estimate from.")
    if not (e > 0).all():
        raise InvalidInput(
            f"{int((e <= 0).sum())} instances could not have got a human label (propensity 0): "
            "no estimate from routed labels is unbiased there."
        )
    said = np.asarray(f, dtype=np.float64)
    human = np.where(xi > 0, np.asarray(y, dtype=np.float64), 0.0)
    # A term is a·λ + b.
    a, b = said * (1 - xi / e), xi * human / e
    fold = folds(prompts)
    weights = np.array([_fold_weight(a[fold != k], b[fold != k]) for k in range(FOLDS)])
    terms = weights[fold] * a + b
    value = float(terms.mean())
    error = clustered_error(by_prompt(prompts, terms - value), len(terms))
    lam = float(np.average(weights[fold]))
    judged = int(len(terms) - xi.sum())
    return Powered(value, *_ends(value, error), lam, int(xi.sum()), judged, len(set(prompts)))


def _fold_weight(a: Floats, b: Floats) -> float:
    """λ with the least variance of λa + b, clipped to [0, 1]."""
    if len(a) < 2 or np.var(a) < 1e-12:
        return 0.0
    return float(np.clip(-np.cov(a, b)[0, 1] / np.var(a, ddof=1), 0, 1))


def folds(prompts: Sequence[str], count: int = FOLDS) -> npt.NDArray[np.intp]:
    """(n,) the fold of each row: prompts stay whole and are dealt out in the order of their name.

    Prompts are named by their hash, so the order says nothing about them.
    """
    _, codes = np.unique(np.array(prompts, dtype=object).astype(str), return_inverse=True)
    return np.asarray(codes % count, dtype=np.intp)
