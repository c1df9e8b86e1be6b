"""One budget for several criteria: which (instance, criterion) people are asked.

A person who reads an instance for one criterion answers a second one for less: the first bears the
cost of reading, which all criteria of the instance share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats, Ints
from routing.strategies.problem import Scores


@dataclass(frozen=True, eq=False)
class CriteriaChoice:
    """`mask` (n, criteria) is what people are asked; `cost` is what it costs in all.

    `reasons` names for an instance what speaks for people, criterion by criterion.
    """

    mask: Bools
    cost: float
    criteria: tuple[str, ...]
    scores: tuple[Scores, ...]

    def asked(self, row: int) -> tuple[str, ...]:
        """The criteria that people are asked about instance `row`."""
        return tuple(self.criteria[c] for c in np.flatnonzero(self.mask[row]))

    def reason(self, row: int) -> str:
        said = [
            f"{self.criteria[c]}: {self.scores[c].reason[row]}"
            for c in np.flatnonzero(self.mask[row])
        ]
        return "; ".join(said)


def choose_criteria(
    by_criterion: Sequence[Scores],
    budget: float,
    *,
    criteria: Sequence[str],
    keys: Sequence[str],
    salt: str,
    shared: float = 0.0,
    weights: Sequence[float] | None = None,
    closed: Bools | None = None,
    already: Bools | None = None,
) -> CriteriaChoice:
    """What to ask people within `budget`; the cost of the choice never exceeds it.

    Args:
        by_criterion: the scores of one strategy a criterion, all of the same n instances. `cost`
            is the price of that criterion asked alone.
        shared: the part of that price, 0 to 1, that reading costs and a second criterion of the
            same instance saves.
        weights: what a gain of each criterion is worth beside the others; gains of different
            strategies have different units. Default 1.
        closed: (n, criteria) what may not be asked.
        already: (n, criteria) what a person is asked already: not asked again, its reading paid.

    Instances compete with bundles: the best criterion alone, the best two, … Each bundle adds to
    the one before it, and those that add more for the money than the bundle below are taken
    together with it, so a step never gains less than the one after it and the budget goes to the
    steps with most gain for the price until the next one does not fit. Gains of 0 and below are
    never asked: asking is optional, and what it saves elsewhere is not.

    Raises:
        InvalidInput: the scores speak of different instances, or a number is out of range.
    """
    gain, cost = _matrices(by_criterion, criteria, keys, weights)
    if not 0 <= shared < 1:
        raise InvalidInput("The shared part of the price lies from 0 up to 1.")
    asked = np.zeros(gain.shape, dtype=bool) if already is None else already
    shut = asked if closed is None else asked | closed
    paid = np.where(asked, shared * cost, 0.0).max(axis=1, initial=0.0)
    order, steps = _steps(np.where(shut, -np.inf, gain), cost, shared, paid)
    bought = _spend(steps, budget, keys, salt)
    mask = np.zeros(gain.shape, dtype=bool)
    for row, upto in bought:
        mask[row, order[row, :upto]] = True
    spent = price(mask, cost, shared, paid)
    return CriteriaChoice(mask, spent, tuple(criteria), tuple(by_criterion))


def price(mask: Bools, cost: Floats, shared: float, paid: Floats) -> float:
    """What asking `mask` (n, criteria) costs: of an instance only the dearest reading is paid.

    `paid` (n,) of the reading was paid before.
    """
    reading = np.where(mask, shared * cost, 0.0).max(axis=1, initial=0.0)
    answering = np.where(mask, (1 - shared) * cost, 0.0).sum(axis=1)
    return float((answering + np.maximum(reading - paid, 0)).sum())


@dataclass(frozen=True, eq=False)
class _Steps:
    """Step by step for each instance: the row, how many criteria after it, its gain and price."""

    row: Ints
    upto: Ints
    gain: Floats
    cost: Floats


def _matrices(
    by_criterion: Sequence[Scores],
    criteria: Sequence[str],
    keys: Sequence[str],
    weights: Sequence[float] | None,
) -> tuple[Floats, Floats]:
    if len(by_criterion) != len(criteria) or not criteria:
        raise InvalidInput("Every criterion needs its scores.")
    if any(len(scores.gain) != len(keys) for scores in by_criterion):
        raise InvalidInput("The scores of all criteria must speak of the same instances.")
    gain = np.stack([scores.gain for scores in by_criterion], axis=1).astype(np.float64)
    cost = np.stack([scores.cost for scores in by_criterion], axis=1).astype(np.float64)
    if np.isnan(gain).any() or (cost.size and cost.min() <= 0):
        raise InvalidInput("Every gain must be a number and every price above 0.")
    weight = np.ones(len(criteria)) if weights is None else np.array(weights, dtype=np.float64)
    if len(weight) != len(criteria) or (weight < 0).any():
        raise InvalidInput("Every criterion needs a weight of 0 or more.")
    # 0 · −inf is not a number; what may never be bought stays so.
    return np.where(gain > -np.inf, np.where(gain > -np.inf, gain, 0) * weight, -np.inf), cost


def _steps(gain: Floats, cost: Floats, shared: float, paid: Floats) -> tuple[Ints, _Steps]:
    """The order of the criteria of each instance, and the steps of its concave gain path."""
    order = np.argsort(-np.where(gain > 0, gain / cost, -np.inf), axis=1, kind="stable")
    gains = np.take_along_axis(gain, order, axis=1)
    prices = np.take_along_axis(cost, order, axis=1)
    reading = np.maximum.accumulate(np.maximum(shared * prices, paid[:, None]), axis=1)
    total = np.cumsum((1 - shared) * prices, axis=1) + reading - paid[:, None]
    rows: list[tuple[int, int, float, float]] = []
    for row in np.flatnonzero((gains > 0).any(axis=1)):
        count = int((gains[row] > 0).sum())
        rows += _hull(int(row), np.cumsum(gains[row, :count]), total[row, :count])
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    numbers = table[:, :2].astype(np.int64)
    return order.astype(np.int64), _Steps(numbers[:, 0], numbers[:, 1], table[:, 2], table[:, 3])


def _hull(row: int, gains: Floats, costs: Floats) -> list[tuple[int, int, float, float]]:
    """Steps (row, upto, gain, cost) whose gain for the price falls: steeper ones are joined."""
    steps: list[tuple[int, int, float, float]] = []
    for upto, (gain, cost) in enumerate(zip(gains.tolist(), costs.tolist(), strict=True), start=1):
        before = (sum(s[2] for s in steps), sum(s[3] for s in steps))
        step = (row, upto, gain - before[0], cost - before[1])
        while steps and step[2] * steps[-1][3] >= steps[-1][2] * step[3]:
            last = steps.pop()
            step = (row, upto, step[2] + last[2], step[3] + last[3])
        steps.append(step)
    return steps


def _spend(steps: _Steps, budget: float, keys: Sequence[str], salt: str) -> list[tuple[int, int]]:
    """(row, upto) of the last step bought of each row: a threshold on gain for the price."""
    value = steps.gain / steps.cost
    ties = np.array([unit_interval(salt, "tie", keys[row]) for row in steps.row])
    order = np.lexsort((steps.upto, ties, -value))
    money = budget + 1e-9 * max(1.0, abs(budget))
    paid = order[np.cumsum(steps.cost[order]) <= money]
    last: dict[int, int] = {}
    for step in paid:
        row, upto = int(steps.row[step]), int(steps.upto[step])
        last[row] = max(last.get(row, 0), upto)
    return list(last.items())
