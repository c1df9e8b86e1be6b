"""Objectives that carry numbers from step to step."""

from __future__ import annotations

import json
import math
import statistics

import pytest
import torch

from tests.training.hand import FIRST, double, labels_of, loss, nls
from training.objectives.core import Signals, total_loss
from training.objectives.preference import Preference
from training.objectives.presets import resolve
from training.objectives.running import Running, added

RATIOS = [[0.4, -0.2, 1.0, 0.1], [0.9, -0.5, -0.3, 0.6]]
BATCH = [FIRST, FIRST]


def signals_of(ratios: list[float]) -> Signals:
    return Signals(
        torch.full((len(ratios),), 2),
        logp=double([r - 3.0 for r in ratios]),
        reference_logp=double([-3.0] * len(ratios)),
    )


def test_shift_is_the_middle_of_the_mean_scores_so_far() -> None:
    objective, running = resolve("policy", "bco", {"beta": 0.5}), Running()
    first = loss(signals_of(RATIOS[0]), objective, *BATCH, running=running)
    better, worse = [0.5 * r for r in RATIOS[0][::2]], [0.5 * r for r in RATIOS[0][1::2]]
    assert first == pytest.approx(sum(nls(s) for s in better) / 2 + sum(nls(-s) for s in worse) / 2)
    running.commit(objective)
    shift = (statistics.mean(better) + statistics.mean(worse)) / 2
    assert running.shift() == pytest.approx(shift)
    second = loss(signals_of(RATIOS[1]), objective, *BATCH, running=running)
    better += [0.5 * r for r in RATIOS[1][::2]]
    worse += [0.5 * r for r in RATIOS[1][1::2]]
    expected = sum(nls(s - shift) for s in better[2:]) / 2
    expected += sum(nls(shift - s) for s in worse[2:]) / 2
    assert second == pytest.approx(expected)
    running.commit(objective)
    assert running.shift() == pytest.approx((statistics.mean(better) + statistics.mean(worse)) / 2)


def test_unpaired_rows_move_one_side_only() -> None:
    objective, running = resolve("policy", "bco"), Running()
    loss(signals_of([0.7]), objective, Preference((1.0,)), running=running)
    running.commit(objective)
    assert running.shift() == pytest.approx(0.07)
    assert "unwanted_mean" not in running.values


def test_beta_follows_the_margins_of_the_batch() -> None:
    options = {"kept_share": 1.0, "adaptation": 0.6}
    objective, running = resolve("policy", "beta_dpo", options), Running()
    margins = [[0.6, 0.9], [1.4, -0.9]]
    assert loss(signals_of(RATIOS[0]), objective, *BATCH, running=running) == pytest.approx(
        sum(nls(0.1 * m) for m in margins[0])
    )
    running.commit(objective)
    mean = statistics.mean(margins[0])
    assert running.values["margin_mean"] == pytest.approx(mean)
    assert running.values["margin_deviation"] == pytest.approx(statistics.pstdev(margins[0]))
    factor = 1 + 0.6 * (statistics.mean(margins[1]) - mean)
    assert loss(signals_of(RATIOS[1]), objective, *BATCH, running=running) == pytest.approx(
        sum(nls(0.1 * factor * m) for m in margins[1])
    )
    running.commit(objective)
    later = 0.9 * mean + 0.1 * statistics.mean(margins[1])
    assert running.values["margin_mean"] == pytest.approx(later)


def test_outliers_are_left_out_and_the_rest_weighs_as_much() -> None:
    objective = resolve("policy", "beta_dpo", {"kept_share": 0.75, "adaptation": 0.0})
    running = Running({"margin_mean": 0.5, "margin_deviation": 0.1, "steps": 3.0})
    ratios = [0.5, 0.0, 0.6, 0.0, 0.4, 0.0, 90.0, 0.0]
    found = loss(signals_of(ratios), objective, *[FIRST] * 4, running=running)
    assert found == pytest.approx(4 / 3 * sum(nls(0.1 * m) for m in (0.5, 0.6, 0.4)))


def test_the_draw_is_the_same_when_repeated_and_another_at_the_next_step() -> None:
    objective = resolve("policy", "beta_dpo", {"kept_share": 0.5})
    ratios = [0.1 * k for k in range(40)]
    values = {"margin_mean": -0.1, "margin_deviation": 1.0, "steps": 5.0}
    batch = [FIRST] * 20
    once, again = (
        loss(signals_of(ratios), objective, *batch, running=Running(dict(values))) for _ in "ab"
    )
    assert once == again
    ratios = [((-1) ** k) * 0.07 * k * k for k in range(40)]
    drawn = {
        loss(signals_of(ratios), objective, *batch, running=Running(values | {"steps": float(n)}))
        for n in range(4)
    }
    assert len(drawn) > 1


def test_numbers_survive_a_checkpoint_and_do_not_depend_on_processes() -> None:
    objective = resolve("policy", "bco")
    together, parts = Running(), [Running(), Running()]
    for ratios, part in zip(RATIOS, parts, strict=True):
        for running in (together, part):
            loss(signals_of(ratios), objective, *BATCH, running=running)
    both = added([part.seen for part in parts])
    together.commit(objective)
    for part in parts:
        part.commit(objective, lambda _own: both)
        assert part.values == pytest.approx(together.values)
    restored = json.loads(json.dumps(together.values))
    assert restored == together.values


def test_shift_has_no_gradient() -> None:
    objective = resolve("policy", "bco")
    running = Running({"wanted_mean": 0.2, "unwanted_mean": -0.1})
    logp = double([-2.0, -3.0]).requires_grad_()
    signals = Signals(torch.tensor([2, 2]), logp=logp, reference_logp=double([-2.5, -2.5]))
    total_loss(signals, labels_of(objective, FIRST), objective, running).backward()  # type: ignore[no-untyped-call]
    assert logp.grad is not None
    ratios, shift = [0.05, -0.05], 0.05
    slopes = [-1 / (1 + math.exp(ratios[0] - shift)), 1 / (1 + math.exp(shift - ratios[1]))]
    assert logp.grad.tolist() == pytest.approx([0.1 * slope / 2 for slope in slopes])
