"""A mixture over annotators: so many groups, each with its own view of a pair. Pure: numpy, SciPy.

Annotator w belongs to one group g. On a pair the group prefers the first with probability θ, and w
says so with probability γ_w θ + (1 − γ_w) / 2: γ is w's reliability, so that careless people are no
group of their own. θ of a pair and group stands on what the others of the group say there, drawn
towards what everybody else says, never on the label that it explains (a collapsed mixture of
Bernoulli profiles): someone who is alone with their view is no group either.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

# A group's opinion of a pair weighs this many labels of everybody beforehand, and that one ½.
PULL = 2.0
RESTARTS, ROUNDS = 2, 60
# A prior of three right and one wrong label for the reliability.
RIGHT, WRONG = 3.0, 1.0
EDGE = 0.01


class Table:
    """Labels and sums over those of a pair. `weight`: by annotator 1 where they shape groups."""

    def __init__(self, unit: Codes, who: Codes, p: Vector, weight: Vector) -> None:
        # Here, not above: SciPy would slow the start of every web process.
        from scipy.sparse import csr_array  # noqa: PLC0415

        self.unit, self.who, self.p, self.weight = unit, who, p, weight
        self.annotators = len(weight)
        ones, rows = np.ones(len(unit)), np.arange(len(unit))
        units = int(unit.max(initial=-1)) + 1
        self.by_unit: Any = csr_array((ones, (unit, rows)), (units, len(unit)))
        self.by_who: Any = csr_array((ones, (who, rows)), (self.annotators, len(unit)))
        mine = weight[who]
        # Somebody else who shapes groups labelled the pair.
        self.shared = (self.by_unit @ mine)[unit] - mine > 0

    def only(self, labels: npt.NDArray[np.bool_]) -> "Table":
        return Table(self.unit[labels], self.who[labels], self.p[labels], self.weight)

    def others(self, values: Vector) -> Vector:
        """(labels, …) sums of `values` (labels, …) over the other labels of the pair."""
        found: Vector = (self.by_unit @ values)[self.unit] - values
        return found


@dataclass(frozen=True)
class State:
    """(annotators, groups) P(group), (annotators,) reliability, (groups,) shares."""

    member: Vector
    reliable: Vector
    shares: Vector


class Mixture:
    """The mixture of so many groups over one table."""

    def __init__(self, table: Table, groups: int) -> None:
        self.table, self.groups = table, groups
        self.p = table.p[:, None]

    def best(self, seed: int) -> State:
        """The likeliest of several starts."""
        rng = np.random.default_rng(seed)
        starts = [self._opposed(), *(self._random(rng) for _ in range(RESTARTS))]
        if self.groups == 1:
            starts = starts[:1]
        found = [self._run(start) for start in starts]
        return max(found, key=lambda each: each[1])[0]

    def opinions(self, state: State) -> Vector:
        """(labels, groups) P(first) by the others' labels, by group."""
        table = self.table
        mine = (state.member * (table.weight * state.reliable)[:, None])[table.who]
        alone = mine.sum(axis=1, keepdims=True)
        # Everybody else on the pair.
        pooled = (0.5 + table.others(alone * self.p)) / (1 + table.others(alone))
        theta = (PULL * pooled + table.others(mine * self.p)) / (PULL + table.others(mine))
        found: Vector = np.clip(theta, EDGE, 1 - EDGE)
        return found

    def chances(self, state: State) -> Vector:
        """(labels, groups) P(first) by the annotator if they were of the group."""
        gamma = state.reliable[self.table.who][:, None]
        found: Vector = gamma * self.opinions(state) + (1 - gamma) / 2
        return found

    def _run(self, state: State) -> tuple[State, float]:
        before = -np.inf
        for _ in range(ROUNDS):
            state, score = self._step(state)
            if abs(score - before) < 1e-7 * abs(score):
                break
            before = score
        return state, score

    def _step(self, state: State) -> tuple[State, float]:
        table = self.table
        chances = self.chances(state)
        logs = self.p * np.log(chances) + (1 - self.p) * np.log1p(-chances)
        # Where nobody else labelled, a label tells of no group.
        logs *= table.shared[:, None]
        joint = table.by_who @ logs + np.log(state.shares)
        top = joint.max(axis=1, keepdims=True)
        member = np.exp(joint - top)
        total = member.sum(axis=1, keepdims=True)
        member /= total
        score = float((table.weight * (top + np.log(total))[:, 0]).sum())
        counted = (member * table.weight[:, None]).sum(axis=0) + 1
        shares = counted / counted.sum()
        return State(member, self._reliable(state, member, chances), shares), score

    def _reliable(self, state: State, member: Vector, chances: Vector) -> Vector:
        table = self.table
        guess = (1 - state.reliable[table.who][:, None]) / 2
        follows = self.p * (1 - guess / chances) + (1 - self.p) * (1 - guess / (1 - chances))
        mine = (member[table.who] * follows).sum(axis=1) * table.shared
        right = table.by_who @ mine + RIGHT
        found: Vector = right / (table.by_who @ table.shared.astype(np.float64) + RIGHT + WRONG)
        return np.clip(found, EDGE, 1 - EDGE)

    def _start(self, member: Vector) -> State:
        member = 0.1 / self.groups + 0.9 * member
        even = np.full(self.groups, 1 / self.groups)
        return State(member, np.full(self.table.annotators, RIGHT / (RIGHT + WRONG)), even)

    def _random(self, rng: np.random.Generator) -> State:
        drawn = rng.integers(0, self.groups, self.table.annotators)
        return self._start(np.eye(self.groups)[drawn])

    def _opposed(self) -> State:
        """By who differs from the pair's mean in the same direction: the first singular vectors."""
        table = self.table
        if self.groups == 1:
            return self._start(np.ones((table.annotators, 1)))
        from scipy.sparse import csr_array  # noqa: PLC0415
        from scipy.sparse.linalg import svds  # noqa: PLC0415

        ones = table.weight[table.who]
        size = np.maximum(table.by_unit @ ones, 1)
        mean = (table.by_unit @ (ones * table.p)) / size
        off = (table.p - mean[table.unit]) * ones
        shape = (table.annotators, len(size))
        matrix = csr_array((off, (table.who, table.unit)), shape)
        k = min(self.groups - 1, min(shape) - 1)
        start = np.random.default_rng(0).normal(size=min(shape))
        left, _, _ = svds(matrix, k=k, v0=start)
        codes = (left > 0) @ (2 ** np.arange(left.shape[1])) % self.groups
        return self._start(np.eye(self.groups)[codes.astype(np.intp)])
