"""CPO, SimPO, AlphaPO, ORPO and triples against TRL's experimental trainers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.oracle.tiny import FIRST, PAIRS, arguments, grouped, model, ours, sides, tokenizer
from training.batching.tokenise import TokenGroup
from training.objectives.preference import Preference

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in PAIRS]


def group_of(batch: dict[str, Any]) -> TokenGroup:
    """The one row of a CPO or ORPO batch as a group."""
    found = []
    for side in ("chosen", "rejected"):
        ids, labels = batch[f"{side}_input_ids"][0], batch[f"{side}_labels"][0]
        present = batch[f"{side}_attention_mask"][0].bool()
        scored = labels != -100
        found.append((ids[present & ~scored].tolist(), ids[present & scored].tolist()))
    assert found[0][0] == found[1][0]
    return TokenGroup(tuple(found[0][0]), tuple(tuple(c) for _, c in found), FIRST)


@pytest.fixture(scope="module")
def cpo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("trl")
    from datasets import Dataset
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    args = CPOConfig(**arguments(tmp_path_factory.mktemp("cpo"), max_length=64))
    trainer = CPOTrainer(
        model(1), args=args, train_dataset=Dataset.from_list(ROWS), processing_class=tokenizer()
    )
    trainer.model.eval()
    return trainer


CPO_CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("cpo", {}, {"loss_type": "sigmoid", "cpo_alpha": 1.0}),
    ("cpo", {"smoothing": 0.1}, {"loss_type": "sigmoid", "cpo_alpha": 1.0, "label_smoothing": 0.1}),
    (
        "slic",
        {"beta": 0.2, "nll_weight": 0.5},
        {"loss_type": "hinge", "cpo_alpha": 0.5, "beta": 0.2},
    ),
    ("simpo", {"gamma": 0.6}, {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 0.6}),
    (
        "simpo",
        {"nll_weight": 0.4},
        {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 1.0, "cpo_alpha": 0.4},
    ),
    (
        "alpha_po",
        {},
        {"loss_type": "simpo", "beta": 2.5, "simpo_gamma": 1.0, "alpha": 0.25},
    ),
    (
        "alpha_po",
        {"reward_alpha": -0.5},
        {"loss_type": "simpo", "beta": 2.5, "simpo_gamma": 1.0, "alpha": -0.5},
    ),
]
CPO_PLAIN = {
    "beta": 0.1,
    "cpo_alpha": 0.0,
    "label_smoothing": 0.0,
    "simpo_gamma": 0.0,
    "alpha": 0.0,
}


@pytest.mark.parametrize("row", range(len(PAIRS)))
@pytest.mark.parametrize(("name", "options", "settings"), CPO_CASES)
def test_pairs_without_a_reference(
    cpo: Any, name: str, options: dict[str, Any], settings: dict[str, Any], row: int
) -> None:
    for setting, value in (CPO_PLAIN | settings).items():
        setattr(cpo, setting, value)
    batch = cpo.data_collator([cpo.train_dataset[row]])
    with torch.no_grad():
        theirs, _ = cpo.get_batch_loss_metrics(cpo.model, batch)
    found = ours(cpo.model, cpo.model, [group_of(batch)], name, options)
    assert found == pytest.approx(float(theirs), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_odds_ratio(tmp_path: Any, beta: float) -> None:
    """Without the likelihood term: TRL's reads the prompt too, ours the completion alone."""
    pytest.importorskip("trl")
    from datasets import Dataset
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    trainer = ORPOTrainer(
        model(1),
        args=ORPOConfig(**arguments(tmp_path, max_length=64, beta=beta)),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tokenizer(),
    )
    trainer.model.eval()
    options = {"preference_weight": beta, "nll_weight": 0.0}
    for row in range(len(PAIRS)):
        batch = trainer.data_collator([trainer.train_dataset[row]])
        with torch.no_grad():
            loss, metrics = trainer.get_batch_loss_metrics(trainer.model, batch)
        found = ours(trainer.model, trainer.model, [group_of(batch)], "orpo", options)
        assert found == pytest.approx(float(loss) - metrics["nll_loss"], rel=1e-4, abs=1e-5)


TRIPLE = Preference((2.0, 1.0, 0.0))


@pytest.fixture(scope="module")
def tpo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("trl")
    from datasets import Dataset
    from trl.experimental.tpo import TPOConfig, TPOTrainer

    rows = [row | {"reference": " tree tree leaf"} for row in ROWS]
    args = TPOConfig(**arguments(tmp_path_factory.mktemp("tpo")))
    trainer = TPOTrainer(
        model(1), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer()
    )
    trainer.model.eval()
    return trainer


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        ("tpo_2405_16681", {}, {"loss_type": "sigmoid", "beta": 0.1}),
        ("tpo_2405_16681", {"nll_weight": 0.4}, {"loss_type": "sigmoid", "tpo_alpha": 0.4}),
        (
            "tpo_l_2405_16681",
            {"gamma": 0.5},
            {"loss_type": "tpo-l", "beta": 2.0, "tpo_l_gamma": 0.5},
        ),
    ],
)
def test_triples(tpo: Any, name: str, options: dict[str, Any], settings: dict[str, Any]) -> None:
    for setting, value in ({"beta": 0.1, "tpo_alpha": 1.0} | settings).items():
        setattr(tpo, setting, value)
    batch = tpo.data_collator(list(tpo.train_dataset))
    with torch.no_grad():
        theirs = float(tpo.compute_loss(tpo.model, batch))
    rows = sides(batch, "input_ids", "attention_mask", "completion_mask")
    # TRL keeps [chosen, rejected, gold]; our triple is best first. All gold have one length.
    third = len(rows) // 3
    ordered = rows[2 * third :] + rows[: 2 * third]
    found = ours(tpo.model, tpo.model, grouped(ordered, 3, TRIPLE), name, options)
    assert found == pytest.approx(theirs, rel=1e-5)
