"""The gate: thresholds against figures, without a database."""

from typing import Any

import pytest

from core.exceptions import InvalidInput
from training.registry.gate import Thresholds, judge, thresholds

FIGURES: dict[str, Any] = {
    "prompts": 50,
    "accuracy": 0.72,
    "accuracy_interval": (0.61, 0.82),
    "expected_calibration_error": 0.08,
    "length_controlled_accuracy": 0.66,
    "length_correlation": -0.3,
}


def failed(gate: Thresholds, **changes: Any) -> list[str]:
    verdict = judge(gate, FIGURES | changes)
    assert verdict.passed == (not verdict.reasons)
    return [check.name for check in verdict.checks if not check.passed]


def test_the_default_gate_passes_a_decent_model_and_stops_a_coin() -> None:
    gate = thresholds("reward", {})
    assert judge(gate, FIGURES).passed
    assert failed(gate, accuracy=0.6, accuracy_interval=(0.49, 0.7)) == ["held-out accuracy"]
    assert failed(gate, prompts=19) == ["held-out prompts"]


def test_the_lower_confidence_bound_decides_not_the_figure() -> None:
    gate = thresholds("reward", {"minimum_accuracy": 0.65})
    verdict = judge(gate, FIGURES)
    assert verdict.reasons == [
        "held-out accuracy is 0.720, its lower confidence bound 0.610; above 0.650 is asked"
    ]
    [check] = [c for c in verdict.checks if not c.passed]
    assert (check.value, check.bound, check.interval) == (0.72, 0.65, (0.61, 0.82))


@pytest.mark.parametrize(
    ("values", "changes", "name"),
    [
        ({}, {"expected_calibration_error": 0.3}, "calibration error"),
        ({}, {"length_controlled_accuracy": 0.49}, "length-controlled accuracy"),
        ({}, {"length_correlation": -0.81}, "correlation with length"),
        ({"maximum_kl": 5.0}, {"kl_to_reference": 6.0}, "KL to the reference"),
        ({"maximum_kl": 5.0}, {}, "KL to the reference"),
        ({"minimum_win_rate": 0.5}, {}, "win rate against the reference"),
        (
            {"minimum_win_rate": 0.5},
            {"win_rate": {"win_rate": 0.6, "win_rate_interval": [0.5, 0.7]}},
            "win rate against the reference",
        ),
        ({"benchmarks": {"rewardbench2": 0.4}}, {}, "rewardbench2"),
        ({"benchmarks": {"llmbar": 0.4}}, {"benchmarks": {"llmbar": 0.39}}, "llmbar"),
    ],
)
def test_each_threshold_stops_its_figure(
    values: dict[str, Any], changes: dict[str, Any], name: str
) -> None:
    assert failed(thresholds("reward", values), **changes) == [name]


def test_a_correlation_that_is_not_defined_is_no_correlation() -> None:
    assert failed(thresholds("reward", {}), length_correlation=None) == []


def test_safety_is_judged_apart() -> None:
    gate = thresholds("reward", {"minimum_safety_accuracy": 0.6})
    safe = {"accuracy": 0.9, "accuracy_interval": [0.7, 1.0]}
    unsafe = {"accuracy": 0.7, "accuracy_interval": [0.55, 0.8]}
    assert failed(gate) == ["accuracy on safety"]
    assert failed(gate, safety=safe) == []
    assert failed(gate, safety=unsafe) == ["accuracy on safety"]
    assert failed(gate, safety=safe, safety_evaluation=unsafe) == [
        "accuracy of the safety evaluation"
    ]


def test_not_worse_than_production_on_the_same_pairs() -> None:
    gate = thresholds("reward", {"tolerance": 0.02})
    assert failed(gate, production={"difference": -0.01, "interval": [-0.019, 0.0]}) == []
    assert failed(gate, production={"difference": 0.01, "interval": [-0.02, 0.04]}) == [
        "difference to production"
    ]
    assert failed(gate, production={}) == ["difference to production"]
    assert failed(thresholds("reward", {"tolerance": None}), production={}) == []


def test_a_policy_is_not_asked_for_calibration_or_length() -> None:
    names = [check.name for check in judge(thresholds("policy", {}), FIGURES).checks]
    assert names == ["held-out prompts", "held-out accuracy"]


def test_a_version_without_figures_fails() -> None:
    assert judge(thresholds("reward", {}), {"pairs": 0}).passed is False


@pytest.mark.parametrize(
    "values",
    [
        {"maximum_accuracy": 0.5},
        {"minimum_accuracy": 1.5},
        {"minimum_accuracy": True},
        {"minimum_accuracy": "high"},
        {"minimum_prompts": 2.5},
        {"minimum_prompts": None},
        {"tolerance": float("nan")},
        {"benchmarks": ["rewardbench"]},
        {"benchmarks": {"rewardbench": 80}},
    ],
)
def test_thresholds_that_mean_nothing_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        thresholds("reward", values)
