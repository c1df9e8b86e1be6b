"""Running one job: claim, heartbeat beside it, and one of five ends."""

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

from core.exceptions import ApplicationError

from . import registry, services
from .context import JobContext
from .exceptions import JobCancelled, JobFenced, JobReleased
from .models import Job, State

log = structlog.get_logger("jobs")


def run(job_id: int, *, owner: str, heartbeat: bool = True) -> None:
    """Claim and run a job to its end; a job that another runner took is left alone.

    `heartbeat=False` runs without the renewing thread, for a caller inside a transaction.
    """
    job = services.claim(job_id=job_id, owner=owner)
    if job is None:
        return
    context = JobContext(job)
    with structlog.contextvars.bound_contextvars(job=job.pk, kind=job.kind, attempt=job.attempt):
        log.info("job started")
        with _heartbeat(context, enabled=heartbeat):
            state, result, error = _outcome(context)
        if state is None or not services.finish(job=job, state=state, result=result, error=error):
            log.warning("job fenced: another attempt holds it")
            return
        log.info("job ended", state=state)


def _outcome(context: JobContext) -> tuple[State | None, dict[str, Any] | None, str]:
    try:
        result = registry.kind(context.job.kind).run(context)
    except JobFenced:
        return None, None, ""
    except JobCancelled:
        return State.CANCELLED, None, ""
    except JobReleased:
        return State.QUEUED, None, ""
    except ApplicationError as error:
        _log_quietly(context, error.message)
        return State.FAILED, None, error.message
    except Exception as error:
        log.exception("job crashed")
        _log_quietly(context, traceback.format_exc())
        return State.FAILED, None, f"{type(error).__name__}: {error}"
    return State.SUCCEEDED, result, ""


def _log_quietly(context: JobContext, message: str) -> None:
    try:
        context.log(message, level="error")
    except JobFenced:
        log.warning("log line of a fenced attempt dropped")


@contextmanager
def _heartbeat(context: JobContext, *, enabled: bool) -> Iterator[None]:
    if not enabled:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_beat_until, args=(context, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _beat_until(context: JobContext, stop: threading.Event) -> None:
    while not stop.wait(settings.JOBS_LEASE_SECONDS / 3):
        try:
            context.beat()
        except JobFenced:
            break
        except Exception:  # a database restart must not end the job
            log.exception("heartbeat failed")
            connection.close()
    connection.close()


def run_queued(job: Job) -> Job:
    """Run a job in this process (a command line without workers) and return its row."""
    run(job.pk, owner="command line")
    job.refresh_from_db()
    return job
