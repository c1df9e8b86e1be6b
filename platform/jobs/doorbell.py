"""Ringing for a queue's workers. Losing or doubling a ring changes nothing."""

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

from .models import Job

log = structlog.get_logger("jobs")
RUN = "jobs.run"


def ring(job: Job) -> bool:
    """Tell the queue's workers that a job waits. Where it fails the sweep rings again."""
    try:
        current_app.send_task(RUN, args=(job.pk,), queue=job.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("doorbell failed", job=job.pk, error=str(error))
        return False
    return True
