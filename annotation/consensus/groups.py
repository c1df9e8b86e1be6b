"""Groups of annotators who prefer differently: how many there are, and what sets them apart. Pure.

How many groups there are is chosen on prompts that the memberships have not seen. More groups only
where they foretell held-out labels better than fewer, and where each agrees more with itself than
with any other, both by more than chance. One is a frequent answer. What a group is, `mixture` says.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from annotation.quality.bias import Share, Z
from annotation.quality.reliability import Ballots

from .mixture import PULL, Codes, Mixture, State, Table, Vector

MOST_GROUPS, FOLDS = 3, 5
# Annotators who can shape a group, each with so many labels on pairs that others labelled too.
FEW_ANNOTATORS, FEW_SHARED = 4, 20


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
    table = Table(ballots.pair, codes, ballots.p, shapes.astype(np.float64))
    usable = np.bincount(codes[table.shared], minlength=len(who)) >= FEW_SHARED
    able = int((usable & shapes).sum())
    if able < FEW_ANNOTATORS:
        return Groups(False, able, int(table.shared.sum()))
    cluster = np.asarray(clusters, dtype=np.intp)
    trials = _trials(table, cluster, most, seed)
    chosen = max((t.groups for t in trials if t.better), default=1)
    found = Mixture(table, chosen).best(seed)
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


def _trials(table: Table, cluster: Codes, most: int, seed: int) -> list[Trial]:
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


def _held_out(table: Table, fold: Codes, groups: int, seed: int) -> tuple[Vector, Vector]:
    """(labels,) log-likelihood and (labels, groups) membership, found in the other folds."""
    found = np.zeros(len(table.p))
    members = np.full((len(table.p), groups), 1 / groups)
    first: Vector | None = None
    for each in range(FOLDS):
        apart = fold == each
        if not apart.any() or apart.all():
            continue
        state = Mixture(table.only(~apart), groups).best(seed)
        here = table.only(apart)
        chances = Mixture(here, groups).chances(state)
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


def _inside(table: Table, member: Vector, cluster: Codes) -> tuple[float | None, float | None]:
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


def _meetings(table: Table, member: Vector) -> tuple[Vector, Vector]:
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


def _agreement(table: Table, state: State) -> tuple[tuple[float | None, ...], ...]:
    """Over every two labels of a pair by different annotators, weighed by membership."""
    same, all_ = (each.sum(axis=0) for each in _meetings(table, state.member[table.who]))
    return tuple(
        tuple(float(s / n) if n >= 1 else None for s, n in zip(*rows, strict=True))
        for rows in zip(same, all_, strict=True)
    )


def _with_all(table: Table, state: State, cluster: Codes) -> tuple[Share | None, ...]:
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


def _apart(table: Table, state: State, most: int = 100) -> tuple[Apart, ...]:
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
