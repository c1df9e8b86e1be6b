"""What a running job may do to its own row: progress, log, heartbeat. Every write is fenced."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from .exceptions import JobCancelled, JobFenced
from .models import HELD, Job, LogLine

WRITE_EVERY_SECONDS = 0.5


class JobContext:
    """Handed to the function that runs a job; `attempt` is its fencing token."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.attempt = job.attempt
        self.arguments: dict[str, Any] = job.arguments
        self._written = 0.0

    @property
    def folder(self) -> Path:
        """The job's own folder; it outlives an attempt, so a later one can resume from it."""
        folder = Path(settings.VAR_DIR) / "jobs" / str(self.job.pk)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Show `done` of `total`, renew the lease, and notice a cancel; writes twice a second.

        Raises:
            JobCancelled: somebody asked the job to stop.
            JobFenced: another attempt has the job.
        """
        now = time.monotonic()
        if now - self._written < WRITE_EVERY_SECONDS and done < total:
            return
        self._written = now
        self._write(done=done, total=total, note=note[:300])
        self.check()

    def log(self, message: str, level: str = "info") -> None:
        self.check_fence()
        LogLine.objects.create(
            job=self.job, attempt=self.attempt, level=level[:8], message=message.replace("\0", "")
        )

    def beat(self) -> None:
        """Renew the lease.

        Raises:
            JobFenced: another attempt has the job.
        """
        self._write()

    def check(self) -> None:
        """Raise `JobCancelled` or `JobFenced` where one applies. One query."""
        row = (
            Job.objects.filter(pk=self.job.pk)
            .values_list("attempt", "state", "cancel_requested")
            .first()
        )
        if row is None or row[0] != self.attempt or row[1] not in HELD:
            raise JobFenced
        if row[2]:
            raise JobCancelled

    def check_fence(self) -> None:
        try:
            self.check()
        except JobCancelled:
            return

    def _write(self, **values: Any) -> None:
        values["lease_until"] = timezone.now() + timedelta(seconds=settings.JOBS_LEASE_SECONDS)
        held = Job.objects.filter(pk=self.job.pk, attempt=self.attempt, state__in=HELD)
        if held.update(**values) != 1:
            raise JobFenced
