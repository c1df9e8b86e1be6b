"""Groups of annotators who prefer differently: a mixture over annotators. Pure: numpy, SciPy.

Annotator w belongs to one group g. On a pair the group prefers the first with probability θ, and w
says so with probability γ_w θ + (1 − γ_w) / 2: γ is w's reliability, so that careless people are no
group of their own. θ of a pair and group stands on what the others of the group say there, drawn
towards what everybody else says, never on the label that it explains (a collapsed mixture of
Bernoulli profiles): someone who is alone with their view is no group either.

How many groups there are is chosen on prompts that the memberships have not seen. More groups only
where they foretell held-out labels better than fewer, and where each agrees more with itself than
with any other, both by more than chance. One is a frequent answer.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.quality.bias import Share, Z
from annotation.quality.reliability import Ballots

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

# A group's opinion of a pair weighs this many labels of everybody beforehand, and that one ½.
PULL = 2.0
MOST_GROUPS, RESTARTS, ROUNDS, FOLDS = 3, 2, 60, 5
# Annotators who can shape a group, each with so many labels on pairs that others labelled too.
FEW_ANNOTATORS, FEW_SHARED = 4, 20
# A prior of three right and one wrong label for the reliability.
RIGHT, WRONG = 3.0, 1.0
EDGE = 0.01


@dataclass(frozen=True)
class Trial:
    """So many groups on held-out prompts: the mean log-likelihood of a label in nats, what that is
    above one group fewer, and how much more a group agrees inside than with another, at the least
    clear. With standard errors over prompts."""

    groups: int
    score: float
    gain: float | None = None
    error: float | None = None
    inside: float | None = None
    inside_error: float | None = None

    @property
    def better(self) -> bool:
        return _clear(self.gain, self.error) and _clear(self.inside, self.inside_error)


def _clear(value: float | None, error: float | None) -> bool:
    return value is not None and error is not None and value > Z * error


@dataclass(frozen=True)
class Apart:
    """A pair on which groups differ: (groups,) P(first) and how many labels each stands on."""

    pair: int
    p: tuple[float, ...]
    labels: tuple[float, ...]
    # The largest difference in standard errors.
    clarity: float


@dataclass(frozen=True)
class Groups:
    """What was found. `members`: by annotator P(group), the largest group first.

    `agreement`: (groups, groups) how often two labels of a pair agree, inside and across.
    `with_all`: by group how often its labels side with the majority of everybody else.
    `dense` is False where the labels are too sparse to tell: then all else is empty.
    """

    dense: bool
    annotators: int
    shared: int
    trials: tuple[Trial, ...] = ()
    shares: tuple[float, ...] = ()
    members: dict[int, tuple[float, ...]] = field(default_factory=dict)
    agreement: tuple[tuple[float | None, ...], ...] = ()
    with_all: tuple[Share | None, ...] = ()
    apart: tuple[Apart, ...] = ()

    @property
    def count(self) -> int:
        return len(self.shares)


def find(
    ballots: Ballots,
    clusters: Sequence[int],
    *,
    shaping: Collection[int] | None = None,
    most: int = MOST_GROUPS,
    seed: int = 0,
) -> Groups:
    """The groups in these ballots.

    Args:
        clusters: (pairs,) codes of the prompts; folds and errors are over these.
        shaping: annotators whose labels make the groups, as people's; others, as judges, are only
            placed in them. Everybody by default.
        most: no more groups than this.
    """
    who, codes = np.unique(ballots.annotator, return_inverse=True)
    shapes = np.isin(who, list(shaping)) if shaping is not None else np.ones(len(who), bool)
    table = _Table(ballots.pair, codes, ballots.p, shapes.astype(np.float64))
    usable = np.bincount(codes[table.shared], minlength=len(who)) >= FEW_SHARED
    able = int((usable & shapes).sum())
    if able < FEW_ANNOTATORS:
        return Groups(False, able, int(table.shared.sum()))
    cluster = np.asarray(clusters, dtype=np.intp)
    trials = _trials(table, cluster, most, seed)
    chosen = max((t.groups for t in trials if t.better), default=1)
    found = _Mixture(table, chosen).best(seed)
    order = np.argsort(-found.shares, kind="stable")
    found = State(found.member[:, order], found.reliable, found.shares[order])
    return Groups(
        dense=True,
        annotators=able,
        shared=int(table.shared.sum()),
        trials=tuple(trials),
        shares=tuple(found.shares.tolist()),
        members={
            int(a): tuple(row) for a, row in zip(who, found.member.round(4).tolist(), strict=True)
        },
        agreement=_agreement(table, found),
        with_all=_with_all(table, found, cluster),
        apart=_apart(table, found),
    )


class _Table:
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

    def only(self, labels: npt.NDArray[np.bool_]) -> "_Table":
        return _Table(self.unit[labels], self.who[labels], self.p[labels], self.weight)

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


class _Mixture:
    """The mixture of so many groups over one table."""

    def __init__(self, table: _Table, groups: int) -> None:
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


def _trials(table: _Table, cluster: Codes, most: int, seed: int) -> list[Trial]:
    """One group, two, …, until one more does not help."""
    prompts = int(cluster.max(initial=-1)) + 1
    fold = np.random.default_rng(seed).permutation(prompts) % FOLDS
    place = cluster[table.unit]
    shared = table.shared.astype(np.float64)
    trials: list[Trial] = []
    before: Vector = np.zeros(0)
    for groups in range(1, most + 1):
        now, member = _held_out(table, fold[place], groups, seed)
        score, _ = _mean_of(now, place, shared)
        if not trials:
            trials.append(Trial(groups, score))
        else:
            gain, error = _mean_of(now - before, place, shared)
            trials.append(Trial(groups, score, gain, error, *_inside(table, member, cluster)))
            if not trials[-1].better:
                break
        before = now
    return trials


def _held_out(table: _Table, fold: Codes, groups: int, seed: int) -> tuple[Vector, Vector]:
    """(labels,) log-likelihood and (labels, groups) membership, found in the other folds."""
    found = np.zeros(len(table.p))
    members = np.full((len(table.p), groups), 1 / groups)
    first: Vector | None = None
    for each in range(FOLDS):
        apart = fold == each
        if not apart.any() or apart.all():
            continue
        state = _Mixture(table.only(~apart), groups).best(seed)
        here = table.only(apart)
        chances = _Mixture(here, groups).chances(state)
        p = (state.member[here.who] * chances).sum(axis=1)
        found[apart] = here.p * np.log(p) + (1 - here.p) * np.log1p(-p)
        first = state.member if first is None else first
        members[apart] = _aligned(state.member, first)[here.who]
    # Of those that only are placed nothing is learnt.
    return found * table.weight[table.who], members


def _aligned(member: Vector, like: Vector) -> Vector:
    """The groups in the order in which they are most like those of another fold."""
    orders = permutations(range(member.shape[1]))
    best = max(orders, key=lambda order: float((member[:, list(order)] * like).sum()))
    return member[:, list(best)]


def _inside(table: _Table, member: Vector, cluster: Codes) -> tuple[float | None, float | None]:
    """The least clear of how much more a group agrees inside than with another, and its error."""
    same, all_ = (_by_cluster(each, cluster) for each in _meetings(table, member))
    number = all_.sum(axis=0)
    if (number < 1).any():
        return None, None
    rate = same.sum(axis=0) / number
    off = (same - rate * all_) / number
    found = []
    for g, h in permutations(range(member.shape[1]), 2):
        error = float(np.sqrt(((off[:, g, g] - off[:, g, h]) ** 2).sum()))
        found.append((float(rate[g, g] - rate[g, h]), error))
    return min(found, key=lambda each: each[0] / max(each[1], 1e-12))


def _by_cluster(values: Vector, cluster: Codes) -> Vector:
    """Sums over the units of a cluster, of the first axis."""
    found = np.zeros((int(cluster.max(initial=-1)) + 1, *values.shape[1:]))
    np.add.at(found, cluster[: len(values)], values)
    return found


def _meetings(table: _Table, member: Vector) -> tuple[Vector, Vector]:
    """(units, groups, groups) how much two labels of a pair agree, and how many such there are.

    Args:
        member: (labels, groups).
    """
    mine = member * table.weight[table.who][:, None]
    p, groups = table.p[:, None], member.shape[1]
    number, first = table.by_unit @ mine, table.by_unit @ (mine * p)
    second = number - first

    def alone(values: Vector) -> Vector:
        # A label does not meet itself.
        square = (values[:, :, None] * mine[:, None, :]).reshape(len(mine), groups**2)
        found: Vector = (table.by_unit @ square).reshape(-1, groups, groups)
        return found

    def times(one: Vector) -> Vector:
        return one[:, :, None] * one[:, None, :]

    same = times(first) + times(second) - alone((p**2 + (1 - p) ** 2) * mine)
    return same, times(number) - alone(mine)


def _mean_of(values: Vector, cluster: Codes, weight: Vector) -> tuple[float, float]:
    """The weighted mean and its standard error over clusters."""
    total = weight.sum()
    mean = float((weight * values).sum() / total)
    off = np.bincount(cluster, weight * (values - mean))
    clusters = max(2, int((np.bincount(cluster, weight) > 0).sum()))
    return mean, float(np.sqrt((off**2).sum() * clusters / (clusters - 1)) / total)


def _agreement(table: _Table, state: State) -> tuple[tuple[float | None, ...], ...]:
    """Over every two labels of a pair by different annotators, weighed by membership."""
    same, all_ = (each.sum(axis=0) for each in _meetings(table, state.member[table.who]))
    return tuple(
        tuple(float(s / n) if n >= 1 else None for s, n in zip(*rows, strict=True))
        for rows in zip(same, all_, strict=True)
    )


def _with_all(table: _Table, state: State, cluster: Codes) -> tuple[Share | None, ...]:
    """By group: its labels beside the majority of everybody else on the pair."""
    ones = table.weight[table.who]
    lean = table.others(ones * (table.p - 0.5))
    decided = np.abs(lean) > 1e-9
    agrees = np.where(lean > 0, table.p, 1 - table.p)
    place = cluster[table.unit]
    found: list[Share | None] = []
    for member in state.member.T:
        weight = member[table.who] * ones * decided
        if weight.sum() < 1:
            found.append(None)
            continue
        mean, error = _mean_of(agrees, place, weight)
        low, high = max(0.0, mean - Z * error), min(1.0, mean + Z * error)
        found.append(Share(mean, low, high, round(weight.sum())))
    return tuple(found)


def _apart(table: _Table, state: State, most: int = 100) -> tuple[Apart, ...]:
    """The pairs on which groups differ most clearly, where each group has a label."""
    if len(state.shares) < 2:
        return ()
    mine = (state.member * table.weight[:, None])[table.who]
    number = table.by_unit @ mine
    first = table.by_unit @ (mine * table.p[:, None])
    p = (first + PULL / 2) / (number + PULL)
    error = np.sqrt((p * (1 - p) / (number + PULL + 1)).sum(axis=1))
    clarity = (p.max(axis=1) - p.min(axis=1)) / error
    clarity[(number < 0.5).any(axis=1)] = 0
    order = np.argsort(-clarity, kind="stable")[:most]
    return tuple(
        Apart(int(k), tuple(p[k].tolist()), tuple(number[k].tolist()), float(clarity[k]))
        for k in order
        if clarity[k] > 0
    )


def strongest(members: Sequence[float]) -> int:
    """The likeliest group, counted from 1."""
    return int(np.argmax(members)) + 1
