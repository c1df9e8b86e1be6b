"""Agreement between annotators, with intervals that resample prompts. Pure: no Django.

A unit is one thing that several annotators labelled; its labels are integers: codes for nominal
measures, levels in order for ordinal ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Measure = Literal["nominal", "ordinal", "interval"]
FEW_PROMPTS = 20


@dataclass(frozen=True)
class Estimate:
    """A value with its bootstrap interval over `clusters` prompts. NaN where nothing is defined."""

    value: float
    low: float
    high: float
    clusters: int
    units: int

    @property
    def few_prompts(self) -> bool:
        return self.clusters < FEW_PROMPTS


def krippendorff(units: Sequence[Sequence[int]], measure: Measure = "nominal") -> float:
    """Krippendorff's α (Content Analysis, 2018) by evalica; NaN without two labels on any unit.

    α does not depend on who gave a label, so the labels of a unit fill the first rows of an
    (observers × units) frame and a crowd of thousands needs no wide matrix.
    """
    shared = [unit for unit in units if len(unit) > 1]
    if not shared:
        return float("nan")
    ratings = np.full((max(map(len, shared)), len(shared)), np.nan)
    for column, unit in enumerate(shared):
        ratings[: len(unit), column] = unit
    if len(np.unique(ratings[~np.isnan(ratings)])) == 1:
        return 1.0
    # Here, not above: pandas and SciPy would double the memory and the start of every web process.
    import evalica  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    return float(evalica.alpha(pd.DataFrame(ratings), distance=measure).alpha)


def krippendorff_interval(
    units: Sequence[Sequence[int]],
    clusters: Sequence[str],
    *,
    measure: Measure = "nominal",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """α with a percentile interval that resamples clusters (prompts), not labels.

    Args:
        clusters: the prompt of each unit.
    """
    levels, tables = _coincidences_by(units, clusters)
    tables = tables[tables.sum(axis=(1, 2)) > 0]
    shared = sum(len(unit) > 1 for unit in units)
    low, high = percentiles(
        len(tables),
        lambda weights: alpha_of(np.tensordot(weights, tables, axes=1), measure, levels),
        resamples=resamples,
        level=level,
        seed=seed,
    )
    return Estimate(krippendorff(units, measure), low, high, len(tables), shared)


def _coincidences_by(
    units: Sequence[Sequence[int]], clusters: Sequence[str]
) -> tuple[list[int], Matrix]:
    """The levels, and (clusters, levels, levels) the coincidences of the units of each cluster."""
    given = np.array([label for unit in units for label in unit], dtype=np.int64)
    levels, code = np.unique(given, return_inverse=True)
    names, cluster = np.unique(np.array(clusters, dtype=str), return_inverse=True)
    size = np.array([len(unit) for unit in units], dtype=np.int64)
    cell = np.repeat(np.arange(len(units)), size) * len(levels) + code
    counts = np.bincount(cell, minlength=len(units) * len(levels)).reshape(len(units), len(levels))
    counts, cluster = counts[size > 1].astype(np.float64), cluster[size > 1]
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, range(len(levels)), range(len(levels))] -= counts
    tables = np.zeros((len(names), len(levels), len(levels)))
    np.add.at(tables, cluster, pairs / (size[size > 1] - 1)[:, None, None])
    return levels.tolist(), tables


def coincidences(unit: Sequence[int], levels: Sequence[int]) -> Matrix:
    """(levels × levels) coincidences of one unit: n_a (n_b − [a = b]) / (m − 1)."""
    counts = np.array([list(unit).count(level) for level in levels], dtype=np.float64)
    pairs: Matrix = np.outer(counts, counts) - np.diag(counts)
    return pairs / (len(unit) - 1)


def alpha_of(table: Matrix, measure: Measure, levels: Sequence[float] | None = None) -> float:
    """α = 1 − Σ o δ² / Σ e δ² from a coincidence matrix; δ² nominal, ordinal or interval.

    Args:
        levels: the value of each row, for `interval` (Krippendorff); the row numbers by default.
    """
    totals = table.sum(axis=1)
    n = totals.sum()
    if n <= 1:
        return float("nan")
    values = np.arange(len(totals)) if levels is None else np.array(levels)
    distance = _distances(totals, measure, values.astype(np.float64))
    expected = (np.outer(totals, totals) - np.diag(totals)) / (n - 1)
    disagreement = float((expected * distance).sum())
    return 1.0 if disagreement == 0 else 1 - float((table * distance).sum()) / disagreement


def _distances(totals: Matrix, measure: Measure, levels: Matrix) -> Matrix:
    if measure == "nominal":
        return 1 - np.eye(len(totals))
    if measure == "interval":
        gaps: Matrix = (levels[:, None] - levels[None, :]) ** 2
        return gaps
    cumulative = np.cumsum(totals)
    middle = cumulative - totals / 2
    distances: Matrix = (middle[:, None] - middle[None, :]) ** 2
    return distances


def percentiles(
    clusters: int,
    statistic: Callable[[Matrix], float],
    *,
    resamples: int,
    level: float,
    seed: int,
) -> tuple[float, float]:
    """Percentile interval of `statistic(weights)`, weights = how often each cluster was drawn."""
    if clusters < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    values = np.array([statistic(weights.astype(np.float64)) for weights in draws])
    tail = (1 - level) / 2
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def cohen_kappa(first: Sequence[int], second: Sequence[int]) -> float:
    """Cohen's κ of two annotators on the same units, in the same order; NaN without any."""
    if not first:
        return float("nan")
    if list(first) == list(second):
        return 1.0
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415

    return float(cohen_kappa_score(list(first), list(second)))


def fleiss_kappa(units: Sequence[Sequence[int]]) -> float:
    """Fleiss' κ (1971) over the units with the most common number of labels (it needs one number).

    NaN where no unit has two labels.
    """
    sizes = [len(unit) for unit in units if len(unit) > 1]
    if not sizes:
        return float("nan")
    raters = max(set(sizes), key=lambda size: (sizes.count(size), size))
    levels = sorted({label for unit in units for label in unit})
    table = np.array(
        [[list(u).count(level) for level in levels] for u in units if len(u) == raters], dtype=float
    )
    observed = ((table**2).sum(axis=1) - raters) / (raters * (raters - 1))
    expected = float(((table.sum(axis=0) / table.sum()) ** 2).sum())
    return 1.0 if expected == 1 else (float(observed.mean()) - expected) / (1 - expected)


@dataclass(frozen=True)
class Together:
    """Two annotators on the units both labelled: the share on which they agree, and Cohen's κ."""

    units: int
    agree: float
    kappa: float


def together(
    labels: Mapping[object, Mapping[int, int]], most: int | None = None
) -> dict[tuple[int, int], Together]:
    """Pairs of annotators (lower id first) by the units they share, most first.

    Args:
        labels: codes by unit and annotator.
        most: no more than so many pairs; all that share a unit by default.
    """
    shared: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for given in labels.values():
        people = sorted(given)
        for place, first in enumerate(people):
            for second in people[place + 1 :]:
                one, other = shared.setdefault((first, second), ([], []))
                one.append(given[first])
                other.append(given[second])
    return {
        pair: Together(
            len(one),
            sum(map(int.__eq__, one, other)) / len(one),
            cohen_kappa(one, other),
        )
        for pair, (one, other) in sorted(shared.items(), key=lambda each: -len(each[1][0]))[:most]
    }


def units_of(
    labels: Mapping[str, Sequence[tuple[int, ...]]],
) -> list[tuple[str, list[int]]]:
    """Rankings as pair labels, a unit per instance and pair: 0 first, 1 second, 2 tie.

    Args:
        labels: rankings per instance.

    Returns:
        (instance, codes) per pair, in the order given.
    """
    units = []
    for instance, rankings in labels.items():
        size = len(rankings[0]) if rankings else 0
        for i in range(size):
            for j in range(i + 1, size):
                codes = [2 if r[i] == r[j] else int(r[i] > r[j]) for r in rankings]
                units.append((instance, codes))
    return units
