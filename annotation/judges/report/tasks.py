"""The job that computes a judge report."""

from typing import Any

from accounts.models import Project, User
from core.exceptions import InvalidInput
from jobs.context import JobContext
from jobs.models import Job
from jobs.services import submit

from .services import measure

KIND = "judges.report"


def run_judge_report(ctx: JobContext) -> dict[str, Any]:
    """No arguments. The result holds the report's id."""
    project = ctx.job.project
    if project is None:
        raise InvalidInput("A judge report belongs to a project.")
    report = measure(project, ctx.job, ctx.progress)
    ctx.log(f"Judges measured: {len(report.figures['judges'])}")
    return {"report": report.pk}


def compute_judge_report(*, project: Project, by: User) -> Job:
    """Ask for a report.

    Raises:
        Conflict: one is being computed.
    """
    return submit(
        kind=KIND, project=project, arguments={}, created_by=by, unique_key=f"{KIND}:{project.pk}"
    )
