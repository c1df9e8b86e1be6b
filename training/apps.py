from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from accounts.models import Project
    from annotation.arena.sources import Choice, Question, Said
    from annotation.judges.models import Judge
    from annotation.judges.providers.base import Provider
    from annotation.projects.models import Criterion
    from jobs.context import JobContext


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from annotation.arena import sources
        from annotation.judges.providers import base
        from jobs import registry
        from webhooks.events import RUN

        sources.register("policy", sources.Source("gpu", _policies, _say))
        base.register("local-model", _local_model)
        base.register("reward-model", _reward_model)
        registry.register("training.fit", _fit, queue="gpu", event=RUN)
        registry.register("training.retrain", _retrain, queue="gpu", event=RUN)
        registry.register("training.writeback", _write_back, queue="gpu")
        registry.register("training.evaluate", _evaluate, queue="gpu")


def _fit(ctx: JobContext) -> dict[str, Any]:
    from training.runs.fitting import fit

    return fit(ctx)


def _retrain(ctx: JobContext) -> dict[str, Any]:
    from training.runs.schedules import retrain

    return retrain(ctx)


def _evaluate(ctx: JobContext) -> dict[str, Any]:
    from training.registry.evaluations import evaluate

    return evaluate(ctx)


def _policies(project: Project) -> list[Choice]:
    from training.registry.answering import policies

    return policies(project)


def _say(question: Question, context: JobContext) -> Said:
    from training.registry.answering import say

    return say(question, context)


def _local_model(judge: Judge, criterion: Criterion) -> Provider:
    from training.registry.judging import local_model

    return local_model(judge, criterion)


def _reward_model(judge: Judge, criterion: Criterion) -> Provider:
    from training.registry.judging import reward_model

    return reward_model(judge, criterion)


def _write_back(ctx: JobContext) -> dict[str, Any]:
    from training.writeback.work import write_back

    return write_back(ctx)
