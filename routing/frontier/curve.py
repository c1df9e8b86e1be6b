"""Performance against how many instances go to people: the numbers behind the frontier."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from routing.features.table import Bools, Floats, Ints, tag_values
from routing.predictor.mixes import Hot

POINTS = 201
# (n, columns): 0/1, or in part where a value is unknown.
Columns = Floats | Hot


@dataclass(frozen=True, eq=False)
class Line:
    """One strategy's expected performance: `value` (g,) after `at` (g,) instances went to people.

    `low` and `high` (g,) are its 95 % interval, None where none can be given.
    """

    key: str
    at: Floats
    value: Floats
    low: Floats | None = None
    high: Floats | None = None


def grid(count: int, first: int = 0, points: int = POINTS) -> Ints:
    """Up to `points` whole numbers of instances from 0 to `count`; `first` is one of them."""
    even = np.linspace(0, count, min(points, count + 1)).round().astype(np.int64)
    return np.unique(np.append(even, min(first, count)))


def buying_order(gain: Floats, cost: Floats, audited: Bools, ties: Floats) -> Ints:
    """(n,) places: the audit arm first, then by falling gain per cost, as `selection.choose` buys.

    `ties` (n,) breaks equal worth; a gain of −inf comes last.
    """
    with np.errstate(invalid="ignore"):
        worth = np.where(gain > 0, gain / cost, gain * cost)
    return np.lexsort((ties, -worth, ~audited))


def counts_along(one_hot: Columns, order: Ints, at: Ints) -> Floats:
    """(g, columns): how many of the first `at[i]` instances of `order` have each column."""
    ordered = one_hot[order]
    edges = np.concatenate([[0], at])
    steps = [ordered[start:stop].sum(axis=0, dtype=np.float64) for start, stop in pairwise(edges)]
    return np.asarray(np.cumsum(np.array(steps), axis=0))


def expected_counts(one_hot: Columns, audited: Bools, at: Ints) -> Floats:
    """(g, columns): what `at[i]` instances drawn at random hold on average, the audit arm first."""
    total = one_hot.sum(axis=0, dtype=np.float64)
    sure = one_hot[audited].sum(axis=0, dtype=np.float64)
    arm, rest = int(audited.sum()), len(audited) - int(audited.sum())
    among_audited = np.minimum(at, arm) / arm if arm else np.zeros(len(at))
    among_rest = np.maximum(at - arm, 0) / rest if rest else np.zeros(len(at))
    return np.outer(among_audited, sure) + np.outer(among_rest, total - sure)


@dataclass(frozen=True, eq=False)
class Groups:
    """Which instances have which word of a tag: `places` (m,) in buying order rising, `codes` (m,).

    An instance with two words stands there twice, one with none under the empty word.
    """

    words: tuple[str, ...]
    places: Ints
    codes: Ints

    def counts(self, first: int) -> tuple[Ints, Ints]:
        """(words,) to people and in all, where the first `first` instances go to people."""
        bought = self.codes[: np.searchsorted(self.places, first)]
        size = len(self.words)
        return np.bincount(bought, minlength=size), np.bincount(self.codes, minlength=size)


def grouped(given: Sequence[str], order: Ints) -> Groups:
    """`Groups` of one tag's entries (n); several words are joined as in a `FeatureTable`."""
    entries, inverse = np.unique(np.array(given, dtype=str)[order], return_inverse=True)
    values = [tag_values(str(entry)) or [""] for entry in entries]
    words = sorted({word for each in values for word in each}, key=lambda word: (not word, word))
    place = {word: code for code, word in enumerate(words)}
    sizes = np.array([len(each) for each in values])[inverse]
    flat = [place[word] for each in values for word in each]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in values])])[inverse]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    codes = np.array(flat, dtype=np.int64)[np.repeat(starts, sizes) + within]
    return Groups(tuple(words), np.repeat(np.arange(len(order)), sizes), codes)
