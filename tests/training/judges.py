"""Tiny models on disk for judges, and judges that name them."""

from pathlib import Path
from typing import Any

from accounts.models import Project
from annotation.judges.models import Judge
from annotation.judges.services import create_judge
from training.fit.models.tokenizer import give_own_pad, train_tokenizer
from training.registry.models import ModelVersion
from training.runs.models import Run

from .small import make_snapshot
from .tiny import causal_model

WORDS = ["Hello there, how are you today? A B C 1 2 3 4 5"] * 4


def save_model(folder: Path, kind: str = "policy", architecture: str = "llama") -> Path:
    """Random weights with a tokenizer of 300 tokens, as a run leaves them."""
    tokenizer = train_tokenizer(WORDS, 300)
    give_own_pad(tokenizer)
    model = causal_model(
        architecture, kind, max_position_embeddings=1024, vocab_size=len(tokenizer)
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_reward_version(project: Project, media: Path, version: int = 1) -> ModelVersion:
    """A reward model of the project's registry."""
    run = Run.objects.create(
        project=project, kind="reward", snapshot=make_snapshot(project), config={}
    )
    save_model(media / f"runs/{run.pk}/model", "reward")
    return ModelVersion.objects.create(
        project=project,
        run=run,
        kind="reward",
        version=version,
        base_model="random",
        folder=f"runs/{run.pk}/model",
    )


def make_judge(project: Project, provider: str, model: str, **fields: Any) -> Judge:
    return create_judge(
        project=project, name=f"{provider} {model}", provider=provider, model=model, **fields
    )
