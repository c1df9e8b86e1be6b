"""The comparison of mixes is fair: prompts disjoint, everything paid, nothing claimed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.exceptions import BudgetExceeded, InvalidInput
from routing.lab.comparison import Comparison, compare
from routing.lab.dual import DualSet
from routing.lab.plan import TEST, Options, make_plan
from routing.lab.replicate import ROUTED, replicate
from routing.lab.report import render
from routing.lab.votes import divide
from tests.routing import planted

FAST = Options(seeds=6, mixes=40, resamples=200)


@pytest.fixture(scope="module")
def dual() -> DualSet:
    return planted.dual()


@pytest.fixture(scope="module")
def compared(dual: DualSet) -> Comparison:
    return compare(dual, FAST)


def test_routers_beat_chance_where_the_judge_errs_in_a_pattern(compared: Comparison) -> None:
    arms = {arm.key: arm for arm in compared.arms}
    accuracy = {k: a.label_accuracy.value for k, a in arms.items() if a.label_accuracy}

    assert accuracy["all-judge"] < accuracy["random"] < accuracy["learned-error"]
    assert accuracy["learned-error"] <= accuracy["oracle"]
    assert 0.85 < accuracy["all-human"] < 1
    assert "Routing helps here" in compared.verdict
    assert arms["oracle"].captured == 1
    assert compared.sensitivity is not None
    assert compared.longer_label is not None
    assert 0.4 < compared.longer_label.value < 0.6


def test_every_mix_pays_the_same_and_stays_within_the_budget(compared: Comparison) -> None:
    mixes = [a for a in compared.arms if a.key not in {"all-human", "all-judge"}]
    budget = compared.budget

    assert len({arm.human_labels for arm in mixes}) == 1
    assert all(0.3 * arm.human_labels <= budget["limit"] + 1e-9 for arm in mixes)
    assert budget["audit"] + budget["seed"] + budget["routed"] == pytest.approx(budget["limit"])
    assert {a.key: a.judge_labels for a in compared.arms}["all-human"] == 0


def test_it_is_plain_json_and_prints(compared: Comparison) -> None:
    assert json.loads(json.dumps(compared.to_json(), allow_nan=False))["judge"] == "judge"
    text = render(compared)
    assert "routed mix (HyPER)" in text
    assert compared.verdict in text


def test_the_same_input_gives_the_same_figures(dual: DualSet) -> None:
    options = replace(FAST, seeds=2, mixes=20)

    assert compare(dual, options).to_json() == compare(dual, options).to_json()


def test_no_router_sees_a_prompt_it_is_scored_on(dual: DualSet) -> None:
    votes = divide(dual.votes, dual.keys, "s")
    number = np.unique(np.array(dual.prompts), return_inverse=True)[1]

    run = replicate(dual, votes, number, replace(FAST, mixes=10), 0)

    plan, prompts = run.plan, np.array(dual.prompts)
    for fold in (0, 1):
        fitted_on = set(prompts[plan.seed & (plan.fold == 1 - fold)])
        assert not fitted_on & set(prompts[plan.pool & (plan.fold == fold)])
        assert not fitted_on & set(prompts[plan.fold == TEST])
    assert not (run.labels[ROUTED].human & ~plan.train).any()
    assert not set(run.label_place) & set(run.model_place)


def test_a_router_is_blind_to_held_out_votes(dual: DualSet) -> None:
    votes = divide(dual.votes, dual.keys, "s")
    number = np.unique(np.array(dual.prompts), return_inverse=True)[1]
    options = replace(FAST, mixes=10)

    seen = replicate(dual, votes, number, options, 0)
    turned = replicate(
        dual,
        replace(votes, held_out=1 - votes.held_out, all_votes=1 - votes.all_votes),
        number,
        options,
        0,
    )

    for name in ("random", ROUTED, "learned-error"):
        assert (seen.labels[name].human == turned.labels[name].human).all()
    assert (seen.labels["oracle"].human != turned.labels["oracle"].human).any()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(12, 40),
    st.integers(1, 6),
    st.floats(0.1, 1.0),
    st.integers(0, 10_000),
)
def test_plans_are_disjoint_by_prompt_and_within_the_budget(
    prompts: int, each: int, share: float, salt: int
) -> None:
    n = prompts * each
    names = [f"p{i % prompts}" for i in range(n)]
    cost = np.random.default_rng(salt).uniform(0.5, 3, n)
    options = Options(budget=share)

    try:
        plan = make_plan([f"i{i}" for i in range(n)], names, cost, options, str(salt))
    except BudgetExceeded:
        return

    for prompt in set(names):
        assert len({int(plan.fold[i]) for i in range(n) if names[i] == prompt}) == 1
    for fold in (TEST, 0, 1):
        assert len({names[i] for i in range(n) if plan.fold[i] == fold}) >= 2
    assert not (plan.seed & plan.audit).any()
    assert not ((plan.seed | plan.audit) & (plan.fold == TEST)).any()
    spent = cost[plan.seed].sum() + cost[plan.audit].sum() + sum(plan.routed)
    assert spent <= plan.budget * (1 + 1e-9)


def test_a_judge_that_always_agrees_leaves_nothing_to_route(dual: DualSet) -> None:
    same = np.array([np.mean(v) for v in dual.votes])
    judge = np.where(same > 0.5, 0.75, 0.25)

    found = compare(
        replace(dual, judge=judge, features=planted.table(360, np.random.default_rng(0))), FAST
    )

    assert found.verdict.startswith("Routing is not helping here")


def test_few_prompts_are_said(dual: DualSet) -> None:
    few = replace(dual, prompts=tuple(f"p{i % 13}" for i in range(360)))

    found = compare(few, replace(FAST, mixes=10))

    assert found.prompts_note == "few prompts (13)"
    assert "Few prompts (13)" in found.verdict


def test_single_votes_and_split_votes_are_counted(dual: DualSet) -> None:
    votes = ((1.0,), (1.0, 0.0, 1.0), *dual.votes[2:])

    found = compare(replace(dual, votes=votes), replace(FAST, mixes=10))

    assert found.left_out["not scored, one human vote only"] == 1
    assert found.left_out["not scored, no strict majority of the held-out votes"] > 1


def test_without_embeddings_only_labels_are_compared(dual: DualSet) -> None:
    found = compare(replace(dual, differences=None), FAST)

    keys = {arm.key for arm in found.arms}
    assert ROUTED not in keys
    assert "learned-error" in keys
    assert all(arm.model_accuracy is None for arm in found.arms)
    assert found.sensitivity is None
    assert any("No embeddings" in note for note in found.notes)


def test_simulated_labels_are_called_simulated(dual: DualSet) -> None:
    found = compare(replace(dual, simulated=True, differences=None), FAST)

    assert "simulated" in render(found).splitlines()[0]


def test_it_refuses_too_few_prompts(dual: DualSet) -> None:
    with pytest.raises(InvalidInput, match="There are 5 prompts"):
        compare(replace(dual, prompts=tuple(f"p{i % 5}" for i in range(360))), FAST)


def test_it_refuses_an_empty_budget_and_names_the_minimum_of_a_small_one(dual: DualSet) -> None:
    with pytest.raises(InvalidInput, match="budget is empty"):
        compare(dual, replace(FAST, budget=0))
    with pytest.raises(BudgetExceeded, match="give at least") as refused:
        compare(dual, replace(FAST, budget=0.001))
    assert refused.value.extra["minimum"] > 0


def test_it_refuses_nothing_to_compare_and_single_seeds(dual: DualSet) -> None:
    empty = DualSet(
        (),
        (),
        (),
        np.zeros(0),
        dual.features.take(np.zeros(360, bool)),
        np.zeros(0),
        np.zeros(0),
        np.zeros(0),
    )
    with pytest.raises(InvalidInput, match="nothing to try"):
        compare(empty, FAST)
    with pytest.raises(InvalidInput, match="at least 2 seeds"):
        compare(dual, replace(FAST, seeds=1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"judge": np.zeros(3)}, "3 judge labels"),
        ({"keys": ("same",) * 360}, "same key"),
        ({"judge": np.full(360, 1.5)}, "between 0 and 1"),
        ({"vote_cost": np.zeros(360)}, "price above 0"),
    ],
)
def test_a_dual_set_that_does_not_fit_together_is_refused(
    dual: DualSet, change: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        replace(dual, **change)  # type: ignore[arg-type]
