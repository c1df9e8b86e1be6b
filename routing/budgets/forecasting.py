"""When a budget will be used up, from what was spent over the last days. Pure numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 2000
# Fewer whole days than this say too little about how days differ: purchases are counted instead.
LEAST_DAYS = 4
# What lies further ahead is no forecast.
HORIZON = timedelta(days=3650)
SHARE = 0.9


class Outlook(StrEnum):
    """What can be said about the end of a budget."""

    NOTHING = "nothing"  # no spending yet
    OVER = "over"  # used up
    BEYOND = "beyond"  # lasts beyond the period
    ENDS = "ends"  # used up within the period


@dataclass(frozen=True)
class Spent:
    """What was settled over some days.

    `days`: amounts of whole days, oldest first, days without spending as 0; `today`: the amount
    of the day that is not over, `passed` its share that is. `purchases`: how many in all.
    """

    days: Sequence[float]
    today: float
    passed: float
    purchases: int


@dataclass(frozen=True)
class Forecast:
    """`rate` per day with its 90 % interval; `earliest`/`latest` of the end, None: later than told.

    `at` is where the rate itself leads.
    """

    outlook: Outlook
    rate: float = 0.0
    low: float = 0.0
    high: float = 0.0
    at: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None


def forecast(spent: Spent, left: float, now: datetime, ends: datetime | None) -> Forecast:
    """When `left` will be spent. `left` excludes what is spent and counts what is set aside."""
    total, exposure = sum(spent.days) + spent.today, len(spent.days) + spent.passed
    if left <= 0:
        return Forecast(Outlook.OVER)
    if not spent.purchases or total <= 0 or exposure <= 0:
        return Forecast(Outlook.NOTHING)
    rates = _rates(spent, exposure)
    edge = (1 - SHARE) / 2
    low, high = (float(value) for value in np.quantile(rates, [edge, 1 - edge]))
    rate = total / exposure
    at, earliest, latest = (_when(left, each, now, ends) for each in (rate, high, low))
    outlook = Outlook.BEYOND if at is None else Outlook.ENDS
    return Forecast(outlook, rate, low, high, at, earliest, latest)


def _rates(spent: Spent, exposure: float) -> Floats:
    """Draws of the rate per day: days drawn again, or a Poisson number of equal purchases."""
    chance = np.random.default_rng(0)
    total = sum(spent.days) + spent.today
    if len(spent.days) < LEAST_DAYS:
        mean = total / spent.purchases
        return chance.gamma(spent.purchases + 0.5, mean / exposure, DRAWS)
    days = np.asarray(spent.days, dtype=np.float64)
    drawn: Floats = chance.choice(days, (DRAWS, len(days))).sum(axis=1)
    return (drawn + spent.today) / exposure


def _when(left: float, rate: float, now: datetime, ends: datetime | None) -> datetime | None:
    """None: not before the period ends, or not within ten years."""
    days = left / rate if rate > 0 else float("inf")
    if days > HORIZON.days:
        return None
    at = now + timedelta(days=days)
    return None if ends is not None and at >= ends else at
