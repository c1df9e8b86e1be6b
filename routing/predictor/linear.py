"""The linear performance predictor: ridge regression on feature counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from routing.features.table import Floats
from routing.predictor.gains import Gains

ALPHA = 10.0


@dataclass(frozen=True)
class Linear:
    """intercept + counts·coefficients.

    `coefficients` is accuracy per human-routed instance having the column; single coefficients
    are not identified (the bins of a feature sum to the mix size), only contrasts are.
    """

    kind: ClassVar[str] = "linear"
    intercept: float
    coefficients: tuple[float, ...]
    alpha: float

    @classmethod
    def fit(cls, counts: Floats, target: Floats, alpha: float | None = None) -> Self:
        """`alpha` None: 10."""
        alpha = ALPHA if alpha is None else alpha
        intercept, coefficients = ridge(counts, target, alpha)
        return cls(intercept, tuple(float(c) for c in coefficients), alpha)

    def predict(self, counts: Floats) -> Floats:
        return np.asarray(self.intercept + counts @ np.array(self.coefficients))

    def gains(self, contexts: Floats, block: int) -> Gains:
        """The same at every mix: the coefficients."""
        return Gains(np.array(self.coefficients))

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "intercept": self.intercept,
            "coefficients": list(self.coefficients),
            "alpha": self.alpha,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["intercept"], tuple(stored["coefficients"]), stored["alpha"])


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
