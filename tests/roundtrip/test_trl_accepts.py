"""TRL's trainers take our exports as they are: one step on a tiny random model, offline."""

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForSequenceClassification

from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.services import build_snapshot
from tests.factories import make_annotation, make_annotator, make_instance, make_project
from tests.oracle.tiny import arguments, model, settings, tokenizer

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]
TALK = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
STEP = {"max_steps": 1, "per_device_train_batch_size": 2}


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


def loaded(shape: str, kind: str, media: Path, tmp_path: Path) -> Any:
    """An export in this shape as `load_dataset` opens it."""
    datasets = pytest.importorskip("datasets")
    project = make_project(kind=kind)
    person = make_annotator(project, kind="import")
    for number in range(4):
        texts = ("red green", "blue one")
        prompt = "sun moon star" + " tree" * number
        instance = make_instance(project, texts, external_id=f"c{number}", prompt=prompt)
        said: dict[str, Any] = {"scores": [1, 0]} if kind == "binary" else {"ranking": (1, 2)}
        make_annotation(instance, person, **({"ranking": ()} | said))
    update(project=project)
    snapshot = build_snapshot(project=project, query={})
    made = export(snapshot=snapshot, shape=shape, format="huggingface")
    cache = str(tmp_path / "cache")
    return datasets.load_dataset(str(media / made.path), cache_dir=cache, split="train")


def words() -> Any:
    made = tokenizer()
    made.chat_template = TALK
    return made


@pytest.mark.parametrize("shape", ["trl", "trl-standard", "trl-implicit", "curriculum"])
def test_reward_trainer(shape: str, media: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    trainer = trl.RewardTrainer(
        LlamaForSequenceClassification(settings(num_labels=1)),
        args=trl.RewardConfig(**(arguments(tmp_path / "out") | STEP)),
        train_dataset=loaded(shape, "pairwise", media, tmp_path),
        processing_class=words(),
    )
    assert trainer.train().global_step == 1


@pytest.mark.parametrize("shape", ["trl", "trl-standard", "conditioned"])
def test_dpo_trainer(shape: str, media: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    trainer = trl.DPOTrainer(
        model(1),
        model(2),
        args=trl.DPOConfig(**(arguments(tmp_path / "out") | STEP)),
        train_dataset=loaded(shape, "pairwise", media, tmp_path),
        processing_class=words(),
    )
    assert trainer.train().global_step == 1


@pytest.mark.parametrize("shape", ["unpaired", "unpaired-standard"])
def test_kto_trainer(shape: str, media: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    trainer = trl.KTOTrainer(
        model(1),
        model(2),
        args=trl.KTOConfig(**(arguments(tmp_path / "out") | STEP)),
        train_dataset=loaded(shape, "binary", media, tmp_path),
        processing_class=words(),
    )
    assert trainer.train().global_step == 1
