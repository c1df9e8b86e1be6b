"""A policy of the registry answers in an arena, run by the real command."""

from pathlib import Path
from typing import Any

import pytest

from annotation.arena import services, setup, sources
from annotation.arena.models import Contestant
from core.exceptions import InvalidInput
from tests.annotation.arena_scene import make_player, play
from tests.factories import make_project, make_user
from training.fit.models.tokenizer import train_tokenizer
from training.registry.models import ModelVersion
from training.runs.models import Run

from .small import make_snapshot
from .tiny import causal_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def make_policy(project: Any, folder: Path) -> ModelVersion:
    """A version of random weights, as a run leaves it."""
    run = Run.objects.create(
        project=project, kind="policy", snapshot=make_snapshot(project), config={}
    )
    model = causal_model("llama")
    tokenizer = train_tokenizer(["Hello there, how are you today?"] * 4, 300)
    model.resize_token_embeddings(len(tokenizer))
    target = folder / f"runs/{run.pk}/model"
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return ModelVersion.objects.create(
        project=project,
        run=run,
        kind="policy",
        version=1,
        base_model="random",
        folder=f"runs/{run.pk}/model",
    )


def test_two_policies_answer_in_processes_of_their_own(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = settings.VAR_DIR = tmp_path
    project, actor = make_project(), make_user()
    version = make_policy(project, tmp_path)
    (choice,) = sources.source("policy").choices(project)
    assert choice.reference == version.pk
    arena = setup.set_up(project=project, actor=actor, open=True, most_tokens=16)
    for name, temperature in (("greedy", 0.0), ("random", 1.5)):
        setup.add_contestant(
            arena=arena,
            actor=actor,
            name=name,
            source="policy",
            reference=version.pk,
            temperature=temperature,
        )
    battle = services.open_battle(arena=arena, annotator=make_player(project), prompt="Hello?")
    turn = battle.turns.get()
    assert turn.job is not None
    assert turn.job.queue == "gpu"
    battle = play(battle)
    assert battle.state == "ready", battle.trouble
    assert all(reply.output_tokens for reply in turn.replies.all())


def test_a_policy_of_another_project_cannot_play(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = settings.VAR_DIR = tmp_path
    version = make_policy(make_project(), tmp_path)
    arena = setup.set_up(project=make_project(), actor=make_user())
    with pytest.raises(InvalidInput):
        setup.add_contestant(
            arena=arena, actor=make_user(), name="x", source="policy", reference=version.pk
        )
    assert not Contestant.objects.exists()
