"""Quadratic and boosted predictors equal scikit-learn's, and all gains equal brute force."""

import json

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

from core.exceptions import InvalidInput
from routing.predictor import boosted
from routing.predictor.boosted import Boosted
from routing.predictor.explaining import over_mixes
from routing.predictor.gains import with_mean_bins
from routing.predictor.linear import Linear
from routing.predictor.performance import MODELS, Model, Predictor, contrasts, fit, fit_model
from routing.predictor.quadratic import ALPHAS, Quadratic

COLUMNS = 6


def mixes(count: int = 120, *, noise: float = 0.003) -> tuple[np.ndarray, np.ndarray]:
    """Counts of mixes, and an accuracy with an interaction of the first two columns."""
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 200, (count, COLUMNS)).astype(float)
    target = 0.6 + counts @ np.array([4, 2, 0, 0, -1, 0]) * 1e-4
    return counts, target + counts[:, 0] * counts[:, 1] * 3e-6 + rng.normal(0, noise, count)


def test_the_quadratic_equals_ridge_on_all_terms_of_degree_two() -> None:
    counts, target = mixes()
    Z = (counts - counts.mean(0)) / counts.std(0)
    squares = (Z[:, :, None] * Z[:, None, :]).reshape(len(Z), -1)
    terms = np.hstack([np.sqrt(2 / COLUMNS) * Z, squares / COLUMNS])

    mine = Quadratic.fit(counts, target, alpha=0.3)

    assert mine.predict(counts) == pytest.approx(Ridge(alpha=0.3).fit(terms, target).predict(terms))


def test_the_ridge_of_the_quadratic_is_the_best_by_leave_one_out() -> None:
    counts, target = mixes(40)

    def left_out(alpha: float) -> float:
        rows = np.arange(40)
        mean, scale = counts.mean(0), counts.std(0)
        Z = (counts - mean) / scale
        terms = np.hstack(
            [np.sqrt(2 / COLUMNS) * Z, (Z[:, :, None] * Z[:, None, :]).reshape(40, -1) / COLUMNS]
        )
        errors = []
        for i in rows:
            kept = rows != i
            model = Ridge(alpha=alpha).fit(terms[kept], target[kept])
            errors.append(model.predict(terms[i : i + 1])[0] - target[i])
        return float(np.square(errors).sum())

    assert Quadratic.fit(counts, target).alpha == min(ALPHAS, key=left_out)


def test_the_trees_predict_what_scikit_learn_predicts() -> None:
    counts, target = mixes()
    peer = GradientBoostingRegressor(
        n_estimators=boosted.TREES,
        learning_rate=boosted.RATE,
        max_depth=2,
        min_samples_leaf=boosted.LEAF,
        max_features=boosted.TRIED,
        random_state=0,
    ).fit(counts, target)
    new = np.random.default_rng(9).integers(0, 250, (300, COLUMNS)).astype(float)

    mine = Boosted.from_json(json.loads(json.dumps(Boosted.fit(counts, target).to_json())))

    assert mine.predict(new) == pytest.approx(peer.predict(new), abs=1e-12)


def test_a_tree_that_is_not_split_stays_a_number() -> None:
    # Twenty mixes allow one split of ten and ten: its children are leaves.
    counts = np.arange(20.0)[:, None]
    target = np.where(np.arange(20) < 10, 0.5, 0.7)

    mine = Boosted.fit(counts, target)
    again = Boosted.from_json(json.loads(json.dumps(mine.to_json())))

    assert again.predict(counts) == pytest.approx(target, abs=1e-4)
    assert np.isinf(mine.thresholds[:, 1:]).all()


@pytest.mark.parametrize("kind", list(MODELS))
def test_gains_are_the_mean_difference_of_predictions(kind: str) -> None:
    counts, target = mixes()
    model = fit_model(kind, counts, target)
    X = (np.random.default_rng(1).random((15, COLUMNS)) < 0.5).astype(float)
    contexts, block = counts[:7], 11

    gain = model.gains(contexts, block).of(X)

    # A block matters to trees only: the quadratic adds one instance, as the linear one does.
    size = block if kind == "boosted" else 1
    expected = [
        np.mean([model.predict((c + size * x)[None]) - model.predict(c[None]) for c in contexts])
        for x in X
    ]
    assert gain == pytest.approx(np.array(expected) / size, abs=1e-12)
    assert np.abs(gain).max() > 0


@pytest.mark.parametrize("kind", list(MODELS))
def test_average_coefficients_are_what_setting_a_column_changes(kind: str) -> None:
    counts, target = mixes()
    groups = np.array([0, 0, 0, 1, 1, 1])
    gains = fit_model(kind, counts, target).gains(counts[:9], 8)
    rng = np.random.default_rng(2)
    X = np.hstack([np.eye(3)[rng.integers(0, 3, 50)], np.eye(3)[rng.integers(0, 3, 50)]])

    _, contrast = contrasts(gains.coefficients(X.mean(0), groups), groups)

    for group in (0, 1):
        block = slice(3 * group, 3 * group + 3)
        means = []
        for column in range(3):
            changed = X.copy()
            changed[:, block] = np.eye(3)[column]
            means.append(gains.of(changed).mean())
        assert contrast[block] == pytest.approx(np.array(means) - np.mean(means), abs=1e-12)


@pytest.mark.parametrize("kind", list(MODELS))
def test_a_predictor_is_plain_numbers_and_knows_the_others(kind: str) -> None:
    counts, target = mixes()

    predictor = fit(counts, target, np.random.default_rng(0), kind=kind, beside=tuple(MODELS))
    again = Predictor.from_json(json.loads(json.dumps(predictor.to_json())))

    assert again.to_json() == predictor.to_json()
    assert again.predict(counts) == pytest.approx(predictor.predict(counts))
    assert set(predictor.curves) == set(MODELS)
    assert [part.mixes for part in predictor.learning_curve] == [24, 48, 72, 96]
    assert predictor.best == "quadratic"


def test_linear_predictors_of_the_first_form_are_read() -> None:
    stored = {
        "intercept": 0.5,
        "coefficients": [0.1, 0.2],
        "alpha": 10.0,
        "mixes": 20,
        "held_out": {"mixes": 16, "rmse": 0.1, "r2": None, "spearman": None},
        "learning_curve": [{"mixes": 16, "rmse": 0.1, "r2": None, "spearman": None}],
    }

    predictor = Predictor.from_json(stored)

    assert predictor.predict(np.array([[1.0, 2.0]])) == pytest.approx([1.0])
    assert predictor.held_out.rmse == 0.1


@pytest.mark.parametrize("kind", list(MODELS))
def test_a_constant_target_gains_nothing(kind: str) -> None:
    counts, _ = mixes()

    model = fit_model(kind, counts, np.full(len(counts), 0.6))

    assert model.predict(counts) == pytest.approx(np.full(len(counts), 0.6))
    assert model.gains(counts[:5], 10).of(np.eye(COLUMNS)) == pytest.approx(np.zeros(COLUMNS))


@pytest.mark.parametrize("kind", list(MODELS))
def test_the_same_column_twice_gets_finite_gains(kind: str) -> None:
    counts, target = mixes()
    twice = np.hstack([counts, counts[:, :1]])

    gain = fit_model(kind, twice, target).gains(twice[:9], 8).of(np.eye(COLUMNS + 1))

    assert np.isfinite(gain).all()
    if kind != "boosted":
        # The ridge shares between them what it cannot tell apart.
        assert gain[0] == pytest.approx(gain[COLUMNS])


def test_intervals_over_mixes_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    slope = np.array([0.004, 0.0, -0.002])

    def read(model: Model) -> np.ndarray:
        assert isinstance(model, Linear)
        return np.array(model.coefficients)

    covered = []
    for _ in range(60):
        counts = rng.integers(0, 50, (100, 3)).astype(float)
        target = 0.5 + counts @ slope + rng.normal(0, 0.01, 100)
        predictor = Predictor(Linear.fit(counts, target, 0.1), 100, {})
        low, high = over_mixes(predictor, counts, target, read, rng)
        covered.append((low < slope) & (slope < high))

    # 180 intervals of 95 %: the percentile bootstrap of 100 mixes is a little narrow.
    assert 0.88 < np.mean(covered) <= 1


def test_an_unknown_feature_is_spread_over_its_bins() -> None:
    one_hot = np.array([[1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], np.uint8)

    X = with_mean_bins(one_hot, np.array([0, 0, 1, 1]))

    assert X.tolist() == [[1, 0, 0, 1], [0.5, 0.5, 1, 0], [0.5, 0.5, 0.5, 0.5]]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="linear, quadratic, boosted"):
        fit_model("cubic", np.ones((12, 2)), np.ones(12))
