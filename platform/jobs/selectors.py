"""Reads about jobs and about whether anybody is there to run them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project
from core.exceptions import NotFound

from .models import HELD, Heartbeat, Job, LogLine, Queue, State

ALIVE_SECONDS = 90


@dataclass(frozen=True)
class QueueHealth:
    """One queue: is a worker there, how much waits, since when."""

    name: str
    alive: bool
    last_seen: datetime | None
    queued: int
    running: int
    oldest: datetime | None


def jobs_of(project: Project) -> QuerySet[Job]:
    """The project's jobs, newest first."""
    return Job.objects.filter(project=project).select_related("created_by").order_by("-pk")


def job_in(project: Project, job_id: int) -> Job:
    """One job of the project.

    Raises:
        NotFound: there is no such job in this project.
    """
    job = jobs_of(project).filter(pk=job_id).first()
    if job is None:
        raise NotFound(_("There is no such job in this project."))
    return job


def log_of(job: Job, *, after: int = 0, limit: int = 500) -> list[LogLine]:
    """The last `limit` log lines with an id above `after`, oldest first."""
    lines = LogLine.objects.filter(job=job, pk__gt=after).order_by("-pk")[:limit]
    return list(reversed(lines))


def health() -> list[QueueHealth]:
    """Every queue and the sweep. A busy worker counts as alive while it renews its lease."""
    now = timezone.now()
    seen: dict[str, datetime] = dict(Heartbeat.objects.values_list("name", "at"))
    waiting: dict[str, Any] = {
        row["queue"]: row
        for row in Job.objects.filter(state=State.QUEUED)
        .values("queue")
        .annotate(count=Count("id"), oldest=Min("created_at"))
    }
    running: dict[str, int] = {
        row["queue"]: row["count"]
        for row in Job.objects.filter(state__in=HELD, lease_until__gt=now)
        .values("queue")
        .annotate(count=Count("id"))
    }
    fresh = now - timedelta(seconds=max(ALIVE_SECONDS, 3 * settings.JOBS_LEASE_SECONDS))
    return [
        QueueHealth(
            name=name,
            alive=bool(running.get(name)) or (name in seen and seen[name] > fresh),
            last_seen=seen.get(name),
            queued=waiting.get(name, {}).get("count", 0),
            running=running.get(name, 0),
            oldest=waiting.get(name, {}).get("oldest"),
        )
        for name in [*Queue.values, "sweep"]
    ]
