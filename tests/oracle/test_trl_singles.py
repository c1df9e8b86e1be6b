"""Presets over single completions against TRL's KTOTrainer."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from tests.oracle.tiny import PAIRS, arguments, model, read, sides, tokenizer
from training.batching.tokenise import TokenGroup
from training.objectives.core import comparisons, total_loss
from training.objectives.preference import Preference
from training.objectives.presets import resolve

pytestmark = pytest.mark.filterwarnings("ignore")
WANTED, UNWANTED = Preference((1.0,)), Preference((0.0,))


# The drift from the reference is positive in one and cut off at 0 in the other.
@pytest.fixture(scope="module", params=[(1, 2), (2, 1)])
def kto(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("trl")
    from datasets import Dataset
    from trl import KTOConfig, KTOTrainer

    rows = [{"prompt": p, "completion": c, "label": True} for p, c, _ in PAIRS]
    rows += [{"prompt": p, "completion": r, "label": False} for p, _, r in PAIRS[1:]]
    args = KTOConfig(**arguments(tmp_path_factory.mktemp("kto"), per_device_train_batch_size=7))
    trainer = KTOTrainer(
        model(request.param[0]),
        model(request.param[1]),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
    )
    trainer.model.eval()
    return trainer


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("kto", {}, {"loss_type": "kto"}),
    (
        "kto",
        {"desirable_weight": 1.5, "undesirable_weight": 0.5, "beta": 0.3},
        {"loss_type": "kto", "desirable_weight": 1.5, "undesirable_weight": 0.5, "beta": 0.3},
    ),
    ("apo_zero_unpaired", {"beta": 0.2}, {"loss_type": "apo_zero_unpaired", "beta": 0.2}),
]
PLAIN = {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0}


@pytest.mark.parametrize(("name", "options", "settings"), CASES)
def test_single_completions(
    kto: Any, name: str, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    for setting, value in (PLAIN | settings).items():
        setattr(kto, setting, value)
    policy, reference = kto.model, kto.ref_model
    batch = kto.data_collator(list(kto.train_dataset))
    objective = resolve("policy", name, options)
    groups = [
        TokenGroup(prompt, (answer,), WANTED if label else UNWANTED)
        for (prompt, answer), label in zip(
            sides(batch, "input_ids", "attention_mask", "completion_mask"),
            batch["label"],
            strict=True,
        )
    ]
    others = [
        TokenGroup(prompt, (answer,), WANTED)
        for prompt, answer in sides(
            batch, "KL_input_ids", "KL_attention_mask", "KL_completion_mask"
        )
    ]
    signals = dataclasses.replace(
        read(policy, reference, groups, frozenset()),
        mismatched=read(policy, reference, others, frozenset()),
    )
    labels = comparisons([g.preference for g in groups], objective, dtype=torch.float64)
    found = float(total_loss(signals, labels, objective)) / len(groups)
    with torch.no_grad():
        theirs = float(kto.compute_loss(policy, batch))
    assert found == pytest.approx(theirs, rel=1e-5)
