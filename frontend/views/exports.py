"""Exports: made of a snapshot or of the labels as they are now, looked at before, downloaded."""

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.datasets.api_exports import EXPORT, PUSH, archive_of, file_of
from annotation.datasets.exporters import check, data_files, plan, preview
from annotation.datasets.formats import FORMATS
from annotation.datasets.models import Export
from annotation.datasets.pushing import check_repo
from annotation.datasets.selectors import exports_of, snapshots_of
from annotation.datasets.shapes import SHAPES
from core.downloads import send_file
from core.exceptions import ApplicationError, InvalidInput
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reads import export_in, snapshot_in
from jobs import services as jobs
from jobs.models import ENDED, Job

MOST_SNAPSHOTS = 50
FLAGS = ("provenance", "anonymised", "mask", "media")
LONGEST_CELL = 400
AT_FIRST = "shape=trl&format=jsonl&rationale=on&provenance=on"


@require_safe
@login_required
def exports(request: HttpRequest, slug: str) -> HttpResponse:
    """The exports there are and the form; `?shape=…` shows the first rows beside it."""
    project = project_for(user_of(request), slug, Action.EXPORT)
    asked = request.GET if "shape" in request.GET else None
    context: dict[str, Any] = {
        "page": page_of(exports_of(project), request, size=20),
        "snapshots": snapshots_of(project)[:MOST_SNAPSHOTS],
        "shapes": {name: shape.title for name, shape in SHAPES.items()},
        "formats": {name: each.title for name, each in FORMATS.items()},
        "asked": asked if asked is not None else QueryDict(AT_FIRST),
        "running": _running(project),
        "hub": bool(settings.HUB_PUSH_TOKEN),
    }
    if asked is not None:
        context |= _preview(project, asked)
    return project_page(request, "exports/page.html", project, "data", **context)


def _preview(project: Project, asked: QueryDict) -> dict[str, Any]:
    """Three rows as JSON, or why there are none."""
    try:
        if not asked.get("snapshot"):
            raise InvalidInput(_("A preview needs a snapshot: choose one."))
        snapshot = snapshot_in(project, _number(asked.get("snapshot", "")))
        rows = preview(
            plan(snapshot, asked.get("shape", ""), asked.get("format", "jsonl"), _options(asked))
        )
    except ApplicationError as error:
        return {"refused": error.message}
    return {"rows": [_shown(row) for row in rows], "looked": True}


def _shown(row: dict[str, Any]) -> str:
    cut = {name: _short(value) for name, value in row.items()}
    return json.dumps(cut, indent=2, ensure_ascii=False)


def _short(value: Any) -> Any:
    """Long texts are cut: a preview is looked at, not read."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_CELL else f"{value[:LONGEST_CELL]} …"
    if isinstance(value, list):
        return [_short(each) for each in value]
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    return value


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _options(form: QueryDict) -> dict[str, Any]:
    """The options of the form; an anonymised release numbers annotators and keeps rationales here.

    The box of rationales is ticked at first, so beside that of a release it says nothing.
    """
    options: dict[str, Any] = {name: form.get(name) == "on" for name in FLAGS}
    options["rationale"] = form.get("rationale") == "on" and not options["anonymised"]
    if form.get("annotators") and not options["anonymised"]:
        options["annotators"] = form["annotators"]
    if keys := [key.strip() for key in form.get("metadata", "").split(",") if key.strip()]:
        options["metadata"] = keys
    if shard := form.get("shard_rows", "").strip():
        options["shard_rows"] = _number(shard)
    return options


@require_POST
@login_required
def export_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Make an export: a job. Without a snapshot the labels as they are now are frozen first."""
    user = user_of(request)
    project = project_for(user, slug, Action.EXPORT)
    form = request.POST
    arguments: dict[str, Any] = {
        "shape": form.get("shape", ""),
        "format": form.get("format", ""),
        "options": _options(form),
    }
    check(**arguments)
    if form.get("snapshot"):
        arguments["snapshot"] = snapshot_in(project, _number(form["snapshot"])).pk
    else:
        arguments["query"] = {}
    job = jobs.submit(kind=EXPORT, project=project, arguments=arguments, created_by=user)
    return redirect("job", slug, job.pk)


@require_POST
@login_required
def export_make(request: HttpRequest, slug: str, snapshot_id: int) -> HttpResponse:
    """Write a snapshot in one shape and format, as it stands beside the snapshot: a job."""
    user = user_of(request)
    project = project_for(user, slug, Action.EXPORT)
    snapshot = snapshot_in(project, snapshot_id)
    arguments = {
        "snapshot": snapshot.pk,
        "shape": request.POST.get("shape", ""),
        "format": request.POST.get("format", ""),
    }
    job = jobs.submit(kind=EXPORT, project=project, arguments=arguments, created_by=user)
    return redirect("job", slug, job.pk)


@require_safe
@login_required
def export_download(request: HttpRequest, slug: str, export_id: int) -> HttpResponseBase:
    """The file; several as one ZIP."""
    row = _export(request, slug, export_id)
    data = data_files(row)
    if len(data) > 1 or "/" in data[0]["path"]:
        return archive_of(row)
    path, told = file_of(row, data[0]["path"])
    return send_file(request, path, **told)


@require_safe
@login_required
def export_file(request: HttpRequest, slug: str, export_id: int, file: str) -> HttpResponseBase:
    """One of the files of an export."""
    path, told = file_of(_export(request, slug, export_id), file)
    return send_file(request, path, **told)


@require_POST
@login_required
def export_push(request: HttpRequest, slug: str, export_id: int) -> HttpResponse:
    """Send an export to the Hub with the operator's token, where only they see it: a job."""
    row = _export(request, slug, export_id)
    job = jobs.submit(
        kind=PUSH,
        project=row.snapshot.project,
        arguments={
            "export": row.pk,
            "repo": check_repo(request.POST.get("repo", "").strip()),
            "private": True,
        },
        created_by=user_of(request),
    )
    return redirect("job", slug, job.pk)


def _export(request: HttpRequest, slug: str, export_id: int) -> Export:
    project = project_for(user_of(request), slug, Action.EXPORT)
    return export_in(project, export_id)


def _running(project: Project) -> list[Job]:
    rows = Job.objects.filter(project=project, kind=EXPORT).exclude(state__in=ENDED)
    return list(rows.order_by("-pk")[:5])
