"""Following a round from a terminal."""

import time
from typing import Protocol

from django.conf import settings
from django.db import close_old_connections

from core.exceptions import ApplicationError
from jobs.models import Job
from jobs.runner import run_queued
from jobs.selectors import log_of

from .models import Round
from .selectors import waiting_for

POLL_SECONDS = 0.5


class Out(Protocol):
    """A terminal, or whatever stands in for one."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


def follow(row: Round, out: Out, *, here: bool = False) -> Round:
    """Print the round's progress until its job ends; `here` runs it in this process.

    Raises:
        ApplicationError: the job failed or was cancelled; the message says why.
    """
    if row.job is None:
        raise ApplicationError(f"Round {row.number} has no job: start it again.")
    if here:
        settings.JOBS_INLINE = True
        run_queued(row.job)
    follow_job(row.job, out, name=f"Round {row.number}")
    row.refresh_from_db()
    if labels := waiting_for(row):
        out.write(f"Round {row.number} waits for {labels} labels from people.\n")
    return row


def follow_job(job: Job, out: Out, *, name: str) -> None:
    """Print a job's log until it ends; `name` says what ended.

    Raises:
        ApplicationError: the job failed or was cancelled; the message says why.
    """
    job = _follow_log(job, out)
    if job.state != "succeeded":
        raise ApplicationError(f"{name} {job.state}: {job.error or 'it was stopped.'}")


def _follow_log(job: Job, out: Out) -> Job:
    started, last, note = time.monotonic(), 0, ""
    while True:
        job.refresh_from_db()
        running = [child for child in job.children.order_by("pk") if not child.ended]
        for line in log_of(job, after=last):
            last = line.pk
            out.write(f"[{time.monotonic() - started:5.0f} s] {line.message}\n")
        for child in running:
            now = f"{child.kind} {child.note} {child.done}/{child.total}" if child.total else ""
            if now and now != note:
                note = now
                out.write(f"          {now}\n")
        out.flush()
        if job.ended:
            return job
        close_old_connections()
        time.sleep(POLL_SECONDS)
