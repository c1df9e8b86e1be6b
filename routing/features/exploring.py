"""What the feature explorer shows of each feature and tag: pure figures over arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .binning import FLAGS, cut
from .table import Bools, FeatureTable, Floats, Ints, tag_values

BARS = 24
# Beyond this quantile values share the last bar: a few very long texts would flatten the rest.
CLIPPED = 0.99
RESAMPLES = 400
LEVEL = 0.95
FEW_PROMPTS = 20
# Beyond so many prompts groups of them are resampled.
MOST_UNITS = 2000
# Two features whose ranks go together less than this say different things.
NOTABLE, MOST_ALIKE = 0.3, 3
MOST_VALUES = 60
# From sums over prompts (sums,) or (sums, draws) to the figure they say.
Figure = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Estimate:
    """A figure with the 95 % interval that resampling prompts gives; None where it has none."""

    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Bin:
    """One bin of a feature or value of a tag: its instances, and how often the judge is wrong."""

    words: str
    count: int
    share: float
    disagreement: Estimate | None


@dataclass(frozen=True)
class FeatureFacts:
    """One feature. `bars` are counts over `low`…`high`, the last one with all above."""

    name: str
    known: int
    share: float
    low: float
    median: float
    high: float
    largest: float
    bars: tuple[int, ...]
    constant: bool
    bins: tuple[Bin, ...]
    association: Estimate | None
    alike: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class TagFacts:
    """One tag: `known` instances have a value, some more than one."""

    name: str
    known: int
    share: float
    values: tuple[Bin, ...]
    left_out: int


@dataclass(frozen=True, eq=False)
class Dual:
    """Dual-labelled instances: `wrong` (n,) 1 where judge and people differ; prompt numbers."""

    table: FeatureTable
    wrong: Floats
    prompts: Ints

    def __len__(self) -> int:
        return len(self.wrong)

    @property
    def prompt_count(self) -> int:
        return int(self.prompts.max()) + 1 if len(self.prompts) else 0


@dataclass(frozen=True, eq=False)
class Explored:
    features: tuple[FeatureFacts, ...]
    tags: tuple[TagFacts, ...]
    overall: Estimate | None


def explore(table: FeatureTable, dual: Dual) -> Explored:
    """Distribution and coverage over `table`, disagreement over `dual`; the same columns in both.

    The disagreement is related to a feature by Spearman's ρ. Intervals resample prompts, 400
    times; with fewer than 20 prompts there are none.
    """
    resampled = _Resampled(dual)
    alike = _alike(table)
    return Explored(
        tuple(
            _feature(name, table.values[:, place], dual.table.column(name), resampled, alike[name])
            for place, name in enumerate(table.names)
        ),
        tuple(
            _tag(name, given, dual.table.categories.get(name, ("",) * len(dual)), resampled)
            for name, given in table.categories.items()
        ),
        resampled.share(np.ones(len(dual), dtype=bool)),
    )


def _feature(
    name: str,
    values: Floats,
    of_dual: Floats | None,
    resampled: "_Resampled",
    alike: tuple[tuple[str, float], ...],
) -> FeatureFacts:
    known = values[~np.isnan(values)]
    low, median, high, largest = (
        (float(q) for q in np.quantile(known, (0, 0.5, CLIPPED, 1))) if len(known) else (0.0,) * 4
    )
    flag = name in FLAGS
    if high <= low:
        high = largest if largest > low else low + 1
    bars = np.histogram(
        np.minimum(known, high), bins=2 if flag else BARS, range=(0, 1) if flag else (low, high)
    )[0]
    return FeatureFacts(
        name=name,
        known=len(known),
        share=len(known) / len(values) if len(values) else 0.0,
        low=low,
        median=median,
        high=high,
        largest=largest,
        bars=tuple(int(count) for count in bars),
        constant=bool(len(known)) and float(known.min()) == float(known.max()),
        bins=_bins(name, values, of_dual, resampled),
        association=None if of_dual is None else resampled.correlation(of_dual),
        alike=alike,
    )


def _bins(
    name: str, values: Floats, of_dual: Floats | None, resampled: "_Resampled"
) -> tuple[Bin, ...]:
    """The bins that a router would cut these values into."""
    found = cut(name, values)
    if found is None:
        return ()
    place = found.bins(values)
    there = None if of_dual is None else found.bins(of_dual)
    known = max(1, int((place >= 0).sum()))
    rows = []
    for number, words in enumerate(found.words):
        count = int((place == number).sum())
        disagreement = None if there is None else resampled.share(there == number)
        rows.append(Bin(words, count, count / known, disagreement))
    return tuple(rows)


def _tag(
    name: str, given: Sequence[str], of_dual: Sequence[str], resampled: "_Resampled"
) -> TagFacts:
    here, there = _holders(given), _holders(of_dual)
    known = sum(bool(entry) for entry in given)
    ordered = sorted(here, key=lambda value: (-len(here[value]), value))
    values = []
    for value in ordered[:MOST_VALUES]:
        chosen = np.zeros(len(of_dual), dtype=bool)
        chosen[there.get(value, [])] = True
        count = len(here[value])
        values.append(Bin(value, count, count / max(1, known), resampled.share(chosen)))
    share = known / len(given) if given else 0.0
    return TagFacts(name, known, share, tuple(values), len(ordered) - len(values))


def _holders(given: Sequence[str]) -> dict[str, list[int]]:
    """By value the rows that have it."""
    found: dict[str, list[int]] = {}
    for row, entry in enumerate(given):
        for value in tag_values(entry):
            found.setdefault(value, []).append(row)
    return found


class _Resampled:
    """Draws of prompts, the same for every figure."""

    def __init__(self, dual: Dual) -> None:
        self.dual = dual
        self.few = dual.prompt_count < FEW_PROMPTS
        rng = np.random.default_rng(0)
        size = min(max(1, dual.prompt_count), MOST_UNITS)
        # Prompts are numbered by their hash, so these are groups at random of whole prompts: the
        # intervals are as wide, and the work no longer grows with the prompts.
        self.units = dual.prompts % size
        # (units, draws), floats as the sums are: no figure converts them again.
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=RESAMPLES)
        self.draws: Floats = np.ascontiguousarray(drawn.T, dtype=np.float64)

    def share(self, chosen: Bools) -> Estimate | None:
        """How often judge and people differ among the chosen; None where nobody is chosen."""
        return self._estimate(chosen, [self.dual.wrong], lambda sums: sums[1] / sums[0])

    def correlation(self, values: Floats) -> Estimate | None:
        """Spearman's ρ of a feature and the disagreement, over the instances that have it."""
        known = ~np.isnan(values)
        x, y = np.zeros(len(values)), np.zeros(len(values))
        x[known], y[known] = ranks(values[known]), ranks(self.dual.wrong[known])
        if not known.any() or x[known].std() == 0 or y[known].std() == 0:
            return None
        x[known], y[known] = x[known] - x[known].mean(), y[known] - y[known].mean()
        return self._estimate(known, [x, y, x * x, y * y, x * y], _pearson)

    def _estimate(
        self, chosen: Bools, columns: Sequence[Floats], figure: Figure
    ) -> Estimate | None:
        if not chosen.any():
            return None
        units, size = self.units[chosen], len(self.draws)
        sums: Floats = np.array(
            [
                np.bincount(units, weights=column[chosen], minlength=size)
                for column in (np.ones(len(chosen)), *columns)
            ],
            dtype=np.float64,
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(figure(sums.sum(axis=1)))
            drawn = figure(np.asarray(sums @ self.draws, dtype=np.float64))
        drawn = drawn[np.isfinite(drawn)]
        low: float | None = None
        high: float | None = None
        if len(np.unique(self.dual.prompts[chosen])) >= FEW_PROMPTS and len(drawn):
            low, high = (float(q) for q in np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)))
        return Estimate(value, low, high, int(chosen.sum()))


def _pearson(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = sums
    both = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
    return np.asarray((n * xy - x * y) / np.sqrt(both))


def ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _alike(table: FeatureTable) -> Mapping[str, tuple[tuple[str, float], ...]]:
    """By feature the others whose ranks go with its own most, strongest first."""
    ranked = np.full(table.values.shape, np.nan)
    for place in range(len(table.names)):
        known = ~np.isnan(table.values[:, place])
        ranked[known, place] = ranks(table.values[known, place])
    found: dict[str, tuple[tuple[str, float], ...]] = {}
    for place, name in enumerate(table.names):
        others = [
            (other, rho)
            for at, other in enumerate(table.names)
            if at != place
            if (rho := _rho(ranked[:, place], ranked[:, at])) is not None and abs(rho) >= NOTABLE
        ]
        found[name] = tuple(sorted(others, key=lambda each: -abs(each[1]))[:MOST_ALIKE])
    return found


def _rho(a: Floats, b: Floats) -> float | None:
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
