"""The job that imports a file."""

from typing import Any

from annotation.judges.revealed import write_revealed
from annotation.judges.services import ensure_recorded
from core.exceptions import InvalidInput
from jobs.context import JobContext

from .readers import count_rows, read_rows
from .services import import_records
from .uploads import lines_of, upload_path


def run_import(ctx: JobContext) -> dict[str, Any]:
    """Import the upload named by the argument `file`; the result is the report's fields.

    Judges whose labels the file brings are judges of the project from then on, and what they said
    is a signal of the instance where it is revealed.
    """
    project = ctx.job.project
    if project is None:
        raise InvalidInput("An import needs a project.")
    path = upload_path(ctx.arguments["file"])
    with lines_of(path, project, ctx.check) as (lines, refused):
        total = count_rows(lines, check=ctx.check)
        report = import_records(
            project=project,
            lines=read_rows(lines),
            reveal=bool(ctx.arguments.get("reveal", True)),
            job=ctx.job,
            progress=lambda done: ctx.progress(done, total, f"{done} of {total} lines"),
            refused_files=refused,
        )
    ensure_recorded(project=project)
    write_revealed(project=project)
    for error in report.errors[:100]:
        ctx.log(f"{_place(error)} {error['id']}: {error['reason']}", "warning")
    return report.as_dict()


def _place(error: dict[str, Any]) -> str:
    return f"line {error['line']}" if error["line"] else "file"
