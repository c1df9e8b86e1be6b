"""Does a judge change? Agreement and flips over time, by run and by guideline. Pure.

The order is that of the judge's labels. Pairs of one prompt count as one observation, at the time
of the first.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .units import Effect, Unit, by_prompt, share

PERIODS = 8
FEWEST = 20


@dataclass(frozen=True)
class Change:
    """A test of "nothing changed" and, where time is the question, the prompt at which the sum of
    deviations is greatest. `p` is NaN where there is too little."""

    statistic: float
    p: float
    groups: int
    at: int | None = None


@dataclass(frozen=True)
class Period:
    """Agreement (both name a side) and flips of one stretch or group of labels."""

    name: str
    since: str
    until: str
    labels: int
    agree: Effect | None
    flips: Effect | None


def periods(units: Sequence[Unit]) -> list[Period]:
    """Stretches with equally many labels in the order they were given; none under 8 × 5."""
    ordered = _timed(units)
    if len(ordered) < PERIODS * 5:
        return []
    size = -(-len(ordered) // PERIODS)
    return [
        period(str(place + 1), ordered[start : start + size])
        for place, start in enumerate(range(0, len(ordered), size))
    ]


def period(name: str, units: Sequence[Unit]) -> Period:
    times = sorted(unit.at.isoformat() for unit in units if unit.at)
    return Period(
        name,
        times[0] if times else "",
        times[-1] if times else "",
        len(units),
        share(_agreement(units)),
        share((unit.prompt, float(unit.flipped)) for unit in units if unit.flipped is not None),
    )


def grouped(units: Sequence[Unit], keys: Sequence[Hashable]) -> list[tuple[Hashable, Period]]:
    """One period per key (a run, a guideline), in the order the keys first appear."""
    found: dict[Hashable, list[Unit]] = defaultdict(list)
    for unit, key in zip(units, keys, strict=True):
        found[key].append(unit)
    return [(key, period(str(key), mine)) for key, mine in found.items()]


def change_over_time(units: Sequence[Unit]) -> Change:
    """CUSUM of agreement: sup |Σ (a − ā)| / (s √C) over C prompts, p from Kolmogorov's law."""
    rows = _agreement(_timed(units))
    order = {prompt: place for place, prompt in enumerate(dict.fromkeys(p for p, _ in rows))}
    if len(order) < FEWEST:
        return Change(math.nan, math.nan, len(order))
    values = np.array([value for _, value in rows])
    names = [f"{order[prompt]:09d}" for prompt, _ in rows]
    sums = by_prompt(names, values - values.mean())
    spread = math.sqrt(float((sums**2).sum()))
    if spread == 0:
        return Change(0.0, 1.0, len(sums))
    path = np.abs(np.cumsum(sums)) / spread
    # Here, not above: SciPy would slow the start of every web process.
    from scipy.special import kolmogorov  # noqa: PLC0415

    return Change(float(path.max()), float(kolmogorov(path.max())), len(sums), int(path.argmax()))


def change_between(groups: Mapping[Hashable, Effect | None]) -> Change:
    """Do groups differ more than their errors allow? Cochran's Q against χ², groups with 20 labels.

    Holds where a prompt is in one group only; where prompts come again it is too careful.
    """
    able = [
        effect
        for effect in groups.values()
        if effect and effect.labels >= FEWEST and effect.high > effect.low
    ]
    if len(able) < 2:
        return Change(math.nan, math.nan, len(able))
    weights = np.array([(2 * 1.959964 / (each.high - each.low)) ** 2 for each in able])
    values = np.array([each.value for each in able])
    middle = float((weights * values).sum() / weights.sum())
    statistic = float((weights * (values - middle) ** 2).sum())
    from scipy.stats import chi2  # noqa: PLC0415 - as above

    return Change(statistic, float(chi2.sf(statistic, len(able) - 1)), len(able))


def _timed(units: Sequence[Unit]) -> list[Unit]:
    return sorted((unit for unit in units if unit.at), key=lambda unit: (unit.at, unit.instance))


def _agreement(units: Sequence[Unit]) -> list[tuple[str, float]]:
    return [
        (unit.prompt, float(unit.side == unit.plurality))
        for unit in units
        if unit.plurality and unit.side
    ]
