"""Celery's side: doorbells. A message is a job id; losing or doubling one changes nothing."""

import os
import socket

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from .models import Job, Queue

log = structlog.get_logger("jobs")


def ring(job: Job) -> bool:
    """Tell the queue's workers that a job waits. The sweep rings again if this fails."""
    try:
        run_job.apply_async(args=(job.pk,), queue=job.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("doorbell failed", job=job.pk, error=str(error))
        return False
    return True


@shared_task(name="jobs.run")
def run_job(job_id: int) -> None:
    from .runner import run  # noqa: PLC0415

    run(job_id, owner=f"{socket.gethostname()}:{os.getpid()}")


@shared_task(name="jobs.sweep")
def sweep() -> None:
    from . import services  # noqa: PLC0415

    services.sweep()
    services.pulse(name="sweep")
    for queue in Queue.values:
        pulse.apply_async(args=(queue,), queue=queue, expires=30)


@shared_task(name="jobs.pulse")
def pulse(name: str) -> None:
    from . import services  # noqa: PLC0415

    services.pulse(name=name)
