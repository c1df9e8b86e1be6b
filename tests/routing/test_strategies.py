"""Every strategy scores a problem and says why."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.features.signals import with_judge
from routing.features.table import FeatureTable
from routing.strategies import hyper, learned_error
from routing.strategies.judge_uncertainty import JudgeUncertainty
from routing.strategies.oracle import Oracle
from routing.strategies.problem import Problem, Strategy
from routing.strategies.random import Random
from routing.strategies.selection import choose
from tests.routing import planted


def buy(strategy: Strategy, problem: Problem, budget: float) -> np.ndarray:
    gain = strategy.score(problem).gain
    return choose(gain, problem.cost, budget, keys=problem.keys, salt="s")


def test_hyper_finds_where_people_help() -> None:
    seed = planted.seed(600)

    router = hyper.fit(seed, mixes=200)

    assert router.explanation[0].column == "prompt long"
    assert router.dual_labelled == 600
    new = planted.seed(300, rng_seed=9).problem
    bought = buy(router, new, 60)
    # A third of the instances are long; the cut of the seed is not quite that of the new ones.
    assert planted.long_prompts(new.features)[bought].mean() > 0.8
    assert "prompt long" in router.score(new).reason[int(np.flatnonzero(bought)[0])]


def test_a_hyper_router_is_plain_numbers() -> None:
    seed = planted.seed(80)
    router = hyper.fit(seed, mixes=20)

    again = hyper.HyperRouter.from_json(json.loads(json.dumps(router.to_json())))

    assert again.score(seed.problem).gain == pytest.approx(router.score(seed.problem).gain)
    assert list(again.score(seed.problem).reason) == list(router.score(seed.problem).reason)


def test_the_same_seed_gives_the_same_router() -> None:
    assert hyper.fit(planted.seed(80), mixes=20).to_json() == (
        hyper.fit(planted.seed(80), mixes=20).to_json()
    )


def test_a_judge_that_always_agrees_leaves_hyper_without_gains() -> None:
    seed = planted.seed(80)

    router = hyper.fit(replace(seed, judge=seed.human), mixes=20)

    assert router.score(seed.problem).gain == pytest.approx(np.zeros(80), abs=1e-12)
    assert set(router.score(seed.problem).reason) == {"nothing about it speaks for people"}


def test_constant_features_leave_hyper_without_columns() -> None:
    seed = planted.seed(40)
    flat = FeatureTable(("prompt_tokens",), np.full((40, 1), 3.0))

    router = hyper.fit(replace(seed, problem=replace(seed.problem, features=flat)), mixes=20)

    assert router.binning.columns == ()
    assert router.score(seed.problem).gain.tolist() == [0.0] * 40


def test_one_sided_labels_still_fit() -> None:
    seed = planted.seed(80)

    router = hyper.fit(replace(seed, human=np.ones(80)), mixes=20)

    assert np.isfinite(router.gains().linear).all()


def test_an_unknown_feature_counts_as_its_mean_bin() -> None:
    router = hyper.fit(planted.seed(200), mixes=40)
    unknown = FeatureTable(planted.NAMES, np.full((1, 3), np.nan))
    weights = router.gains().linear
    means = [weights[router.binning.groups == g].mean() for g in range(3)]

    gain = router.score(Problem(("x",), unknown, np.ones(1))).gain

    assert gain == pytest.approx([sum(means)])


def test_hyper_refuses_what_it_cannot_fit() -> None:
    seed = planted.seed(40)
    with pytest.raises(InvalidInput, match="embeddings"):
        hyper.fit(replace(seed, differences=None))
    with pytest.raises(InvalidInput, match="has 1 prompts; a router needs at least 4"):
        hyper.fit(replace(seed, prompts=("p",) * 40))
    with pytest.raises(InvalidInput, match="People tie"):
        hyper.fit(replace(seed, human=np.full(40, 0.5)))


def test_learned_error_finds_where_the_judge_errs() -> None:
    router = learned_error.fit(planted.seed(300))

    new = planted.seed(300, rng_seed=9).problem
    bought = buy(router, new, 90)
    assert planted.long_prompts(new.features)[bought].mean() > 0.9
    again = learned_error.LearnedErrorRouter.from_json(json.loads(json.dumps(router.to_json())))
    assert again == router


def test_learned_error_knows_that_a_tie_is_no_answer() -> None:
    seed = planted.seed(60)
    judge = np.where(np.arange(60) < 5, 0.5, seed.judge)
    features = with_judge(seed.problem.features, judge)
    tied = replace(seed, judge=judge, problem=replace(seed.problem, features=features))

    scores = learned_error.fit(tied).score(tied.problem)

    assert scores.gain[:5].tolist() == [1.0] * 5
    assert scores.gain[5:].max() < 1
    assert scores.reason[0] == "judge has no preference"


@pytest.mark.parametrize("agrees", [True, False])
def test_a_judge_that_always_or_never_agrees_has_one_rate(agrees: bool) -> None:
    seed = planted.seed(40)

    router = learned_error.fit(replace(seed, judge=seed.human if agrees else 1 - seed.human))

    gain = router.score(seed.problem).gain
    assert gain == pytest.approx(np.full(40, (0.5 if agrees else 40.5) / 41))


def test_learned_error_refuses_a_seed_of_ties() -> None:
    with pytest.raises(InvalidInput, match="nothing to learn"):
        learned_error.fit(replace(planted.seed(40), human=np.full(40, 0.5)))


def test_judge_uncertainty_takes_flips_and_doubts() -> None:
    features = with_judge(
        FeatureTable((), np.zeros((4, 0))),
        np.array([0.9, 0.9, 0.5, 0.7]),
        flip=np.array([0.0, 1.0, np.nan, 0.0]),
    )

    scores = JudgeUncertainty().score(Problem(("a", "b", "c", "d"), features, np.ones(4)))

    assert scores.gain == pytest.approx([0.2, 1.0, 1.0, 0.6])
    assert list(scores.reason) == [
        "judge seems sure",
        "judge flips when the order is swapped",
        "judge unsure",
        "judge unsure",
    ]


def test_judge_uncertainty_needs_a_signal() -> None:
    with pytest.raises(InvalidInput, match="judge_flip"):
        JudgeUncertainty().score(planted.seed(10).problem)


def test_random_spends_the_budget_evenly() -> None:
    problem = planted.seed(10).problem
    gain = Random().score(problem).gain
    drawn = [
        choose(gain, problem.cost, 4, keys=problem.keys, salt=str(i)).tolist() for i in range(200)
    ]
    assert {sum(mask) for mask in drawn} == {4}
    assert np.mean(drawn, axis=0) == pytest.approx(np.full(10, 0.4), abs=0.12)


def test_the_oracle_never_buys_a_loss() -> None:
    problem = planted.seed(4).problem
    oracle = Oracle({"i0": 1.0, "i1": -1.0, "i2": 0.0})

    assert buy(oracle, problem, 1).tolist() == [True, False, False, False]
    assert buy(oracle, problem, 4).tolist() == [True, False, True, True]
