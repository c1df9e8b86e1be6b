"""The job that explains labels."""

from typing import Any

from accounts.models import Project, User
from annotation.datasets.models import Snapshot
from core.exceptions import InvalidInput
from jobs.context import JobContext
from jobs.models import Job
from jobs.services import submit

from .services import explain

KIND = "annotation.explain"


def run_explain(ctx: JobContext) -> dict[str, Any]:
    """Arguments: `snapshot`, an id or null for the labels as they stand. The result holds the id of
    the explanation."""
    project = ctx.job.project
    if project is None:
        raise InvalidInput("An explanation belongs to a project.")
    snapshot = None
    if number := ctx.arguments.get("snapshot"):
        snapshot = Snapshot.objects.filter(project=project, pk=number).first()
        if snapshot is None:
            raise InvalidInput("There is no such snapshot in this project.")
    found = explain(project=project, snapshot=snapshot, job=ctx.job, progress=ctx.progress)
    ctx.log(f"Labels explained: {found.figures['labels']}")
    return {"explanation": found.pk}


def compute_explanation(*, project: Project, snapshot: Snapshot | None, by: User | None) -> Job:
    """Ask for an explanation.

    Raises:
        Conflict: one is being computed.
    """
    return submit(
        kind=KIND,
        project=project,
        arguments={"snapshot": snapshot.pk if snapshot else None},
        created_by=by,
        unique_key=f"{KIND}:{project.pk}",
    )
