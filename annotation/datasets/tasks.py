"""The jobs that build a snapshot, write an export, and send one to the Hub."""

from typing import Any

from annotation.consensus.services import catch_up
from core.exceptions import InvalidInput
from jobs.context import JobContext

from .exporters import check, data_files, export
from .models import Export, Snapshot
from .pushing import push
from .services import build_snapshot


def run_snapshot(ctx: JobContext) -> dict[str, Any]:
    """Build the snapshot of the argument `query`."""
    row = _build(ctx)
    return {"snapshot": row.pk, "content_hash": row.content_hash}


def run_export(ctx: JobContext) -> dict[str, Any]:
    """Write `snapshot`, or one built of `query`, in the given `shape`, `format` and `options`."""
    given = ctx.arguments
    check(given["shape"], given["format"], given.get("options"))
    snapshot = _build(ctx) if given.get("query") is not None else _snapshot(ctx)
    row = export(
        snapshot=snapshot,
        shape=given["shape"],
        format=given["format"],
        options=given.get("options"),
        job=ctx.job,
        progress=lambda done, total: ctx.progress(done, total, f"{done} of {total} rows"),
    )
    return {
        "export": row.pk,
        "snapshot": snapshot.pk,
        "rows": row.rows,
        "bytes": row.bytes,
        "files": [each["path"] for each in data_files(row)],
    }


def run_push(ctx: JobContext) -> dict[str, Any]:
    """Send the files of `export` to the data set `repo` of the Hub, with the operator's token."""
    rows = Export.objects.filter(pk=ctx.arguments["export"], snapshot__project=ctx.job.project_id)
    row = rows.first()
    if row is None:
        raise InvalidInput("There is no such export in this project.")
    ctx.progress(0, 1, "sending")
    return {"url": push(row=row, repo=ctx.arguments["repo"], private=ctx.arguments["private"])}


def _build(ctx: JobContext) -> Snapshot:
    """A snapshot of what is labelled by now: whoever asks for one waits for no sweep."""
    if ctx.job.project is None:
        raise InvalidInput("A snapshot needs a project.")
    while catch_up(project=ctx.job.project):
        ctx.check()
    return build_snapshot(
        project=ctx.job.project,
        query=ctx.arguments["query"],
        created_by=ctx.job.created_by,
        name=ctx.arguments.get("name", ""),
        progress=lambda done, total: ctx.progress(done, total, f"{done} of {total} instances"),
    )


def _snapshot(ctx: JobContext) -> Snapshot:
    rows = Snapshot.objects.filter(pk=ctx.arguments["snapshot"], project=ctx.job.project_id)
    snapshot = rows.first()
    if snapshot is None:
        raise InvalidInput("There is no such snapshot in this project.")
    return snapshot
