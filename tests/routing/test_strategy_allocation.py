"""Shares of a budget by learning curve and cost, and when equal shares are as good."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.features.table import FeatureTable
from routing.strategies import learning, registry
from routing.strategies.allocated import Allocated
from routing.strategies.allocation import EQUAL, FLAT, Group, Share, allocate
from routing.strategies.curves import Curve, fit_curve
from routing.strategies.problem import Problem, Seed
from routing.strategies.propensity import propensities
from routing.strategies.random import Random
from routing.strategies.selecting import select

STEEP = Curve(0.8, 0.5, 0.1, falls=True)
SLOW = Curve(0.4, 0.1, 0.05, falls=True)
FLAT_CURVE = Curve(0.0, 0.5, 0.25, falls=False)


def test_a_power_law_is_found_again() -> None:
    n = np.array([10, 20, 50, 100, 300, 1000])

    found = fit_curve(n.tolist(), (0.8 * n**-0.5 + 0.1).tolist(), [0.002] * 6)

    for labels in (15, 200, 3000):
        assert found.error(labels) == pytest.approx(0.8 * labels**-0.5 + 0.1, abs=0.01)
    assert found.falls
    assert Curve.from_json(json.loads(json.dumps(found.to_json()))).error(40) == found.error(40)


def test_the_draws_cover_the_truth() -> None:
    """The 90 % band of the refitted curves holds the true error at nominal coverage."""
    rng = np.random.default_rng(0)
    n, runs, covered = np.array([10, 20, 50, 100, 200]), 120, 0
    truth = 0.6 * n**-0.4 + 0.1
    at = 0.6 * 60**-0.4 + 0.1
    for run in range(runs):
        seen = truth + rng.normal(size=5) * 0.01
        curve = fit_curve(n.tolist(), seen.tolist(), [0.01] * 5, rng_seed=run)
        low, high = np.percentile(curve.errors(60), [5, 95])
        covered += low <= at <= high
    # Four standard errors of 120 runs below 90 %.
    assert covered / runs > 0.79


def test_noise_does_not_fall() -> None:
    rng = np.random.default_rng(1)
    n = [10.0, 20, 50, 100, 200]

    falls = [
        fit_curve(n, (0.3 + rng.normal(size=5) * 0.02).tolist(), [0.02] * 5, draws=2).falls
        for _ in range(300)
    ]

    # 5 % by chance, and three standard errors.
    assert np.mean(falls) < 0.09


def test_curves_need_three_points() -> None:
    with pytest.raises(InvalidInput, match="3 numbers of labels"):
        fit_curve([1, 2, 2], [0.1, 0.1, 0.1], [0.1] * 3)
    with pytest.raises(InvalidInput, match="errors of 0 and above"):
        fit_curve([1, 2, 3], [0.1, -0.1, 0.1], [0.1] * 3)


def test_the_shares_are_the_optimum() -> None:
    """No division on a fine grid predicts less error."""
    groups = [Group("a", 300, 1.0, STEEP, 20), Group("b", 300, 2.0, SLOW, 40)]

    plan = allocate(groups, 200)

    def error(a: float) -> float:
        b = (200 - a) / 2
        return (320 * STEEP.error(20 + a) + 340 * SLOW.error(40 + b)) / 660

    best = min(error(a) for a in range(201))
    a, _ = plan.shares
    assert error(a.labels) <= best + 1e-6
    assert sum(plan.money.values()) == pytest.approx(200)
    assert plan.saved > 0


def test_equal_marginal_gain_for_the_price() -> None:
    groups = [Group("a", 900, 1.0, STEEP, 20), Group("b", 900, 3.0, SLOW, 40)]

    labels = {share.name: share.labels for share in allocate(groups, 400).shares}

    def slope(group: Group) -> float:
        curve, n = group.curve, group.labelled + labels[group.name]
        return float(group.size * curve.a * curve.b * n ** (-curve.b - 1) / group.cost)

    assert slope(groups[0]) == pytest.approx(slope(groups[1]), rel=1e-6)


def test_flat_curves_leave_proportional_shares() -> None:
    groups = [Group("a", 300, 1.0, FLAT_CURVE), Group("b", 100, 1.0, FLAT_CURVE)]

    plan = allocate(groups, 100)

    assert plan.rule == "proportional"
    assert plan.why == plan.sentences[0] == FLAT
    assert plan.money == {"a": pytest.approx(75), "b": pytest.approx(25)}
    assert plan.saved == 0


def test_equal_curves_leave_proportional_shares() -> None:
    groups = [Group("a", 300, 1.0, STEEP, 50), Group("b", 300, 1.0, STEEP, 50)]

    plan = allocate(groups, 100)

    assert plan.rule == "proportional"
    assert plan.why == EQUAL


def test_every_group_keeps_its_minimum() -> None:
    groups = [
        Group("a", 900, 1.0, STEEP, 50),
        Group("b", 900, 1.0, FLAT_CURVE),
        Group("c", 5, 1.0, SLOW, 50),
    ]

    plan = allocate(groups, 200, minimum=0.1)

    assert plan.money["b"] == pytest.approx(20)
    # All it can use.
    assert plan.money["c"] == pytest.approx(5)
    with pytest.raises(InvalidInput, match="at least 50 %"):
        allocate(groups, 200, minimum=0.5)


def test_equitable_shares_help_the_worst_group() -> None:
    groups = [Group("a", 900, 1.0, STEEP, 100), Group("b", 900, 5.0, SLOW, 10)]

    plan, usual = allocate(groups, 300, equitable=True), allocate(groups, 300)

    def worst(shares: Sequence[Share]) -> float:
        return max(share.after for share in shares)

    assert worst(plan.shares) < worst(usual.shares)
    # No other division on a grid has a better worst group.
    grid = [
        max(STEEP.error(100 + x), SLOW.error(10 + (300 - x) / 5)) for x in np.linspace(0, 300, 301)
    ]
    assert worst(plan.shares) <= min(grid) + 1e-4


def test_money_that_nobody_can_use_is_left() -> None:
    plan = allocate([Group("a", 10, 1.0, STEEP), Group("b", 5, 2.0, SLOW)], 1000)

    assert sum(plan.money.values()) == pytest.approx(20)


def test_an_empty_budget_gives_nothing() -> None:
    plan = allocate([Group("a", 10, 1.0, STEEP), Group("b", 5, 2.0, SLOW)], 0)

    assert sum(plan.money.values()) == pytest.approx(0, abs=1e-9)


def test_the_plan_is_told_in_words() -> None:
    groups = [Group("law", 900, 3.0, SLOW, 90), Group("coding", 900, 1.0, STEEP, 90)]

    first, *rest = allocate(groups, 600).sentences

    assert first == "Shares follow where the error falls most for the money."
    assert {said.split(":")[0] for said in rest} == {"law", "coding"}
    assert "% of the money for" in rest[0]
    assert "predicted error" in rest[0]


def test_it_refuses_what_is_no_plan() -> None:
    with pytest.raises(InvalidInput, match="no group"):
        allocate([], 10)
    with pytest.raises(InvalidInput, match="name of its own"):
        allocate([Group("a", 1, 1.0, STEEP)] * 2, 10)
    with pytest.raises(InvalidInput, match="0 or more"):
        allocate([Group("a", 1, 1.0, STEEP)], -1)
    with pytest.raises(InvalidInput, match="price above 0"):
        Group("a", 1, 0.0, STEEP)


# --- As a strategy ------------------------------------------------------------------------------


def seed(n: int = 240) -> Seed:
    """The judge errs on "hard" ones only, where people's labels are worth something."""
    rng = np.random.default_rng(2)
    D = rng.normal(size=(n, 4))
    human = (D @ np.ones(4) > 0).astype(float)
    place = np.where(np.arange(n) % 60 == 0, 2, np.arange(n) % 2)
    domain = np.array(["hard", "easy", "rare"])[place]
    hard = domain == "hard"
    D[:, 3] = hard * D[:, 3]
    human = np.where(hard, (D[:, 3] > 0).astype(float), human)
    judge = np.where(hard, 1 - human, human)
    table = FeatureTable(("x",), rng.random((n, 1)), {"domain": tuple(domain.tolist())})
    problem = Problem(tuple(f"i{i}" for i in range(n)), table, np.ones(n), differences=D)
    return Seed(problem, tuple(f"p{i // 2}" for i in range(n)), human, judge, D)


def allocated(**options: object) -> Allocated:
    found = registry.fit("allocated", seed(), {"inner": "random", **options})
    assert isinstance(found, Allocated)
    return found


def test_curves_fall_where_people_know_better_than_the_judge() -> None:
    curves = learning.curves_of(seed(), "domain")

    assert set(curves) == {"easy", "hard", "other"}
    assert curves["hard"].falls
    assert curves["hard"].error(1) - curves["hard"].error(100) > 0.1
    assert abs(curves["easy"].error(1) - curves["easy"].error(100)) < 0.1


def test_the_hard_group_gets_the_money() -> None:
    strategy, problem = allocated(), seed().problem
    scored = strategy.score(problem)

    chosen = select(strategy, problem, scored, 40, salt="s")

    names = np.array(strategy.groups(problem))
    assert chosen.sum() == 40
    assert chosen[names == "hard"].sum() > 30
    assert scored.reason[1].endswith("(hard)") or scored.reason[1].endswith("(easy)")


def test_its_chances_are_those_of_its_draws() -> None:
    strategy, problem = allocated(minimum=0.2), seed().problem
    scored = strategy.score(problem)
    masks = [select(strategy, problem, scored, 41, salt=str(i)) for i in range(60)]

    found = propensities(strategy, problem, scored, masks[0])

    names = np.array(strategy.groups(problem))
    for name in ("hard", "easy"):
        rows = names == name
        assert np.mean(masks, axis=0)[rows].mean() == pytest.approx(found[rows].mean(), abs=0.02)
        assert len(set(found[rows].round(6))) == 1


def test_a_value_first_seen_at_routing_time_is_other() -> None:
    strategy, made = allocated(), seed().problem
    tags = {"domain": ("new", "", "hard|new", "rare", *["easy"] * 236)}
    fresh = replace(made, features=FeatureTable(("x",), made.features.values, tags))

    assert strategy.groups(fresh)[:5] == ("other", "other", "hard", "other", "easy")
    assert select(strategy, fresh, strategy.score(fresh), 10, salt="s").sum() == 10


@pytest.mark.parametrize(("budget", "equitable"), [*product((0, 0.5, 33.3, 1e6), (False, True))])
def test_it_never_spends_more_than_there_is(budget: float, equitable: bool) -> None:
    strategy = allocated(equitable=equitable)
    cost = np.random.default_rng(0).uniform(0.2, 4, 240)
    problem = replace(seed().problem, cost=cost)

    mask = select(strategy, problem, strategy.score(problem), budget, salt="s")

    assert cost[mask].sum() <= budget + 1e-6
    if budget == 1e6:
        assert mask.all()


def test_it_is_stored_as_numbers() -> None:
    strategy, problem = allocated(), seed().problem

    again = registry.load(json.loads(json.dumps(strategy.to_json())))

    masks = [select(s, problem, s.score(problem), 40, salt="s") for s in (strategy, again)]
    assert (masks[0] == masks[1]).all()
    assert isinstance(again, Allocated)
    assert isinstance(again.inner, Random)


def test_it_needs_tags_and_embeddings() -> None:
    with pytest.raises(InvalidInput, match="with that tag"):
        allocated(tag="colour")
    with pytest.raises(InvalidInput, match="run an encoder"):
        registry.fit("allocated", replace(seed(), differences=None), {})
    bare = replace(seed().problem, features=FeatureTable((), np.zeros((240, 0))))
    with pytest.raises(InvalidInput, match="with that tag"):
        allocated().score(bare)
