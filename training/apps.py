from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from accounts.models import Project
    from annotation.arena.sources import Choice, Question, Said
    from jobs.context import JobContext


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from annotation.arena import sources
        from jobs import registry

        sources.register("policy", sources.Source("gpu", _policies, _say))
        registry.register("training.fit", _fit, queue="gpu")
        registry.register("training.retrain", _retrain, queue="gpu")


def _fit(ctx: JobContext) -> dict[str, Any]:
    from training.runs.fitting import fit

    return fit(ctx)


def _retrain(ctx: JobContext) -> dict[str, Any]:
    from training.runs.schedules import retrain

    return retrain(ctx)


def _policies(project: Project) -> list[Choice]:
    from training.registry.answering import policies

    return policies(project)


def _say(question: Question, context: JobContext) -> Said:
    from training.registry.answering import say

    return say(question, context)
