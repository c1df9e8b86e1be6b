"""The performance predictor equals an independent computation, and explains itself."""

import json

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.features import binning
from routing.predictor.linear import Linear, ridge
from routing.predictor.mixes import draw_mixes, feature_counts
from routing.predictor.performance import Predictor, contrasts, fit, spearman
from routing.strategies import hyper
from routing.strategies.selection import choose
from tests.routing import planted


def test_coefficients_and_top_k_equal_an_independent_computation() -> None:
    seed = planted.seed(n=120, prompts=12)
    cut = binning.fit(seed.problem.features)
    one_hot = cut.one_hot(seed.problem.features).astype(float)
    rng = np.random.default_rng(5)
    mask = draw_mixes(one_hot.astype(np.uint8), 60, rng)
    target = rng.random(60)

    predictor = fit(feature_counts(mask, one_hot.astype(np.uint8)), target, rng, alpha=3.0)
    router = hyper.HyperRouter(cut, predictor, (), 120)
    gain = router.score(seed.problem).gain
    mine = choose(gain, np.ones(120), 30, keys=seed.problem.keys, salt="s")

    # Independent: least squares on augmented rows, one loop for the counts.
    counts = np.array([[one_hot[row, c].sum() for c in range(one_hot.shape[1])] for row in mask])
    mean, scale = counts.mean(0), np.sqrt(((counts - counts.mean(0)) ** 2).mean(0))
    scaled = np.where(scale > 0, (counts - mean) / np.where(scale > 0, scale, 1), 0)
    columns = counts.shape[1]
    rows = np.vstack([scaled, np.sqrt(3.0) * np.eye(columns)])
    right = np.concatenate([target - target.mean(), np.zeros(columns)])
    beta = np.linalg.lstsq(rows, right, rcond=None)[0]
    expected = np.where(scale > 0, beta / np.where(scale > 0, scale, 1), 0)

    assert isinstance(predictor.model, Linear)
    assert predictor.model.coefficients == pytest.approx(expected, abs=1e-10)
    assert predictor.model.intercept == pytest.approx(target.mean() - mean @ expected)
    independent = one_hot @ expected
    assert gain == pytest.approx(independent, abs=1e-10)
    assert mine.sum() == 30
    assert independent[mine].min() >= independent[~mine].max() - 1e-12


def test_the_intercept_is_not_penalised_and_constant_columns_get_nothing() -> None:
    counts = np.column_stack([np.arange(20.0), np.full(20, 4.0)])

    intercept, coefficients = ridge(counts, np.full(20, 0.7), alpha=1e6)

    assert intercept == pytest.approx(0.7)
    assert coefficients.tolist() == [0, 0]


def test_it_reports_held_out_mixes_and_a_learning_curve() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 50, (200, 4)).astype(float)
    target = 0.5 + counts @ np.array([0.004, 0.0, -0.002, 0.001]) + rng.normal(0, 0.01, 200)

    predictor = fit(counts, target, rng, alpha=0.1)

    assert [part.mixes for part in predictor.learning_curve] == [40, 80, 120, 160]
    assert predictor.held_out.r2 is not None
    assert predictor.held_out.r2 > 0.9
    assert predictor.held_out.spearman is not None
    assert predictor.held_out.spearman > 0.9
    assert predictor.held_out.rmse == pytest.approx(0.01, rel=0.5)
    assert Predictor.from_json(json.loads(json.dumps(predictor.to_json()))) == predictor


def test_a_constant_target_has_no_r2_and_no_gain() -> None:
    counts = np.random.default_rng(0).random((30, 3))

    predictor = fit(counts, np.full(30, 0.6), np.random.default_rng(1))

    assert predictor.held_out.r2 is None
    assert predictor.held_out.spearman is None
    assert isinstance(predictor.model, Linear)
    assert predictor.model.coefficients == pytest.approx((0, 0, 0))


def test_contrasts_are_to_the_mean_bin_of_the_feature() -> None:
    base, contrast = contrasts(np.array([1.0, 2, 6, 10, 20]), np.array([0, 0, 0, 1, 1]))

    assert base == 3 + 15
    assert contrast.tolist() == [-2, -1, 3, -5, 5]


def test_spearman_averages_the_ranks_of_ties() -> None:
    # By hand: ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4.
    assert spearman(np.array([1.0, 2, 2, 9]), np.array([1.0, 5, 3, 7])) == pytest.approx(
        4.5 / np.sqrt(4.5 * 5)
    )


def test_too_few_mixes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 10 mixes"):
        fit(np.ones((9, 2)), np.ones(9), np.random.default_rng(0))
