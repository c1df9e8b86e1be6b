"""A replay: several budgets, arms by key, two truths, honest sentences, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.exceptions import BudgetExceeded, InvalidInput
from routing.features import habits
from routing.features.evidence import JUDGE_TEXTS, directed, disagreement, with_evidence
from routing.features.table import Floats
from routing.lab import printing, reading
from routing.lab.contestants import contestant
from routing.lab.curves import replay, tabulate
from routing.lab.dual import DualSet
from routing.lab.plan import Options, make_plan, most_folds
from routing.lab.replay import CONSENSUS, Asked, Replayed, run
from routing.lab.replicate import replicates
from routing.lab.stored import replayed
from routing.lab.votes import whole
from tests.routing import planted

FAST = Options(folds=5, seed_floor=50, seed_limit=300, mixes=20, resamples=200)
QUICK = Asked(budgets=(0.25, 0.5), seeds=3, truth=CONSENSUS, options=FAST)


@pytest.fixture(scope="module")
def dual() -> DualSet:
    return planted.dual()


@pytest.fixture(scope="module")
def found(dual: DualSet) -> Replayed:
    return replay(dual, QUICK)


def test_one_run_covers_budgets_arms_and_both_levels(found: Replayed) -> None:
    keys = {point.key for point in found.points}

    assert {"all-human", "all-judge", "random", "oracle", "hyper-linear", "influence"} <= keys
    assert {"learned", "learned-error"} <= keys
    assert {point.budget for point in found.points} == {0.25, 0.5}
    assert all(point.model_accuracy for point in found.points)
    assert [stake.budget for stake in found.stakes] == [0.25, 0.5]
    assert found.sensitivity is not None


def test_every_mix_pays_the_same_and_stays_within_its_budget(found: Replayed) -> None:
    for stake in found.stakes:
        mixes = [p for p in found.points if p.budget == stake.budget]
        mixes = [p for p in mixes if p.key not in {"all-human", "all-judge", "oracle"}]
        assert len({p.human_labels for p in mixes}) == 1
        assert 0.3 * mixes[0].human_labels <= stake.limit + 1e-9
        assert stake.audit + stake.seed + stake.routed == pytest.approx(stake.limit)


def test_against_the_consensus_people_are_right_and_the_ceiling_holds(found: Replayed) -> None:
    accuracy = {(p.key, p.budget): p.label_accuracy.value for p in found.points if p.label_accuracy}

    assert accuracy["all-human", 0.5] == 1
    for (key, budget), value in accuracy.items():
        if key not in {"all-human", "oracle"}:
            assert value <= accuracy["oracle", budget] + 1e-9
    assert {p.captured.value for p in found.points if p.key == "oracle" and p.captured} == {1.0}


def test_more_money_never_hurts_a_random_mix(found: Replayed) -> None:
    random = [p for p in found.points if p.key == "random"]

    little, more = (p.label_accuracy for p in random if p.label_accuracy)
    assert little.value < more.value


def test_figures_are_kept_and_read_back(found: Replayed) -> None:
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))

    again = replayed(stored)

    assert again.to_json() == found.to_json()
    assert printing.text(again) == printing.text(found)


def test_reports_hold_every_figure(found: Replayed) -> None:
    text, csv = printing.text(found), printing.table(found)

    assert found.verdict in text
    assert found.verdict in printing.markdown(found)
    assert text.count("longer completion") == 2
    assert len(csv.strip().splitlines()) == 1 + len(found.points)
    assert csv.splitlines()[1].startswith("judge,consensus,0.25,all-human,1.0,")


def test_no_router_is_fitted_on_the_prompts_it_routes(dual: DualSet) -> None:
    cost = np.ones(len(dual))
    plan = make_plan(dual.keys, dual.prompts, cost, replace(FAST, budget=0.5, test_share=0), "s")
    prompts = np.array(dual.prompts)

    assert set(plan.fold.tolist()) == set(range(5))
    for fold in range(5):
        fitted_on = set(prompts[plan.seed & (plan.fold != fold)])
        assert not fitted_on & set(prompts[plan.fold == fold])


def test_routers_are_blind_to_the_truth_of_the_pool(dual: DualSet) -> None:
    """Turning every human label outside the seed moves no decision of any router."""
    votes = whole(dual.votes)
    cost = np.ones(len(dual))
    options = replace(FAST, test_share=0.0)
    plan = make_plan(dual.keys, dual.prompts, cost, replace(options, budget=0.5), "s")
    number = np.unique(np.array(dual.prompts), return_inverse=True)[1]
    turned = np.where(plan.seed, votes.bought, 1 - votes.bought)
    arms = [contestant(key) for key in ("learned", "learned-error", "hyper-linear", "influence")]
    bare = replace(dual, votes=dual.votes)

    labels = [
        replicates(bare, each, number, options, 0, arms, [plan])[0].labels
        for each in (votes, replace(votes, bought=turned, held_out=1 - votes.held_out))
    ]

    for arm in arms:
        assert (labels[0][arm.key].human == labels[1][arm.key].human).all()


def test_habits_of_judges_never_rest_on_the_same_prompt() -> None:
    rng = np.random.default_rng(0)
    X, judge = rng.normal(size=(60, 3)), rng.integers(0, 2, 60).astype(float)
    prompts = [f"p{i % 12}" for i in range(60)]
    part = habits.learn(prompts, judge, {}).part(prompts)
    mine = part == part[0]

    def margins(said: Floats) -> Floats:
        learned = habits.learn(prompts, said, {}, differences=X)
        return directed(prompts, learned, others={}, differences=X)[JUDGE_TEXTS]

    before, after = margins(judge), margins(np.where(mine, 1 - judge, judge))

    assert (before[mine] == after[mine]).all()
    assert (before[~mine] != after[~mine]).any()


def test_evidence_is_signed_and_disagreement_graded() -> None:
    judge = np.array([1.0, 1.0, 1.0, 0.5])
    other = np.array([1.0, 0.5, 0.0, np.nan])

    apart = disagreement(judge, {"other": other})
    table = with_evidence(
        planted.table(4, np.random.default_rng(0)),
        list("abcd"),
        judge,
        others={"other": other},
        longer=np.array([2.3, -2.3, 0.0, -0.4]),
    )

    assert apart[:3].tolist() == [0, 0.5, 1]
    assert np.isnan(apart[3])
    length = table.column("side_length")
    assert length is not None
    assert np.sign(length).tolist() == [1, -1, 0, -1]


def test_where_reward_models_cannot_tell_it_says_so(found: Replayed, dual: DualSet) -> None:
    assert dual.differences is not None
    noise = np.random.default_rng(0).normal(size=dual.differences.shape)

    blind = replay(replace(dual, differences=noise), replace(QUICK, budgets=(0.25,)))

    assert blind.sensitivity is not None
    assert not blind.sensitivity.can_tell
    assert "Cannot tell here" in printing.text(blind)
    assert "larger proxy" in blind.sensitivity.sentence


def test_where_signals_say_nothing_routing_is_said_not_to_help() -> None:
    rng = np.random.default_rng(3)
    n = 240
    side = rng.integers(0, 2, n).astype(float)
    judge = np.where(rng.random(n) < 0.3, 1 - side, side)
    diffuse = DualSet(
        keys=tuple(f"i{i}" for i in range(n)),
        prompts=tuple(f"p{i % 60}" for i in range(n)),
        votes=tuple((s,) * 3 for s in side),
        judge=judge,
        features=planted.table(n, rng),
        length_difference=rng.normal(size=n),
        vote_cost=np.ones(n),
        judge_cost=np.zeros(n),
    )

    told = replay(diffuse, replace(QUICK, arms=("learned-error", "learned")))

    assert told.verdict.startswith("Routing is not helping here")
    assert told.sensitivity is None


def test_a_standing_comparison_fits_on_the_one_side_and_scores_the_other(dual: DualSet) -> None:
    fitted = np.array([int(p[1:]) % 2 == 0 for p in dual.prompts])

    runs = run(dual, replace(QUICK, arms=("learned",)), fitted=fitted)
    told = tabulate(runs)

    (plan,) = {id(r.plan): r.plan for r in runs.by_budget[0][:1]}.values()
    assert (plan.seed == fitted).all()
    assert not (plan.pool & fitted).any()
    assert told.prompts == len({p for p, f in zip(dual.prompts, fitted, strict=True) if not f})
    with pytest.raises(InvalidInput, match="both fitted on and scored"):
        run(dual, QUICK, fitted=np.arange(len(dual)) < 100)


def test_few_dual_labelled_instances_are_refused_with_their_number(dual: DualSet) -> None:
    with pytest.raises(InvalidInput, match="49 instances carry a usable human label"):
        run(dual.take(np.arange(49)), QUICK)


def test_an_always_and_a_never_agreeing_judge_and_one_sided_labels_are_pointed_out(
    dual: DualSet,
) -> None:
    same = np.array([float(np.mean(v) > 0.5) for v in dual.votes])
    asked = replace(QUICK, arms=("learned",), budgets=(0.5,))
    bare = replace(dual, differences=None)

    always = replay(replace(bare, judge=same), asked)
    never = replay(replace(bare, judge=1 - same), asked)
    one_sided = replay(replace(bare, votes=((1.0,) * 3,) * len(dual)), asked)

    assert any("always agrees" in note for note in always.notes)
    assert always.verdict.startswith("Routing is not helping here")
    assert any("never agrees" in note for note in never.notes)
    assert any("one-sided" in note for note in one_sided.notes)


def test_empty_and_too_small_budgets_are_refused(dual: DualSet) -> None:
    with pytest.raises(InvalidInput, match="budget is empty"):
        Asked(budgets=())
    with pytest.raises(InvalidInput, match="budget is empty"):
        Asked(budgets=(0.0,))
    with pytest.raises(BudgetExceeded, match="give at least") as refused:
        run(dual, replace(QUICK, budgets=(0.01,)))
    assert refused.value.extra["minimum"] > 0


@pytest.mark.parametrize("key", ["nonsense", "signal:nonsense"])
def test_an_unknown_arm_is_refused_by_name(dual: DualSet, key: str) -> None:
    with pytest.raises(InvalidInput, match="nonsense"):
        run(dual, replace(QUICK, arms=(key,)))


@pytest.mark.parametrize(("prompts", "folds"), [(200, 5), (13, 4), (9, 4), (5, 2)])
def test_few_prompts_get_fewer_folds(prompts: int, folds: int) -> None:
    assert most_folds(prompts, 0.0, 5) == folds


def test_a_file_of_the_common_schema_is_read(tmp_path: Path) -> None:
    row = {
        "id": "a",
        "prompt": [{"role": "user", "content": "Why?"}],
        "responses": [{"text": "So.", "model": "m"}, {"text": "Because.", "model": "n"}],
        "human": [{"annotator": "h", "ranking": [1, 2]}, {"annotator": "g", "ranking": [1, 1]}],
        "ai": [
            {"judge": "j", "ranking": [1, 2], "order": [0, 1], "attributes": {"clear": [2, 1]}},
            {"judge": "j", "ranking": [2, 1], "order": [1, 0], "attributes": {"clear": [2, 1]}},
            {"judge": "k", "ranking": [2, 1]},
        ],
    }
    rows = [row, {**row, "id": "b", "ai": []}, {**row, "id": "c", "human": []}]
    path = tmp_path / "file.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))

    file = reading.read(path)
    dual = reading.dual_set(file, "j")

    assert file.judges == ["j", "k"]
    assert dual.votes == ((1.0, 0.5),)
    assert dual.judge.tolist() == [0.5]
    assert dual.left_out == {"have no human label": 1, "have no label of the judge": 1}
    columns = dict(zip(dual.features.names, dual.features.values[0], strict=True))
    assert columns["judge_flip"] == 1
    assert columns["panel_side_k"] == -1
    assert columns["judge_side_clear"] == -1
    path.write_text('{"id": 1}\n')
    with pytest.raises(InvalidInput, match="line 1"):
        reading.read(path)
