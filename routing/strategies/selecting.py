"""From scores to people: one function for every strategy.

A live router, a replay and a what-if picture call the same `select`, so they buy the same.
"""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from routing.features.table import Bools
from routing.strategies.problem import Problem, Scores, Strategy
from routing.strategies.selection import choose


@runtime_checkable
class Selecting(Protocol):
    """A strategy whose choice at a budget is not simply the best gain for the money.

    It buys nothing where `scores.gain` is −inf, and never more than the budget.
    """

    def select(self, problem: Problem, scores: Scores, budget: float, *, salt: str) -> Bools: ...


def select(
    strategy: Strategy,
    problem: Problem,
    scores: Scores,
    budget: float,
    *,
    salt: str,
    closed: Bools | None = None,
) -> Bools:
    """(n,) mask of the instances to send to people; Σ cost[mask] ≤ budget, always.

    `scores` are the strategy's of this problem; `closed` (n,) are instances that must not be
    bought, because an audit arm or another decision has them. By default the best gain for the
    money is bought until the budget is full; a strategy with a `select` of its own decides itself
    and may leave money.

    Raises:
        InvalidInput: gains, costs and keys do not fit, or a gain is not a number.
    """
    if closed is not None:
        scores = replace(scores, gain=np.where(closed, -np.inf, scores.gain))
    if isinstance(strategy, Selecting):
        return strategy.select(problem, scores, budget, salt=salt)
    return choose(scores.gain, scores.cost, budget, keys=problem.keys, salt=salt)
