"""All heads solved together equal one logistic regression per mix."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.exceptions import InvalidInput
from routing.predictor.proxy import accuracy, fit_heads


def problem(n: int, d: int, mixes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n + d)
    D = rng.normal(size=(n, d))
    chance = 1 / (1 + np.exp(-D @ rng.normal(size=d)))
    return D, (rng.random((mixes, n)) < chance).astype(float)


@pytest.mark.parametrize(("n", "d"), [(200, 12), (30, 50)])
@pytest.mark.parametrize("ridge", [0.1, 5.0])
def test_heads_equal_logistic_regression_per_mix(n: int, d: int, ridge: float) -> None:
    D, P = problem(n, d, 6)

    W = fit_heads(D, P, ridge=ridge)

    for w, p in zip(W, P, strict=True):
        peer = LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-10, max_iter=10_000)
        assert w == pytest.approx(peer.fit(D, p).coef_[0], abs=2e-4)


def test_soft_labels_and_weights_equal_a_weighted_regression_on_both_sides() -> None:
    D, P = problem(80, 5, 1)
    soft = 0.2 + 0.6 * P
    weights = np.linspace(0.5, 2, 80)

    w = fit_heads(D, soft, weights, ridge=1.0)[0]

    peer = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=10_000)
    both = np.concatenate([weights * soft[0], weights * (1 - soft[0])])
    peer.fit(np.vstack([D, D]), np.repeat([1, 0], 80), both)
    assert w == pytest.approx(peer.coef_[0], abs=2e-4)


def test_swapping_the_completions_changes_nothing() -> None:
    D, P = problem(50, 6, 2)
    swap = np.where(np.arange(50) % 2, -1.0, 1.0)

    turned = fit_heads(D * swap[:, None], np.where(swap > 0, P, 1 - P))

    assert turned == pytest.approx(fit_heads(D, P), abs=1e-5)


def test_one_sided_labels_stay_finite() -> None:
    D, _ = problem(40, 5, 1)

    W = fit_heads(D, np.ones((2, 40)), ridge=0.01)

    assert np.isfinite(W).all()
    assert W[0] == pytest.approx(W[1])


def test_accuracy_leaves_ties_out() -> None:
    W = np.array([[1.0], [-1.0], [0.0]])
    D = np.array([[2.0], [1.0], [-3.0], [5.0]])

    found = accuracy(W, D, np.array([1.0, 0.0, 0.2, 0.5]))

    assert found == pytest.approx([2 / 3, 1 / 3, 0.5])


@pytest.mark.parametrize(
    ("D", "P", "ridge", "says"),
    [
        (np.ones((3, 2)), np.ones((1, 4)), 1.0, "do not fit"),
        (np.ones((0, 2)), np.ones((1, 0)), 1.0, "at least one"),
        (np.ones((3, 2)), np.ones((1, 3)), 0.0, "above 0"),
        (np.full((3, 2), np.nan), np.ones((1, 3)), 1.0, "finite"),
    ],
)
def test_it_refuses(D: np.ndarray, P: np.ndarray, ridge: float, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        fit_heads(D, P, ridge=ridge)


def test_accuracy_refuses_an_evaluation_set_of_ties() -> None:
    with pytest.raises(InvalidInput, match="preferred"):
        accuracy(np.ones((1, 2)), np.ones((3, 2)), np.full(3, 0.5))
