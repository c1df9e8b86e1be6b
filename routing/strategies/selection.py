"""Spend a budget: the instances with most gain for their price."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


def choose(gain: Floats, cost: Floats, budget: float, *, keys: Sequence[str], salt: str) -> Bools:
    """(n,) mask of the instances to buy; Σ cost[mask] ≤ budget, always.

    Instances are taken by falling gain/cost (a negative gain is multiplied by the cost, so that
    dear losses come last) until the next one does not fit: a threshold on gain/cost. Ties are
    broken by a salted hash of the key; a gain of −inf is never bought. Gains below 0 are bought
    while money is left: every mix of a comparison spends the same.
    """
    if not len(gain) == len(cost) == len(keys):
        raise InvalidInput("Gains, costs and keys must speak of the same instances.")
    if np.isnan(gain).any():
        raise InvalidInput("A gain is not a number: every instance must be scored.")
    if len(cost) and cost.min() <= 0:
        raise InvalidInput("Every instance must have a price above 0.")
    # A little slack for prices that are not whole binary fractions.
    money = budget + 1e-9 * max(1.0, abs(budget))
    value = worth(gain, cost)
    order = np.argsort(-value, kind="stable")
    order = order[gain[order] > -np.inf]
    mask = np.zeros(len(gain), dtype=bool)
    falling = value[order]
    spent = np.cumsum(cost[order])
    end = int(np.searchsorted(spent, money, side="right"))
    if end == len(order):
        mask[order] = True
        return mask
    # The hash decides only among the equals of the first that does not fit: hashing is slow.
    first, last = (int(np.searchsorted(-falling, -falling[end], side=s)) for s in _SIDES)
    ties = np.array([unit_interval(salt, "tie", keys[i]) for i in order[first:last]])
    equals = order[first:last][np.argsort(ties, kind="stable")]
    before = spent[first - 1] if first else 0.0
    mask[order[:first]] = True
    mask[equals[before + np.cumsum(cost[equals]) <= money]] = True
    return mask


def worth(gain: Floats, cost: Floats) -> Floats:
    """(n,) what orders the instances: gain for the price."""
    with np.errstate(invalid="ignore"):
        return np.where(gain > 0, gain / cost, gain * cost)
