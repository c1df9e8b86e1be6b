"""π: how likely a selection was to send each instance to people, fixed before labelling."""

from typing import Protocol, runtime_checkable

import numpy as np

from routing.features.table import Bools, Floats
from routing.strategies.problem import Problem, Scores, Strategy
from routing.strategies.selecting import Selecting
from routing.strategies.selection import worth


@runtime_checkable
class Chancing(Protocol):
    """A strategy that chooses by itself and knows with what chance."""

    def chances(self, problem: Problem, scores: Scores, chosen: Bools, closed: Bools) -> Floats: ...


def propensities(
    strategy: Strategy,
    problem: Problem,
    scores: Scores,
    chosen: Bools,
    *,
    closed: Bools | None = None,
) -> Floats:
    """(n,) π of `chosen`, the mask that `select` gave for these scores and `closed`.

    Closed instances get the π they would have had. A strategy that selects by a rule of its own is
    deterministic: 1 where it chose. Propensities of the data are `audit.propensities` of this.
    """
    shut = np.zeros(len(chosen), dtype=bool) if closed is None else closed
    if isinstance(strategy, Chancing):
        return strategy.chances(problem, scores, chosen, shut)
    if isinstance(strategy, Selecting):
        return chosen.astype(np.float64)
    return at_threshold(scores, chosen, shut)


def at_threshold(scores: Scores, chosen: Bools, closed: Bools) -> Floats:
    """(n,) 1 above the value at which the money ended, 0 below, and at it the share it paid for.

    Equal values are drawn by a salted hash, so each of them is as likely as the others: a random
    mix is nothing but equal values. Shares are of the cost: exact for equal prices.
    """
    value = worth(scores.gain, scores.cost)
    open_ = ~closed & (value > -np.inf)
    wanted = np.asarray(scores.propensity * (value > -np.inf), dtype=np.float64)
    if not (open_ & ~chosen).any():
        return wanted
    if not chosen.any():
        return np.zeros(len(chosen))
    threshold = value[chosen].min()
    equal = value == threshold
    paid = scores.cost[equal & chosen].sum() / scores.cost[equal & open_].sum()
    return np.asarray(wanted * np.where(equal, paid, value > threshold))
