"""Which k of n candidate completions go to annotators: good ones, and unlike each other. Pure.

The objective of a set S is

    (1/k)·Σ quality + weight · mean distance of its pairs,

quality and distance brought to [0, 1] within the instance. Where no quality is known a candidate's
likeness to all others takes its place (what many say alike is probable), as in annotation-efficient
preference optimisation.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats

# So many sets are all looked at; beyond, the best is climbed to by exchanges.
MOST_SETS = 20_000
# Mean distance (1 − cosine) below which candidates say the same. Encoded texts begin with the same
# prompt, which alone makes them alike.
HOMOGENEOUS = 0.05


@dataclass(frozen=True)
class Chosen:
    """`places` in rising order; the mean distance of the pairs among them, and among all."""

    places: tuple[int, ...]
    diversity: float
    diversity_before: float

    @property
    def homogeneous(self) -> bool:
        """Whether even all candidates together hardly differ: there is little to learn from."""
        return self.diversity_before < HOMOGENEOUS


def choose(
    vectors: Floats, k: int, *, quality: Floats | None = None, weight: float = 1.0
) -> Chosen:
    """The best k of n.

    Args:
        vectors: (n, d) embeddings, of any length above 0.
        quality: (n,) larger is better, NaN where unknown; None where nothing is known.
        weight: what distance is worth beside quality; 0: quality alone.

    Raises:
        InvalidInput: k is not in 2…n, or an embedding is no direction.
    """
    n = len(vectors)
    if not 2 <= k <= n:
        raise InvalidInput(f"Of {n} candidates 2 to {n} can be chosen, not {k}.")
    if weight < 0:
        raise InvalidInput("Distance is worth 0 or more.")
    away = distances(vectors)
    good = _to_unit(1 - away.mean(axis=1)) if quality is None else _known(quality)
    apart = away / away.max() if away.max() > 0 else away
    if comb(n, k) <= MOST_SETS:
        sets = np.array(list(combinations(range(n), k)))
        places = sets[int(np.argmax(_worths(sets, good, apart, weight)))]
    else:
        places = _climbed(good, apart, k, weight)
    found = np.sort(places)
    return Chosen(
        tuple(int(place) for place in found), spread(away[np.ix_(found, found)]), spread(away)
    )


def distances(vectors: Floats) -> Floats:
    """(n, n) 1 − cosine, never below 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(length).all() and (length > 0).all()):
        raise InvalidInput("A candidate has no embedding.")
    unit = vectors / length
    away = np.clip(1 - unit @ unit.T, 0, 2)
    np.fill_diagonal(away, 0)
    return np.asarray(away)


def spread(away: Floats) -> float:
    """The mean over pairs of an (n, n) matrix of distances."""
    n = len(away)
    return float(away.sum() / (n * (n - 1)))


def _worths(sets: np.ndarray, good: Floats, apart: Floats, weight: float) -> Floats:
    """(sets,) the objective of each row of places."""
    k = sets.shape[1]
    pairs = apart[sets[:, :, None], sets[:, None, :]].sum(axis=(1, 2)) / (k * (k - 1))
    return np.asarray(good[sets].mean(axis=1) + weight * pairs)


def _climbed(good: Floats, apart: Floats, k: int, weight: float) -> np.ndarray:
    """From the k best by quality, the exchange that helps most until none does."""
    inside = np.argsort(-good, kind="stable")[:k]
    best = float(_worths(inside[None], good, apart, weight)[0])
    while True:
        outside = np.setdiff1d(np.arange(len(good)), inside)
        trials = np.array(
            [np.append(np.delete(inside, out), new) for out in range(k) for new in outside]
        )
        worths = _worths(trials, good, apart, weight)
        top = int(np.argmax(worths))
        if worths[top] <= best + 1e-12:
            return inside
        inside, best = trials[top], float(worths[top])


def _known(quality: Floats) -> Floats:
    """Within [0, 1]; what is unknown counts as the middle of what is known."""
    known = ~np.isnan(quality)
    if not known.any():
        return np.zeros(len(quality))
    return _to_unit(np.where(known, quality, np.median(quality[known])))


def _to_unit(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros(len(values))
