"""HyPER's selections spend a budget by gain, by search, or only while it pays."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.features.table import FeatureTable
from routing.predictor.report import report_of
from routing.strategies import hyper
from routing.strategies.hyper import HyperRouter
from routing.strategies.hyper_selection import SELECTIONS, Rule
from routing.strategies.random import Random
from routing.strategies.selecting import select
from routing.strategies.selection import choose
from tests.routing import planted

KINDS = ("linear", "quadratic", "boosted")


@pytest.fixture(scope="module")
def routers() -> dict[str, HyperRouter]:
    return {kind: hyper.fit(planted.seed(600), model=kind, report=False) for kind in KINDS}


def ruled(router: HyperRouter, **rule: object) -> HyperRouter:
    return replace(router, rule=Rule(**rule))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("selection", SELECTIONS)
def test_every_selection_finds_where_people_help(
    routers: dict[str, HyperRouter], kind: str, selection: str
) -> None:
    router = ruled(routers[kind], selection=selection)
    router = HyperRouter.from_json(json.loads(json.dumps(router.to_json())))
    new = planted.seed(300, rng_seed=9).problem
    cost = np.random.default_rng(0).uniform(0.5, 1.5, 300)
    new = replace(new, cost=cost)

    mask = select(router, new, router.score(new), 60, salt="s")

    assert 0 < cost[mask].sum() <= 60
    assert planted.long_prompts(new.features)[mask].mean() > 0.7


@pytest.mark.parametrize("selection", SELECTIONS)
def test_what_is_closed_is_never_bought(routers: dict[str, HyperRouter], selection: str) -> None:
    router = ruled(routers["quadratic"], selection=selection)
    new = planted.seed(100, rng_seed=9).problem
    closed = np.arange(100) % 2 == 0

    mask = select(router, new, router.score(new), 1e9, salt="s", closed=closed)

    assert not mask[closed].any()
    assert not select(router, new, router.score(new), 0, salt="s").any()
    everything = np.ones(100, dtype=bool)
    assert not select(router, new, router.score(new), 9, salt="s", closed=everything).any()


def test_top_k_of_a_linear_router_is_the_best_gain(routers: dict[str, HyperRouter]) -> None:
    new = planted.seed(200, rng_seed=9).problem
    scores = routers["linear"].score(new)

    mask = select(routers["linear"], new, scores, 50, salt="s")

    expected = choose(scores.gain, new.cost, 50, keys=new.keys, salt="s")
    assert mask.tolist() == expected.tolist()


def test_positive_leaves_money_where_nothing_is_gained(routers: dict[str, HyperRouter]) -> None:
    router = ruled(routers["linear"], selection="positive")
    new = planted.seed(200, rng_seed=9).problem
    scores = router.score(new)
    shifted = replace(scores, gain=scores.gain - np.median(scores.gain))

    mask = select(router, new, shifted, 1e9, salt="s")

    assert mask.tolist() == (shifted.gain > 0).tolist()


def test_marginal_stops_where_the_gain_falls_under_epsilon(routers: dict[str, HyperRouter]) -> None:
    new = planted.seed(200, rng_seed=9).problem
    gain = routers["linear"].score(new).gain
    epsilon = float(np.quantile(gain, 0.8))

    linear = ruled(routers["linear"], selection="marginal", epsilon=epsilon)
    mask = select(linear, new, linear.score(new), 1e9, salt="s")

    assert mask.tolist() == (gain >= epsilon).tolist()
    for kind in KINDS:
        sizes = []
        for least in (-1.0, 0.0, 2e-4, 1.0):
            router = ruled(routers[kind], selection="marginal", epsilon=least)
            sizes.append(int(select(router, new, router.score(new), 150, salt="s").sum()))
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] == 150
        assert sizes[-1] == 0


def test_more_draws_find_a_better_mix(routers: dict[str, HyperRouter]) -> None:
    router = routers["quadratic"]
    new = planted.seed(200, rng_seed=9).problem
    one_hot = router.binning.one_hot(new.features)

    def predicted(draws: int) -> float:
        searching = ruled(router, selection="simulated", draws=draws)
        mask = select(searching, new, searching.score(new), 50, salt="s")
        return float(router.predictor.predict(one_hot[mask].sum(axis=0)[None] * 3.0)[0])

    assert predicted(1) < predicted(200)


def test_gains_are_read_where_the_budget_ends(routers: dict[str, HyperRouter]) -> None:
    few, many = (routers["quadratic"].gains(share) for share in (0.05, 0.9))

    assert not np.allclose(few.linear, many.linear)
    assert (
        routers["linear"].gains(0.05).linear.tolist() == routers["linear"].gains().linear.tolist()
    )


def test_scoring_in_chunks_changes_nothing(
    routers: dict[str, HyperRouter], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = planted.seed(100, rng_seed=9).problem
    for kind in KINDS:
        whole = routers[kind].score(new)
        with monkeypatch.context() as patch:
            patch.setattr(hyper, "CHUNK", 7)
            parts = routers[kind].score(new)
        assert parts.gain == pytest.approx(whole.gain, abs=1e-15)
        assert list(parts.reason) == list(whole.reason)


def test_a_report_has_the_figures_of_every_model_and_intervals() -> None:
    seed = planted.seed(300)

    report = report_of(hyper.fit(seed, mixes=60), seed)

    assert json.loads(json.dumps(report)) == report
    assert report["strategy"] == "hyper-linear"
    assert (report["dual_labelled"], report["prompts"], report["mixes"]) == (300, 30, 60)
    assert set(report["models"]) == set(KINDS)
    assert report["best"] in KINDS
    assert report["rmse"] == report["models"]["linear"]["rmse"]
    assert len(report["models"]["boosted"]["learning_curve"]) == 4
    row = report["explanation"][0]
    assert (row["column"], row["feature"]) == ("prompt long", "prompt_tokens")
    assert row["low"] < row["contrast"] < row["high"]
    assert report["gains"]["share"] == 0.25
    assert 0 <= report["gains"]["zero"] <= 1
    assert report["notes"] == []


def test_a_strategy_without_a_report_has_its_key() -> None:
    seed = planted.seed(20)

    assert report_of(Random(), seed) == {"strategy": "random", "dual_labelled": 20, "prompts": 20}


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_that_teach_nothing_are_fitted_and_said(kind: str) -> None:
    seed = planted.seed(60)
    cases = {
        "agrees with people on every": replace(seed, judge=seed.human),
        "disagrees with people on every": replace(seed, judge=1 - seed.human),
        "prefer the same side": replace(seed, human=np.ones(60)),
        "Only 40 dual-labelled": planted.seed(40),
    }
    for says, given in cases.items():
        router = hyper.fit(given, mixes=30, model=kind, report=False)
        assert any(says in note for note in router.notes), says
        assert np.isfinite(router.score(given.problem).gain).all()


def test_an_agreeing_judge_makes_every_mix_alike() -> None:
    seed = planted.seed(60)

    router = hyper.fit(replace(seed, judge=seed.human), mixes=30)

    assert any("equally good proxies" in note for note in router.notes)
    assert router.seed_gains == {"zero": 1.0, "positive": 0.0, "mean": 0.0}
    assert router.predictor.held_out.r2 is None


def test_the_same_tag_twice_shares_its_gain() -> None:
    seed = planted.seed(200)
    hard = tuple("hard" if long else "easy" for long in planted.long_prompts(seed.problem.features))
    table = seed.problem.features
    twice = FeatureTable(table.names, table.values, {"domain": hard, "complexity": hard})

    router = hyper.fit(replace(seed, problem=replace(seed.problem, features=twice)), mixes=60)

    assert np.isfinite(router.score(replace(seed.problem, features=twice)).gain).all()
    assert np.isfinite([row.contrast for row in router.explanation]).all()


def test_too_few_dual_labelled_instances_are_refused_with_the_number() -> None:
    with pytest.raises(InvalidInput, match="at least 10: label 3 more"):
        hyper.fit(planted.seed(7))


def test_instances_without_an_embedding_are_left_out() -> None:
    seed = planted.seed(60)
    assert seed.differences is not None
    holes = seed.differences.copy()
    holes[:15] = np.nan

    router = hyper.fit(replace(seed, differences=holes), mixes=20)

    assert router.dual_labelled == 45
    holes[:55] = np.nan
    with pytest.raises(InvalidInput, match="has 5 dual-labelled instances with embeddings"):
        hyper.fit(replace(seed, differences=holes))


@pytest.mark.parametrize(
    ("rule", "says"),
    [({"selection": "best"}, "top-k"), ({"share": 0.0}, "share"), ({"draws": 0}, "draw")],
)
def test_rules_that_make_no_sense_are_refused(rule: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        hyper.fit(planted.seed(40), **rule)  # type: ignore[arg-type]
