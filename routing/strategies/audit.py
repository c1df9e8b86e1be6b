"""The audit arm: drawn at random first, paid first, labelled by both, whatever the router says."""

from collections.abc import Sequence

import numpy as np

from core.exceptions import BudgetExceeded, InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats

SHARE = 0.05


def draw(
    keys: Sequence[str], salt: str, share: float = SHARE, *, at_least_one: bool = True
) -> Bools:
    """(n,) mask of the audit arm: every key whose salted hash is below `share`.

    The draw of a key depends on nothing but the key and the salt. A batch in which no hash is
    low enough still audits the instance with the lowest: the arm is never empty. A stream, whose
    batches may be of one instance, goes without (`at_least_one=False`).
    """
    if not 0 < share < 1:
        raise InvalidInput(f"The audit share must lie between 0 and 1, not {share}: it is never 0.")
    drawn = np.array([unit_interval(salt, "audit", key) for key in keys])
    mask = drawn < share
    if at_least_one and len(mask) and not mask.any():
        mask[drawn.argmin()] = True
    return np.asarray(mask, dtype=bool)


def propensities(chosen: Bools | Floats, share: float = SHARE) -> Floats:
    """e = ε + (1−ε)·π: P(a human label is obtained).

    `chosen` is 0 or 1 for a deterministic strategy, its probability for a randomised one.
    """
    return share + (1 - share) * np.asarray(chosen, dtype=np.float64)


def reporting(prompts: Sequence[str], salt: str) -> Bools:
    """(n,) True for A-report, False for A-calibrate: halves by a salted hash of the prompt."""
    return np.array([unit_interval(salt, "audit-report", p) < 0.5 for p in prompts], dtype=bool)


def reserve(mask: Bools, cost: Floats, budget: float) -> float:
    """What is left of the budget after the audit arm; refused with the minimum amount."""
    price = float(cost[mask].sum())
    if price > budget:
        raise BudgetExceeded(
            f"The audit arm of {int(mask.sum())} instances costs {price:g}, the budget is "
            f"{budget:g}: give at least {price:g}.",
            minimum=price,
        )
    return budget - price
