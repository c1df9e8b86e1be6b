"""The job that imports a file."""

from typing import Any

from core.exceptions import InvalidInput
from jobs.context import JobContext

from .reading import count_lines, read_records
from .services import import_records
from .uploads import upload_path


def run_import(ctx: JobContext) -> dict[str, Any]:
    """Import the upload named by the argument `file`; the result is the report's fields."""
    project = ctx.job.project
    if project is None:
        raise InvalidInput("An import needs a project.")
    path = upload_path(ctx.arguments["file"])
    total = count_lines(path, ctx.check)
    report = import_records(
        project=project,
        lines=read_records(path),
        reveal=bool(ctx.arguments.get("reveal", True)),
        job=ctx.job,
        progress=lambda done: ctx.progress(done, total, f"{done} of {total} lines"),
    )
    for error in report.errors[:100]:
        ctx.log(f"line {error['line']} {error['id']}: {error['reason']}", "warning")
    return report.as_dict()
