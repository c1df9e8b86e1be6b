"""The performance predictor: how good a reward model gets, from what its mix is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats, Ints

ALPHA = 10.0
HELD_OUT = 0.2
LEARNING_CURVE = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Fit:
    """How well predictions match held-out mixes; None where a figure is undefined."""

    mixes: int
    rmse: float
    r2: float | None
    spearman: float | None


@dataclass(frozen=True)
class Predictor:
    """Linear prediction of proxy accuracy from feature counts: intercept + counts·coefficients.

    `coefficients` is accuracy per human-routed instance having the column; single coefficients
    are not identified (the bins of a feature sum to the mix size), only contrasts are.
    """

    intercept: float
    coefficients: tuple[float, ...]
    alpha: float
    mixes: int
    held_out: Fit
    learning_curve: tuple[Fit, ...]

    def predict(self, counts: Floats) -> Floats:
        return np.asarray(self.intercept + counts @ np.array(self.coefficients))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            stored["intercept"],
            tuple(stored["coefficients"]),
            stored["alpha"],
            stored["mixes"],
            Fit(**stored["held_out"]),
            tuple(Fit(**fit) for fit in stored["learning_curve"]),
        )


@dataclass(frozen=True)
class Contrast:
    """One row of the explanation: what a column gains beyond the mean bin of its feature."""

    column: str
    contrast: float
    instances: int


def ridge(counts: Floats, target: Floats, alpha: float) -> tuple[float, Floats]:
    """(intercept, coefficients on the raw counts).

    Minimises Σ(y − a − z·b)² + alpha·‖b‖² on columns z scaled to mean 0 and standard deviation 1
    (population); the intercept is not penalised; a constant column gets coefficient 0, and so do
    all where the target is constant up to rounding.
    """
    mean, scale = counts.mean(axis=0), counts.std(axis=0)
    varies = (scale > 0) & (np.ptp(target) > 1e-12)
    Z = (counts[:, varies] - mean[varies]) / scale[varies]
    gram = Z.T @ Z + alpha * np.eye(Z.shape[1])
    b = np.linalg.solve(gram, Z.T @ (target - target.mean()))
    coefficients = np.zeros(counts.shape[1])
    coefficients[varies] = b / scale[varies]
    return float(target.mean() - mean @ coefficients), coefficients


def fit(
    counts: Floats, target: Floats, rng: np.random.Generator, alpha: float = ALPHA
) -> Predictor:
    """Fit on all mixes, after reporting what a fit on 80 % of them predicts of the other 20 %.

    counts (mixes, columns), target (mixes,) proxy accuracy. The learning curve fits on 25, 50,
    75 and 100 % of the 80 % and is measured on the same held-out mixes.
    """
    if len(counts) < 10:
        raise InvalidInput(f"A performance predictor needs at least 10 mixes, not {len(counts)}.")
    order = rng.permutation(len(counts))
    held = order[: max(2, round(HELD_OUT * len(order)))]
    kept = order[len(held) :]
    curve = []
    for share in LEARNING_CURVE:
        part = kept[: max(2, round(share * len(kept)))]
        intercept, coefficients = ridge(counts[part], target[part], alpha)
        predicted = intercept + counts[held] @ coefficients
        curve.append(measure(predicted, target[held], mixes=len(part)))
    intercept, coefficients = ridge(counts, target, alpha)
    return Predictor(
        intercept,
        tuple(float(c) for c in coefficients),
        alpha,
        len(counts),
        held_out=curve[-1],
        learning_curve=tuple(curve),
    )


def measure(predicted: Floats, actual: Floats, *, mixes: int) -> Fit:
    """RMSE, R² (None when the target is constant) and Spearman's ρ (None without ranks)."""
    error = predicted - actual
    spread = float(((actual - actual.mean()) ** 2).sum())
    r2 = 1 - float((error**2).sum()) / spread if spread > 0 else None
    return Fit(mixes, float(np.sqrt((error**2).mean())), r2, spearman(predicted, actual))


def spearman(a: Floats, b: Floats) -> float | None:
    """Pearson correlation of average ranks; None when one side is constant."""
    ra, rb = _ranks(a), _ranks(b)
    if ra.std() == 0 or rb.std() == 0:
        return None
    return float(np.corrcoef(ra, rb)[0, 1])


def contrasts(coefficients: Floats, groups: Ints) -> tuple[float, Floats]:
    """(base, (columns,) contrasts): each coefficient minus the mean bin of its feature.

    `groups` numbers the feature of each column; base is the sum of those means, so that an
    instance with one column in each feature has gain base + Σ contrasts = one_hot·coefficients.
    """
    if not len(groups):
        return 0.0, np.zeros(0)
    sizes = np.bincount(groups)
    means = np.bincount(groups, weights=coefficients) / sizes
    return float(means.sum()), coefficients - means[groups]


def explain(
    columns: Sequence[str], contrast: Floats, instances: Ints | Floats
) -> tuple[Contrast, ...]:
    """Rows sorted by contrast, the column that speaks most for people first."""
    return tuple(
        Contrast(columns[i], float(contrast[i]), int(instances[i])) for i in np.argsort(-contrast)
    )


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(((last - counts + 1 + last) / 2)[inverse])
