"""The learned combination starts from what signals are believed to say, and learns from labels."""

import json
from dataclasses import replace

import numpy as np
import pytest

from routing.features.evidence import LENGTH, PANEL_SIDE, is_directed
from routing.features.table import FeatureTable
from routing.strategies import learned, registry
from routing.strategies.learned_evidence import columns_of
from routing.strategies.problem import Problem, Seed

NAMES = ("rouge1_f", "judge_flip", "panel_disagreement", f"{PANEL_SIDE}other", LENGTH)


def planted(n: int, *, rng_seed: int = 0, helpful: bool = True) -> Seed:
    """The judge errs on a third; the other judge is right on four in five where `helpful`, else it
    says nothing. Length and similarity say nothing."""
    rng = np.random.default_rng(rng_seed)
    human = rng.integers(0, 2, n).astype(float)
    judge = np.where(rng.random(n) < 1 / 3, 1 - human, human)
    right = rng.random(n) < (0.8 if helpful else 0.5)
    other = np.where(right, human, 1 - human)
    values = np.column_stack(
        [
            rng.random(n),
            rng.random(n) < 0.2,
            other != judge,
            2 * other - 1,
            rng.normal(size=n),
        ]
    )
    table = FeatureTable(
        NAMES, values.astype(float), {"domain": tuple("ab"[i % 2] for i in range(n))}
    )
    problem = Problem(tuple(f"i{i}" for i in range(n)), table, np.ones(n), judge)
    return Seed(problem, tuple(f"p{i % 30}" for i in range(n)), human, judge)


def hits(seed: Seed, gain: np.ndarray, share: float = 0.25) -> float:
    """How many of the top `share` by gain are errors of the judge."""
    top = np.argsort(-gain, kind="stable")[: int(share * len(gain))]
    return float((seed.human != seed.judge)[top].mean())


def test_it_learns_which_signal_holds() -> None:
    fitted = learned.fit(planted(400))
    weight = dict(zip([c.name for c in fitted.columns], fitted.weights, strict=True))

    assert weight[f"{PANEL_SIDE}other"] > 0.5
    assert abs(weight[LENGTH]) < 0.3
    fresh = planted(2000, rng_seed=1)
    assert hits(fresh, fitted.score(fresh.problem).gain) > 0.6


def test_a_signal_that_says_nothing_loses_its_weight() -> None:
    seed = planted(2000, helpful=False)
    before = {c.name: c.prior for c in columns_of(seed.problem)}
    fitted = learned.fit(seed)
    weight = dict(zip([c.name for c in fitted.columns], fitted.weights, strict=True))

    assert before["judge_flip"] == 0.7
    assert abs(weight["judge_flip"]) < 0.2
    both = weight[f"{PANEL_SIDE}other"] + weight["panel_disagreement"]
    assert abs(both) < 0.35


def test_without_labels_the_beliefs_decide() -> None:
    seed = planted(300)
    nobody = np.zeros(0, dtype=np.int64)
    empty = Seed(seed.problem.take(nobody), (), seed.human[:0], seed.judge[:0])

    fitted = learned.fit(empty)

    assert fitted.dual_labelled == 0
    assert hits(seed, fitted.score(seed.problem).gain) > 0.5


def test_ties_of_the_judge_go_first_and_unasked_ones_do_not() -> None:
    seed = planted(300)
    judge = seed.judge.copy()
    judge[:2] = 0.5, np.nan
    fitted = learned.fit(seed)

    scored = fitted.score(replace(seed.problem, judge=judge))

    assert scored.gain[0] == 1
    assert scored.reason[0] == "judge has no preference"
    assert 0 < scored.gain[1] < 1


def test_swapping_the_completions_changes_nothing_but_the_side() -> None:
    seed = planted(400)
    fitted = learned.fit(seed)
    side = [place for place, name in enumerate(NAMES) if is_directed(name)]
    values = seed.problem.features.values.copy()
    values[:, side] *= -1
    turned = replace(
        seed.problem,
        features=replace(seed.problem.features, values=values),
        judge=1 - seed.judge,
    )
    # The column "judge prefers the first" is the only one that may tell them apart.
    columns = [c.kind for c in fitted.columns]
    weights = list(fitted.weights)
    weights[columns.index("side")] = 0.0
    fair = replace(fitted, weights=tuple(weights))

    assert fair.score(turned).gain == pytest.approx(fair.score(seed.problem).gain)


def test_it_is_read_back_as_it_was_written() -> None:
    seed = planted(200)
    fitted = registry.fit("learned", seed, {})

    stored = json.loads(json.dumps(fitted.to_json(), allow_nan=False))

    assert registry.load(stored) == fitted
    assert list(registry.load(stored).score(seed.problem).gain) == list(
        fitted.score(seed.problem).gain
    )


@pytest.mark.parametrize("error", [0.0, 1.0])
def test_a_judge_that_always_or_never_agrees_leaves_numbers(error: float) -> None:
    seed = planted(60)
    judge = seed.human if error == 0 else 1 - seed.human

    fitted = learned.fit(Seed(replace(seed.problem, judge=judge), seed.prompts, seed.human, judge))
    gain = fitted.score(replace(seed.problem, judge=judge)).gain

    assert np.isfinite(gain).all()
    assert (gain.mean() > 0.5) == bool(error)


def test_constant_collinear_and_one_sided_input() -> None:
    seed = planted(80)
    table = seed.problem.features
    values = np.column_stack([table.values, np.ones(80), table.values[:, 0], np.full(80, np.nan)])
    names = (*table.names, "constant", "again", "unknown")
    problem = replace(seed.problem, features=FeatureTable(names, values, table.categories))
    ones = np.ones(80)

    fitted = learned.fit(Seed(problem, seed.prompts, ones, seed.judge))

    kept = {column.name for column in fitted.columns}
    assert not kept & {"constant", "unknown"}
    assert np.isfinite(fitted.weights).all()
    assert np.isfinite(fitted.errors).all()


def test_a_new_tag_and_a_missing_column_at_routing_time_say_nothing() -> None:
    seed = planted(200)
    fitted = learned.fit(seed)
    table = seed.problem.features
    bare = FeatureTable(("rouge1_f",), table.values[:, :1], {"domain": ("never seen",) * 200})

    gain = fitted.score(replace(seed.problem, features=bare)).gain

    assert np.isfinite(gain).all()
    assert np.unique(gain.round(6)).size > 1
