"""Keeping consensus live: new labels ask for a job, at most one per project every few seconds."""

import time
from dataclasses import asdict
from typing import Any

from celery import shared_task
from django.db.models import F, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce

from accounts.models import Project, User
from annotation.labels.models import Annotation
from core.exceptions import Conflict, InvalidInput
from jobs.context import JobContext
from jobs.models import Job
from jobs.services import submit

from .generators import Settings, measure
from .models import ConsensusState
from .services import catch_up

KIND = "annotation.consensus"
GENERATORS = "annotation.generators"
EVERY_SECONDS = 10.0
_asked: dict[int, float] = {}


def run_consensus(ctx: JobContext) -> dict[str, Any]:
    """No arguments. The result holds how many consensus rows were written."""
    project = ctx.job.project
    if project is None:
        raise InvalidInput("A consensus belongs to a project.")
    written = 0
    while found := catch_up(project=project):
        written += found
        ctx.progress(written, 0)
    return {"written": written}


def run_generators(ctx: JobContext) -> dict[str, Any]:
    """Arguments: those of `generators.Settings`. The result holds the report's id."""
    project = ctx.job.project
    if project is None:
        raise InvalidInput("A leaderboard belongs to a project.")
    report = measure(project, Settings(**ctx.arguments), ctx.job, ctx.progress)
    return {"report": report.pk}


def rank_generators(*, project: Project, settings: Settings, by: User) -> Job:
    """Ask for a leaderboard of the generators.

    Raises:
        Conflict: one is being computed.
    """
    return submit(
        kind=GENERATORS,
        project=project,
        arguments=asdict(settings),
        created_by=by,
        unique_key=f"{GENERATORS}:{project.pk}",
    )


def on_labels(*, project_id: int, **_: Any) -> None:
    """Receives `annotation_submitted`; without a query for most labels, so a submit stays fast."""
    now = time.monotonic()
    if now - _asked.get(project_id, -EVERY_SECONDS) < EVERY_SECONDS:
        return
    _asked[project_id] = now
    ask(project_id)


def ask(project_id: int) -> None:
    """Submit the job unless one is active already."""
    try:
        project = Project.objects.get(pk=project_id)
        submit(kind=KIND, project=project, arguments={}, unique_key=f"{KIND}:{project_id}")
    except Conflict:
        return


@shared_task(name="annotation.consensus.sweep")
def sweep() -> None:
    """Ask for every project with labels that no consensus has seen: the last ones of a burst."""
    for project_id in behind():
        ask(project_id)


def behind() -> list[int]:
    """Projects whose consensus was kept live before and has new labels since."""
    newest = (
        Annotation.objects.filter(project=OuterRef("project"))
        .order_by()
        .values("project")
        .annotate(newest=Max("pk"))
        .values("newest")
    )
    states = ConsensusState.objects.annotate(newest=Coalesce(Subquery(newest), 0))
    return list(states.filter(newest__gt=F("annotation")).values_list("project", flat=True))
