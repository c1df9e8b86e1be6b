"""Celery's side: a message is a job's id, and the job table knows the rest."""

import os
import socket

from celery import shared_task

from . import services
from .doorbell import RUN
from .models import Queue
from .runner import run


@shared_task(name=RUN)
def run_job(job_id: int) -> None:
    run(job_id, owner=f"{socket.gethostname()}:{os.getpid()}")


@shared_task(name="jobs.sweep")
def sweep() -> None:
    """Look after the table, and ask every queue for a sign of life."""
    services.sweep()
    services.pulse(name="sweep")
    for queue in Queue.values:
        pulse.apply_async(args=(queue,), queue=queue, expires=30)


@shared_task(name="jobs.pulse")
def pulse(name: str) -> None:
    services.pulse(name=name)
