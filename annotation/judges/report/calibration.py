"""What a judge's probability is worth, learned from people on A-calibrate. Pure.

A pair has no natural first: exchanging the completions has to exchange the answer. So every label
is fitted from both sides, (p, y) and (1 − p, 1 − y), and what comes out satisfies
apply(1 − p) = 1 − apply(p): a calibration never moves a judge towards one side. Everything is
measured on the folded half: the judge's confidence max(p, 1 − p) against how often people agree.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.judges.protocol import CEILING, FLOOR

from .ppi import FOLDS, folds
from .units import Floats, by_prompt, clustered_error

IDENTITY, ISOTONIC, PLATT = "identity", "isotonic", "platt"
FEWEST_LABELS, FEWEST_PROMPTS = 30, 10
BINS, LEAST_IN_A_BIN = 10, 10
MOST_KNOTS = 200
RESAMPLES = 300
Knots = Mapping[str, Any]


@dataclass(frozen=True)
class Error:
    """Expected calibration error with a 95 % interval over prompts, and Brier's score.

    `ece` is debiased: what noise in bins of this size adds to it is taken off, as far as it can be
    told from the gaps seen; of a calibrated judge something near 0 is left.
    """

    ece: float
    low: float
    high: float
    brier: float


@dataclass(frozen=True)
class Bin:
    """Mean confidence of a bin of equal mass, the share right in it, its labels and their places"""

    confidence: float
    right: float
    labels: int
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Fitted:
    """A calibration as numbers. `after` and `after_bins` are of predictions for held-out prompts.

    `why` says why nothing was fitted; the method is then `identity`.
    """

    method: str
    knots: dict[str, Any]
    labels: int
    prompts: int
    before: Error | None
    after: Error | None
    before_bins: tuple[Bin, ...]
    after_bins: tuple[Bin, ...]
    why: str = ""


def apply(method: str, knots: Knots, p: Sequence[float] | Floats) -> Floats:
    """Calibrated P(canonical first), clipped to [0.01, 0.99]; 1 − p in gives 1 − out.

    Raises:
        ValueError: the method is unknown.
    """
    given = np.clip(np.asarray(p, dtype=np.float64), FLOOR, CEILING)
    if method == IDENTITY:
        return given
    if method == PLATT:
        return _clip(_sigmoid(float(knots["slope"]) * _logit(given)))
    if method == ISOTONIC:
        return _clip(np.interp(given, knots["x"], knots["y"]))
    raise ValueError(f"unknown calibration {method!r}")


def fit(p: Sequence[float], y: Sequence[float], prompts: Sequence[str]) -> Fitted:
    """Choose among identity, Platt and isotonic by log loss on held-out prompts, and fit.

    A calibration that is not better than none by a standard error is not used.

    Args:
        p: the judge's raw P(canonical first); y: what people say, 1, 0 or ½ for a tie; prompts:
            names whose order says nothing (hashes). All of A-calibrate and nothing else.
    """
    raw, truth = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    count = len(set(prompts))
    before, before_bins = _measured(raw, truth, prompts)
    if len(raw) < FEWEST_LABELS or count < FEWEST_PROMPTS:
        why = "too few" if len(raw) else "none"
        return Fitted(IDENTITY, {}, len(raw), count, before, None, before_bins, (), why)
    held_out = {name: _held_out(name, raw, truth, prompts) for name in _methods(raw)}
    method = _chosen(held_out, truth, prompts)
    after, after_bins = _measured(held_out[method], truth, prompts)
    why = "" if method != IDENTITY else "as good as it is"
    knots = knots_of(method, raw, truth)
    return Fitted(method, knots, len(raw), count, before, after, before_bins, after_bins, why)


def _methods(raw: Floats) -> tuple[str, ...]:
    """Hard verdicts all have the same confidence: a slope through it says nothing of others."""
    confidences = np.unique(np.round(np.maximum(raw, 1 - raw), 6))
    told_apart = np.count_nonzero(confidences > 0.5) > 1
    return (IDENTITY, PLATT, ISOTONIC) if told_apart else (IDENTITY, ISOTONIC)


def _chosen(held_out: Mapping[str, Floats], y: Floats, prompts: Sequence[str]) -> str:
    """The least log loss on held-out prompts, if it beats identity by a standard error."""
    losses = {name: _log_losses(p, y) for name, p in held_out.items()}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    gained = losses[IDENTITY] - losses[best]
    error = clustered_error(by_prompt(prompts, gained - gained.mean()), len(gained))
    return best if float(gained.mean()) > error else IDENTITY


def knots_of(method: str, p: Floats, y: Floats) -> dict[str, Any]:
    """The numbers of a method fitted to all rows, from both sides."""
    if method == IDENTITY:
        return {}
    both, truth = np.concatenate([p, 1 - p]), np.concatenate([y, 1 - y])
    both = np.clip(both, FLOOR, CEILING)
    if method == PLATT:
        return {"slope": _slope(_logit(both), truth)}
    # Here, not above: scikit-learn would slow the start of every web process.
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

    model = IsotonicRegression(y_min=FLOOR, y_max=CEILING, out_of_bounds="clip").fit(both, truth)
    x, value = np.array(model.X_thresholds_), np.array(model.y_thresholds_)
    # Exactly antisymmetric: rounding in the pooled blocks is averaged out.
    x, value = (x + 1 - x[::-1]) / 2, (value + 1 - value[::-1]) / 2
    if len(x) > MOST_KNOTS:
        grid = np.linspace(x[0], x[-1], MOST_KNOTS)
        x, value = grid, np.interp(grid, x, value)
    return {"x": x.tolist(), "y": value.tolist()}


def _slope(logit: Floats, y: Floats) -> float:
    """Platt's slope by Newton; no intercept, which would be a side; never below 0."""
    slope, ridge = 1.0, 1e-3
    for _ in range(50):
        chance = _sigmoid(slope * logit)
        bend = float((logit**2 * chance * (1 - chance)).sum()) + ridge
        step = (float((logit * (y - chance)).sum()) - ridge * (slope - 1)) / bend
        slope += max(-1.0, min(1.0, step))
        if abs(step) < 1e-9:
            break
    return max(0.0, slope)


def _held_out(method: str, p: Floats, y: Floats, prompts: Sequence[str]) -> Floats:
    """(n,) each row's value from a fit that has not seen its prompt."""
    fold, found = folds(prompts), np.empty(len(p))
    for k in range(FOLDS):
        mine = fold == k
        found[mine] = apply(method, knots_of(method, p[~mine], y[~mine]), p[mine])
    return found


def _measured(p: Floats, y: Floats, prompts: Sequence[str]) -> tuple[Error | None, tuple[Bin, ...]]:
    if not len(p):
        return None, ()
    bins = bins_of(p, y)
    return Error(*ece_of(p, y, prompts), brier_of(p, y)), bins


def brier_of(p: Floats, y: Floats) -> float:
    """Mean of (p − y)²; the same from both sides."""
    return float(((p - y) ** 2).mean())


def folded(p: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Confidence in the side the judge names, and how much people agree; an even p has ½."""
    first = p > 0.5
    confidence: Floats = np.where(first, p, 1 - p)
    right: Floats = np.where(first, y, np.where(p == 0.5, 0.5, 1 - y))
    return confidence, right


def bins_of(p: Floats, y: Floats) -> tuple[Bin, ...]:
    """Bins of equal mass by confidence; equal confidences are never torn apart."""
    confidence, right = folded(p, y)
    return tuple(
        Bin(
            float(confidence[rows].mean()),
            float(right[rows].mean()),
            len(rows),
            tuple(rows.tolist()),
        )
        for rows in _rows_of_bins(confidence)
    )


def _rows_of_bins(confidence: Floats) -> list[np.ndarray[Any, np.dtype[np.intp]]]:
    order = np.argsort(confidence, kind="stable")
    count = max(1, min(BINS, len(order) // LEAST_IN_A_BIN))
    ends = np.unique(np.quantile(confidence, np.linspace(0, 1, count + 1)[1:-1]))
    place = np.searchsorted(ends, confidence[order], side="left")
    return [order[place == k] for k in range(len(ends) + 1) if (place == k).any()]


def ece_of(p: Floats, y: Floats, prompts: Sequence[str]) -> tuple[float, float, float]:
    """Debiased expected calibration error and its interval by resampling prompts.

    Bins have equal mass. What binomial noise adds to |gap| on average (the mean of a folded
    normal, Kumar, Liang & Ma 2019) is taken off, down to 0; the interval is the basic bootstrap's,
    which takes the same bias off.
    """
    confidence, right = folded(p, y)
    bins = _rows_of_bins(confidence)
    label = np.empty(len(p), dtype=np.intp)
    for place, rows in enumerate(bins):
        label[rows] = place
    gap = right - confidence
    total = len(p)
    plain = sum(abs(float(gap[rows].sum())) for rows in bins) / total
    noise = sum(len(rows) / total * _excess(gap[rows], right[rows]) for rows in bins)
    value = max(0.0, plain - noise)
    # (prompts, bins): the summed gap of each prompt in each bin.
    table = np.zeros((total, len(bins)))
    table[np.arange(total), label] = gap
    sums = by_prompt(prompts, table)
    if len(sums) < 2:
        return value, math.nan, math.nan
    sizes = by_prompt(prompts, np.ones(total))
    rng, chance = np.random.default_rng(0), np.full(len(sums), 1 / len(sums))
    values = []
    for _ in range(RESAMPLES):
        drawn = rng.multinomial(len(sums), chance)
        values.append(float(np.abs(drawn @ sums).sum() / (drawn @ sizes)))
    upper, lower = np.quantile(values, [0.975, 0.025])
    low, high = max(0.0, 2 * plain - float(upper)), max(0.0, 2 * plain - float(lower))
    return value, min(low, value), max(high, value)


def _excess(gap: Floats, right: Floats) -> float:
    """What noise adds to |mean gap|: E|N(g, s²)| − |g|."""
    size, mean = len(gap), abs(float(gap.mean()))
    share = float(right.mean())
    spread = math.sqrt(max(share * (1 - share), 1e-12) / size)
    inside = mean / (spread * math.sqrt(2))
    folded_mean = spread * math.sqrt(2 / math.pi) * math.exp(-(inside**2)) + mean * math.erf(inside)
    return folded_mean - mean


def _log_losses(p: Floats, y: Floats) -> Floats:
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _logit(p: Floats) -> Floats:
    return np.asarray(np.log(p / (1 - p)))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))


def _clip(p: Floats) -> Floats:
    return np.asarray(np.clip(p, FLOOR, CEILING))
