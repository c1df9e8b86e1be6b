"""Who is wanted by people, and with what probability: numbers only.

The arms are drawn before anything is scored. With ε the audit share, x the share of exploration
among the rest, and π the probability that the router sends the instance to people,

    e = P(a human label is obtained) = ε + (1 − ε)·(x + (1 − x)·π)

for every instance, whichever arm it fell into: it does not depend on the draw. π is 0 or 1 but
where gains are equal at the threshold or the strategy itself draws. While a seed is collected
every instance that is decided is dual-labelled: e = 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.hashing import unit_interval
from routing.features.table import Bools, Floats
from routing.strategies import audit
from routing.strategies.problem import Problem, Scores, Strategy
from routing.strategies.propensity import propensities as chances
from routing.strategies.selecting import Selecting, select
from routing.strategies.selection import worth


@dataclass(frozen=True, eq=False)
class Arms:
    """(n,) masks; no instance is in both."""

    audit: Bools
    explore: Bools

    @property
    def drawn(self) -> Bools:
        return self.audit | self.explore


def draw_arms(keys: Sequence[str], salt: str, *, audit_share: float, explore_share: float) -> Arms:
    """Each key by its own hashes, so that a repeated step draws the same."""
    audited = audit.draw(keys, salt, audit_share, at_least_one=False)
    explored = np.array([unit_interval(salt, "explore", key) < explore_share for key in keys])
    return Arms(audited, np.asarray(explored & ~audited, dtype=bool))


def propensities(wanted: Floats, *, audit_share: float, explore_share: float) -> Floats:
    """e, as above; `wanted` (n,) is π."""
    return audit.propensities(explore_share + (1 - explore_share) * wanted, audit_share)


def wanted_share(values: Floats, before: Floats, share: float) -> Floats:
    """(n,) π: 1 above the threshold that `share` of all values passes, below it 0.

    The threshold is that of `values` and of those `before` them together, so that a stream of
    single instances keeps the share too. Equal values at the threshold share what is left. A value
    of −inf is never wanted.
    """
    if share >= 1:
        return np.asarray(values > -np.inf, dtype=np.float64)
    everything = np.concatenate([values, before])
    order = np.sort(everything)[::-1]
    threshold = order[min(len(order) - 1, int(share * len(order)))]
    above, equal = (everything > threshold).sum(), (everything == threshold).sum()
    partly = min(1.0, max(0.0, (share * len(order) - above) / equal))
    found = np.where(values > threshold, 1.0, np.where(values == threshold, partly, 0.0))
    return np.where(values > -np.inf, found, 0.0)


def wanted_of(
    strategy: Strategy,
    problem: Problem,
    scores: Scores,
    *,
    share: float,
    before: Floats,
    credit: float,
    salt: str,
) -> Floats:
    """(n,) π of every instance, money aside.

    `before` are values of instances that were scored earlier by the same router. A strategy that
    selects by itself gets a budget: `share` of what this batch costs, and the `credit` that the
    batches before it left.
    """
    if isinstance(strategy, Selecting):
        budget = max(0.0, share * float(problem.cost.sum()) + credit)
        if share >= 1:
            budget = float(problem.cost.sum())
        chosen = select(strategy, problem, scores, budget, salt=salt)
        return chances(strategy, problem, scores, chosen)
    return scores.propensity * wanted_share(worth(scores.gain, problem.cost), before, share)


def draw_wanted(keys: Sequence[str], wanted: Floats, salt: str) -> Bools:
    """(n,) who of those goes to people, by a hash of the key against π."""
    drawn = np.array([unit_interval(salt, "route", key) for key in keys])
    return np.asarray(drawn < wanted, dtype=bool)
