"""Spend a budget: the instances with most gain for their price."""

from collections.abc import Sequence

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats


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
    with np.errstate(invalid="ignore"):
        value = np.where(gain > 0, gain / cost, gain * cost)
    ties = np.array([unit_interval(salt, "tie", key) for key in keys])
    order = np.lexsort((ties, -value))
    order = order[gain[order] > -np.inf]
    # A little slack for prices that are not whole binary fractions.
    affordable = np.cumsum(cost[order]) <= budget + 1e-9 * max(1.0, abs(budget))
    mask = np.zeros(len(gain), dtype=bool)
    mask[order[affordable]] = True
    return mask
