"""Candidate mixes: which seed instances go to people, and what a mix is made of."""

import numpy as np
import numpy.typing as npt

from routing.features.table import Bools, Floats


def draw_mixes(one_hot: npt.NDArray[np.uint8], count: int, rng: np.random.Generator) -> Bools:
    """(count, n) masks, True where the instance goes to people (HyPER, "Candidate mixes").

    Each mix draws a budget uniformly from 1..n and walks the columns in random order, sending
    the instances of a column to people until the budget is full; the last column is filled at
    random, and instances without any column come last.
    """
    n, columns = one_hot.shape
    mask = np.zeros((count, n), dtype=bool)
    fires = one_hot.astype(bool)
    for row in mask:
        budget = int(rng.integers(1, n + 1))
        place = rng.permutation(columns).astype(np.float64)
        # The first column of the walk that holds an instance decides its turn.
        turn = np.where(fires, place, columns).min(axis=1, initial=columns)
        order = np.argsort(turn + rng.random(n), kind="stable")
        row[order[:budget]] = True
    return mask


def feature_counts(mask: Bools, one_hot: npt.NDArray[np.uint8]) -> Floats:
    """(mixes, columns): how many human-routed instances have each column. One matrix product.

    float32 is exact here: counts stay below 2**24.
    """
    product = mask.astype(np.float32) @ one_hot.astype(np.float32)
    return product.astype(np.float64)
