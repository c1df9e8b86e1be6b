"""Submitting, cancelling, claiming, finishing and sweeping jobs."""

from datetime import timedelta
from itertools import takewhile
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models import Project, User
from core.exceptions import Conflict

from . import registry
from .doorbell import ring
from .models import ENDED, HELD, Heartbeat, Job, LogLine, State
from .telling import tell_ends

RING_AGAIN_SECONDS = 60


def submit(
    *,
    kind: str,
    project: Project | None,
    arguments: dict[str, Any],
    created_by: User | None = None,
    unique_key: str = "",
    parent: Job | None = None,
    queue: str | None = None,
) -> Job:
    """Write the job's row; the doorbell rings when the transaction commits.

    Raises:
        InvalidInput: the kind is not registered.
        Conflict: a job with the same `unique_key` is still active.
    """
    registered = registry.kind(kind)
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                project=project,
                arguments=arguments,
                created_by=created_by,
                unique_key=unique_key,
                parent=parent,
                queue=queue or registered.queue,
                rung_at=timezone.now(),
            )
    except IntegrityError as error:
        if "job_one_active" not in str(error):
            raise
        raise Conflict("This is already running: wait for it to end, or cancel it first.") from None
    transaction.on_commit(lambda: _ring_once(job))
    return job


def _ring_once(job: Job) -> None:
    """Ring; where that fails the next sweep finds the job unrung."""
    if not ring(job):
        Job.objects.filter(pk=job.pk, state=State.QUEUED).update(rung_at=None)


@transaction.atomic
def cancel(*, job: Job) -> Job:
    """Stop the job and its children: a queued one at once, a running one at its next check."""
    now = timezone.now()
    ended = Job.objects.filter(pk=job.pk, state=State.QUEUED).update(
        state=State.CANCELLED, cancel_requested=True, finished_at=now
    )
    Job.objects.filter(pk=job.pk, state__in=HELD).update(cancel_requested=True)
    for child in job.children.exclude(state__in=ENDED):
        cancel(job=child)
    job.refresh_from_db()
    if ended:
        tell_ends([job])
    return job


def claim(*, job_id: int, owner: str) -> Job | None:
    """Take a queued job; None when another runner was first or it was cancelled."""
    taken = Job.objects.filter(pk=job_id, state=State.QUEUED, cancel_requested=False).update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        lease_owner=owner[:120],
        lease_until=timezone.now() + timedelta(seconds=settings.JOBS_LEASE_SECONDS),
        started_at=timezone.now(),
        error="",
    )
    return Job.objects.select_related("project").get(pk=job_id) if taken else None


@transaction.atomic
def finish(
    *, job: Job, state: State, result: dict[str, Any] | None = None, error: str = ""
) -> bool:
    """End an attempt. False when another attempt holds the job: then nothing is written."""
    values: dict[str, Any] = {"state": state, "lease_until": None, "error": error[:20000]}
    if state in ENDED:
        values["finished_at"] = timezone.now()
    else:
        values["rung_at"] = None  # given back: the next sweep rings for it
    if result is not None:
        values["result"] = result
    held = Job.objects.filter(pk=job.pk, attempt=job.attempt, state__in=HELD)
    if held.update(**values) != 1:
        return False
    if state in ENDED:
        tell_ends(Job.objects.filter(pk=job.pk))
    return True


def sweep() -> dict[str, int]:
    """Take back expired leases and ring for jobs that nobody took. Safe to run at any time."""
    now = timezone.now()
    lost = Q(state__in=HELD, lease_until__lt=now)
    expired = Job.objects.filter(lost)
    cancelled = _end(expired.filter(cancel_requested=True), State.CANCELLED)
    failed = _end(
        expired.filter(attempt__gte=F("max_attempts")),
        State.FAILED,
        "Its worker was lost again and again; see the log of the worker, then start it anew.",
    )
    back = list(expired.values_list("pk", "attempt"))
    requeued = expired.update(state=State.QUEUED, lease_until=None, rung_at=None)
    LogLine.objects.bulk_create(
        LogLine(
            job_id=pk,
            attempt=attempt,
            level="warning",
            message="The worker was lost; queued again.",
        )
        for pk, attempt in back
    )
    silent = Job.objects.filter(state=State.QUEUED).filter(
        Q(rung_at__isnull=True) | Q(rung_at__lt=now - timedelta(seconds=RING_AGAIN_SECONDS))
    )
    # Up to the first that fails: a broker that is down would hold up the sweep once for each.
    longest_first = silent.order_by(F("rung_at").asc(nulls_first=True), "pk")
    rung = [job.pk for job in takewhile(ring, longest_first[:500])]
    Job.objects.filter(pk__in=rung, state=State.QUEUED).update(rung_at=now)
    return {"cancelled": cancelled, "failed": failed, "requeued": requeued, "rung": len(rung)}


@transaction.atomic
def _end(lost: QuerySet[Job], state: State, error: str = "") -> int:
    """End jobs that nobody runs any more; how many there were."""
    jobs = list(lost.select_for_update(skip_locked=True))
    for job in jobs:
        job.state, job.error = state, error or job.error
        job.lease_until, job.finished_at = None, timezone.now()
    Job.objects.bulk_update(jobs, ["state", "error", "lease_until", "finished_at"])
    tell_ends(jobs)
    return len(jobs)


def pulse(*, name: str) -> None:
    """Note that whoever serves `name` is alive now."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now()})
