"""Intervals over prompts and seeds cover the truth."""

import numpy as np
import pytest

from annotation.judges.report.ppi import weighted_mean
from routing.lab.statistics import Resampler, Tally, tally
from routing.strategies import audit
from routing.strategies.selection import choose


def test_a_tally_sums_hits_by_prompt() -> None:
    found = tally([np.array([1.0, 0, 1]), np.array([1.0])], [np.array([0, 0, 2]), np.array([1])], 3)

    assert found.right.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert found.count.tolist() == [[2, 0, 1], [0, 1, 0]]
    assert found.value == 0.75


def test_intervals_cover_the_truth_when_prompts_differ() -> None:
    rng = np.random.default_rng(0)
    covered, runs, prompts, seeds, each = 0, 200, 40, 4, 10
    for _ in range(runs):
        chance = rng.beta(6, 2, prompts)  # mean 0.75; prompts differ
        right = rng.binomial(each, chance, (seeds, prompts)).astype(float)
        interval = Resampler(seeds, prompts, 300, rng).interval(
            Tally(right, np.full((seeds, prompts), float(each)))
        )
        assert interval is not None
        covered += interval.low <= 0.75 <= interval.high

    # 95 % nominal; four standard errors of 200 runs below is 0.89.
    assert covered / runs > 0.89


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(1)
    count = np.full((3, 30), 10.0)
    right = rng.binomial(10, rng.random(30), (3, 30)).astype(float)
    better = Tally(np.minimum(right + 1, 10), count)
    resampler = Resampler(3, 30, 500, rng)

    alone, difference = (
        resampler.interval(better),
        resampler.difference(better, Tally(right, count)),
    )

    assert alone is not None
    assert difference is not None
    assert difference.low > 0
    assert difference.high - difference.low < (alone.high - alone.low) / 3


def test_equal_arms_have_no_detectable_difference_and_nothing_counted_no_interval() -> None:
    one = Tally(np.ones((2, 5)), np.full((2, 5), 2.0))
    nothing = Tally(np.zeros((2, 5)), np.zeros((2, 5)))
    resampler = Resampler(2, 5, 100, np.random.default_rng(0))

    assert resampler.detectable(one, one) == pytest.approx(0)
    assert resampler.interval(nothing) is None
    assert resampler.detectable(nothing, nothing) is None


def test_routed_labels_with_an_audit_arm_give_intervals_of_nominal_coverage() -> None:
    """People's mean over all instances, from what a deterministic router bought: e = ε or 1."""
    rng = np.random.default_rng(11)
    keys = [f"i{i}" for i in range(1500)]
    inside, off, share = 0, [], 0.2
    for trial in range(200):
        truth = rng.beta(2, 2, len(keys))
        people = (rng.random(len(keys)) < truth).astype(float)
        judge = np.clip(truth + rng.normal(0, 0.1, len(keys)), 0, 1)
        routed = choose(
            0.5 - np.abs(judge - 0.4), np.ones(len(keys)), 300, keys=keys, salt=str(trial)
        )
        labelled = audit.draw(keys, str(trial), share) | routed
        chance = audit.propensities(routed, share)
        found = weighted_mean(people, judge, labelled, chance, [str(i // 3) for i in range(1500)])
        inside += found.low <= 0.5 <= found.high
        off.append(found.value - 0.5)

    assert 0.9 <= inside / 200 <= 0.985
    assert abs(np.mean(off)) < 0.005
