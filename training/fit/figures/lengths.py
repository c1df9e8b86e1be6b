"""How much of a ranking is length: accuracy with the length difference regressed out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from training.fit.figures.intervals import Floats, clustered_interval, wins

if TYPE_CHECKING:
    from training.fit.figures.metrics import Pairs


def without_length(difference: Floats, longer: Floats) -> Floats:
    """Score differences (M,) less what a linear effect of the length difference explains.

    The effect b of x = tanh(length difference / its standard deviation) is the least-squares slope
    through the origin: turning a pair around turns both signs, so that b does not depend on which
    side is called the first. The shape of x is that of length-controlled AlpacaEval (2404.04475).
    """
    spread = math.sqrt(float(np.square(longer).mean()))
    if spread == 0:
        return difference
    x = np.tanh(longer / spread)
    slope = float(difference @ x / (x @ x))
    residual: Floats = difference - slope * x
    # What rounding leaves of an exact fit names no winner.
    residual[np.abs(residual) < 1e-9 * (1 + np.abs(difference))] = 0.0
    return residual


def length_figures(pairs: Pairs, correct: Floats) -> dict[str, Any]:
    """Length-controlled accuracy with its interval, and the mean over who is longer.

    `length_balanced_accuracy` is the mean of the accuracies where the longer and where the shorter
    completion is preferred: a ranking by length alone has one half.
    """
    controlled = wins(without_length(pairs.difference, pairs.longer))
    longer, shorter = (
        float(correct[side].mean()) if side.any() else math.nan
        for side in (pairs.longer > 0, pairs.longer < 0)
    )
    return {
        "accuracy_where_longer_wins": longer,
        "accuracy_where_shorter_wins": shorter,
        "length_balanced_accuracy": (longer + shorter) / 2,
        "length_controlled_accuracy": float(controlled.mean()),
        "length_controlled_accuracy_interval": clustered_interval(controlled, pairs.cluster),
    }
