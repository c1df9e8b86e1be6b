"""Every preset against a computation by hand on logits of two or three tokens."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
import torch

from training.errors import RefusalError
from training.objectives.core import (
    Comparisons,
    Signals,
    comparisons,
    group_losses,
    plackett_luce,
    scores,
    total_loss,
)
from training.objectives.preference import Preference
from training.objectives.presets import PRESETS, Objective, names, resolve

NAN = math.nan
FIRST = Preference((1.0, 0.0))

# Logits of a vocabulary of three tokens and the tokens drawn: completion a has two tokens,
# completion b has three.
POLICY = {
    "a": ([[1.0, 0.0, -1.0], [0.5, 0.2, 0.1]], [0, 1]),
    "b": ([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0], [0.0, -1.0, 0.3]], [1, 0, 2]),
}
REFERENCE = {
    "a": ([[0.8, 0.1, -0.5], [0.1, 0.2, 0.3]], [0, 1]),
    "b": ([[0.2, 0.1, 0.4], [1.0, 0.3, 0.0], [0.0, 0.0, 0.0]], [1, 0, 2]),
}


def logp(completion: tuple[list[list[float]], list[int]]) -> float:
    """Sum of log-softmax values in plain arithmetic."""
    rows, tokens = completion
    return sum(
        row[token] - math.log(sum(math.exp(x) for x in row))
        for row, token in zip(rows, tokens, strict=True)
    )


PA, PB = logp(POLICY["a"]), logp(POLICY["b"])
RA, RB = logp(REFERENCE["a"]), logp(REFERENCE["b"])
RATIO_A, RATIO_B = PA - RA, PB - RB


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def nls(x: float) -> float:
    """-log sigmoid(x)."""
    return -math.log(sigmoid(x))


def log_odds(mean: float) -> float:
    return math.log(math.exp(mean) / (1 - math.exp(mean)))


def policy_signals() -> Signals:
    return Signals(
        tokens=torch.tensor([2, 3]),
        logp=torch.tensor([PA, PB], dtype=torch.float64),
        reference_logp=torch.tensor([RA, RB], dtype=torch.float64),
    )


def reward_signals(*rewards: float) -> Signals:
    values = torch.tensor(rewards, dtype=torch.float64)
    return Signals(tokens=torch.ones(len(rewards), dtype=torch.long), reward=values)


def loss(signals: Signals, objective: Objective, *preferences: Preference) -> float:
    labels = labels_of(objective, *preferences)
    return float(total_loss(signals, labels, objective))


def labels_of(objective: Objective, *preferences: Preference) -> Comparisons:
    return comparisons(preferences, objective, dtype=torch.float64)


POLICY_CASES: list[tuple[str, dict[str, Any], Preference, float]] = [
    ("dpo", {}, FIRST, nls(0.1 * (RATIO_A - RATIO_B))),
    ("dpo", {"beta": 0.5}, Preference((0.0, 1.0)), nls(0.5 * (RATIO_B - RATIO_A))),
    (
        "cdpo",
        {"smoothing": 0.2},
        FIRST,
        0.8 * nls(0.1 * (RATIO_A - RATIO_B)) + 0.2 * nls(0.1 * (RATIO_B - RATIO_A)),
    ),
    (
        "dpo_soft",
        {},
        Preference((1.0, 0.0), pair_p=0.7),
        0.7 * nls(0.1 * (RATIO_A - RATIO_B)) + 0.3 * nls(0.1 * (RATIO_B - RATIO_A)),
    ),
    (
        "rdpo_robust",
        {"noise": {"judge": 0.2}},
        Preference((1.0, 0.0), source="judge"),
        (0.8 * nls(0.1 * (RATIO_A - RATIO_B)) - 0.2 * nls(0.1 * (RATIO_B - RATIO_A))) / 0.6,
    ),
    ("ipo", {"beta": 0.2}, FIRST, (RATIO_A / 2 - RATIO_B / 3 - 1 / 0.4) ** 2),
    ("ipo_sum", {"beta": 0.2}, FIRST, (RATIO_A - RATIO_B - 1 / 0.4) ** 2),
    ("hinge", {"beta": 0.3}, FIRST, max(0.0, 1 - 0.3 * (RATIO_A - RATIO_B))),
    ("dpo_norm", {"beta": 5.0}, FIRST, nls(5 * (RATIO_A / 2 - RATIO_B / 3))),
    ("simpo", {"beta": 2.0, "gamma": 0.6}, FIRST, nls(2 * (PA / 2 - PB / 3) - 0.6)),
    (
        "odpo",
        {"margin_scale": 0.5},
        Preference((1.0, 0.0), margin=3.0),
        nls(0.1 * (RATIO_A - RATIO_B) - 1.5),
    ),
    (
        "odpo",
        {"margin_shape": "log1p"},
        Preference((1.0, 0.0), margin=3.0),
        nls(0.1 * (RATIO_A - RATIO_B) - math.log(4)),
    ),
    (
        "orpo",
        {"preference_weight": 0.25},
        FIRST,
        -PA / 2 + 0.25 * nls(log_odds(PA / 2) - log_odds(PB / 3)),
    ),
    ("cpo", {}, FIRST, nls(0.1 * (PA - PB)) - PA / 2),
    ("rpo_sft", {"nll_weight": 0.3}, FIRST, nls(0.1 * (RATIO_A - RATIO_B)) - 0.3 * PA / 2),
    ("pl_dpo", {}, FIRST, nls(0.1 * (RATIO_A - RATIO_B))),
    ("sft", {}, Preference((0.0, 1.0)), -PB / 3),
]


@pytest.mark.parametrize(("name", "options", "preference", "expected"), POLICY_CASES)
def test_policy_preset_equals_hand_computation(
    name: str, options: dict[str, Any], preference: Preference, expected: float
) -> None:
    objective = resolve("policy", name, options)
    assert loss(policy_signals(), objective, preference) == pytest.approx(expected, abs=1e-9)


REWARD_CASES: list[tuple[str, dict[str, Any], Preference, float]] = [
    ("bt", {}, FIRST, nls(0.7 - 0.2)),
    ("bt", {}, Preference((0.0, 1.0)), nls(0.2 - 0.7)),
    ("bt", {}, Preference((1.0, 0.0), weight=2.5), 2.5 * nls(0.5)),
    ("bt", {}, Preference((0.0, 1.0), pair_p=0.8), nls(0.5)),
    ("bt_margin", {}, Preference((1.0, 0.0), margin=0.9), nls(0.5 - 0.9)),
    ("bt_soft", {}, Preference((1.0, 0.0), pair_p=0.6), 0.6 * nls(0.5) + 0.4 * nls(-0.5)),
    ("bt_soft", {}, Preference((1.0, 1.0)), 0.5 * nls(0.5) + 0.5 * nls(-0.5)),
    (
        "bt_noise",
        {"noise": {"judge": 0.3}, "noise_default": 0.1},
        Preference((1.0, 0.0), source="judge"),
        (0.7 * nls(0.5) - 0.3 * nls(-0.5)) / 0.4,
    ),
    (
        "bt_noise",
        {"noise": {"judge": 0.3}, "noise_default": 0.1},
        Preference((1.0, 0.0), source="people"),
        (0.9 * nls(0.5) - 0.1 * nls(-0.5)) / 0.8,
    ),
    ("bt_centred", {}, FIRST, nls(0.5) + 0.01 * 0.9**2),
    ("plackett_luce", {}, FIRST, nls(0.5)),
]


@pytest.mark.parametrize(("name", "options", "preference", "expected"), REWARD_CASES)
def test_reward_preset_equals_hand_computation(
    name: str, options: dict[str, Any], preference: Preference, expected: float
) -> None:
    objective = resolve("reward", name, options)
    found = loss(reward_signals(0.7, 0.2), objective, preference)
    assert found == pytest.approx(expected, abs=1e-9)


def test_every_preset_has_a_case() -> None:
    assert {case[0] for case in POLICY_CASES} == set(names("policy"))
    assert {case[0] for case in REWARD_CASES} == set(names("reward"))


def list_loss(score: list[float], order: list[int]) -> float:
    """-log Plackett-Luce probability of one order, in plain arithmetic."""
    total = 0.0
    for k in range(len(order)):
        left = sum(math.exp(score[j]) for j in order[k:])
        total -= score[order[k]] - math.log(left)
    return total


def test_list_of_four_equals_hand_computation() -> None:
    score = [0.3, -1.0, 2.0, 0.5]
    found = plackett_luce(torch.tensor(score, dtype=torch.float64), (2.0, 1.0, 4.0, 3.0))
    assert float(found) == pytest.approx(list_loss(score, [2, 3, 0, 1]))


def test_tied_block_is_the_mean_over_its_orders() -> None:
    score = [0.3, -1.0, 2.0, 0.5]
    found = plackett_luce(torch.tensor(score, dtype=torch.float64), (2.0, 2.0, 3.0, 2.0))
    orders = [[2, *rest] for rest in permutations([0, 1, 3])]
    mean = sum(list_loss(score, order) for order in orders) / len(orders)
    assert float(found) == pytest.approx(mean)


def test_unranked_completion_enters_the_denominators_only() -> None:
    score = [0.3, -1.0, 2.0]
    found = plackett_luce(torch.tensor(score, dtype=torch.float64), (1.0, NAN, 2.0))
    total = sum(map(math.exp, score))
    expected = -(2.0 - math.log(total)) - (0.3 - math.log(math.exp(0.3) + math.exp(-1.0)))
    assert float(found) == pytest.approx(expected)


def test_more_than_two_completions_are_compared_pair_by_pair() -> None:
    ranked = Preference((3.0, 1.0, 2.0))
    signals = reward_signals(0.5, 0.1, -0.4)
    every = (nls(0.4) + nls(0.9) + nls(-0.5)) / 3
    assert loss(signals, resolve("reward", "bt"), ranked) == pytest.approx(every)
    best = resolve("reward", "bt", {"pairs": "best_rest"})
    assert loss(signals, best, ranked) == pytest.approx((nls(0.4) + nls(0.9)) / 2)


def test_groups_keep_apart() -> None:
    objective = resolve("reward", "bt_centred")
    labels = labels_of(objective, FIRST, Preference((1.0, 3.0, 2.0)))
    both = group_losses(reward_signals(0.7, 0.2, 0.5, 0.1, -0.4), labels, objective)
    alone = [
        loss(reward_signals(0.7, 0.2), objective, FIRST),
        loss(reward_signals(0.5, 0.1, -0.4), objective, Preference((1.0, 3.0, 2.0))),
    ]
    assert both.tolist() == pytest.approx(alone)


@pytest.mark.parametrize("name", list(PRESETS))
def test_gradient_equals_finite_differences(name: str) -> None:
    objective = PRESETS[name]
    ranked = Preference((2.0, 3.0, 1.0), margin=0.4)
    pair = Preference((1.0, 0.0), pair_p=0.7, margin=0.4, weight=1.5)
    labels = labels_of(objective, pair, ranked)
    tokens = torch.tensor([2, 3, 1, 4, 2])

    def value(numbers: torch.Tensor) -> torch.Tensor:
        if objective.kind == "reward":
            signals = Signals(tokens=tokens, reward=numbers)
        else:
            reference = torch.tensor([-2.0, -4.0, -1.0, -6.0, -3.0], dtype=torch.float64)
            signals = Signals(tokens=tokens, logp=numbers, reference_logp=reference)
        return total_loss(signals, labels, objective)

    start = torch.tensor([-2.5, -3.1, -1.7, -5.2, -3.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(value, (start,))


REFERENCE_PRESETS = [name for name, preset in PRESETS.items() if preset.needs_reference]


@pytest.mark.parametrize("name", REFERENCE_PRESETS)
def test_policy_equal_to_its_reference_has_the_known_loss(name: str) -> None:
    objective = PRESETS[name]
    same = torch.tensor([PA, PB], dtype=torch.float64)
    signals = Signals(torch.tensor([2, 3]), logp=same, reference_logp=same)
    assert scores(signals, objective).tolist() == [0.0, 0.0]
    at_zero = {"ipo": 25.0, "ipo_sum": 25.0, "hinge": 1.0, "rpo_sft": math.log(2) - PA / 2}
    expected = at_zero.get(name, math.log(2))
    assert loss(signals, objective, FIRST) == pytest.approx(expected)


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(RefusalError, match="no reward preset called 'dpo'") as caught:
        resolve("reward", "dpo")
    assert "bt_margin" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [{"beta": 0}, {"beta": "x"}, {"smoothing": 0.5}, {"noise": {"judge": 0.7}}, {"colour": 1}],
)
def test_bad_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RefusalError, match="preset_options") as caught:
        resolve("policy", "dpo", options)
    assert caught.value.hint
