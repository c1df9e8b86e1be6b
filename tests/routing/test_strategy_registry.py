"""Every strategy of the registry scores the same problem and survives being stored."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.features.signals import with_judge
from routing.features.table import FeatureTable
from routing.strategies import registry
from routing.strategies.problem import Problem, Seed
from routing.strategies.selecting import select
from tests.routing import planted

OWN = (
    "all-human",
    "all-judge",
    "random",
    "judge-uncertainty",
    "reward-uncertainty",
    "small-margin",
    "active-preference",
    "d-optimal",
    "escalation",
    "cascade",
    "verifier-first",
)
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((key, {}) for key in OWN),
    ("judge-uncertainty", {"signals": ["judge_entropy", "judge_gap"], "combine": "mean"}),
    ("reward-uncertainty", {"source": "laplace"}),
    ("small-margin", {"of": "reward"}),
    ("d-optimal", {"greedy": 20}),
    ("verifier-first", {"inner": "learned-error"}),
]


def seed(n: int = 200) -> Seed:
    """A planted seed with every signal that a strategy may read."""
    rng = np.random.default_rng(3)
    made = planted.seed(n, prompts=n // 2)
    return replace(made, problem=signalled(made.problem, made.judge, made.human, rng))


def signalled(
    problem: Problem, judge: np.ndarray, human: np.ndarray, rng: np.random.Generator
) -> Problem:
    n = len(problem)
    sure = np.where(judge == human, rng.uniform(0.6, 1, n), rng.uniform(0, 0.5, n))
    p = 0.5 + np.sign(judge - 0.5) * sure / 2
    table = with_judge(problem.features, p, flip=(sure < 0.3).astype(float))
    more = {
        "judge_gap": rng.random(n),
        "panel_spread": rng.random(n) / 2,
        "reward_margin": rng.normal(size=n),
        "reward_variance": rng.random(n),
        "strong_p": np.where(human > 0.5, 0.95, 0.05),
        "verifier_exists": (np.arange(n) % 4 == 0).astype(float),
        "verifier_known": np.where(np.arange(n) % 8 == 0, 1.0, np.nan),
        "policy_entropy": rng.gamma(2, size=n),
        "implicit_margin": rng.normal(size=n),
    }
    values = np.column_stack([table.values, *more.values()])
    features = FeatureTable((*table.names, *more), values, table.categories)
    embedded = rng.normal(size=(n, 4))
    return replace(problem, features=features, judge=p, differences=embedded)


@pytest.mark.parametrize(("key", "options"), OPTIONS, ids=str)
def test_a_strategy_scores_and_is_read_back_the_same(key: str, options: dict[str, Any]) -> None:
    made = seed()
    problem = made.problem
    strategy = registry.fit(key, made, options)

    stored = json.loads(json.dumps(dict(strategy.to_json())))
    again = registry.load(stored).score(problem)
    found = strategy.score(problem)

    assert stored["strategy"] == key
    assert again.gain == pytest.approx(found.gain, rel=1e-5, abs=1e-9)
    assert list(again.reason) == list(found.reason)
    assert (again.propensity == found.propensity).all()
    assert len(found.reason) == len(found.gain) == len(found.cost) == len(problem)
    assert all(found.reason)
    assert not np.isnan(found.gain).any()
    assert ((found.propensity >= 0) & (found.propensity <= 1)).all()
    assert (found.propensity[found.gain == -np.inf] == 0).all()


@pytest.mark.parametrize(("key", "options"), OPTIONS, ids=str)
def test_a_strategy_never_spends_more_than_there_is(key: str, options: dict[str, Any]) -> None:
    made = seed(80)
    rng = np.random.default_rng(5)
    problem = replace(made.problem, cost=rng.uniform(0.1, 3, len(made)))
    strategy = registry.fit(key, made, options)
    scored = strategy.score(problem)

    for budget in (0.0, 1.0, 17.3, 1e6):
        mask = select(strategy, problem, scored, budget, salt="s")
        assert problem.cost[mask].sum() <= budget + 1e-6
        assert not mask[scored.gain == -np.inf].any()


@pytest.mark.parametrize("key", OWN)
def test_an_empty_problem_has_empty_scores(key: str) -> None:
    made = seed()
    none = made.problem.take(np.zeros(len(made), dtype=bool))

    assert len(registry.fit(key, made, {}).score(none).gain) == 0


def test_every_strategy_is_named() -> None:
    assert set(OWN) <= set(registry.SPECS)
    with pytest.raises(InvalidInput, match="no strategy 'x'"):
        registry.fit("x", None, {})


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(InvalidInput, match="Small margin has no option 'colour'"):
        registry.fit("small-margin", None, {"colour": 1})
    with pytest.raises(InvalidInput, match="Guaranteed escalation has no option 'gamma'"):
        registry.fit("escalation", seed(), {"gamma": 1})


@pytest.mark.parametrize("key", ["d-optimal", "escalation", "cascade"])
def test_what_learns_asks_for_a_seed(key: str) -> None:
    with pytest.raises(InvalidInput, match="label a seed first"):
        registry.fit(key, None, {})


def test_the_page_of_strategies_is_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs/routing-strategies.md").read_text()
    table = page.split("## Which one")[1].split("\n## ")[0]

    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.M)) == set(registry.SPECS)
