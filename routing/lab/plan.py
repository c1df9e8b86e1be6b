"""One replicate of a comparison: who is test, seed, audit, pool, and what the budget pays."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from annotation.datasets.splits import split_prompts
from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats, Ints
from routing.predictor import performance, proxy
from routing.strategies import audit, hyper

TEST = -1
# A fold must let its router train proxies on 2 prompts and evaluate them on 2 others.
MINIMUM_PROMPTS = 4
# The most of a small budget that a seed may take to reach its floor.
SMALL_BUDGET_SHARE = 0.6


@dataclass(frozen=True)
class Options:
    """`budget` is a share of the price of all bought labels outside the test prompts.

    `seed_share` is the part of it, after the audit arm, that may go into the seed; up to
    `SMALL_BUDGET_SHARE` where the seed would hold fewer than `seed_floor` instances, and never more
    than `seed_limit` of them, 0 for any number. Prompts outside the test are dealt into `folds`:
    the router of a fold is fitted on the seed of all others. `given` are options of strategies, by
    key.
    """

    budget: float = 0.3
    seed_share: float = 0.4
    audit_share: float = audit.SHARE
    test_share: float = 0.3
    seeds: int = 10
    mixes: int = hyper.MIXES
    ridge: float = proxy.RIDGE
    alpha: float = performance.ALPHA
    resamples: int = 1000
    salt: str = "comparison"
    folds: int = 2
    seed_floor: int = 0
    seed_limit: int = 0
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plan:
    """Masks over all instances. `fold` is TEST or a number; a router serves the fold it was not
    fitted on. `routed` is the money left for routing in each fold."""

    fold: Ints
    seed: Bools
    audit: Bools
    budget: float
    routed: tuple[float, ...]

    @property
    def train(self) -> Bools:
        return np.asarray(self.fold != TEST)

    @property
    def pool(self) -> Bools:
        """Everything that is neither test nor seed: where label accuracy is measured."""
        return self.train & ~self.seed


def make_plan(
    keys: Sequence[str], prompts: Sequence[str], cost: Floats, options: Options, salt: str
) -> Plan:
    """Split prompts by salted hash, pay the audit arm first, then the seed, out of one budget.

    Raises InvalidInput for too few prompts or an empty budget, BudgetExceeded (with the minimum)
    for one that cannot pay the audit arm.
    """
    if not 0 < options.seed_share < 1:
        raise InvalidInput("The seed's share of the budget must lie between 0 and 1.")
    fold = _folds(prompts, options, salt)
    train = fold != TEST
    budget = options.budget * float(cost[train].sum())
    if budget <= 0:
        raise InvalidInput("The budget is empty: give a share of the human labels above 0.")
    rows = np.flatnonzero(train)
    audited = np.zeros(len(keys), dtype=bool)
    audited[rows] = audit.draw([keys[i] for i in rows.tolist()], salt, options.audit_share)
    left = audit.reserve(audited, cost, budget)
    order = _by_turns(keys, prompts, np.flatnonzero(train & ~audited), salt)
    seed = np.zeros(len(keys), dtype=bool)
    seed[order[: _seed_size(np.cumsum(cost[order]), left, options)]] = True
    left -= float(cost[seed].sum())
    closed = seed | audited
    open_cost = [float(cost[(fold == k) & ~closed].sum()) for k in range(options.folds)]
    share = left / max(sum(open_cost), 1e-12)
    return Plan(fold, seed, audited, budget, tuple(share * price for price in open_cost))


def standing_plan(fitted: Bools, prompts: Sequence[str], cost: Floats, share: float) -> Plan:
    """Routers fitted on all of `fitted`, scored on the others at a share of their price.

    Raises:
        InvalidInput: a prompt is on both sides.
    """
    if {p for p, f in zip(prompts, fitted, strict=True) if f} & {
        p for p, f in zip(prompts, fitted, strict=True) if not f
    }:
        raise InvalidInput("A prompt is both fitted on and scored.")
    budget = share * float(cost[~fitted].sum())
    nobody = np.zeros(len(fitted), dtype=bool)
    return Plan(fitted.astype(np.int64), fitted, nobody, budget, (budget, 0.0))


def _seed_size(price: Floats, left: float, options: Options) -> int:
    """How many of the instances in the seed's order are paid; `price` (n,) is cumulative."""
    usual = int((price <= options.seed_share * left).sum())
    if usual < options.seed_floor:
        most = int((price <= max(SMALL_BUDGET_SHARE, options.seed_share) * left).sum())
        usual = min(most, options.seed_floor)
    return min(usual, options.seed_limit or usual)


def most_folds(prompts: int, test_share: float, wanted: int) -> int:
    """The largest number of folds, at most `wanted` and at least 2, that so many prompts allow."""
    for folds in range(wanted, 2, -1):
        each = max(_least(folds), round((1 - test_share) / folds * prompts))
        tested = max(_least(folds), round(test_share * prompts)) if test_share else 0
        if tested + (folds - 1) * each + _least(folds) <= prompts:
            return folds
    return 2


def _least(folds: int) -> int:
    """Prompts of a fold: the router of one is fitted on all others; together they hold enough."""
    return max(2, -(-MINIMUM_PROMPTS // (folds - 1)))


def _folds(prompts: Sequence[str], options: Options, salt: str) -> Ints:
    """(n,) TEST or the number of the fold, by prompt."""
    if options.folds < 2:
        raise InvalidInput("A router is scored on other prompts than its own: take 2 folds.")
    each = (1 - options.test_share) / options.folds
    names = {f"fold {k}": k for k in range(options.folds - 1)}
    shares = {"test": options.test_share} if options.test_share else {}
    shares |= dict.fromkeys(names, each)
    split = split_prompts(prompts, salt=salt, shares=shares, minimum=_least(options.folds))
    place = names | {"test": TEST, "train": options.folds - 1}
    return np.array([place[split[p]] for p in prompts], dtype=np.int64)


def _by_turns(keys: Sequence[str], prompts: Sequence[str], rows: Ints, salt: str) -> Ints:
    """`rows` by salted hash, one instance of every prompt before the second of any, so that a
    seed spans as many prompts as its money allows."""
    drawn = sorted((unit_interval(salt, "seed", keys[i]), int(i)) for i in rows)
    turns: dict[str, int] = defaultdict(int)
    order = []
    for place, i in drawn:
        order.append((turns[prompts[i]], place, i))
        turns[prompts[i]] += 1
    return np.array([i for *_, i in sorted(order)], dtype=np.int64)
