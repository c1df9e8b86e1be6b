"""Strengths with the style of answers taken out: how much of a win is length and markdown. Pure.

A logistic regression of the votes: beside a strength per contestant each difference in style has a
coefficient of its own (Li et al. 2024, "Does style matter?"). A tie counts half a win for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

from .leaderboard import MIDDLE, SCALE

# Length, then what markdown adds to a text: headings, lists, bold words, each per length.
FEATURES = ("length", "headings", "lists", "bold")
STEPS, ENOUGH = 50, 1e-9
POINTS = SCALE / log(10)
# As heavy as one tie more of a contestant with the average: else who always wins is infinite.
PRIOR = 0.25
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Vote:
    """Two contestants, how much of the vote the first got (1, ½, 0), and the style of each side.

    A style has one number per feature: characters, then headings, list items and bold spans.
    """

    first: int
    second: int
    share: float
    styles: tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Styled:
    """A rating on the scale of Elo with style taken out, and its 95 % interval."""

    rating: float
    low: float
    high: float


@dataclass(frozen=True)
class Control:
    """Ratings by contestant, and what one standard deviation of each feature is worth in points."""

    ratings: dict[int, Styled]
    worth: dict[str, float]


def controlled(votes: Sequence[Vote]) -> Control:
    """Intervals come from the curvature of the likelihood; ties make them a little too wide."""
    if not votes:
        return Control({}, {})
    names = sorted({name for vote in votes for name in (vote.first, vote.second)})
    design = np.hstack([_sides(votes, names), _differences(votes)])
    shares = np.array([vote.share for vote in votes])
    weights, spread = _fit(design, shares)
    # Strengths are told apart from their mean.
    centre = np.eye(len(names)) - 1 / len(names)
    strengths = centre @ weights[: len(names)]
    errors = np.sqrt(np.diag(centre @ spread[: len(names), : len(names)] @ centre.T).clip(0))
    ratings = {
        name: Styled(*(MIDDLE + POINTS * (strengths[k] + z * errors[k]) for z in (0, -1.96, 1.96)))
        for k, name in enumerate(names)
    }
    worth = dict(zip(FEATURES, (POINTS * weights[len(names) :]).tolist(), strict=True))
    return Control(ratings, worth)


def _sides(votes: Sequence[Vote], names: Sequence[int]) -> Floats:
    place = {name: k for k, name in enumerate(names)}
    sides = np.zeros((len(votes), len(names)))
    rows = np.arange(len(votes))
    sides[rows, [place[vote.first] for vote in votes]] = 1
    sides[rows, [place[vote.second] for vote in votes]] = -1
    return sides


def _differences(votes: Sequence[Vote]) -> Floats:
    """Differences of the logarithm of length and of the density of markdown, in deviations."""
    styles = np.array([vote.styles for vote in votes], dtype=np.float64)
    length = styles[:, :, :1]
    values = np.concatenate([np.log1p(length), styles[:, :, 1:] / (length + 1)], axis=2)
    difference: Floats = values[:, 0] - values[:, 1]
    spread = difference.std(axis=0)
    return difference / np.where(spread > 0, spread, 1)


def _fit(design: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Coefficients by Newton's method, and their covariance."""
    ridge = PRIOR * np.eye(design.shape[1])
    weights, curve = np.zeros(design.shape[1]), ridge
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-design @ weights))
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) + ridge
        step = np.linalg.solve(curve, design.T @ (shares - chance) - ridge @ weights)
        weights = weights + step
        if np.abs(step).max() < ENOUGH:
            break
    spread = np.asarray(np.linalg.inv(curve), dtype=np.float64)
    return np.asarray(weights), spread
