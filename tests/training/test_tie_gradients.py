"""Gradients of the losses with ties, derived from the models' definitions.

With P the probabilities of better, worse and tie, d the difference of rewards and w the width:

Davidson, P ~ e^(d/2) : e^(-d/2) : nu, so with m = (P_better - P_worse) / 2 each loss has dL/dd = m
less the outcome's own share (1/2, -1/2, 0), and dL/dlog nu = P_tie, less 1 for a tie.

Rao-Kupper, P_better = s(d - w), P_worse = s(-d - w) with s the logistic function: dL/dd is
P_better - 1, 1 - P_worse, and for a tie P_better - P_worse; dL/dw is 1 - P_better, 1 - P_worse, and
for a tie 2 - P_better - P_worse - 2 / (1 - e^(-2w)).
"""

from __future__ import annotations

import math

import pytest
import torch

from training.objectives.core import comparisons
from training.objectives.head_losses import HeadSignals, reward_losses
from training.objectives.preference import Preference
from training.objectives.presets import resolve

OUTCOMES = {
    "better": Preference((1.0, 0.0)),
    "worse": Preference((0.0, 1.0)),
    "tie": Preference((1.0, 1.0), pair_p=0.5),
}


def gradients(preset: str, outcome: str, difference: float, width: float) -> tuple[float, float]:
    """dL/d(difference) and dL/d(width) of one labelled pair."""
    objective = resolve("reward", preset)
    reward = torch.tensor([difference, 0.0], dtype=torch.float64, requires_grad=True)
    tie = torch.tensor(width, dtype=torch.float64, requires_grad=True)
    labels = comparisons([OUTCOMES[outcome]], objective, dtype=torch.float64)
    loss = reward_losses(HeadSignals(reward, tie=tie), labels, objective).sum()
    by_reward, by_width = torch.autograd.grad(loss, (reward, tie))
    assert by_reward.sum().item() == pytest.approx(0, abs=1e-12)
    return by_reward[0].item(), by_width.item()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("outcome", list(OUTCOMES))
@pytest.mark.parametrize(("d", "nu"), [(0.7, 0.5), (-1.3, 2.0), (0.0, 0.1)])
def test_davidson(outcome: str, d: float, nu: float) -> None:
    total = math.exp(d / 2) + math.exp(-d / 2) + nu
    better, worse, tie = math.exp(d / 2) / total, math.exp(-d / 2) / total, nu / total
    own = {"better": 0.5, "worse": -0.5, "tie": 0.0}[outcome]
    by_width = (tie - (outcome == "tie")) / nu
    expected = ((better - worse) / 2 - own, by_width)
    assert gradients("bt_davidson", outcome, d, nu) == pytest.approx(expected)


@pytest.mark.parametrize("outcome", list(OUTCOMES))
@pytest.mark.parametrize(("d", "eta"), [(0.7, 0.5), (-1.3, 1.2), (0.0, 0.1)])
def test_rao_kupper(outcome: str, d: float, eta: float) -> None:
    better, worse = sigmoid(d - eta), sigmoid(-d - eta)
    expected = {
        "better": (better - 1, 1 - better),
        "worse": (1 - worse, 1 - worse),
        "tie": (better - worse, 2 - better - worse - 2 / (1 - math.exp(-2 * eta))),
    }[outcome]
    assert gradients("bt_rao_kupper", outcome, d, eta) == pytest.approx(expected)
