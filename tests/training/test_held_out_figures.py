"""Figures of a held-out report against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.errors import RefusalError
from training.fit.metrics import (
    Outcome,
    brier_score,
    calibration_error,
    clustered_interval,
    correlation,
    decided_pairs,
    numbers_only,
    report,
    step_figures,
)
from training.objectives.preference import Preference


def outcome(
    scores: tuple[float, ...], tokens: tuple[int, ...], ranks: tuple[float, ...], prompt: str = "p"
) -> Outcome:
    return Outcome(Preference(ranks, source="people"), prompt, scores, tokens)


PAIRS = [
    outcome((2.0, 1.0), (5, 9), (1.0, 0.0), "a"),
    outcome((0.0, 1.0), (9, 5), (1.0, 0.0), "b"),
    outcome((1.0, 3.0), (2, 4), (0.0, 1.0), "b"),
    outcome((1.0, 1.0), (4, 4), (1.0, 0.0), "c"),
    outcome((5.0, 1.0), (4, 4), (1.0, 1.0), "d"),
]


def test_accuracy_counts_equal_scores_half_and_leaves_ties_out() -> None:
    found = report(PAIRS, "reward")
    assert found["pairs"] == 4
    assert found["prompts"] == 3
    assert found["accuracy"] == (1 + 0 + 1 + 0.5) / 4
    assert found["longer_baseline"] == (0 + 1 + 1 + 0.5) / 4
    assert found["accuracy_where_longer_wins"] == 0.5
    assert found["accuracy_where_shorter_wins"] == 1.0
    assert found["warning"] == "few prompts"


def test_lists_give_all_their_pairs() -> None:
    pairs = decided_pairs([outcome((3.0, 1.0, 2.0), (1, 1, 1), (1.0, 1.0, 0.0))])
    assert pairs.difference.tolist() == [1.0, -1.0]


def test_interval_resamples_prompts_not_pairs() -> None:
    values = np.tile([1.0, 0.0], 50)
    together = np.repeat(np.arange(2), 50)
    mixed = np.arange(100)
    wide = clustered_interval(np.repeat([1.0, 0.0], 50), together)
    narrow = clustered_interval(values, mixed)
    assert wide == (0.0, 1.0)
    assert 0.35 < narrow[0] < 0.45
    assert 0.55 < narrow[1] < 0.65


def test_calibration_of_a_certain_and_of_a_fair_model() -> None:
    certain = np.full(10, 50.0)
    half_right = np.repeat([1.0, 0.0], 5)
    assert calibration_error(certain, half_right) == pytest.approx(0.5)
    assert calibration_error(np.zeros(10), half_right) == pytest.approx(0.0)
    assert brier_score(certain, half_right) == pytest.approx(0.5)
    assert brier_score(np.zeros(10), half_right) == pytest.approx(0.25)


def test_correlation_is_undefined_for_constants() -> None:
    assert correlation([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx(1.0)
    assert math.isnan(correlation([1.0, 1.0], [1.0, 2.0]))


def test_policy_figures_keep_both_sides_apart() -> None:
    told = Outcome(
        Preference((0.0, 1.0)), "p", (0.1, 0.4), (3, 7), logps=(-5.0, -9.0), log_ratios=(-1.0, 2.0)
    )
    found = step_figures([told], "policy")
    assert (found["logp_chosen"], found["logp_rejected"]) == (-9.0, -5.0)
    assert (found["log_ratio_chosen"], found["log_ratio_rejected"]) == (2.0, -1.0)
    assert (found["tokens_chosen"], found["tokens_rejected"]) == (7.0, 3.0)
    assert found["accuracy"] == 1.0
    assert found["margin"] == pytest.approx(0.3)


def test_report_without_decided_pairs_says_so() -> None:
    assert report([PAIRS[-1]], "reward") == {"pairs": 0, "prompts": 1}


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_refused(score: float) -> None:
    assert numbers_only(PAIRS) is PAIRS
    with pytest.raises(RefusalError, match="blown up"):
        numbers_only([*PAIRS, outcome((score, 1.0), (1, 1), (1.0, 0.0))])
