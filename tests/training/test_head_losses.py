"""Losses of reward heads against values computed by hand, and their gradients by differences."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from training.objectives.core import comparisons
from training.objectives.head_losses import HeadSignals, pearson, reward_losses
from training.objectives.preference import Preference, is_informative
from training.objectives.presets import resolve

FIRST, SECOND = Preference((1.0, 0.0)), Preference((0.0, 1.0))
TIE = Preference((1.0, 1.0), pair_p=0.5)


def values(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def loss(head: HeadSignals, preset: str, *labels: Preference, **options: Any) -> list[float]:
    """Losses by prompt."""
    objective = resolve("reward", preset, options)
    found = comparisons(list(labels), objective, dtype=torch.float64)
    result: list[float] = reward_losses(head, found, objective).tolist()
    return result


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def normal(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def test_davidson_gives_a_tie_its_own_outcome() -> None:
    # Rewards 0.8 and 0.2 and nu 0.5: e^.8 : e^.2 : .5 e^.5 are the odds of win, loss and tie.
    parts = [math.exp(0.8), math.exp(0.2), 0.5 * math.exp(0.5)]
    expected = [-math.log(part / sum(parts)) for part in parts]
    found = [
        loss(HeadSignals(values(0.8, 0.2)), "bt_davidson", label, tie_width=0.5)[0]
        for label in (FIRST, SECOND, TIE)
    ]
    assert found == pytest.approx(expected)


def test_rao_kupper_gives_a_tie_its_own_outcome() -> None:
    a, b, theta = math.exp(0.8), math.exp(0.2), math.exp(0.5)
    expected = [
        a / (a + theta * b),
        b / (b + theta * a),
        (theta**2 - 1) * a * b / ((a + theta * b) * (b + theta * a)),
    ]
    assert sum(expected) == pytest.approx(1)
    found = [
        loss(HeadSignals(values(0.8, 0.2)), "bt_rao_kupper", label, tie_width=0.5)[0]
        for label in (FIRST, SECOND, TIE)
    ]
    assert found == pytest.approx([-math.log(p) for p in expected])


def test_learnt_width_of_ties_replaces_the_preset_s() -> None:
    fixed = loss(HeadSignals(values(0.8, 0.2)), "bt_davidson", TIE, tie_width=2.0)
    learnt = HeadSignals(values(0.8, 0.2), tie=values(2.0)[0])
    assert loss(learnt, "bt_davidson", TIE) == pytest.approx(fixed)


def test_ties_teach_only_objectives_that_know_them() -> None:
    assert is_informative(TIE, resolve("reward", "bt_davidson"))
    assert not is_informative(TIE, resolve("reward", "bt"))
    three = Preference((2.0, 1.0, 1.0))
    found = comparisons([three], resolve("reward", "bt_rao_kupper"))
    assert found.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert found.target.tolist() == [1.0, 1.0, 0.5]


def test_probit_and_distribution() -> None:
    assert loss(HeadSignals(values(0.9, 0.2)), "probit", FIRST) == pytest.approx(
        [-math.log(normal(0.7))]
    )
    head = HeadSignals(values(0.9, 0.2), spread=values(1.0, 0.44))
    z = 0.7 / math.sqrt(1.44)
    assert loss(head, "probit", FIRST) == pytest.approx([-math.log(normal(z))])
    # Distributional preference learning: softplus(-z sqrt(2 pi)) + penalty * mean variance.
    expected = -math.log(sigmoid(z * math.sqrt(2 * math.pi))) + 0.1 * 0.72
    assert loss(head, "dpl", FIRST, variance_penalty=0.1) == pytest.approx([expected])


def test_ensemble_is_the_mean_of_its_members_by_their_draws() -> None:
    members = torch.stack([values(1.0, 0.0), values(0.0, 0.5), values(3.0, 1.0)], dim=1)
    head = HeadSignals(members.mean(1), members=members)
    each = [-math.log(sigmoid(d)) for d in (1.0, -0.5, 2.0)]
    assert loss(head, "bt", FIRST) == pytest.approx([sum(each) / 3])
    draws = values(2.0, 0.0, 1.0)[None]
    drawn = HeadSignals(members.mean(1), members=members, member_weights=draws)
    assert loss(drawn, "bt", FIRST) == pytest.approx([(2 * each[0] + each[2]) / 3])


def test_mixture_is_one_likelihood_and_not_the_mean_of_several() -> None:
    members = torch.stack([values(1.0, 0.0), values(0.0, 2.0)], dim=1)
    shares = values(0.25, 0.75)
    head = HeadSignals(members @ shares, members=members, log_gate=shares.log()[None])
    win = 0.25 * sigmoid(1.0) + 0.75 * sigmoid(-2.0)
    assert loss(head, "bt", FIRST) == pytest.approx([-math.log(win)])
    soft = Preference((1.0, 0.0), pair_p=0.7)
    expected = -0.7 * math.log(win) - 0.3 * math.log(1 - win)
    assert loss(head, "bt_soft", soft) == pytest.approx([expected])


def test_mixture_of_rankings() -> None:
    members = torch.stack([values(2.0, 1.0, 0.0), values(0.0, 0.0, 0.0)], dim=1)
    shares = values(0.5, 0.5)
    head = HeadSignals(members @ shares, members=members, log_gate=shares.log()[None])
    e = [math.exp(k) for k in (2, 1, 0)]
    ranked = e[0] / sum(e) * e[1] / (e[1] + e[2])
    assert loss(head, "plackett_luce", Preference((3.0, 2.0, 1.0))) == pytest.approx(
        [-math.log(0.5 * ranked + 0.5 / 6)]
    )


def test_general_preference_is_the_skew_product() -> None:
    vectors = torch.tensor([[1.0, 2.0, 0.5, 0.0], [3.0, -1.0, 1.0, 2.0]], dtype=torch.float64)
    # (1 * -1 - 2 * 3) * 1.5 + (0.5 * 2 - 0 * 1) * 0.5 = -10
    head = HeadSignals(values(0.0, 0.0), vectors=vectors, scales=values(1.5, 0.5)[None])
    assert loss(head, "bt", FIRST, beta=0.1) == pytest.approx([-math.log(sigmoid(-1.0))])
    assert loss(head, "bt", SECOND, beta=0.1) == pytest.approx([-math.log(sigmoid(1.0))])


def test_attributes_are_regressed_where_somebody_rated() -> None:
    nan = math.nan
    head = HeadSignals(
        reward=values(1.0, 0.0, 0.0, 0.0),
        attributes=torch.tensor([[3.0, 1.0], [2.0, 9.0], [1.0, 1.0], [1.0, 1.0]]).double(),
        ratings=torch.tensor([[4.0, 1.5], [0.0, nan], [nan, nan], [nan, nan]]).double(),
    )
    found = loss(head, "attributes", FIRST, TIE, attribute_weight=2.0)
    squares = (1.0 + 0.25 + 4.0) / 3
    assert found == pytest.approx([-math.log(sigmoid(1.0)) + 2 * squares, 0.0])


def test_length_terms() -> None:
    lengths = values(2.0, 4.0, 6.0, 3.0)
    quality, length = values(1.0, 0.0, 2.0, 0.5), values(0.3, 0.1, 0.9, 0.4)
    rho = [pearson(quality, lengths), pearson(length, lengths)]
    expected = [float(torch.corrcoef(torch.stack([v, lengths]))[0, 1]) for v in (quality, length)]
    assert [float(r) for r in rho] == pytest.approx(expected)
    head = HeadSignals(
        quality, judged=quality + length, correlations=torch.stack(rho), alignment=values(-0.4)[0]
    )
    terms = 0.5 * (abs(expected[0]) - expected[1]) + 2 * 0.4
    pairs = [-math.log(sigmoid(d)) for d in (1.0 + 0.2, -(1.5 + 0.5))]
    found = loss(head, "bt", FIRST, SECOND, length_weight=0.5, orthogonality=2.0)
    assert found == pytest.approx([pairs[0] + terms, pairs[1] + terms])


def test_prior_and_centring_are_added() -> None:
    head = HeadSignals(values(1.0, 2.0), prior=values(0.25))
    expected = -math.log(sigmoid(-1.0)) + 0.01 * 9 + 0.25
    assert loss(head, "bt_centred", FIRST) == pytest.approx([expected])


HEADS: dict[str, Any] = {
    "members": lambda x: HeadSignals(x[:, :3].mean(1), members=x[:, :3]),
    "mixture": lambda x: HeadSignals(
        x[:, 0], members=x[:, :3], log_gate=torch.log_softmax(x[::2, 3:6], 1)
    ),
    "preference": lambda x: HeadSignals(x[:, 0], vectors=x[:, :4], scales=x[::2, 4:6].exp()),
    "spread": lambda x: HeadSignals(x[:, 0], spread=x[:, 1].exp()),
    "tie": lambda x: HeadSignals(x[:, 0], tie=x[0, 1].exp()),
}


@pytest.mark.parametrize("kind", list(HEADS))
@pytest.mark.parametrize("preset", ["bt", "bt_noise", "probit", "bt_davidson", "bt_rao_kupper"])
def test_gradients_agree_with_differences(kind: str, preset: str) -> None:
    objective = resolve("reward", preset)
    labels = comparisons([FIRST, TIE, SECOND], objective, dtype=torch.float64)
    torch.manual_seed(1)
    x = torch.randn(6, 6, dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(lambda v: reward_losses(HEADS[kind](v), labels, objective).sum(), (x,))
