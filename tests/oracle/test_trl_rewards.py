"""Reward presets over pairs against TRL's RewardTrainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForSequenceClassification

from tests.oracle.tiny import PAIRS, arguments, settings, tokenizer
from training.batching.tokenise import TokenGroup
from training.fit.scoring.scorers import make_scorer
from training.objectives.core import comparisons, total_loss
from training.objectives.preference import Preference
from training.objectives.presets import resolve

pytestmark = pytest.mark.filterwarnings("ignore")

MARGINS = (0.5, 0.0, 1.5, 0.25)


def reward_model() -> Any:
    torch.manual_seed(5)
    return LlamaForSequenceClassification(settings(num_labels=1)).eval()


@pytest.mark.parametrize("layout", ["shared", "plain"])
@pytest.mark.parametrize(
    ("preset", "case"),
    [
        ("bt", ({}, {}, None)),
        ("bt_margin", ({}, {}, MARGINS)),
        ("bt_centred", ({}, {"center_rewards_coefficient": 0.01}, None)),
        ("bt_centred", ({"centring": 0.3}, {"center_rewards_coefficient": 0.3}, None)),
    ],
)
def test_loss_and_gradient_are_those_of_the_reward_trainer(
    preset: str,
    case: tuple[dict[str, Any], dict[str, Any], tuple[float, ...] | None],
    layout: str,
    tmp_path: Path,
) -> None:
    pytest.importorskip("trl")
    options, settings, margins = case
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    rows = [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in PAIRS]
    for row, margin in zip(rows, margins or (), strict=False):
        row["margin"] = margin  # type: ignore[assignment]
    words = tokenizer()
    trainer = RewardTrainer(
        reward_model(),
        args=RewardConfig(**arguments(tmp_path, **settings)),
        train_dataset=Dataset.from_list(rows),
        processing_class=words,
    )
    batch = trainer.data_collator(list(trainer.train_dataset))
    theirs = trainer.model.eval()
    loss = trainer.compute_loss(theirs, dict(batch))
    loss.backward()

    model = reward_model()
    groups = _groups(batch, words, margins)
    scorer = make_scorer(model, "reward", words, layout=layout, precision="fp32")
    objective = resolve("reward", preset, options)
    labels = comparisons([group.preference for group in groups], objective)
    ours = total_loss(scorer.signals(groups), labels, objective) / len(groups)
    ours.backward()  # type: ignore[no-untyped-call]

    assert float(ours) == pytest.approx(float(loss), abs=1e-5)
    expected = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    for name, parameter in model.named_parameters():
        if name in expected:
            assert parameter.grad is not None
            assert torch.allclose(parameter.grad, expected[name], atol=1e-4), name


def _groups(
    batch: dict[str, Any], words: Any, margins: tuple[float, ...] | None
) -> list[TokenGroup]:
    """The very sequences of TRL's batch, cut after their common beginning."""
    present = batch["attention_mask"].bool()
    found = [ids[kept].tolist() for ids, kept in zip(batch["input_ids"], present, strict=True)]
    half = len(found) // 2
    groups = []
    for number, (prompt, _, _) in enumerate(PAIRS):
        length = len(words(prompt)["input_ids"])
        first, second = found[number], found[number + half]
        assert first[:length] == second[:length]
        preference = Preference((1.0, 0.0), margin=margins[number] if margins else 0.0)
        sides = (tuple(first[length:]), tuple(second[length:]))
        groups.append(TokenGroup(tuple(first[:length]), sides, preference))
    return groups
