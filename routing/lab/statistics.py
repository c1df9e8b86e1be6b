"""Intervals that resample prompts (clusters) crossed with seeds."""

from dataclasses import dataclass

import numpy as np

from routing.features.table import Floats, Ints

FEW_PROMPTS = 20
LEVEL = 0.95
# Normal quantiles of a two-sided 5 % test with 80 % power.
_DETECTABLE = 1.96 + 0.84


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Tally:
    """`right` and `count` (seeds, prompts): sums over the instances of a prompt in a seed."""

    right: Floats
    count: Floats

    @property
    def value(self) -> float:
        """The share right; NaN where nothing was counted."""
        total = float(self.count.sum())
        return float(self.right.sum()) / total if total else float("nan")


def tally(right: list[Floats], place: list[Ints], prompts: int) -> Tally:
    """Sum the hits of each seed by prompt: `right[s]` (n_s,), `place[s]` (n_s,) prompt numbers."""
    return Tally(
        np.stack(
            [
                np.bincount(p, weights=r, minlength=prompts)
                for r, p in zip(right, place, strict=True)
            ]
        ),
        np.stack([np.bincount(p, minlength=prompts) for p in place]).astype(np.float64),
    )


class Resampler:
    """Percentile bootstrap; the same draws for every figure, so that differences are paired."""

    def __init__(self, seeds: int, prompts: int, resamples: int, rng: np.random.Generator) -> None:
        self.seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
        self.prompts = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)

    def interval(self, tally: Tally) -> Interval | None:
        """The share right; None where nothing was counted."""
        return _summary(tally.value, self._values(tally))

    def difference(self, a: Tally, b: Tally) -> Interval | None:
        """a − b, paired: both are computed on the same draws."""
        return _summary(a.value - b.value, self._values(a) - self._values(b))

    def captured(self, arm: Tally, chance: Tally, ceiling: Tally) -> Interval | None:
        """(arm − chance) / (ceiling − chance); None where the ceiling is not above chance."""
        room = ceiling.value - chance.value
        if not room > 0:
            return None
        low = self._values(chance)
        gained, space = self._values(arm) - low, self._values(ceiling) - low
        known = space > 0
        draws = np.divide(gained, space, out=np.full(len(low), np.nan), where=known)
        return _summary((arm.value - chance.value) / room, draws)

    def detectable(self, a: Tally, b: Tally) -> float | None:
        """The smallest true difference that would be found with 80 % power at the 5 % level."""
        spread = self._values(a) - self._values(b)
        known = spread[~np.isnan(spread)]
        return float(_DETECTABLE * known.std()) if len(known) else None

    def _values(self, tally: Tally) -> Floats:
        right = ((self.seeds @ tally.right) * self.prompts).sum(axis=1)
        count = ((self.seeds @ tally.count) * self.prompts).sum(axis=1)
        return np.asarray(np.divide(right, count, out=np.full(len(right), np.nan), where=count > 0))


def _summary(value: float, draws: Floats) -> Interval | None:
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return None
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(value, float(low), float(high))
