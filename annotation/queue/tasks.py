"""The job that sends instances to people."""

from typing import Any

from core.exceptions import InvalidInput
from jobs.context import JobContext

from .sending import send_to_people


def run_send(ctx: JobContext) -> dict[str, Any]:
    """No arguments. The result holds how many instances were `sent`."""
    project = ctx.job.project
    if project is None:
        raise InvalidInput("Instances are sent in a project.")

    def progress(done: int, total: int) -> None:
        ctx.progress(done, total, f"{done} of {total} instances")

    return {"sent": send_to_people(project=project, progress=progress)}
