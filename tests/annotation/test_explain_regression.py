"""The regression finds what was planted, its intervals hold, and it agrees with scikit-learn."""

from collections.abc import Iterator

import numpy as np
import pytest

from annotation.explaining.regression import (
    Fit,
    Floats,
    coefficients,
    contrast,
    discoveries,
    fit,
    separation,
    sigmoid,
)

TRUE = np.array([0.8, -0.5, 0.0])


def planted(
    rng: np.random.Generator, prompts: int = 200, each: int = 3
) -> tuple[Floats, Floats, "np.typing.NDArray[np.intp]"]:
    """Labels of pairs by the true coefficients, `each` of a prompt."""
    design = rng.normal(size=(prompts * each, 3))
    chance = sigmoid(design @ TRUE)
    y = (rng.random(len(chance)) < chance).astype(np.float64)
    return design, y, np.repeat(np.arange(prompts), each)


def test_it_is_the_maximum_likelihood_that_scikit_learn_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    design, y, clusters = planted(np.random.default_rng(1))
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    theirs.fit(design, y)
    assert fit(design, y, clusters, ridge=1e-9).values == pytest.approx(theirs.coef_[0], abs=1e-5)


def test_a_tie_is_half_a_label_each_way() -> None:
    design, clusters = np.array([[1.0], [2.0], [-1.0]]), np.arange(3)
    tied = fit(design, np.array([1.0, 0.5, 0.0]), clusters)
    twice = fit(
        np.array([[1.0], [1.0], [2.0], [2.0], [-1.0], [-1.0]]),
        np.array([1.0, 1, 1, 0, 0, 0]),
        np.repeat(clusters, 2),
        ridge=1.0,
    )
    assert tied.values == pytest.approx(twice.values)


def test_exchanging_completions_exchanges_the_answer() -> None:
    design, y, clusters = planted(np.random.default_rng(2))
    turned = fit(-design, 1 - y, clusters)
    assert turned.values == pytest.approx(fit(design, y, clusters).values)


def intervals(runs: int) -> Iterator[list[bool]]:
    """Per run whether each interval holds the truth."""
    rng = np.random.default_rng(3)
    for _ in range(runs):
        design, y, clusters = planted(rng, prompts=80, each=5)
        found = coefficients("abc", fit(design, y, clusters), [False] * 3)
        yield [row.low <= true <= row.high for row, true in zip(found, TRUE, strict=True)]


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = np.array(list(intervals(200))).mean(axis=0)
    assert (held > 0.90).all(), held
    assert (held < 0.99).all(), held


def test_labels_of_one_prompt_are_not_counted_as_independent() -> None:
    # Without clusters the same labels five times over look five times as many.
    design, y, clusters = planted(np.random.default_rng(4), prompts=100, each=1)
    over = fit(np.repeat(design, 5, axis=0), np.repeat(y, 5), np.repeat(clusters, 5), ridge=1e-6)
    once = fit(design, y, clusters, ridge=1e-6)
    assert over.errors == pytest.approx(once.errors, rel=1e-3)


def test_what_is_always_so_has_no_interval() -> None:
    design = np.column_stack([np.abs(np.random.default_rng(5).normal(size=50)), np.ones(50)])
    design[::2, 1] = -1
    y = np.ones(50)
    assert separation(design, y) == [True, False]
    rows = coefficients("ab", fit(design, y, np.arange(50)), separation(design, y))
    assert rows[0].separated
    assert np.isnan(rows[0].low)
    assert not rows[0].stands_out
    assert 0 < rows[0].value < 20


def test_a_judge_that_differs_in_one_factor_is_found_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(6)
    design = rng.normal(size=(1500, 3))
    clusters = np.repeat(np.arange(300), 5)

    def labels(true: Floats) -> Fit:
        chance = sigmoid(design @ true)
        return fit(design, (rng.random(1500) < chance).astype(np.float64), clusters)

    people, judge = labels(TRUE), labels(TRUE + np.array([0.0, 1.0, 0.0]))
    rows = contrast("abc", people, judge)
    assert [row.stands_out for row in rows] == [False, True, False]
    assert rows[1].low < 1.0 < rows[1].high
    assert not any(row.stands_out for row in contrast("abc", people, people))


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    from scipy.stats import false_discovery_control

    chances = np.random.default_rng(7).random(40) ** 3
    assert discoveries(chances.tolist()) == (false_discovery_control(chances) <= 0.05).tolist()
    assert discoveries([float("nan"), 0.001]) == [False, True]
    assert discoveries([]) == []
