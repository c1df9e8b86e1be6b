"""The jobs that build a snapshot and write an export."""

from typing import Any

from core.exceptions import InvalidInput
from jobs.context import JobContext

from .exporters import export
from .models import Snapshot
from .services import build_snapshot


def run_snapshot(ctx: JobContext) -> dict[str, Any]:
    """Build the snapshot of the argument `query`."""
    if ctx.job.project is None:
        raise InvalidInput("A snapshot needs a project.")
    row = build_snapshot(
        project=ctx.job.project,
        query=ctx.arguments["query"],
        created_by=ctx.job.created_by,
        name=ctx.arguments.get("name", ""),
        progress=lambda done, total: ctx.progress(done, total, f"{done} of {total} instances"),
    )
    return {"snapshot": row.pk, "content_hash": row.content_hash}


def run_export(ctx: JobContext) -> dict[str, Any]:
    """Write the snapshot `snapshot` in the given `shape` and `format`."""
    snapshot = Snapshot.objects.filter(
        pk=ctx.arguments["snapshot"], project=ctx.job.project_id
    ).first()
    if snapshot is None:
        raise InvalidInput("There is no such snapshot in this project.")
    row = export(
        snapshot=snapshot,
        shape=ctx.arguments["shape"],
        format=ctx.arguments["format"],
        job=ctx.job,
        progress=lambda done, total: ctx.progress(done, total, f"{done} of {total} rows"),
    )
    return {"export": row.pk, "rows": row.rows, "bytes": row.bytes}
