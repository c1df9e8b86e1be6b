"""How well a linear head on embedding differences is known: its precision matrix, in low rank."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats

# Directions kept; those of least information are left to the ridge, which only overstates variance.
RANK = 128
# Rounded when fitted, so that what is stored is what was fitted.
_DIGITS = 9


@dataclass(frozen=True, eq=False)
class Precision:
    """A = ridge·I + V'·diag(s)·V with `vectors` V (rank, d) orthonormal and `weights` s (rank,)."""

    ridge: float
    weights: Floats
    vectors: Floats

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def variance(self, D: Floats) -> Floats:
        """(n,) d'A⁻¹d of each row of D (n, d)."""
        self.check(D)
        D = D.astype(np.float64, copy=False)
        shrink = self.weights / (self.ridge + self.weights)
        known = (D @ self.vectors.T) ** 2 @ shrink
        # Rounding may leave a little less than nothing of a row that is fully explained.
        return np.asarray(np.maximum((D * D).sum(axis=1) - known, 0) / self.ridge)

    def inverse(self) -> Floats:
        """(d, d) A⁻¹."""
        shrink = self.weights / (self.ridge + self.weights)
        known = (self.vectors.T * shrink) @ self.vectors
        return np.asarray((np.eye(self.dimensions) - known) / self.ridge)

    def to_json(self) -> dict[str, Any]:
        return {
            "ridge": self.ridge,
            "weights": self.weights.tolist(),
            "vectors": self.vectors.tolist(),
            "dimensions": self.dimensions,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        vectors = np.array(stored["vectors"], dtype=np.float64)
        return cls(
            stored["ridge"],
            np.array(stored["weights"], dtype=np.float64),
            vectors.reshape(-1, stored["dimensions"]),
        )

    def check(self, D: Floats) -> None:
        if D.ndim != 2 or D.shape[1] != self.dimensions:
            raise InvalidInput(
                f"Embeddings of {D.shape[-1]} dimensions do not fit the {self.dimensions} of the "
                "seed: compute them with the same encoder."
            )


def precision(D: Floats, weights: Floats | None, ridge: float, rank: int = RANK) -> Precision:
    """The precision ridge·I + D'·diag(weights)·D of rows D (n, d); weights default to 1.

    Exact up to `rank` informative directions; below n and d it keeps the most informative ones.
    """
    if ridge <= 0:
        raise InvalidInput("The ridge must be above 0: an empty design has no inverse.")
    if not np.isfinite(D).all():
        raise InvalidInput("Embeddings must be finite numbers.")
    scaled = D.astype(np.float64)
    if weights is not None:
        scaled = scaled * np.sqrt(weights)[:, None]
    _, singular, vectors = np.linalg.svd(scaled, full_matrices=False)
    kept = min(rank, int((singular > 1e-9).sum()))
    return Precision(ridge, _short(singular[:kept] ** 2), _short(vectors[:kept]))


def embedded(differences: Floats | None) -> Floats:
    """The embedding differences.

    Raises:
        InvalidInput: there are none.
    """
    if differences is None:
        raise InvalidInput("This strategy reads embeddings: run an encoder first.")
    return differences


def _short(values: Floats) -> Floats:
    flat = [float(f"{value:.{_DIGITS}g}") for value in values.ravel()]
    return np.array(flat, dtype=np.float64).reshape(values.shape)
