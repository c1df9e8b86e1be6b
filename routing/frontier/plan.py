"""What one limit buys: the point on the frontier that the slider stands on."""

from dataclasses import dataclass

import numpy as np

from routing.features.table import Floats, Ints

from .curve import Groups, Line
from .sheet import Sheet


@dataclass(frozen=True)
class Terms:
    """How an allowance pays: amounts are millionths of its unit.

    `taken` is what is settled, reserved or unknown already; a label of people costs
    `per_label` (None: the money of each instance), the judge's label of an instance `per_judged`.
    """

    taken: int = 0
    per_label: int | None = None
    per_judged: int = 0


@dataclass(frozen=True)
class Group:
    """How many of a group go to people, of how many."""

    name: str
    people: int
    of: int

    @property
    def percent(self) -> float:
        return 100 * self.people / self.of if self.of else 0.0


@dataclass(frozen=True)
class Plan:
    """A limit and what comes of it. `value` with `low` and `high` is the performance expected."""

    limit: int
    instances: int
    labels: int
    people_money: int
    judge_money: int
    value: float
    low: float | None
    high: float | None
    groups: dict[str, tuple[Group, ...]]


@dataclass(frozen=True, eq=False)
class Spending:
    """(n + 1,) the limit that k instances to people need, in millionths of the allowance's unit."""

    needed: Ints
    audit: int

    @property
    def minimum(self) -> int:
        """What is spent or promised already, and the audit arm."""
        return int(self.needed[self.audit])

    @property
    def maximum(self) -> int:
        return int(self.needed[-1])

    def bought(self, limit: int) -> int:
        """How many instances a limit pays for."""
        return max(0, int(np.searchsorted(self.needed, limit, side="right")) - 1)

    def at(self, instances: Floats) -> Floats:
        """The limit at numbers of instances, also between two whole ones."""
        return np.interp(instances, np.arange(len(self.needed)), self.needed)


def spending(sheet: Sheet, terms: Terms) -> Spending:
    """The limit each number of instances needs under the terms of an allowance."""
    each = sheet.money if terms.per_label is None else sheet.labels * terms.per_label
    people = np.concatenate([[0], np.cumsum(each)])
    count = len(sheet)
    # A router that reads the judge has it label everything; others spare it what people label.
    bought = np.arange(count + 1)
    spared = 0 if sheet.facts["reads_judge"] else np.maximum(bought - sheet.audit, 0)
    judged = (count - spared) * terms.per_judged
    return Spending(np.asarray(terms.taken + people + judged, dtype=np.int64), sheet.audit)


def first_limit(money: Spending, saved: int | None) -> int:
    """The limit looked at first: the saved one; without one, what sends a quarter to people."""
    if saved is not None:
        return saved
    return int(money.needed[max(money.audit, len(money.needed) // 4)])


def plan(sheet: Sheet, money: Spending, limit: int) -> Plan:
    """What the limit buys, what it leads to, and whose instances go to people."""
    first = money.bought(limit)
    judged = len(sheet) if sheet.facts["reads_judge"] else len(sheet) - max(first - sheet.audit, 0)
    return Plan(
        limit=limit,
        instances=first,
        labels=int(sheet.labels[:first].sum()),
        people_money=int(sheet.money[:first].sum()),
        judge_money=judged * int(sheet.facts["judge_price"]),
        value=_read(sheet.ours, sheet.ours.value, first),
        low=None if sheet.ours.low is None else _read(sheet.ours, sheet.ours.low, first),
        high=None if sheet.ours.high is None else _read(sheet.ours, sheet.ours.high, first),
        groups={name: _rows(group, first) for name, group in sheet.groups.items()},
    )


def _read(line: Line, values: Floats, at: int) -> float:
    return float(np.interp(at, line.at, values))


def _rows(group: Groups, first: int) -> tuple[Group, ...]:
    """Most people first; what has no tag comes last."""
    rows = [
        Group(word, int(people), int(of))
        for word, people, of in zip(group.words, *group.counts(first), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (not row.name, -row.people, row.name)))
