"""Figures of a held-out report against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.errors import RefusalError
from training.fit.figures.choosing import best_of_n_regret, expected_choice
from training.fit.figures.intervals import clustered_interval
from training.fit.figures.lengths import without_length
from training.fit.figures.metrics import (
    Outcome,
    brier_score,
    by_tag,
    calibration_error,
    correlation,
    decided_pairs,
    numbers_only,
    report,
    safety,
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


def test_a_reward_that_is_length_is_no_better_than_chance_without_it() -> None:
    longer = np.asarray([3.0, 3.0, -3.0, -3.0])
    assert without_length(2 * np.tanh(longer / 3), longer).tolist() == [0.0] * 4
    assert without_length(np.ones(4), np.zeros(4)).tolist() == [1.0] * 4
    # Slope through the origin: (5 - 1 + 1 + 1) t / (4 t * t) with t = tanh(1): 1.5 / t.
    told = without_length(np.asarray([5.0, -1.0, -1.0, -1.0]), longer)
    assert told == pytest.approx([3.5, -2.5, 0.5, 0.5])


def test_length_controlled_accuracy_stands_beside_the_plain_one() -> None:
    longest = [outcome((4.0, 1.0), (4, 1), (1.0, 0.0), f"p{k}") for k in range(3)]
    found = report([*longest, outcome((1.0, 4.0), (1, 4), (1.0, 0.0), "q")], "reward")
    assert found["accuracy"] == 0.75
    assert found["length_balanced_accuracy"] == (1.0 + 0.0) / 2
    assert found["length_controlled_accuracy"] == 0.5
    assert found["length_controlled_accuracy_interval"] == (0.5, 0.5)


def test_best_of_n_regret_is_the_mean_over_all_subsets() -> None:
    # Scores put the worst first: of {1, 2}, {1, 3}, {2, 3} the choices are 0, 0 and 2.
    worst_first = outcome((9.0, 5.0, 7.0), (1, 1, 1), (0.0, 1.0, 2.0))
    found = best_of_n_regret([worst_first, outcome((1.0, 0.0), (1, 1), (1.0, 0.0))])
    assert found["2"]["prompts"] == 2
    assert found["2"]["regret"] == pytest.approx(((1 + 2 + 2) / 3 - (0 + 0 + 2) / 3 + 0) / 2)
    assert found["3"] == {"regret": 2.0, "prompts": 1}
    assert expected_choice((1.0, 1.0, 0.0), (4.0, 0.0, 9.0), 3) == 2.0


def test_unranked_completions_take_no_part_in_the_choice() -> None:
    found = best_of_n_regret([outcome((9.0, 1.0, 2.0), (1, 1, 1), (math.nan, 1.0, 0.0))])
    assert found == {"2": {"regret": 1.0, "prompts": 1}}


def test_tags_have_figures_of_their_own_and_safety_stands_apart() -> None:
    def tagged(scores: tuple[float, float], prompt: str, *tags: str) -> Outcome:
        return Outcome(Preference((1.0, 0.0), tags=tags), prompt, scores, (1, 1))

    rows = [
        tagged((1.0, 0.0), "a", "safety:high", "language:en"),
        tagged((0.0, 1.0), "b", "safety:low", "language:en"),
        tagged((1.0, 0.0), "c", "safety:safe", "language:en"),
    ]
    found = by_tag(rows)
    assert list(found) == ["language:en", "safety:high", "safety:low", "safety:safe"]
    assert found["language:en"]["accuracy"] == pytest.approx(2 / 3)
    assert found["safety:low"]["accuracy"] == 0.0
    assert found["safety:low"]["warning"] == "few prompts"
    assert (safety(rows)["accuracy"], safety(rows)["prompts"]) == (0.5, 2)
    assert safety(rows[2:]) == {}


def test_a_policy_that_unlearns_what_is_preferred_is_flagged() -> None:
    def told(logps: tuple[float, float], log_ratios: tuple[float, float]) -> Outcome:
        return Outcome(Preference((1.0, 0.0)), "p", log_ratios, (3, 3), logps, log_ratios)

    fallen = report([told((-9.0, -8.0), (-1.0, -3.0)), told((-5.0, -6.0), (-2.0, -4.0))], "policy")
    assert fallen["likelihood_displacement"] is True
    assert fallen["chosen_less_likely"] == 1.0
    assert fallen["accuracy"] == 1.0
    assert fallen["ranking_accuracy"] == 0.5
    # Under the reference: -8 against -5 and -3 against -2.
    assert fallen["reference_ranking_accuracy"] == 0.0
    risen = report([told((-5.0, -8.0), (1.0, -3.0))], "policy")
    assert risen["likelihood_displacement"] is False


def test_report_without_decided_pairs_says_so() -> None:
    assert report([PAIRS[-1]], "reward") == {"pairs": 0, "prompts": 1}


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_refused(score: float) -> None:
    assert numbers_only(PAIRS) is PAIRS
    with pytest.raises(RefusalError, match="blown up"):
        numbers_only([*PAIRS, outcome((score, 1.0), (1, 1), (1.0, 0.0))])
