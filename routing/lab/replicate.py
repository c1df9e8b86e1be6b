"""One seed of a comparison: split, fit the routers, route, label, train heads, and count hits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.exceptions import ApplicationError
from routing.features.table import Bools, Floats, Ints
from routing.lab.contestants import (
    ALL_HUMAN,
    ALL_JUDGE,
    ORACLE,
    RANDOM,
    Contestant,
    Draw,
    contestant,
    doubts,
)
from routing.lab.dual import DualSet
from routing.lab.plan import TEST, Options, Plan, make_plan
from routing.lab.votes import Votes
from routing.predictor import proxy
from routing.strategies.problem import Problem, Seed, Strategy
from routing.strategies.selecting import select

ROUTED, LEARNED, UNCERTAINTY = "hyper-linear", "learned-error", "judge-uncertainty"
LONGER = "longer-completion"


@dataclass(frozen=True, eq=False)
class Labels:
    """What one arm buys over all instances, and the label that follows (n,)."""

    human: Bools
    judge: Bools
    p: Floats


@dataclass(frozen=True, eq=False)
class Replicate:
    """Hits by arm; `*_place` are the prompt numbers of the counted instances."""

    plan: Plan
    labels: Mapping[str, Labels]
    label_hits: Mapping[str, Floats]
    label_place: Ints
    model_hits: Mapping[str, Floats]
    model_place: Ints
    problems: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _Setting:
    """What the budgets of one seed share; `fitted` keeps a router for the next budget whose seed
    instances are the same."""

    dual: DualSet
    votes: Votes
    problem: Problem
    draw: Draw
    fitted: dict[tuple[str, bytes], Strategy | ApplicationError] = field(default_factory=dict)

    @property
    def cost(self) -> Floats:
        """(n,) the price of the bought votes."""
        return self.problem.cost


def replicate(dual: DualSet, votes: Votes, number: Ints, options: Options, index: int) -> Replicate:
    """Seed `index` of a round's comparison; `number` (n,) is the prompt number of each instance."""
    keys = [RANDOM, ROUTED, LEARNED, *([UNCERTAINTY] if doubts(dual.features) else []), ORACLE]
    arms = [contestant(key) for key in keys]
    plan = make_plan(
        dual.keys, dual.prompts, votes.size * dual.vote_cost, options, f"{options.salt}/{index}"
    )
    return replicates(dual, votes, number, options, index, arms, [plan])[0]


def replicates(  # noqa: PLR0917
    dual: DualSet,
    votes: Votes,
    number: Ints,
    options: Options,
    index: int,
    arms: Sequence[Contestant],
    plans: Sequence[Plan],
) -> list[Replicate]:
    """Seed `index` under several plans, which differ in their budget and share the test prompts."""
    salt = f"{options.salt}/{index}"
    cost = votes.size * dual.vote_cost
    draw = Draw(salt, index, options, oracle_gains(dual, votes))
    problem = Problem(dual.keys, dual.features, cost, dual.judge, dual.differences)
    setting = _Setting(dual, votes, problem, draw)
    labelled = [_label(setting, plan, arms) for plan in plans]
    tested = (plans[0].fold == TEST) & ~np.isnan(votes.all_votes)
    model = _model_hits(setting, plans[0].train, tested, [labels for labels, _ in labelled])
    longer = harden(dual.length_difference + 0.5)
    found = []
    for plan, (labels, problems), model_hits in zip(plans, labelled, model, strict=True):
        scored = plan.pool & ~np.isnan(votes.held_out)
        truth = votes.held_out[scored]
        hits = {name: agreement(arm.p[scored], truth) for name, arm in labels.items()}
        hits[LONGER] = agreement(longer[scored], truth)
        model_hits[LONGER] = agreement(longer[tested], votes.all_votes[tested])
        place = number[scored], number[tested]
        found.append(Replicate(plan, labels, hits, place[0], model_hits, place[1], problems))
    return found


def agreement(p: Floats, truth: Floats) -> Floats:
    """1 where the label prefers the true side; a label of ½ is wrong."""
    return np.asarray(np.sign(p - 0.5) == np.sign(truth - 0.5), dtype=np.float64)


def harden(p: Floats) -> Floats:
    """The side a label prefers, as 1, ½ or 0."""
    return np.asarray((np.sign(p - 0.5) + 1) / 2)


def oracle_gains(dual: DualSet, votes: Votes) -> dict[str, float]:
    """1 where the bought human label is right and the judge's wrong, −1 the other way, else 0."""
    gain = agreement(votes.bought, votes.held_out) - agreement(dual.judge, votes.held_out)
    known = np.where(np.isnan(votes.held_out), 0.0, gain)
    return dict(zip(dual.keys, known.tolist(), strict=True))


def _label(
    setting: _Setting, plan: Plan, arms: Sequence[Contestant]
) -> tuple[dict[str, Labels], dict[str, str]]:
    """The labels of every arm, and why an arm could not be built."""
    nobody, everybody = np.zeros(len(setting.dual), dtype=bool), plan.train
    labels = {
        ALL_HUMAN: Labels(everybody, nobody, setting.votes.bought),
        ALL_JUDGE: Labels(nobody, everybody, setting.dual.judge),
    }
    problems: dict[str, str] = {}
    for arm in arms:
        try:
            labels[arm.key] = _mix(setting, plan, arm)
        except ApplicationError as error:
            problems[arm.key] = error.message
    return labels, problems


def _mix(setting: _Setting, plan: Plan, arm: Contestant) -> Labels:
    """Fit on the seed of all folds but one, route the pool of that one, and go round."""
    dual, salt = setting.dual, setting.draw.salt
    both = plan.seed | plan.audit
    human = both.copy()
    reads_judge = False
    problem = arm.view(setting.problem)
    for fold, money in enumerate(plan.routed):
        rows = np.flatnonzero((plan.fold == fold) & ~both)
        if not len(rows):
            continue
        strategy = _fitted(setting, arm, plan.seed & (plan.fold != fold))
        pool = problem.take(rows)
        human[rows[select(strategy, pool, strategy.score(pool), money, salt=salt)]] = True
        reads_judge = reads_judge or strategy.reads_judge
    judge = plan.train if reads_judge else plan.train & (~human | both)
    return Labels(human, judge, np.where(human, setting.votes.bought, dual.judge))


def _fitted(setting: _Setting, arm: Contestant, rows: Bools) -> Strategy:
    key = arm.key, np.packbits(rows).tobytes()
    if key not in setting.fitted:
        try:
            setting.fitted[key] = arm.fit(_seed(setting, arm, rows), setting.draw)
        except ApplicationError as error:
            setting.fitted[key] = error
    found = setting.fitted[key]
    if isinstance(found, ApplicationError):
        raise found
    return found


def _seed(setting: _Setting, arm: Contestant, rows: Bools) -> Seed:
    dual = setting.dual
    return Seed(
        arm.view(setting.problem.take(rows)),
        tuple(dual.prompts[i] for i in np.flatnonzero(rows)),
        setting.votes.bought[rows],
        harden(dual.judge[rows]),
        None if dual.differences is None else dual.differences[rows],
    )


def _model_hits(
    setting: _Setting, train: Bools, tested: Bools, labelled: Sequence[Mapping[str, Labels]]
) -> list[dict[str, Floats]]:
    """By budget and arm the hits of one convex head, trained on all instances outside the test.

    People's labels are soft (the share of bought votes), the judge's are hardened.
    """
    dual, votes = setting.dual, setting.votes
    if dual.differences is None or not tested.any():
        return [{} for _ in labelled]
    judge = harden(dual.judge)
    arms = [arm for labels in labelled for arm in labels.values()]
    P = np.stack([np.where(arm.human, votes.bought, judge)[train] for arm in arms])
    # Arms that bought the same have the same head.
    distinct, which = np.unique(P, axis=0, return_inverse=True)
    W = proxy.fit_heads(dual.differences[train], distinct, ridge=setting.draw.options.ridge)
    hits = iter(proxy.head_hits(W, dual.differences[tested], votes.all_votes[tested])[which])
    return [{name: next(hits) for name in labels} for labels in labelled]
