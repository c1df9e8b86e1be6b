from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from jobs.context import JobContext


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from jobs import registry

        registry.register("training.fit", _fit, queue="gpu")
        registry.register("training.retrain", _retrain, queue="gpu")


def _fit(ctx: JobContext) -> dict[str, Any]:
    from training.runs.fitting import fit

    return fit(ctx)


def _retrain(ctx: JobContext) -> dict[str, Any]:
    from training.runs.schedules import retrain

    return retrain(ctx)
