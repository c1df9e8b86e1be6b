"""Presets over pairs with a reference against TRL's DPOTrainer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.oracle.tiny import FIRST, PAIRS, arguments, grouped, model, ours, sides, tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclasses.dataclass
class Theirs:
    """One DPOTrainer whose settings the cases change, and its one batch."""

    trainer: Any
    batch: dict[str, Any]

    def loss(self, rows: slice | None = None) -> float:
        chosen = self.batch
        if rows is not None:
            half = len(PAIRS)
            kept = [k for part in (0, half) for k in range(part, part + half)[rows]]
            chosen = {name: value[kept] for name, value in self.batch.items()}
        with torch.no_grad():
            return float(self.trainer.compute_loss(self.trainer.model, chosen))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    pytest.importorskip("trl")
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    folder: Path = tmp_path_factory.mktemp("trl")
    rows = [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in PAIRS]
    trainer = DPOTrainer(
        model(1),
        model(2),
        args=DPOConfig(**arguments(folder, use_weighting=True, label_smoothing=0.1)),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
    )
    trainer.model.eval()
    return Theirs(trainer, trainer.data_collator(list(trainer.train_dataset)))


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("dpo", {}, {"loss_types": ["sigmoid"]}),
    ("dpo", {"beta": 0.7}, {"loss_types": ["sigmoid"], "beta": 0.7}),
    ("hinge", {"beta": 0.3}, {"loss_types": ["hinge"], "beta": 0.3}),
    ("ipo", {"beta": 0.2}, {"loss_types": ["ipo"], "beta": 0.2}),
    ("dpo_norm", {"beta": 2.0}, {"loss_types": ["sigmoid_norm"], "beta": 2.0}),
    ("exo_pair", {"exo_smoothing": 0.01}, {"loss_types": ["exo_pair"], "label_smoothing": 0.01}),
    ("nca_pair", {}, {"loss_types": ["nca_pair"]}),
    ("rdpo_robust", {"noise_default": 0.2}, {"loss_types": ["robust"], "label_smoothing": 0.2}),
    ("bco_pair", {}, {"loss_types": ["bco_pair"]}),
    ("sppo_hard", {"beta": 0.4}, {"loss_types": ["sppo_hard"], "beta": 0.4}),
    ("aot", {}, {"loss_types": ["aot"], "label_smoothing": 0.0}),
    ("aot", {"smoothing": 0.2}, {"loss_types": ["aot"], "label_smoothing": 0.2}),
    ("aot_unpaired", {}, {"loss_types": ["aot_unpaired"], "label_smoothing": 0.0}),
    ("apo_zero", {}, {"loss_types": ["apo_zero"]}),
    ("apo_down", {}, {"loss_types": ["apo_down"]}),
    ("discopop", {}, {"loss_types": ["discopop"]}),
    ("wpo", {}, {"loss_types": ["sigmoid"], "use_weighting": True}),
    (
        "ipo",
        {"likelihood_weighted": True},
        {"loss_types": ["ipo"], "use_weighting": True},
    ),
    ("ld_dpo", {"tail_weight": 0.3}, {"loss_types": ["sigmoid"], "ld_alpha": 0.3}),
    ("ld_dpo", {"tail_weight": 0.0}, {"loss_types": ["sigmoid"], "ld_alpha": 0.0}),
    ("fdpo_forward_kl", {}, {"f_divergence_type": "forward_kl"}),
    ("fdpo_js", {}, {"f_divergence_type": "js_divergence"}),
    ("fdpo_alpha", {}, {"f_divergence_type": "alpha_divergence"}),
    (
        "fdpo_alpha",
        {"divergence_alpha": 0.2},
        {"f_divergence_type": "alpha_divergence", "f_alpha_divergence_coef": 0.2},
    ),
    (
        "ipo",
        {"divergence": "js"},
        {"loss_types": ["ipo"], "f_divergence_type": "js_divergence"},
    ),
]
PLAIN = {
    "loss_types": ["sigmoid"],
    "loss_weights": [1.0],
    "beta": 0.1,
    "label_smoothing": 0.1,
    "use_weighting": False,
    "ld_alpha": None,
    "f_divergence_type": "reverse_kl",
    "f_alpha_divergence_coef": 0.5,
}


@pytest.mark.parametrize(("name", "options", "settings"), CASES)
def test_pairs_with_a_reference(
    theirs: Theirs, name: str, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    for setting, value in (PLAIN | settings).items():
        setattr(theirs.trainer, setting, value)
    rows = sides(theirs.batch, "input_ids", "attention_mask", "completion_mask")
    found = ours(
        theirs.trainer.model, theirs.trainer.ref_model, grouped(rows, 2, FIRST), name, options
    )
    assert found == pytest.approx(theirs.loss(), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        ("sft", {}, {"loss_types": ["sft"]}),
        (
            "rpo_sft",
            {"nll_weight": 0.3},
            {"loss_types": ["sigmoid", "sft"], "loss_weights": [1.0, 0.3]},
        ),
    ],
)
def test_likelihood_term(
    theirs: Theirs, name: str, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Row by row: TRL takes the mean over the tokens of a batch, we over those of a completion."""
    for setting, value in (PLAIN | settings).items():
        setattr(theirs.trainer, setting, value)
    rows = sides(theirs.batch, "input_ids", "attention_mask", "completion_mask")
    for row, group in enumerate(grouped(rows, 2, FIRST)):
        found = ours(theirs.trainer.model, theirs.trainer.ref_model, [group], name, options)
        assert found == pytest.approx(theirs.loss(slice(row, row + 1)), rel=1e-5)
