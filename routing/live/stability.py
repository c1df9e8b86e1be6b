"""Has what comes in changed? The population stability index of binned features. Pure.

PSI = Σ over bins (q − p)·ln(q/p), p the shares of the instances that the router was fitted on, q of
new ones, each with half an instance added. Numbers are cut at the thirds of the first, an unknown
value is a bin of its own; of a tag each value is yes or no. Above 0.25 a population counts as
another one. With n and m instances in k bins PSI is about (k − 1)(1/n + 1/m) when nothing changed:
0.05 for three bins, 60 and 100 instances.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from routing.features.table import FeatureTable, Floats, Ints, tag_values

CHANGED = 0.25
BINS = 3


@dataclass(frozen=True)
class Shift:
    """The feature that changed most, and its index; blank and 0 where there is none."""

    feature: str
    index: float


def largest_shift(reference: FeatureTable, new: FeatureTable) -> Shift:
    """The largest index over all features that both tables have; judges' columns aside."""
    before, after = reference.without_judge(), new.without_judge()
    found = [Shift("", 0.0)]
    for name in before.names:
        old, fresh = before.column(name), after.column(name)
        if old is not None and fresh is not None:
            found.append(Shift(name, numbers_index(old, fresh)))
    for tag in before.categories:
        if tag in after.categories:
            found += _tag_shifts(tag, before.categories[tag], after.categories[tag])
    return max(found, key=lambda shift: shift.index)


def numbers_index(reference: Floats, new: Floats) -> float:
    """The index of one number; 0 where the reference knows none."""
    known = reference[~np.isnan(reference)]
    if not len(known):
        return 0.0
    cuts = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
    return index(_binned(reference, cuts), _binned(new, cuts))


def _binned(values: Floats, cuts: Floats) -> Ints:
    """Counts per bin, the unknown ones last."""
    place = np.where(np.isnan(values), len(cuts) + 1, np.searchsorted(cuts, values, side="left"))
    return np.bincount(place.astype(np.int64), minlength=len(cuts) + 2)


def index(reference: Ints, new: Ints) -> float:
    """PSI of two counts over the same bins; bins that neither fills count nothing."""
    filled = (reference + new) > 0
    p = (reference[filled] + 0.5) / (reference[filled] + 0.5).sum()
    q = (new[filled] + 0.5) / (new[filled] + 0.5).sum()
    return float(((q - p) * np.log(q / p)).sum())


def _tag_shifts(tag: str, before: tuple[str, ...], after: tuple[str, ...]) -> list[Shift]:
    old, new = (Counter(v for each in side for v in tag_values(each)) for side in (before, after))
    return [
        Shift(
            f"{tag}: {value}",
            index(
                np.array([old[value], len(before) - old[value]]),
                np.array([new[value], len(after) - new[value]]),
            ),
        )
        for value in old | new
    ]
