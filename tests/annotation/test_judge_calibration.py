"""Calibration: symmetric, monotone, honest about what it has seen; and prediction-powered means."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.judges.report import calibration
from annotation.judges.report.calibration import IDENTITY, ISOTONIC, PLATT
from annotation.judges.report.ppi import best_weight, folds, powered_mean, weighted_mean
from core.exceptions import InvalidInput

share = st.floats(0.01, 0.99)
labels = st.lists(st.tuples(share, st.sampled_from([0.0, 0.5, 1.0])), min_size=5, max_size=60)


def sure_of_itself(count: int, seed: int = 0) -> tuple[list[float], list[float], list[str]]:
    """A judge whose log-odds are two and a half times what they should be; two pairs a prompt."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.02, 0.98, count)
    said = 1 / (1 + np.exp(-2.5 * np.log(truth / (1 - truth))))
    people = (rng.random(count) < truth).astype(float)
    return said.tolist(), people.tolist(), [f"{place // 2:05d}" for place in range(count)]


@settings(max_examples=60, deadline=None)
@given(labels, st.sampled_from([ISOTONIC, PLATT]))
def test_a_calibration_is_monotone_and_favours_no_side(
    rows: list[tuple[float, float]], method: str
) -> None:
    p, y = (np.array(column) for column in zip(*rows, strict=True))
    grid = np.linspace(0, 1, 41)
    found = calibration.apply(method, calibration.knots_of(method, p, y), grid)
    assert np.all(np.diff(found) >= -1e-12)
    assert found + found[::-1] == pytest.approx(np.ones(41), abs=1e-9)
    assert found[20] == pytest.approx(0.5)
    assert found.min() >= 0.01


def test_isotonic_pools_adjacent_violators_by_hand() -> None:
    # Confidences 0.6 0.7 0.9, right 1 0 1: the first two are pooled to one half.
    p, y = np.array([0.6, 0.7, 0.9]), np.array([1.0, 0.0, 1.0])
    knots = calibration.knots_of(ISOTONIC, p, y)
    found = calibration.apply(ISOTONIC, knots, [0.6, 0.7, 0.9, 0.1])
    assert found == pytest.approx([0.5, 0.5, 0.99, 0.01])


def test_no_slope_is_fitted_through_hard_verdicts() -> None:
    rng = random.Random(4)
    p = [rng.choice((0.25, 0.75, 0.5)) for _ in range(300)]
    y = [float(rng.random() < (0.95 if each > 0.5 else 0.05)) for each in p]
    found = calibration.fit(p, y, [f"prompt {place}" for place in range(300)])
    assert found.method == ISOTONIC
    # Later verdicts that are worth more by then stay what they are worth.
    before, after = calibration.apply(found.method, found.knots, [0.75, 0.95])
    assert before == pytest.approx(after)


def test_platt_finds_the_slope_that_was_planted() -> None:
    p, y, _ = sure_of_itself(4000)
    knots = calibration.knots_of(PLATT, np.array(p), np.array(y))
    assert knots["slope"] == pytest.approx(1 / 2.5, abs=0.04)


def test_a_judge_too_sure_of_itself_is_calibrated_on_held_out_prompts() -> None:
    found = calibration.fit(*sure_of_itself(800))
    assert found.method in {PLATT, ISOTONIC}
    assert found.before
    assert found.after
    assert found.before.low > found.after.ece
    assert found.after.low <= 0.02
    assert found.after.brier < found.before.brier
    assert (found.labels, found.prompts) == (800, 400)


def test_a_calibrated_judge_is_left_alone() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.02, 0.98, 600)
    y = (rng.random(600) < p).astype(float)
    found = calibration.fit(p.tolist(), y.tolist(), [f"{n:04d}" for n in range(600)])
    assert (found.method, found.knots) == (IDENTITY, {})
    assert found.before
    assert found.before.low < 0.01


def test_too_few_labels_or_prompts_fit_nothing_and_say_so() -> None:
    p, y, prompts = sure_of_itself(200)
    few = calibration.fit(p[:20], y[:20], prompts[:20])
    assert (few.method, few.why, few.labels) == (IDENTITY, "too few", 20)
    assert calibration.fit(p, y, ["a", "b"] * 100).why == "too few"
    assert calibration.fit([], [], []).why == "none"


def test_ece_takes_off_most_of_what_noise_adds() -> None:
    rng = np.random.default_rng(2)
    plain, debiased = [], []
    for _ in range(60):
        p = rng.uniform(0.55, 0.95, 200)
        # People agree 0.05 less often than the judge is sure.
        y = (rng.random(200) < p - 0.05).astype(float)
        bins = calibration.bins_of(p, y)
        plain.append(sum(b.labels * abs(b.right - b.confidence) for b in bins) / 200)
        debiased.append(calibration.ece_of(p, y, [str(n) for n in range(200)])[0])
    assert np.mean(plain) > 0.08
    assert np.mean(debiased) == pytest.approx(0.05, abs=0.02)


def test_equal_confidences_share_a_bin() -> None:
    p = np.array([0.75] * 30 + [0.25] * 30 + [0.5] * 10)
    bins = calibration.bins_of(p, np.array([1.0] * 30 + [0.0] * 30 + [0.5] * 10))
    assert [(b.confidence, b.right, b.labels) for b in bins] == [(0.5, 0.5, 10), (0.75, 1.0, 60)]


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="vibes"):
        calibration.apply("vibes", {}, [0.5])


def test_ppi_by_hand() -> None:
    y, f, rest = [1.0, 0.0, 1.0, 1.0], [0.9, 0.2, 0.8, 0.5], [0.6, 0.7, 0.4, 0.9, 0.5, 0.8]
    cov = float(np.cov(y, f)[0, 1])
    weight = cov / ((1 + 4 / 6) * float(np.var(f, ddof=1)))
    assert best_weight(np.array(y), np.array(f), 6) == pytest.approx(min(1, weight))
    found = powered_mean(y, f, rest, weight=0.8)
    # 0.8 · 0.65 + mean(1 − 0.72, −0.16, 1 − 0.64, 1 − 0.4) = 0.52 + 0.27
    assert found.value == pytest.approx(0.79)
    left = [0.28, -0.16, 0.36, 0.6]
    variance = 0.64 * np.var(rest, ddof=1) / 6 + np.var(left, ddof=1) / 4
    assert found.high - found.value == pytest.approx(1.959964 * math.sqrt(variance))
    assert (found.human, found.judged) == (4, 6)


def test_without_more_judge_values_ppi_is_the_plain_mean() -> None:
    found = powered_mean([1.0, 0.0, 1.0], [0.9, 0.1, 0.2], [])
    assert found.value == pytest.approx(2 / 3)
    assert (found.weight, found.judged) == (0.0, 0)
    with pytest.raises(InvalidInput):
        powered_mean([], [], [0.5])


def test_prompts_make_the_error_larger_where_their_pairs_say_the_same() -> None:
    y = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0] * 5
    f = [0.5] * 40
    alone = powered_mean(y, f, [])
    clustered = powered_mean(y, f, [], prompts=[str(n // 4) for n in range(40)])
    assert clustered.prompts == 10
    assert clustered.high - clustered.low > 1.8 * (alone.high - alone.low)


@pytest.mark.parametrize("prompts", [True, False])
def test_ppi_covers_and_is_narrower_with_a_good_judge(prompts: bool) -> None:
    rng = np.random.default_rng(3)
    inside, widths, plain = 0, [], []
    for _ in range(300):
        truth = rng.uniform(0.05, 0.95, 400)
        y = (rng.random(400) < truth).astype(float)
        names = [str(n) for n in range(400)]
        known, others = (names[:80], names[80:]) if prompts else (None, None)
        found = powered_mean(y[:80], truth[:80], truth[80:], prompts=known, rest_prompts=others)
        inside += found.low <= 0.5 <= found.high
        widths.append(found.high - found.low)
        only = powered_mean(y[:80], truth[:80], [], prompts=known)
        plain.append(only.high - only.low)
    assert 0.91 <= inside / 300 <= 0.98
    assert np.mean(widths) < 0.9 * np.mean(plain)


def test_the_propensity_form_is_unbiased_where_routing_is_not_uniform() -> None:
    rng = np.random.default_rng(4)
    inside, naive, found = 0, [], []
    for _ in range(300):
        truth = rng.uniform(0.05, 0.95, 300)
        y = (rng.random(300) < truth).astype(float)
        # Hard instances go to people: their labels alone say too little.
        e = np.where(truth < 0.4, 0.9, 0.15)
        xi = rng.random(300) < e
        f = np.clip(truth + rng.normal(0, 0.1, 300), 0, 1)
        one = weighted_mean(y, f, xi, e, [str(n // 2) for n in range(300)])
        inside += one.low <= 0.5 <= one.high
        naive.append(y[xi].mean())
        found.append(one.value)
    assert np.mean(naive) < 0.4
    assert np.mean(found) == pytest.approx(0.5, abs=0.01)
    assert 0.91 <= inside / 300 <= 0.98


def test_the_propensity_form_refuses_where_some_could_not_be_labelled() -> None:
    with pytest.raises(InvalidInput, match="propensity 0"):
        weighted_mean([1.0, 0.0], [0.5, 0.5], [True, False], [0.5, 0.0], ["a", "b"])
    with pytest.raises(InvalidInput, match="no human label"):
        weighted_mean([1.0, 0.0], [0.5, 0.5], [False, False], [0.5, 0.5], ["a", "b"])


def test_propensity_one_everywhere_is_the_mean() -> None:
    y, f = [1.0, 0.0, 1.0, 1.0], [0.9, 0.3, 0.2, 0.8]
    found = weighted_mean(y, f, [True] * 4, [1.0] * 4, list("abcd"))
    assert found.value == pytest.approx(0.75)


def test_folds_keep_prompts_whole() -> None:
    prompts = [f"{n % 13:03d}" for n in range(200)]
    of: dict[str, set[int]] = {}
    for prompt, fold in zip(prompts, folds(prompts).tolist(), strict=True):
        of.setdefault(prompt, set()).add(fold)
    assert all(len(found) == 1 for found in of.values())
    assert {next(iter(found)) for found in of.values()} == set(range(5))
