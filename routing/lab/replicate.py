"""One seed of a comparison: split, fit the routers, route, label, train heads, and count hits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from core.exceptions import ApplicationError
from routing.features.table import Bools, Floats, Ints
from routing.lab.dual import DualSet
from routing.lab.plan import TEST, Options, Plan, make_plan
from routing.lab.votes import Votes
from routing.predictor import proxy
from routing.strategies import hyper, learned_error
from routing.strategies.judge_uncertainty import SIGNALS, JudgeUncertainty
from routing.strategies.oracle import Oracle
from routing.strategies.problem import Problem, Seed, Strategy
from routing.strategies.random import Random
from routing.strategies.selection import choose

ALL_HUMAN, ALL_JUDGE, RANDOM, ORACLE = "all_human", "all_judge", "random", "oracle"
ROUTED, LEARNED, UNCERTAINTY = "routed", "learned_error", "judge_uncertainty"
LONGER = "longer_completion"

Build = Callable[[Seed], Strategy]


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
    """What the steps of one replicate share; `cost` (n,) is the price of the bought votes."""

    dual: DualSet
    votes: Votes
    cost: Floats
    plan: Plan
    options: Options
    index: int
    salt: str


def replicate(dual: DualSet, votes: Votes, number: Ints, options: Options, index: int) -> Replicate:
    """Run seed `index`; `number` (n,) is the prompt number of each instance."""
    salt = f"{options.salt}/{index}"
    cost = votes.size * dual.vote_cost
    plan = make_plan(dual.keys, dual.prompts, cost, options, salt)
    labels, problems = _label(_Setting(dual, votes, cost, plan, options, index, salt))
    scored = plan.pool & ~np.isnan(votes.held_out)
    tested = (plan.fold == TEST) & ~np.isnan(votes.all_votes)
    hits = {name: agreement(arm.p[scored], votes.held_out[scored]) for name, arm in labels.items()}
    longer = harden(dual.length_difference + 0.5)
    hits[LONGER] = agreement(longer[scored], votes.held_out[scored])
    model_hits = _model_hits(dual, votes, plan.train, tested, labels, ridge=options.ridge)
    model_hits[LONGER] = agreement(longer[tested], votes.all_votes[tested])
    return Replicate(plan, labels, hits, number[scored], model_hits, number[tested], problems)


def agreement(p: Floats, truth: Floats) -> Floats:
    """1 where the label prefers the true side; a label of ½ is wrong."""
    return np.asarray(np.sign(p - 0.5) == np.sign(truth - 0.5), dtype=np.float64)


def harden(p: Floats) -> Floats:
    """The side a label prefers, as 1, ½ or 0."""
    return np.asarray((np.sign(p - 0.5) + 1) / 2)


def _label(setting: _Setting) -> tuple[dict[str, Labels], dict[str, str]]:
    """The labels of every arm, and why an arm could not be built."""
    nobody, everybody = np.zeros(len(setting.dual), dtype=bool), setting.plan.train
    labels = {
        ALL_HUMAN: Labels(everybody, nobody, setting.votes.bought),
        ALL_JUDGE: Labels(nobody, everybody, setting.dual.judge),
    }
    problems: dict[str, str] = {}
    for name, build in _strategies(setting).items():
        try:
            labels[name] = _mix(setting, build)
        except ApplicationError as error:
            problems[name] = error.message
    return labels, problems


def _strategies(setting: _Setting) -> dict[str, Build]:
    options, salt = setting.options, setting.salt
    gains = oracle_gains(setting.dual, setting.votes)

    def routed(seed: Seed) -> Strategy:
        # Text and tags only: this router decides before a judge is asked.
        blind = replace(seed.problem, features=seed.problem.features.without_judge())
        return hyper.fit(
            replace(seed, problem=blind),
            rng_seed=setting.index,
            salt=salt,
            mixes=options.mixes,
            ridge=options.ridge,
            alpha=options.alpha,
        )

    built: dict[str, Build] = {
        RANDOM: lambda seed: Random(salt),
        ROUTED: routed,
        LEARNED: learned_error.fit,
        ORACLE: lambda seed: Oracle(gains),
    }
    if _judge_doubts(setting.dual):
        built[UNCERTAINTY] = lambda seed: JudgeUncertainty()
    return built


def oracle_gains(dual: DualSet, votes: Votes) -> dict[str, float]:
    """1 where the bought human label is right and the judge's wrong, −1 the other way, else 0."""
    gain = agreement(votes.bought, votes.held_out) - agreement(dual.judge, votes.held_out)
    known = np.where(np.isnan(votes.held_out), 0.0, gain)
    return dict(zip(dual.keys, known.tolist(), strict=True))


def _judge_doubts(dual: DualSet) -> bool:
    """Whether any judge signal differs between instances: otherwise it can choose nothing."""
    columns = [dual.features.column(name) for name in SIGNALS]
    return any(c is not None and len(set(c[~np.isnan(c)].tolist())) > 1 for c in columns)


def _mix(setting: _Setting, build: Build) -> Labels:
    """Fit on the seed of one fold, route the pool of the other, and swap."""
    dual, votes, plan = setting.dual, setting.votes, setting.plan
    problem = Problem(dual.keys, dual.features, setting.cost)
    both = plan.seed | plan.audit
    human = both.copy()
    reads_judge = False
    for fold in (0, 1):
        strategy = build(_seed(dual, votes, problem, plan.seed & (plan.fold == 1 - fold)))
        rows = np.flatnonzero((plan.fold == fold) & ~both)
        pool = problem.take(rows)
        gain = strategy.score(pool).gain
        money = plan.routed[fold]
        human[rows[choose(gain, pool.cost, money, keys=pool.keys, salt=setting.salt)]] = True
        reads_judge = reads_judge or strategy.reads_judge
    judge = plan.train if reads_judge else plan.train & (~human | both)
    return Labels(human, judge, np.where(human, votes.bought, dual.judge))


def _seed(dual: DualSet, votes: Votes, problem: Problem, rows: Bools) -> Seed:
    return Seed(
        problem.take(rows),
        tuple(dual.prompts[i] for i in np.flatnonzero(rows)),
        votes.bought[rows],
        harden(dual.judge[rows]),
        None if dual.differences is None else dual.differences[rows],
    )


def _model_hits(
    dual: DualSet,
    votes: Votes,
    train: Bools,
    tested: Bools,
    labels: Mapping[str, Labels],
    *,
    ridge: float,
) -> dict[str, Floats]:
    """One convex head per arm on all instances outside the test prompts, together.

    People's labels are soft (the share of bought votes), the judge's are hardened.
    """
    if dual.differences is None or not tested.any():
        return {}
    judge = harden(dual.judge)
    P = np.stack([np.where(arm.human, votes.bought, judge) for arm in labels.values()])
    W = proxy.fit_heads(dual.differences[train], P[:, train], ridge=ridge)
    hits = proxy.head_hits(W, dual.differences[tested], votes.all_votes[tested])
    return dict(zip(labels, hits, strict=True))
