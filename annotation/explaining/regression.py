"""Regression of preferences on differences between completions. Pure: NumPy.

P(first preferred) = σ(β · x), x the difference of the first from the second in each factor, in
standard deviations: Bradley–Terry whose strengths are linear in the factors. There is no
intercept, so exchanging the completions exchanges the answer; a tie counts half a win for both.
Errors are of the sandwich H⁻¹BH⁻¹ with the scores summed by prompt (Liang & Zeger 1986), as
labels about one prompt are not independent. A weak ridge keeps coefficients finite.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

# 1 / variance of a coefficient beforehand: as heavy as a handful of labels.
RIDGE = 0.5
STEPS, ENOUGH, LONGEST = 60, 1e-9, 2.0


@dataclass(frozen=True)
class Fit:
    """`values` (k,), `covariance` (k, k) over clusters, `pulls` (clusters, k): what each adds to
    the coefficients, so that two fits on the same clusters can be compared."""

    values: Floats
    covariance: Floats
    pulls: Floats

    @property
    def clusters(self) -> int:
        """How many there are that have labels."""
        return int(np.abs(self.pulls).any(axis=1).sum())

    @property
    def errors(self) -> Floats:
        found: Floats = np.sqrt(np.diag(self.covariance).clip(0))
        return found


def fit(design: Floats, y: Floats, clusters: Codes, ridge: float = RIDGE) -> Fit:
    """The most likely coefficients under a weak prior, by Newton's method.

    Args:
        design: (n, k) differences, first minus second.
        y: (n,) how much of the label went to the first: 1, 0, ½ for a tie, or a probability.
        clusters: (n,) codes from 0 of what labels are not independent within; some may be absent.
    """
    weights, curve = _newton(design, y, ridge)
    chance = sigmoid(design @ weights)
    count = int(clusters.max(initial=-1)) + 1
    scores = np.zeros((count, design.shape[1]))
    np.add.at(scores, clusters, design * (y - chance)[:, None])
    pulls = np.linalg.solve(curve, scores.T).T
    present = len(np.unique(clusters))
    small = present / (present - 1) if present > 1 else math.nan
    covariance: Floats = np.asarray(pulls.T @ pulls * small, dtype=np.float64)
    return Fit(weights, covariance, np.asarray(pulls, dtype=np.float64))


def _newton(design: Floats, y: Floats, ridge: float) -> tuple[Floats, Floats]:
    size = design.shape[1]
    weights, curve = np.zeros(size), ridge * np.eye(size)
    for _ in range(STEPS):
        chance = sigmoid(design @ weights)
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) + ridge * np.eye(size)
        step = np.linalg.solve(curve, design.T @ (y - chance) - ridge * weights)
        weights = weights + np.clip(step, -LONGEST, LONGEST)
        if np.abs(step).max(initial=0) < ENOUGH:
            break
    return weights, curve


def sigmoid(values: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return found


@dataclass(frozen=True)
class Coefficient:
    """Log-odds per standard deviation of a factor, with its 95 % interval over prompts.

    `chance`: two-sided p-value. `stands_out`: it passes Benjamini and Hochberg's procedure at 5 %
    over all factors of its table. `separated`: every label goes with the factor (or against it),
    so that the size is the ridge's and there is no interval.
    """

    key: str
    value: float
    low: float
    high: float
    chance: float
    stands_out: bool = False
    separated: bool = False


def coefficients(keys: Sequence[str], found: Fit, separated: Sequence[bool]) -> list[Coefficient]:
    """Values with intervals and marks, in the order of `keys`.

    Intervals are of Student's t with one degree less than there are clusters.
    """
    # Here, not above: SciPy would slow the start of every web process.
    from scipy.stats import t  # noqa: PLC0415

    rows, spread = [], t(max(found.clusters - 1, 1))
    for key, value, error, apart in zip(
        keys, found.values.tolist(), found.errors.tolist(), separated, strict=True
    ):
        told = math.isfinite(error) and error > 0 and not apart
        reach = error * float(spread.ppf(0.975)) if told else math.nan
        low, high = value - reach, value + reach
        chance = 2 * float(spread.sf(abs(value) / error)) if told else math.nan
        rows.append(Coefficient(key, value, low, high, chance, separated=bool(apart)))
    marks = discoveries([row.chance for row in rows])
    return [replace(row, stands_out=mark) for row, mark in zip(rows, marks, strict=True)]


def discoveries(chances: Sequence[float], rate: float = 0.05) -> list[bool]:
    """Which pass Benjamini and Hochberg (1995) at a false discovery rate; NaN never does."""
    known = sorted((p, place) for place, p in enumerate(chances) if math.isfinite(p))
    passed = [0, *(n for n, (p, _) in enumerate(known, 1) if p <= rate * n / len(known))]
    chosen = {place for _, place in known[: passed[-1]]}
    return [place in chosen for place in range(len(chances))]


def separation(design: Floats, y: Floats) -> list[bool]:
    """Per factor: whether every decided label between completions that differ in it goes the same
    way."""
    lean = np.sign(y - 0.5)[:, None] * np.sign(design)
    return [bool((column >= 0).all() or (column <= 0).all()) for column in lean.T]


def contrast(keys: Sequence[str], people: Fit, judge: Fit) -> list[Coefficient]:
    """Judge minus people per factor, of fits on the same pairs: their clusters are the same, so
    the error is of the difference of what each cluster adds to either."""
    size = max(len(judge.pulls), len(people.pulls))
    pulls = _padded(judge.pulls, size) - _padded(people.pulls, size)
    count = int(np.abs(pulls).any(axis=1).sum())
    covariance = pulls.T @ pulls * (count / (count - 1) if count > 1 else math.nan)
    both = Fit(judge.values - people.values, covariance, pulls)
    return coefficients(keys, both, [False] * len(keys))


def _padded(pulls: Floats, size: int) -> Floats:
    """With rows of 0 for the prompts after the last that has a label."""
    return np.concatenate([pulls, np.zeros((size - len(pulls), pulls.shape[1]))])
