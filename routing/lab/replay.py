"""The replay lab: every arm at every budget on data that hold both labels, as one picture.

The rules of `comparison` hold (votes, prompts, money, one machine labeller), with these:

* **Truth** is `held-out` (the votes of an instance are divided; an arm buys one part and is scored
  on the other) or `consensus` (a human label is the strict majority of all votes, bought as one,
  and is the truth; instances without one are dropped). In the second people are right by
  construction: it is the sensitive picture of whether mistakes of the judge are found.
* **Prompts.** Labels are compared on all prompts, dealt into five folds, fewer where prompts are
  few; the router of a fold is fitted on the seed of the others. Reward models are trained in a
  second pass, with test prompts held out and two folds.
* **Captured** is (arm − random) / (oracle − random) in label accuracy, its interval over the same
  draws of prompts and seeds as all others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Bools, Ints
from routing.lab.contestants import (
    ALL_HUMAN,
    ALL_JUDGE,
    Contestant,
    choose_arms,
    doubts,
    singles,
)
from routing.lab.dual import DualSet
from routing.lab.learning_value import LabelValue
from routing.lab.plan import Options, Plan, make_plan, most_folds, standing_plan
from routing.lab.replicate import Replicate, replicates
from routing.lab.sensitivity import Sensitivity
from routing.lab.statistics import Interval
from routing.lab.votes import Votes, divide, whole
from routing.strategies.registry import SPECS

HELD_OUT, CONSENSUS = "held-out", "consensus"
TRUTHS = (HELD_OUT, CONSENSUS)
BUDGETS = (0.1, 0.25, 0.5, 0.75)
# Under so many a router can hardly learn, and intervals say nothing.
MINIMUM_DUAL = 50
MOST_FOLDS = 5

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Asked:
    """What a replay is asked for. `arms` are keys of `contestant`; empty: all that can be tried."""

    arms: tuple[str, ...] = ()
    budgets: tuple[float, ...] = BUDGETS
    seeds: int = 10
    truth: str = HELD_OUT
    options: Options = field(
        default_factory=lambda: Options(
            folds=MOST_FOLDS, seed_floor=MINIMUM_DUAL, seed_limit=300, mixes=100
        )
    )

    def __post_init__(self) -> None:
        if self.truth not in TRUTHS:
            raise InvalidInput(f"The truth is {' or '.join(TRUTHS)}, not {self.truth!r}.")
        if not self.budgets or not all(0 < b <= 1 for b in self.budgets):
            raise InvalidInput("The budget is empty: give shares of the human labels above 0.")
        if self.seeds < 2:
            raise InvalidInput("Intervals over seeds need at least 2 seeds.")


@dataclass(frozen=True)
class Point:
    """One arm at one budget; labels and cost are means over seeds, of the pass on all prompts."""

    key: str
    name: str
    budget: float
    label_accuracy: Interval | None
    model_accuracy: Interval | None
    human_labels: float
    judge_labels: float
    cost: float
    against_random: Interval | None = None
    captured: Interval | None = None


@dataclass(frozen=True)
class Lead:
    """Learned combination minus the best single signal at a budget, in label accuracy, paired.

    `single` is the signal's name and `single_key` its key.
    """

    budget: float
    single: str
    difference: Interval
    captured: Interval | None
    single_captured: Interval | None
    single_key: str = ""


@dataclass(frozen=True)
class Stake:
    """What a budget pays, means over seeds in the unit of the costs."""

    budget: float
    limit: float
    audit: float
    seed: float
    routed: float
    seed_instances: float
    verdict: str
    sensitivity: Sensitivity | None


@dataclass(frozen=True)
class Replayed:
    """What a replay measured. Plain JSON through `to_json`."""

    judge: str
    truth: str
    unit: str
    simulated: bool
    instances: int
    prompts: int
    prompts_note: str
    seeds: int
    folds: int
    left_out: Mapping[str, int]
    stakes: tuple[Stake, ...]
    points: tuple[Point, ...]
    leads: tuple[Lead, ...]
    longer_label: Interval | None
    longer_model: Interval | None
    verdict: str
    sensitivity: Sensitivity | None
    notes: tuple[str, ...]
    value: tuple[LabelValue, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Runs:
    """Everything that was counted: by budget, one replicate a seed."""

    dual: DualSet
    votes: Votes
    arms: tuple[Contestant, ...]
    asked: Asked
    options: Options
    prompts: int
    by_budget: tuple[tuple[Replicate, ...], ...]


def run(
    dual: DualSet, asked: Asked, progress: Progress | None = None, fitted: Bools | None = None
) -> Runs:
    """Replay every arm; `progress(done, seeds)` is told after each seed, and may raise to stop.

    `fitted` (n,) are the instances that routers are fitted on, the others being scored, instead of
    a seed drawn in every fold; no prompt may be on both sides.

    Raises:
        InvalidInput: under 50 instances, too few prompts, an unknown arm.
        BudgetExceeded: a budget cannot pay the audit arm; names the minimum.
    """
    if asked.truth == CONSENSUS:
        dual, fitted = _scorable(dual, fitted)
    if len(dual) < MINIMUM_DUAL:
        raise InvalidInput(
            f"{len(dual)} instances carry a usable human label and one of the judge: a replay "
            f"needs at least {MINIMUM_DUAL}. Label more with both."
        )
    options = _fitting(dual, asked, fitted)
    votes = whole(dual.votes) if asked.truth == CONSENSUS else _divided(dual, options.salt)
    prompts, number = np.unique(np.array(dual.prompts), return_inverse=True)
    arms = tuple(arms_for(dual, asked.arms))
    seeds = []
    for index in range(asked.seeds):
        seeds.append(_seed(dual, votes, number, arms, options, asked, index, fitted))
        if progress:
            progress(index + 1, asked.seeds)
    by_budget = tuple(zip(*seeds, strict=True))
    return Runs(dual, votes, arms, asked, options, len(prompts), by_budget)


def _seed(  # noqa: PLR0917
    dual: DualSet,
    votes: Votes,
    number: Ints,
    arms: Sequence[Contestant],
    options: Options,
    asked: Asked,
    index: int,
    fitted: Bools | None,
) -> list[Replicate]:
    """One seed at every budget: labels on all prompts, reward models with test prompts held out."""
    labels = replace(options, test_share=0.0)
    plans = _plans(dual, votes, asked.budgets, labels, index, fitted)
    found = replicates(dual, votes, number, labels, index, arms, plans)
    if dual.differences is None or fitted is not None:
        return found
    models = replace(options, folds=2)
    plans = _plans(dual, votes, asked.budgets, models, index, None)
    tested = replicates(dual, votes, number, models, index, arms, plans)
    return [
        replace(label, model_hits=model.model_hits, model_place=model.model_place)
        for label, model in zip(found, tested, strict=True)
    ]


def _plans(  # noqa: PLR0917
    dual: DualSet,
    votes: Votes,
    budgets: Sequence[float],
    options: Options,
    index: int,
    fitted: Bools | None,
) -> list[Plan]:
    cost, salt = votes.size * dual.vote_cost, f"{options.salt}/{index}"
    if fitted is not None:
        return [standing_plan(fitted, dual.prompts, cost, share) for share in budgets]
    return [
        make_plan(dual.keys, dual.prompts, cost, replace(options, budget=share), salt)
        for share in budgets
    ]


def arms_for(dual: DualSet, asked: Sequence[str] = ()) -> list[Contestant]:
    """The asked arms, by default all of the registry that the data can try, and single signals."""
    if asked:
        keys = [key for key in asked if key not in {ALL_HUMAN, ALL_JUDGE}]
        return choose_arms(dual.features, keys, embeddings=dual.differences is not None)
    keys = [key for key in DEFAULT_ARMS if key in SPECS]
    keys += ["judge-uncertainty"] if doubts(dual.features) else []
    keys += singles(dual.features)
    return choose_arms(dual.features, keys, embeddings=dual.differences is not None)


# What a replay tries unless asked otherwise; those of other needs can be asked for.
DEFAULT_ARMS = ("hyper-linear", "influence", "learned-error", "learned")


def names_of(arms: Sequence[Contestant]) -> dict[str, str]:
    return {ALL_HUMAN: "All human", ALL_JUDGE: "All judge"} | {a.key: a.title for a in arms}


def _scorable(dual: DualSet, fitted: Bools | None) -> tuple[DualSet, Bools | None]:
    """Without the instances on which people have no strict majority; they are counted."""
    kept = ~np.isnan(whole(dual.votes).held_out)
    if kept.all():
        return dual, fitted
    left_out = dict(dual.left_out) | {"have no strict majority of human votes": int((~kept).sum())}
    return replace(dual.take(kept), left_out=left_out), None if fitted is None else fitted[kept]


def _divided(dual: DualSet, salt: str) -> Votes:
    votes = divide(dual.votes, dual.keys, salt)
    if np.isnan(votes.held_out).all():
        raise InvalidInput(
            "No instance has human votes to hold out: replay against the consensus instead."
        )
    return votes


def _fitting(dual: DualSet, asked: Asked, fitted: Bools | None) -> Options:
    """The options with as many folds as the prompts allow."""
    options = replace(asked.options, seeds=asked.seeds)
    wanted = options.folds if fitted is None else 2
    return replace(options, folds=most_folds(len(set(dual.prompts)), 0.0, wanted))
