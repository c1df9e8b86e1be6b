"""What holds of every objective: gradients, step-0 values, labels, lists and reward presets."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
import torch

from tests.training.hand import (
    FIRST,
    PA,
    PB,
    double,
    labels_of,
    log_odds,
    loss,
    mismatched,
    nls,
    signals_of,
)
from training.errors import RefusalError
from training.objectives.core import Signals, group_losses, plackett_luce, scores, total_loss
from training.objectives.objective import Objective
from training.objectives.preference import Preference, is_informative, wanted, win_rates
from training.objectives.presets import PRESETS, names, resolve
from training.objectives.running import Running

NAN = math.nan


def reward_signals(*rewards: float) -> Signals:
    return Signals(tokens=torch.ones(len(rewards), dtype=torch.long), reward=double([*rewards]))


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


def list_loss(score: list[float], order: list[int]) -> float:
    """-log Plackett-Luce probability of one order, in plain arithmetic."""
    total = 0.0
    for k in range(len(order)):
        left = sum(math.exp(score[j]) for j in order[k:])
        total -= score[order[k]] - math.log(left)
    return total


def test_list_of_four_equals_hand_computation() -> None:
    score = [0.3, -1.0, 2.0, 0.5]
    found = plackett_luce(double(score), (2.0, 1.0, 4.0, 3.0))
    assert float(found) == pytest.approx(list_loss(score, [2, 3, 0, 1]))


def test_tied_block_is_the_mean_over_its_orders() -> None:
    score = [0.3, -1.0, 2.0, 0.5]
    found = plackett_luce(double(score), (2.0, 2.0, 3.0, 2.0))
    orders = [[2, *rest] for rest in permutations([0, 1, 3])]
    mean = sum(list_loss(score, order) for order in orders) / len(orders)
    assert float(found) == pytest.approx(mean)


def test_unranked_completion_enters_the_denominators_only() -> None:
    score = [0.3, -1.0, 2.0]
    found = plackett_luce(double(score), (1.0, NAN, 2.0))
    total = sum(map(math.exp, score))
    expected = -(2.0 - math.log(total)) - (0.3 - math.log(math.exp(0.3) + math.exp(-1.0)))
    assert float(found) == pytest.approx(expected)


def test_more_than_two_completions_are_compared_pair_by_pair() -> None:
    ranked = Preference((3.0, 1.0, 2.0))
    signals = reward_signals(0.5, 0.1, -0.4)
    every = nls(0.4) + nls(0.9) + nls(-0.5)
    assert loss(signals, resolve("reward", "bt"), ranked) == pytest.approx(every / 3)
    added = resolve("reward", "bt", {"reduction": "sum"})
    assert loss(signals, added, ranked) == pytest.approx(every)
    best = resolve("reward", "bt", {"pairs": "best_rest"})
    assert loss(signals, best, ranked) == pytest.approx((nls(0.4) + nls(0.9)) / 2)
    rest = resolve("reward", "bt", {"pairs": "below_best"})
    assert loss(signals, rest, ranked) == pytest.approx(nls(-0.5))
    assert not is_informative(FIRST, rest)


def test_groups_keep_apart() -> None:
    objective = resolve("reward", "bt_centred")
    labels = labels_of(objective, FIRST, Preference((1.0, 3.0, 2.0)))
    both = group_losses(reward_signals(0.7, 0.2, 0.5, 0.1, -0.4), labels, objective)
    alone = [
        loss(reward_signals(0.7, 0.2), objective, FIRST),
        loss(reward_signals(0.5, 0.1, -0.4), objective, Preference((1.0, 3.0, 2.0))),
    ]
    assert both.tolist() == pytest.approx(alone)


def test_a_completion_alone_is_wanted_or_not() -> None:
    objective = resolve("policy", "apo_zero_unpaired")
    signals = signals_of("a")
    score = float(scores(signals, objective))
    good, bad = (loss(signals, objective, Preference((r,))) for r in (1.0, 0.0))
    assert good == pytest.approx(1 / (1 + math.exp(score)))
    assert bad == pytest.approx(1 / (1 + math.exp(-score)))
    assert not is_informative(Preference((NAN,)), objective)
    assert not is_informative(Preference((0.0,)), resolve("policy", "sft"))


def test_wanted_and_win_rates_of_lists() -> None:
    hard, soft = resolve("policy", "bco"), resolve("policy", "bco", {"labels": "soft"})
    ranked = Preference((3.0, NAN, 1.0, 2.0))
    assert wanted(ranked, hard) == pytest.approx([1.0, NAN, 0.0, NAN], nan_ok=True)
    assert win_rates(ranked) == pytest.approx([1.0, NAN, 0.0, 0.5], nan_ok=True)
    assert win_rates(Preference((2.0, 2.0, 1.0))) == pytest.approx([0.75, 0.75, 0.0])
    sure = Preference((1.0, 0.0), pair_p=0.8)
    assert wanted(sure, soft) == pytest.approx([0.8, 0.2])
    assert wanted(sure, hard) == [1.0, 0.0]


def shaped(objective: Objective, sizes: tuple[int, ...], numbers: torch.Tensor) -> Signals:
    """Signals whose rewards or token log-probabilities are the numbers; the rest is fixed."""
    tokens = torch.tensor([1 + k % 3 for k in range(sum(sizes))])
    group = torch.tensor([n for n, size in enumerate(sizes) for _ in range(size)])
    if objective.kind == "reward":
        return Signals(tokens=tokens, reward=numbers[: len(tokens)])
    owner = torch.repeat_interleave(torch.arange(len(tokens)), tokens)
    reference = -1.1 - 0.3 * torch.cos(torch.arange(len(owner), dtype=torch.float64))
    empty = torch.zeros(len(tokens), dtype=torch.float64)
    return Signals(
        tokens=tokens,
        logp=empty.index_add(0, owner, numbers),
        reference_logp=empty.index_add(0, owner, reference),
        token_logp=numbers,
        reference_token_logp=reference,
        token_kl=0.1 + 0.05 * torch.sin(torch.arange(len(owner), dtype=torch.float64)),
        owner=owner,
        group=group,
        alignment=-0.2 - 0.01 * torch.arange(len(tokens), dtype=torch.float64),
        mismatched=mismatched(0.4, 0.9),
    )


def numbers_for(sizes: tuple[int, ...]) -> torch.Tensor:
    count = sum(1 + k % 3 for k in range(sum(sizes)))
    return (-1.2 - 0.6 * torch.sin(1.7 * torch.arange(count, dtype=torch.float64))).requires_grad_()


# Those that read heads of a reward model have tests of their own.
GENERAL = [n for n, p in PRESETS.items() if p.kind == "policy" or n in {c[0] for c in REWARD_CASES}]


@pytest.mark.parametrize("name", GENERAL)
def test_gradient_equals_finite_differences(name: str) -> None:
    objective = PRESETS[name]
    ranked = Preference((2.0, 3.0, 1.0), margin=0.4)
    pair = Preference((1.0, 0.0), pair_p=0.7, margin=0.4, weight=1.5)
    labels = labels_of(objective, pair, ranked)
    # A step has been done, so that running numbers take part.
    values = {"wanted_mean": 0.1, "unwanted_mean": -0.3, "margin_mean": 0.2, "steps": 1.0}

    def value(numbers: torch.Tensor) -> torch.Tensor:
        signals = shaped(objective, (2, 3), numbers)
        return total_loss(signals, labels, still(objective), Running(dict(values)))

    assert torch.autograd.gradcheck(value, (numbers_for((2, 3)),))


def still(objective: Objective) -> Objective:
    """With beta at rest: the factor that follows the margins has no gradient by design."""
    import dataclasses

    return dataclasses.replace(objective, adaptation=0.0, kept_share=1.0)


LISTS = [n for n, p in PRESETS.items() if p.listwise or n in ("rrhf", "tpo_2405_16681", "dpo")]


@pytest.mark.parametrize("count", range(2, 10))
@pytest.mark.parametrize("name", [n for n in LISTS if n in GENERAL])
def test_lists_of_any_length_have_a_finite_gradient_that_raises_the_best(
    name: str, count: int
) -> None:
    objective = PRESETS[name]
    preference = Preference(tuple(float(count - k) / count for k in range(count)))
    if not is_informative(preference, objective):
        pytest.skip("a triple needs three")
    labels = labels_of(objective, preference)
    numbers = numbers_for((count,))
    total_loss(shaped(objective, (count,), numbers), labels, objective).backward()  # type: ignore[no-untyped-call]
    assert numbers.grad is not None
    assert torch.isfinite(numbers.grad).all()
    assert float(numbers.grad[0]) <= 0.0


AT_ZERO: dict[str, float] = {
    "ipo": 25.0,
    "ipo_sum": 25.0,
    "hinge": 1.0,
    "exo_pair": 0.5 * math.log(0.5 / 0.999) + 0.5 * math.log(0.5 / 0.001),
    "nca_pair": 2 * math.log(2),
    "bco_pair": 2 * math.log(2),
    "apo_zero": 1.0,
    "apo_down": 1.0,
    "sppo_hard": 50.0,
    "discopop": 0.5 * math.log(2) + 0.5,
    "focal_po": 0.5**0.05 * math.log(2),
    "rpo_sft": math.log(2) - PA / 2,
    # The margin of the row is 0, so half is what the gap asks for as well.
    "rpo_sq_2406_11704": 0.0,
    "rpo_bwd_2406_11704": 0.0,
    "rpo_fwd_2406_11704": 0.0,
    "rdpo_2403_19159": nls(0.01 * (2 - 3)),
    "kto": 0.5,
    "apo_zero_unpaired": 0.5,
    "sppo": 25.0,
    # G: 2 - 1, D: log 2 and log 3.
    "lipo_lambda": (1 / math.log(2) - 1 / math.log(3)) * math.log(2),
    "nca": 2 * math.log(2),
}


@pytest.mark.parametrize("name", [n for n in PRESETS if PRESETS[n].needs_reference])
def test_policy_equal_to_its_reference_has_the_known_loss(name: str) -> None:
    objective = PRESETS[name]
    signals = signals_of(same=True)
    if not objective.length_bonus:
        assert scores(signals, objective).tolist() == [0.0, 0.0]
    expected = AT_ZERO.get(name, math.log(2))
    if objective.likelihood_weighted:
        expected *= float(torch.exp(double(signals.alignment.tolist()).sum()))  # type: ignore[union-attr]
    assert loss(signals, objective, FIRST) == pytest.approx(expected)


def test_presets_without_a_reference_start_at_what_the_policy_says() -> None:
    even = Signals(torch.tensor([2, 2]), logp=double([PA, PA]))
    odds = log_odds(PA / 2)
    start = {
        "simpo": nls(-1.0),
        "alpha_po": nls(-1.0),
        "orpo": -PA / 2 + 0.1 * math.log(2),
        "cpo": math.log(2) - PA / 2,
        "slic": 1 - PA / 2,
        "asft": nls(odds) + nls(-odds) - PA / 2,
        "rrhf": -PA / 2,
    }
    for name, expected in start.items():
        assert loss(even, PRESETS[name], FIRST) == pytest.approx(expected), name


def test_the_better_sides_kl_has_no_gradient_in_tdpo2() -> None:
    import dataclasses

    for name, still in (("tdpo1", False), ("tdpo2", True)):
        objective = PRESETS[name]
        kl = torch.full((5,), 0.2, dtype=torch.float64, requires_grad=True)
        signals = dataclasses.replace(signals_of(), token_kl=kl)
        total_loss(signals, labels_of(objective, FIRST), objective).backward()  # type: ignore[no-untyped-call]
        assert kl.grad is not None
        assert (kl.grad[:2] == 0).all() == still
        assert (kl.grad[2:] > 0).all()


def test_sorted_margins_are_compared_over_the_batch() -> None:
    logp, reference = [-3.0, -4.0, -2.0, -6.0, -5.0, -5.5], [-3.5, -3.6, -2.5, -2.0, -4.0, -7.0]
    signals = Signals(torch.ones(6), logp=double(logp), reference_logp=double(reference))
    policy = sorted(logp[k] - logp[k + 1] for k in (0, 2, 4))
    before = sorted(reference[k] - reference[k + 1] for k in (0, 2, 4))
    expected = sum(nls(0.1 * (p - r)) for p, r in zip(policy, before, strict=True))
    assert loss(signals, resolve("policy", "aot"), *[FIRST] * 3) == pytest.approx(expected)
    ratio = [p - r for p, r in zip(logp, reference, strict=True)]
    better, worse = sorted(ratio[::2]), sorted(ratio[1::2])
    expected = sum(nls(0.1 * (b - w)) for b, w in zip(better, worse, strict=True))
    assert loss(signals, resolve("policy", "aot_unpaired"), *[FIRST] * 3) == pytest.approx(expected)


def test_unused_signals_may_be_absent() -> None:
    """What an objective does not read, it does not ask for."""
    bare = Signals(torch.tensor([2, 3]), logp=double([PA, PB]), reference_logp=double([-3.0, -4.0]))
    for name in names("policy"):
        objective = PRESETS[name]
        if not objective.reads and is_informative(FIRST, objective):
            assert math.isfinite(loss(bare, objective, FIRST)), name


def test_rows_without_a_rating_are_refused() -> None:
    objective = resolve("policy", "modpo", {"attribute_weights": {"safe": 0.5}})
    with pytest.raises(RefusalError, match="no rating of 'safe'"):
        is_informative(FIRST, objective)
    half = Preference((1.0, 0.0), attributes={"safe": (1.0, NAN)})
    with pytest.raises(RefusalError, match="no rating of 'safe'"):
        labels_of(objective, half)


def test_missing_signal_is_named() -> None:
    bare = Signals(torch.tensor([2, 3]), logp=double([PA, PB]), reference_logp=double([-3.0, -4.0]))
    for name, signal in (("kto", "mismatched"), ("wpo", "alignment"), ("tdpo1", "token_kl")):
        with pytest.raises(ValueError, match=signal):
            loss(bare, PRESETS[name], FIRST)
