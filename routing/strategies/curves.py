"""Learning curves: how fast the error falls with human labels, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats

DRAWS = 200
_POWERS = np.geomspace(0.05, 2, 24)
# No point is known better than this, or one lucky point would decide the curve.
_LEAST_SD = 1e-3
# One-sided 5 %: a slope that could as well be none is none.
_FALLS = -1.645


@dataclass(frozen=True)
class Curve:
    """error(n) = a·n^−b + c with a, c ≥ 0, at n ≥ 1 labels; convex and never rising.

    `draws` are (a, b, c) refitted to points redrawn within their uncertainty; `falls` is whether
    the points fall by more than chance. `level` is how far the whole curve may be off: the same
    test instances stand behind all of its points, so it moves none against another.
    """

    a: float
    b: float
    c: float
    falls: bool
    draws: tuple[tuple[float, float, float], ...] = ()
    level: float = 0.0

    def error(self, n: float) -> float:
        return float(self.a * max(n, 1.0) ** -self.b + self.c)

    def errors(self, n: float) -> Floats:
        """(draws,) the error at n labels under each draw; the curve's own where there is none."""
        a, b, c = np.array(self.draws or ((self.a, self.b, self.c),)).T
        return np.asarray(a * max(n, 1.0) ** -b + c)

    def to_json(self) -> dict[str, Any]:
        draws = [[float(f"{value:.6g}") for value in draw] for draw in self.draws]
        return {
            "a": self.a,
            "b": self.b,
            "c": self.c,
            "falls": self.falls,
            "draws": draws,
            "level": self.level,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        draws = tuple((a, b, c) for a, b, c in stored["draws"])
        a, b, c = stored["a"], stored["b"], stored["c"]
        return cls(a, b, c, stored["falls"], draws, stored["level"])


def fit_curve(
    labels: Sequence[float],
    error: Sequence[float],
    sd: Sequence[float],
    *,
    level: float = 0.0,
    draws: int = DRAWS,
    rng_seed: int = 0,
) -> Curve:
    """The power law through points by weighted least squares, b on a fixed grid.

    Args:
        labels, error, sd: number of labels, error there, its standard deviation beside the other
            points; 3 sizes or more.
        level: the standard deviation that all points have in common.

    Raises:
        InvalidInput: fewer than 3 different sizes, or numbers that are no errors.
    """
    n, e, s = (np.array(part, dtype=np.float64) for part in (labels, error, sd))
    n, s = np.maximum(n, 1), np.maximum(s, _LEAST_SD)
    if not len(n) == len(e) == len(s) or len(np.unique(n)) < 3:
        raise InvalidInput("A learning curve needs errors at 3 numbers of labels or more.")
    if not (np.isfinite([n, e, s]).all() and (e >= 0).all()):
        raise InvalidInput("A learning curve needs errors of 0 and above.")
    redrawn = e + s * np.random.default_rng(rng_seed).normal(size=(draws, len(e)))
    a, b, c = _power_laws(n, np.vstack([e, np.maximum(redrawn, 0)]), 1 / s**2)
    fitted = [(float(x), float(y), float(z)) for x, y, z in zip(a, b, c, strict=True)]
    return Curve(*fitted[0], _falls(n, e, s), tuple(fitted[1:]), level)


def _power_laws(n: Floats, errors: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """(rows,) a, b and c of each row of errors (rows, points): the best b of the grid."""
    best = np.full(len(errors), np.inf)
    found = np.zeros((3, len(errors)))
    for power in _POWERS:
        a, c = _scale_and_floor(n**-power, errors, weight)
        miss = (weight * (errors - a[:, None] * n**-power - c[:, None]) ** 2).sum(axis=1)
        better = miss < best
        best = np.where(better, miss, best)
        found = np.where(better, np.stack([a, np.full(len(a), power), c]), found)
    return found[0], found[1], found[2]


def _scale_and_floor(x: Floats, errors: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """(rows,) a and c, both ≥ 0, of the least squares errors ≈ a·x + c."""
    total = weight.sum()
    mean_x, mean_e = weight @ x / total, errors @ weight / total
    spread = weight @ (x - mean_x) ** 2
    a = np.maximum((errors - mean_e[:, None]) @ (weight * (x - mean_x)) / spread, 0)
    c = mean_e - a * mean_x
    # A floor below 0 is no floor: then the line goes through the origin.
    through = errors @ (weight * x) / (weight @ x**2)
    return np.where(c < 0, through, a), np.maximum(c, 0)


def _falls(n: Floats, error: Floats, sd: Floats) -> bool:
    """Whether the weighted slope of the error on log n is below 0 by more than chance."""
    x, weight = np.log(n), 1 / sd**2
    centred = x - weight @ x / weight.sum()
    information = weight @ centred**2
    slope = (weight * centred) @ error / information
    return bool(slope * np.sqrt(information) < _FALLS)
