"""Celery's side of training: the clock of the schedules, and the start of serving."""

from celery import shared_task


@shared_task(name="training.schedules")
def schedules() -> None:
    from training.runs.schedules import tick

    tick()


@shared_task(name="training.serve")
def serve() -> None:
    from training.serving.starting import start

    start()
