"""Retraining by itself: when enough labels are new, or when enough time has passed."""

from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.models import Project, User
from annotation.consensus import services as consensus
from annotation.datasets.services import build_snapshot
from annotation.labels.models import Annotation
from audit.services import record
from core.exceptions import Conflict, InvalidInput, NotFound
from jobs import services as jobs
from jobs.context import JobContext
from jobs.models import Job

from . import fitting, services
from .models import Run, RunKind, Schedule

RETRAIN = "training.retrain"
DEFAULT_QUERY = {"criterion": "overall", "scope": "mixed", "splits": {"test": 0.2}}
log = structlog.get_logger("training.schedules")


@transaction.atomic
def set_schedule(
    *,
    project: Project,
    kind: str,
    every_labels: int | None = None,
    every_hours: int | None = None,
    query: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    enabled: bool = True,
    actor: User | None = None,
) -> Schedule:
    """Make or change the project's schedule of one kind; labels are counted from now on.

    `query` is that of `build_snapshot`, `options` are those of `start_run`.

    Raises:
        InvalidInput: an unknown kind, or neither labels nor hours.
    """
    if kind not in RunKind.values:
        raise InvalidInput(f"`kind` is {kind!r}: choose {' or '.join(RunKind.values)}.")
    if not (every_labels or 0) > 0 and not (every_hours or 0) > 0:
        raise InvalidInput("Say after how many new labels or after how many hours to retrain.")
    values = {
        "every_labels": every_labels or None,
        "every_hours": every_hours or None,
        "config": {"query": query or DEFAULT_QUERY, "options": options or {}},
        "enabled": enabled,
    }
    start = {"last_annotation_id": _newest(project), "last_started_at": timezone.now()}
    schedule, _ = Schedule.objects.update_or_create(
        project=project, kind=kind, defaults=values, create_defaults=values | start
    )
    record(
        action="schedule set",
        actor=actor,
        project=project,
        target=f"{kind} schedule",
        every_labels=every_labels,
        every_hours=every_hours,
        enabled=enabled,
    )
    return schedule


def tick() -> list[Job]:
    """Submit a retrain for every schedule that is due and has none active."""
    enabled = Schedule.objects.select_related("project").filter(
        enabled=True, project__archived_at__isnull=True
    )
    started = []
    for schedule in enabled.order_by("pk"):
        try:
            job = start_if_due(schedule=schedule)
        except Conflict:
            log.info("retrain still active", schedule=schedule.pk)
            continue
        if job is not None:
            started.append(job)
    return started


@transaction.atomic
def start_if_due(*, schedule: Schedule) -> Job | None:
    """Submit the schedule's retrain and count from now on; None where it is not due.

    Raises:
        Conflict: its last retrain is still active; the schedule stays due.
    """
    schedule = (
        Schedule.objects.select_for_update(of=("self",))
        .select_related("project")
        .get(pk=schedule.pk)
    )
    if not is_due(schedule):
        return None
    newest = _newest(schedule.project)
    job = jobs.submit(
        kind=RETRAIN,
        project=schedule.project,
        arguments={"schedule": schedule.pk},
        unique_key=f"retrain:{schedule.project_id}:{schedule.kind}",
    )
    schedule.last_annotation_id = newest
    schedule.last_started_at = timezone.now()
    schedule.save(update_fields=["last_annotation_id", "last_started_at"])
    return job


def is_due(schedule: Schedule) -> bool:
    """Whether enough labels are new, or enough hours have passed and at least one label is new.

    Without a new label a retrain would give the model that is there already.
    """
    new = new_labels(schedule)
    if not new:
        return False
    if schedule.every_labels and new >= schedule.every_labels:
        return True
    if not schedule.every_hours:
        return False
    since = schedule.last_started_at or schedule.created_at
    return timezone.now() - since >= timedelta(hours=schedule.every_hours)


def new_labels(schedule: Schedule) -> int:
    """Labels written since the last retrain began; retractions are none."""
    return Annotation.objects.filter(
        project=schedule.project_id, pk__gt=schedule.last_annotation_id, retracted=False
    ).count()


def retrain(ctx: JobContext) -> dict[str, Any]:
    """The job kind "training.retrain": a fresh snapshot, a run on it, and its training, in one job.

    A later attempt of the job goes on with the run that an earlier one has begun.
    """
    run = Run.objects.select_related("project", "snapshot").filter(job=ctx.job).first()
    return fitting.train(ctx, run or _begin(ctx))


def _begin(ctx: JobContext) -> Run:
    schedule = (
        Schedule.objects.select_related("project").filter(pk=ctx.arguments["schedule"]).first()
    )
    if schedule is None:
        raise NotFound("The schedule of this retrain is gone.")
    consensus.update(project=schedule.project)
    snapshot = build_snapshot(
        project=schedule.project,
        query=schedule.config.get("query") or DEFAULT_QUERY,
        name=f"Schedule, {schedule.kind}",
        progress=ctx.progress,
    )
    with services.held(ctx):
        return services.create_run(
            project=schedule.project,
            kind=schedule.kind,
            snapshot=snapshot,
            options=schedule.config.get("options", {}),
            name=f"Scheduled {schedule.kind}",
            job=ctx.job,
        )


def _newest(project: Project) -> int:
    """The id of the project's newest annotation, 0 without any."""
    return (
        Annotation.objects.filter(project=project)
        .order_by("-pk")
        .values_list("pk", flat=True)
        .first()
        or 0
    )
