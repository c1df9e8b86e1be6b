"""Waiting for other jobs inside one."""

import time

from django.conf import settings

from .context import JobContext
from .exceptions import JobCancelled
from .models import Job
from .runner import run
from .services import cancel


def wait(context: JobContext, jobs: list[Job], *, poll_seconds: float = 0.5) -> list[Job]:
    """Wait until the given jobs have ended; they are cancelled with the waiting one.

    With `JOBS_INLINE` they run here, in the calling process.
    """
    ids = [job.pk for job in jobs]
    try:
        while True:
            rows = list(Job.objects.filter(pk__in=ids).order_by("pk"))
            waiting = [row for row in rows if not row.ended]
            if not waiting:
                return rows
            if settings.JOBS_INLINE:
                run(waiting[0].pk, owner="inline", heartbeat=False)
                continue
            context.beat()
            context.check()
            time.sleep(poll_seconds)
    except JobCancelled:
        for job in jobs:
            cancel(job=job)
        raise
