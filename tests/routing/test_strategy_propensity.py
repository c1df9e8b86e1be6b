"""π is how often a selection would choose, over the salts that it might have drawn with."""

from dataclasses import replace

import numpy as np
import pytest

from routing.strategies.judge_uncertainty import JudgeUncertainty
from routing.strategies.problem import Problem, Scores, Strategy
from routing.strategies.propensity import propensities
from routing.strategies.random import Random
from routing.strategies.selecting import select
from routing.strategies.sources import AllHuman, AllJudge
from tests.routing import planted
from tests.routing.test_strategy_registry import seed


def frequencies(strategy: Strategy, problem: Problem, budget: float, runs: int = 400) -> np.ndarray:
    scored = strategy.score(problem)
    masks = [select(strategy, problem, scored, budget, salt=str(i)) for i in range(runs)]
    return np.asarray(np.mean(masks, axis=0))


def pi(strategy: Strategy, problem: Problem, budget: float) -> np.ndarray:
    scored = strategy.score(problem)
    return propensities(
        strategy, problem, scored, select(strategy, problem, scored, budget, salt="0")
    )


@pytest.mark.parametrize("strategy", [Random(), AllHuman()])
def test_equal_worth_has_the_affordable_share(strategy: Strategy) -> None:
    problem = planted.seed(40).problem

    assert pi(strategy, problem, 10) == pytest.approx(np.full(40, 0.25))
    assert frequencies(strategy, problem, 10) == pytest.approx(np.full(40, 0.25), abs=0.1)
    assert pi(strategy, problem, 40).tolist() == [1.0] * 40
    assert pi(strategy, problem, 0).tolist() == [0.0] * 40


def test_dear_instances_are_drawn_as_often() -> None:
    cost = np.where(np.arange(60) % 2 == 0, 1.0, 4.0)
    problem = replace(planted.seed(60).problem, cost=cost)

    drawn = frequencies(Random(), problem, 50, runs=1500)

    assert drawn[cost == 4].mean() == pytest.approx(drawn[cost == 1].mean(), abs=0.03)
    assert pi(Random(), problem, 50) == pytest.approx(np.full(60, drawn.mean()), abs=0.03)


def test_ties_at_the_threshold_share_what_is_left() -> None:
    """Flips are 0 or 1: where more flip than can be paid, each is as likely as the others."""
    problem = seed(200).problem
    strategy = JudgeUncertainty(("judge_flip",))
    flips = np.asarray(problem.features.column("judge_flip")) == 1
    assert flips.sum() > 20

    found = pi(strategy, problem, 20)

    assert found == pytest.approx(np.where(flips, 20 / flips.sum(), 0))
    assert frequencies(strategy, problem, 20) == pytest.approx(found, abs=0.12)


def test_a_deterministic_choice_is_0_or_1() -> None:
    problem = seed(200).problem
    strategy = JudgeUncertainty(("judge_confidence",))
    scored = strategy.score(problem)
    chosen = select(strategy, problem, scored, 30, salt="s")

    assert (propensities(strategy, problem, scored, chosen) == chosen).all()
    assert pi(AllJudge(), problem, 100).tolist() == [0.0] * 200


def test_closed_instances_get_what_they_would_have_had() -> None:
    scored = Scores(np.array([4.0, 3, 2, 1]), np.ones(4), np.ones(4), [""] * 4)
    problem = planted.seed(4).problem
    closed = np.array([False, True, False, True])
    chosen = select(AllHuman(), problem, scored, 1, salt="s", closed=closed)

    found = propensities(AllHuman(), problem, scored, chosen, closed=closed)

    # The open one at 4 was bought, so the threshold lies there: the closed one at 3 misses it.
    assert found.tolist() == [1, 0, 0, 0]
    everything = select(AllHuman(), problem, scored, 9, salt="s", closed=closed)
    assert propensities(AllHuman(), problem, scored, everything, closed=closed).tolist() == [1] * 4
