"""The quadratic performance predictor: ridge regression on all terms of degree one and two."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from routing.features.table import Floats
from routing.predictor.gains import Gains

# Tried by leave-one-out on the mixes of the fit.
ALPHAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """intercept + z·linear + z'·pairs·z, on columns z = (counts − mean)/scale.

    The fit minimises Σ(y − f)² + alpha·‖c‖² over the coefficients c of √(2/p)·z_i and z_i·z_j/p
    (i, j = 1..p), the intercept unpenalised. With p columns these are p + p² terms; solved as
    kernel ridge with (1 + z·z'/p)², whose features they are, it is one system of mixes × mixes.
    A constant column has scale 0 and no say.
    """

    kind: ClassVar[str] = "quadratic"
    intercept: float
    mean: Floats
    scale: Floats
    linear: Floats
    pairs: Floats
    alpha: float

    @classmethod
    def fit(cls, counts: Floats, target: Floats, alpha: float | None = None) -> Self:
        """`alpha` None: the best of `ALPHAS` by leave-one-out."""
        mean, scale = counts.mean(axis=0), counts.std(axis=0)
        Z = _scaled(counts, mean, scale)
        p = max(1, int((scale > 0).sum()))
        kernel = (1 + Z @ Z.T / p) ** 2
        centred = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
        y = target - target.mean()
        if np.ptp(target) <= 1e-12:
            y = np.zeros_like(target)
        if alpha is None:
            alpha = _leave_one_out(centred, y)
        dual = np.linalg.solve(centred + alpha * np.eye(len(y)), y)
        # Σ dual = 0, because both sides are centred: the constant of the kernel drops out.
        return cls(
            float(target.mean() - dual @ (kernel - 1).mean(axis=0)),
            mean,
            scale,
            2 / p * (dual @ Z),
            (Z * dual[:, None]).T @ Z / p**2,
            alpha,
        )

    def predict(self, counts: Floats) -> Floats:
        Z = _scaled(counts, self.mean, self.scale)
        return np.asarray(self.intercept + Z @ self.linear + ((Z @ self.pairs) * Z).sum(axis=1))

    def gains(self, contexts: Floats, block: int) -> Gains:
        """Mean over the contexts c (mixes, columns) of f(c + x) − f(c), exactly."""
        inverse = _inverse(self.scale)
        slope = self.linear + 2 * _scaled(contexts, self.mean, self.scale).mean(axis=0) @ self.pairs
        return Gains(slope * inverse, self.pairs * inverse[:, None] * inverse)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "intercept": self.intercept,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "linear": self.linear.tolist(),
            "pairs": self.pairs.tolist(),
            "alpha": self.alpha,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        columns = len(stored["mean"])
        pairs = np.array(stored["pairs"], dtype=np.float64).reshape(columns, columns)
        return cls(
            stored["intercept"],
            np.array(stored["mean"], dtype=np.float64),
            np.array(stored["scale"], dtype=np.float64),
            np.array(stored["linear"], dtype=np.float64),
            pairs,
            stored["alpha"],
        )


def _inverse(scale: Floats) -> Floats:
    return np.asarray(np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0))


def _scaled(counts: Floats, mean: Floats, scale: Floats) -> Floats:
    return np.asarray((counts - mean) * _inverse(scale))


def _leave_one_out(centred: Floats, y: Floats) -> float:
    """The α of the smallest leave-one-out error; the mean counts as one more parameter."""
    values, vectors = np.linalg.eigh(centred)
    rotated, squares = vectors.T @ y, vectors**2
    errors = []
    for alpha in ALPHAS:
        kept = np.maximum(values, 0) / (np.maximum(values, 0) + alpha)
        left = y - vectors @ (kept * rotated)
        leverage = np.minimum(squares @ kept + 1 / len(y), 1 - 1e-9)
        errors.append(float(((left / (1 - leverage)) ** 2).sum()))
    return ALPHAS[int(np.argmin(errors))]
