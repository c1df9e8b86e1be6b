"""Which candidate criteria predict people's choices. Pure: numpy only.

A verdict is +1 where the candidate favours the first of a pair, −1 the second, 0 neither; a
choice of people is +1 or −1. Rows are units, columns candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.quality.agreement import Matrix

RIDGE = 1.0
STEPS = 30


@dataclass(frozen=True)
class Gain:
    """Held-out log loss (nats per unit) of all candidates together, and how much worse it gets
    without each one: its gain beyond the others."""

    loss: float
    chance: float
    without: list[float]
    weights: list[float]


def conditional_gains(fitted: Matrix, chosen: Matrix, held: Matrix, right: Matrix) -> Gain:
    """Fit a logistic regression on one half, measure each candidate on the other.

    Args:
        fitted, held: (units × candidates) verdicts of the two halves.
        chosen, right: (units,) choices of people, +1 or −1.
    """
    everything = weights_of(fitted, chosen)
    loss = log_loss(held, right, everything)
    columns = range(fitted.shape[1])
    without = []
    for column in columns:
        rest = [other for other in columns if other != column]
        alone = weights_of(fitted[:, rest], chosen)
        without.append(log_loss(held[:, rest], right, alone) - loss)
    return Gain(loss, float(np.log(2)), without, [float(w) for w in everything])


def weights_of(verdicts: Matrix, chosen: Matrix) -> Matrix:
    """(candidates,) weights of P(first) = σ(w·v), by Newton's method with a ridge.

    There is no intercept: the order of a pair means nothing.
    """
    weights: Matrix = np.zeros(verdicts.shape[1])
    signed = verdicts * chosen[:, None]
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(signed @ weights))
        gradient = signed.T @ p - RIDGE * weights
        curvature = (signed * (p * (1 - p))[:, None]).T @ signed + RIDGE * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if float(np.abs(step).max(initial=0.0)) < 1e-9:
            break
    return weights


def log_loss(verdicts: Matrix, chosen: Matrix, weights: Matrix) -> float:
    """Mean −log P(what people chose), in nats; NaN without a unit."""
    if not len(chosen):
        return float("nan")
    return float(np.logaddexp(0, -(verdicts @ weights) * chosen).mean())


def overlaps(verdicts: Matrix) -> list[list[float | None]]:
    """(candidates × candidates) cosines of verdicts; None where one never decides."""
    sizes = np.linalg.norm(verdicts, axis=0)
    return [
        [
            float(verdicts[:, i] @ verdicts[:, j] / (sizes[i] * sizes[j]))
            if sizes[i] and sizes[j]
            else None
            for j in range(verdicts.shape[1])
        ]
        for i in range(verdicts.shape[1])
    ]


def verdict_matrix(rows: Sequence[Sequence[int]], candidates: int) -> Matrix:
    """Rows of verdicts as a (units × candidates) matrix, also where there are none."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), candidates)
