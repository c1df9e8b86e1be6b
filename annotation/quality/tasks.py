"""The job that computes a quality report."""

from dataclasses import asdict
from typing import Any

from accounts.models import Project, User
from core.exceptions import InvalidInput
from jobs.context import JobContext
from jobs.models import Job
from jobs.services import submit

from .measuring import Settings, measure

KIND = "annotation.quality"


def run_quality(ctx: JobContext) -> dict[str, Any]:
    """Arguments: those of `Settings`. The result holds the report's id."""
    project = ctx.job.project
    if project is None:
        raise InvalidInput("A report belongs to a project.")
    report = measure(project, Settings(**ctx.arguments), ctx.job)
    ctx.log(f"{len(report.figures['annotators'])} annotators measured")
    return {"report": report.pk}


def compute(*, project: Project, settings: Settings, by: User) -> Job:
    """Ask for a report.

    Raises:
        Conflict: one is being computed.
    """
    return submit(
        kind=KIND,
        project=project,
        arguments=asdict(settings),
        created_by=by,
        unique_key=f"{KIND}:{project.pk}",
    )
