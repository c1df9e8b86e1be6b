"""Celery's side of training: the clock of the schedules."""

from celery import shared_task


@shared_task(name="training.schedules")
def schedules() -> None:
    from training.runs.schedules import tick

    tick()
