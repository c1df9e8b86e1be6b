"""Strengths with the style of answers taken out: how much of a win is length and markdown.

A logistic regression of the votes: beside a strength per contestant each difference in style has a
coefficient of its own (Li et al. 2024, "Does style matter?"). A tie counts half a win for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.consensus.bradley_terry import MIDDLE, POINTS, Comparisons, fit
from annotation.consensus.style import FEATURES, differences


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
    names, codes = np.unique([(vote.first, vote.second) for vote in votes], return_inverse=True)
    codes = codes.reshape(-1, 2)
    won = np.array([vote.share for vote in votes])
    styles = np.array([vote.styles for vote in votes], dtype=np.float64)
    given = Comparisons(
        *(codes[:, 0], codes[:, 1], won, 1 - won, np.zeros_like(won)),
        cluster=np.arange(len(votes)),
        contestants=len(names),
        style=differences(styles[:, 0], styles[:, 1]),
    )
    found = fit(given, robust=False)
    values, errors = found.values.tolist(), found.errors.tolist()
    ratings = {
        int(name): Styled(*(MIDDLE + POINTS * (value + z * error) for z in (0, -1.96, 1.96)))
        for name, value, error in zip(names, values, errors, strict=True)
    }
    return Control(ratings, dict(zip(FEATURES, (POINTS * found.style).tolist(), strict=True)))
