"""Retraining by itself: by new labels, by time, or when something has drifted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Project, User
from annotation.consensus import services as consensus
from annotation.datasets.queries import normalise
from annotation.datasets.services import build_snapshot
from annotation.labels.models import Annotation
from audit.services import record
from core.exceptions import ApplicationError, Conflict, InvalidInput, NotFound
from jobs import services as jobs
from jobs.context import JobContext
from jobs.models import RETRAIN, Job, State
from training.registry.models import ModelVersion, Stage
from training.registry.services import promote as promote_version

from . import fitting, services
from .config import check_options
from .models import Run, Schedule

DEFAULT_QUERY = {"criterion": "overall", "scope": "mixed", "splits": {"test": 0.2}}
# Failures in a row after which a schedule pauses itself.
FAILURES = 3
MOST = 2**31 - 1
log = structlog.get_logger("training.schedules")


@transaction.atomic
def set_schedule(
    *,
    project: Project,
    kind: str,
    every_labels: int | None = None,
    every_hours: int | None = None,
    on_drift: bool = False,
    least_labels: int = 1,
    promote: bool = False,
    query: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    enabled: bool = True,
    actor: User | None = None,
) -> Schedule:
    """Make or change the project's schedule of one kind; labels are counted from its first day on.

    `query` is that of `build_snapshot`, `options` are those of `start_run`, with `continue_from`.
    Time and drift wait for `least_labels` new labels: without any a retrain would give the model
    that is there. With `promote` a version that passes the gate goes into production.

    Raises:
        InvalidInput: an unknown kind, a number that is none, no trigger, or a query or options
            that no run could have.
    """
    _check_numbers(every_labels, every_hours, least_labels)
    if not (every_labels or every_hours or on_drift):
        raise InvalidInput(
            _("Say after how many new labels or after how many hours to retrain, or on drift.")
        )
    query, options = query or DEFAULT_QUERY, options or {}
    check_options(project, kind, options)
    normalise(query, default_criterion="overall")
    values = {
        "every_labels": every_labels,
        "every_hours": every_hours,
        "on_drift": on_drift,
        "least_labels": least_labels,
        "promote": promote,
        "config": {"query": query, "options": options},
        "enabled": enabled,
        "set_at": timezone.now(),
        "waiting": "",
        "paused": "",
    }
    start = {"last_annotation_id": _newest(project), "last_started_at": timezone.now()}
    schedule, _made = Schedule.objects.update_or_create(
        project=project, kind=kind, defaults=values, create_defaults=values | start
    )
    record(
        action="schedule set",
        actor=actor,
        project=project,
        target=f"{kind} schedule",
        every_labels=every_labels,
        every_hours=every_hours,
        on_drift=on_drift,
        promote=promote,
        enabled=enabled,
    )
    return schedule


def _check_numbers(
    every_labels: int | None, every_hours: int | None, least_labels: int | None
) -> None:
    numbers = {"every_labels": every_labels, "every_hours": every_hours}
    for name, value in (numbers | {"least_labels": least_labels}).items():
        if value is None and name in numbers:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MOST:
            raise InvalidInput(
                _("`%(name)s` is %(value)s: give a whole number above 0.")
                % {"name": name, "value": value}
            )


@transaction.atomic
def remove_schedule(*, project: Project, kind: str, actor: User | None) -> None:
    """Retrain no more; an active retrain goes on.

    Raises:
        NotFound: there is no such schedule.
    """
    deleted, _rows = Schedule.objects.filter(project=project, kind=kind).delete()
    if not deleted:
        raise NotFound(_("There is no such schedule in this project."))
    record(action="schedule removed", actor=actor, project=project, target=f"{kind} schedule")


def drift_seen(project: Project, why: str) -> None:
    """Note that something has changed: schedules that watch for drift become due.

    Said again before a retrain it changes nothing.
    """
    seen = {"why": why[:200], "at": timezone.now().isoformat()}
    Schedule.objects.filter(project=project, on_drift=True, enabled=True, drift={}).update(
        drift=seen
    )


def tick() -> list[Job]:
    """Submit a retrain for every schedule that is due; one that fails again and again pauses.

    Of several that are due in a project one starts, the others wait and say so.
    """
    enabled = Schedule.objects.select_related("project").filter(
        enabled=True, project__archived_at__isnull=True
    )
    started = []
    for schedule in enabled.order_by("last_started_at", "pk"):
        try:
            job = None if _pause_if_failing(schedule) else start_if_due(schedule=schedule)
        except Conflict:
            Schedule.objects.filter(pk=schedule.pk).update(waiting=WAITING)
            log.info("retrain still active", schedule=schedule.pk)
            continue
        if job is not None:
            started.append(job)
    return started


WAITING = "Due, and waiting for the retrain of this project that is still active."


@transaction.atomic
def start_if_due(*, schedule: Schedule) -> Job | None:
    """Submit the schedule's retrain and count from now on; None where it is not due.

    Raises:
        Conflict: a retrain of the project is still active; the schedule stays due.
    """
    schedule = (
        Schedule.objects.select_for_update(of=("self",))
        .select_related("project")
        .get(pk=schedule.pk)
    )
    why = due(schedule)
    if not why:
        return None
    newest = _newest(schedule.project)
    job = jobs.submit(
        kind=RETRAIN,
        project=schedule.project,
        arguments={"schedule": schedule.pk, "why": why},
        unique_key=f"retrain:{schedule.project_id}",
    )
    schedule.last_annotation_id = newest
    schedule.last_started_at = timezone.now()
    schedule.drift, schedule.waiting = {}, ""
    schedule.save(update_fields=["last_annotation_id", "last_started_at", "drift", "waiting"])
    return job


def due(schedule: Schedule) -> str:
    """Why the schedule is due now; empty where it is not. However many ticks were missed: once."""
    new = new_labels(schedule)
    if schedule.every_labels and new >= schedule.every_labels:
        return ngettext("%(count)s new label", "%(count)s new labels", new) % {"count": new}
    if new < schedule.least_labels:
        return ""
    if schedule.on_drift and schedule.drift:
        return str(schedule.drift["why"])
    at = due_at(schedule)
    if at is not None and timezone.now() >= at:
        return _("%(hours)s hours have passed") % {"hours": schedule.every_hours}
    return ""


def due_at(schedule: Schedule) -> datetime | None:
    """When enough hours will have passed; None for a schedule without hours."""
    if not schedule.every_hours:
        return None
    since = schedule.last_started_at or schedule.created_at
    try:
        return since + timedelta(hours=schedule.every_hours)
    except OverflowError:
        return None  # in no year that there is


def new_labels(schedule: Schedule) -> int:
    """Labels written since the last retrain began; retractions are none."""
    return Annotation.objects.filter(
        project=schedule.project_id, pk__gt=schedule.last_annotation_id, retracted=False
    ).count()


@dataclass(frozen=True)
class Standing:
    """A schedule as a page shows it."""

    schedule: Schedule
    new_labels: int
    due_at: datetime | None
    # The newest retrains, newest first.
    retrains: list[Job]


def standings(project: Project) -> list[Standing]:
    """The project's schedules with how far each is. Three queries for each."""
    return [
        Standing(
            schedule,
            new_labels(schedule),
            due_at(schedule),
            list(_retrains(schedule).order_by("-pk")[:5]),
        )
        for schedule in Schedule.objects.filter(project=project).order_by("kind")
    ]


def _retrains(schedule: Schedule) -> QuerySet[Job]:
    return Job.objects.filter(
        kind=RETRAIN, project=schedule.project_id, arguments__schedule=schedule.pk
    )


def _pause_if_failing(schedule: Schedule) -> bool:
    """Pause after some failures in a row since it was set; says why, and whether it did."""
    ended = _retrains(schedule).filter(state__in=(State.SUCCEEDED, State.FAILED))
    if schedule.set_at is not None:
        ended = ended.filter(created_at__gt=schedule.set_at)
    newest = list(ended.order_by("-pk")[:FAILURES])
    if len(newest) < FAILURES or any(job.state == State.SUCCEEDED for job in newest):
        return False
    reason = f"{FAILURES} retrains in a row have failed. The last one: {newest[0].error[:1000]}"
    Schedule.objects.filter(pk=schedule.pk, enabled=True).update(
        enabled=False, paused=reason, waiting=""
    )
    record(
        action="schedule paused",
        actor=None,
        project=schedule.project,
        target=f"{schedule.kind} schedule",
        job=newest[0].pk,
    )
    return True


def retrain(ctx: JobContext) -> dict[str, Any]:
    """The job kind "training.retrain": a fresh snapshot, a run on it, and its training, in one job.

    A later attempt of the job goes on with the run that an earlier one has begun.
    """
    if ctx.arguments.get("why"):
        ctx.log(f"Retrain: {ctx.arguments['why']}.")
    run = Run.objects.select_related("project", "snapshot").filter(job=ctx.job).first()
    result = fitting.train(ctx, run or _begin(ctx))
    return result | {"promoted": _promote(ctx, result["model_version"])}


def _promote(ctx: JobContext, version_id: int) -> bool:
    """Into production where the schedule says so and the gate passes; else it stays a candidate."""
    schedule = Schedule.objects.filter(pk=ctx.arguments["schedule"], promote=True).first()
    if schedule is None:
        return False
    version = ModelVersion.objects.select_related("project").get(pk=version_id)
    try:
        promote_version(version=version, stage=Stage.PRODUCTION, actor=None)
    except ApplicationError as refused:
        ctx.log(f"It stays a candidate: {refused.message}", level="warning")
        return False
    ctx.log(f"{version} is in production: it passed the gate.")
    return True


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
