"""Domain-aware allocation: how much of a budget each group gets, by learning curve and cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats
from routing.strategies.curves import Curve

Rule = Literal["curves", "equitable", "proportional"]
_STEPS = 100
# Unequal shares must save so much of what proportional ones save anyway to be worth it.
WORTH = 0.05
_LEVEL, _SIGMAS = 95.0, 1.96
FLAT = "No group's error falls measurably with more labels: proportional shares are as good as any."
EQUAL = (
    "The learning curves cannot tell the best shares from proportional ones, which are given: "
    "proportional is optimal where curves and prices are equal."
)
CURVES = "Shares follow where the error falls most for the money."
EQUITABLE = "Shares make the error of the worst group as small as possible."


@dataclass(frozen=True)
class Group:
    """Instances with one tag value.

    `open` instances can be labelled at `cost` each; `labelled` carry a human label already; the
    whole group weighs `open + labelled` in the error over everything.
    """

    name: str
    open: int
    cost: float
    curve: Curve
    labelled: int = 0

    def __post_init__(self) -> None:
        if self.cost <= 0 or self.open < 0 or self.labelled < 0:
            raise InvalidInput(f"{self.name}: a group has a price above 0 and counts from 0 up.")

    @property
    def size(self) -> int:
        return self.open + self.labelled


@dataclass(frozen=True)
class Share:
    """What one group gets. Errors are those the curve predicts, `low` to `high` the 95 % interval
    of `after`."""

    name: str
    labels: float
    money: float
    before: float
    after: float
    low: float
    high: float
    proportional: float


@dataclass(frozen=True)
class Plan:
    """How a budget is divided. `saved` is how much less error than with proportional shares the
    curves predict over all groups (over the worst group where it is equitable), with its 95 %
    interval."""

    rule: Rule
    shares: tuple[Share, ...]
    saved: float
    low: float
    high: float
    why: str

    @property
    def money(self) -> Mapping[str, float]:
        return {share.name: share.money for share in self.shares}

    @property
    def sentences(self) -> tuple[str, ...]:
        """The plan in words, the largest share first."""
        total = sum(share.money for share in self.shares)
        if not total:
            return (self.why,)
        ordered = sorted(self.shares, key=lambda share: -share.money)
        return (self.why, *(_sentence(share, total) for share in ordered))


def allocate(
    groups: Sequence[Group], budget: float, *, minimum: float = 0.0, equitable: bool = False
) -> Plan:
    """Divide `budget` so that the predicted error falls most.

    The error over everything, Σ size·error(labels) / Σ size, is convex in the labels, so the
    optimum gives every group the same marginal gain for its price (found by bisection). With
    `equitable` the error of the worst group is made as small as possible instead. Every group gets
    at least `minimum` of the budget, or all it can use. Where the curves cannot tell the result
    from proportional shares the shares are proportional, and `why` says so.

    Raises:
        InvalidInput: no groups, equal names, a budget below 0, minimum shares above the budget.
    """
    _check(groups, budget, minimum)
    least = np.array([min(g.open, minimum * budget / g.cost) for g in groups])
    even = _filled(groups, budget, least, lambda level: _share_of(groups, level))
    rule: Rule = "equitable" if equitable else "curves"
    if not equitable and not any(g.curve.falls for g in groups):
        return _plan("proportional", groups, even, even, FLAT)
    at = _for_level if equitable else _for_price
    best = _filled(groups, budget, least, lambda level: at(groups, level))
    made = _plan(rule, groups, best, even, EQUITABLE if equitable else CURVES)
    bought = _total(groups, np.zeros(len(groups)), rule)[0] - _total(groups, even, rule)[0]
    if not equitable and (made.low <= 0 or made.saved < WORTH * bought):
        return _plan("proportional", groups, even, even, EQUAL)
    return made


def _check(groups: Sequence[Group], budget: float, minimum: float) -> None:
    if not groups:
        raise InvalidInput("There is no group to give a budget to.")
    if len({g.name for g in groups}) < len(groups):
        raise InvalidInput("Every group needs a name of its own.")
    if budget < 0 or not np.isfinite(budget):
        raise InvalidInput("A budget is an amount of 0 or more.")
    if not 0 <= minimum * len(groups) <= 1:
        raise InvalidInput(
            f"{len(groups)} groups cannot each have at least {100 * minimum:g} % of the budget."
        )


def _share_of(groups: Sequence[Group], share: float) -> Floats:
    """(groups,) labels when every open instance is as likely as any other."""
    return np.array([g.open * min(1.0, share) for g in groups], dtype=np.float64)


def _for_price(groups: Sequence[Group], level: float) -> Floats:
    """(groups,) labels to buy while the marginal gain for the money is above 1/level."""
    whole = sum(g.size for g in groups) or 1
    found = []
    for g in groups:
        # w·a·b·n^(−b−1) = cost / level, solved for n.
        slope = g.size / whole * g.curve.a * g.curve.b * level / g.cost
        found.append(slope ** (1 / (g.curve.b + 1)) - g.labelled)
    return np.array(found, dtype=np.float64)


def _for_level(groups: Sequence[Group], level: float) -> Floats:
    """(groups,) labels to bring every group's error down to 1/level."""
    found = []
    for g in groups:
        room = 1 / level - g.curve.c
        done = g.curve.error(g.labelled) <= 1 / level
        enough = (g.curve.a / room) ** (1 / g.curve.b) if room > 0 else np.inf
        found.append(0.0 if done else enough - g.labelled)
    return np.array(found, dtype=np.float64)


def _filled(
    groups: Sequence[Group], budget: float, least: Floats, at: Callable[[float], Floats]
) -> Floats:
    """(groups,) labels `at` the highest level that the budget pays for, within the bounds.

    `at` must not fall with its level. Levels are searched over many orders of magnitude.
    """
    most = np.array([g.open for g in groups], dtype=np.float64)
    cost = np.array([g.cost for g in groups])
    low, high = -30.0, 30.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        spent = np.clip(at(float(np.exp(middle))), least, most) @ cost
        low, high = (middle, high) if spent <= budget else (low, middle)
    return np.clip(at(float(np.exp(low))), least, most)


def _plan(rule: Rule, groups: Sequence[Group], labels: Floats, even: Floats, why: str) -> Plan:
    shares = tuple(
        _share(g, float(x), float(y)) for g, x, y in zip(groups, labels, even, strict=True)
    )
    saved = _total(groups, even, rule) - _total(groups, labels, rule)
    low, high = np.percentile(saved[1:], [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2])
    return Plan(rule, shares, float(saved[0]), float(low), float(high), why)


def _share(group: Group, labels: float, even: float) -> Share:
    curve, total = group.curve, group.labelled + labels
    low, high = np.percentile(curve.errors(total), [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2])
    after, level = curve.error(total), _SIGMAS * curve.level
    return Share(
        group.name,
        labels,
        labels * group.cost,
        curve.error(group.labelled),
        after,
        max(0.0, after - float(np.hypot(after - low, level))),
        min(1.0, after + float(np.hypot(high - after, level))),
        even * group.cost,
    )


def _total(groups: Sequence[Group], labels: Floats, rule: Rule) -> Floats:
    """(1 + draws,) the error over everything, or of the worst group: predicted, then by draw."""
    by_group = [
        np.r_[g.curve.error(g.labelled + x), g.curve.errors(g.labelled + x)]
        for g, x in zip(groups, labels.tolist(), strict=True)
    ]
    shortest = min(len(errors) for errors in by_group)
    errors = np.stack([each[:shortest] for each in by_group])
    if rule == "equitable":
        return np.asarray(errors.max(axis=0))
    weight = np.array([g.size for g in groups], dtype=np.float64)
    return np.asarray(weight @ errors / max(weight.sum(), 1))


def _sentence(share: Share, total: float) -> str:
    return (
        f"{share.name}: {100 * share.money / total:.0f} % of the money for "
        f"{share.labels:.0f} labels; predicted error {100 * share.before:.1f} → "
        f"{100 * share.after:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"
    )
