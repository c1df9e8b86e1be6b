"""Data: snapshots with their cards, where they come from, and what differs between two."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.consensus.models import Scope
from annotation.datasets import api_snapshots, cards
from annotation.datasets.counts import count
from annotation.datasets.exporters import NAMES
from annotation.datasets.formats import FORMATS
from annotation.datasets.queries import BAND, EVERY, checked_for
from annotation.datasets.selectors import exports_of, snapshots_of
from annotation.labels.answers import SCORED
from annotation.projects.selectors import criteria_of, protocol_of
from core.exceptions import ApplicationError
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reads import has_simulated
from frontend.snapshot_form import BOXES, FIRST, SIGNALS, query_of, values_of
from jobs import services as jobs
from jobs.models import Job
from training.runs.models import Run

MOST_COMPARED = 50
MOST_RUNS = 20


@require_safe
@login_required
def data(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.EXPORT)
    context = {
        "page": page_of(snapshots_of(project), request, size=10),
        "exports": exports_of(project)[:30],
        "shapes": NAMES,
        "formats": list(FORMATS),
        "simulated": has_simulated(project),
    }
    return project_page(request, "data/page.html", project, "data", **context)


@require_safe
@login_required
def snapshot_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The builder; fields may be given in the address."""
    project = project_for(user_of(request), slug, Action.EXPORT)
    values = FIRST | values_of(request.GET)
    return _builder(request, project, values, _counts(project, values))


@require_POST
@login_required
def snapshot_count(request: HttpRequest, slug: str) -> HttpResponse:
    """What the fields would hold: with htmx the counts alone, without the whole page again."""
    project = project_for(user_of(request), slug, Action.EXPORT)
    values = values_of(request.POST)
    counts = _counts(project, values, exact=request.POST.get("exact") == "on")
    if request.headers.get("HX-Request"):
        return render(request, "data/_counts.html", {"project": project, **counts})
    return _builder(request, project, values, counts)


@require_POST
@login_required
def snapshot_build(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze the labels as they are now: a job."""
    user = user_of(request)
    project = project_for(user, slug, Action.EXPORT)
    values = values_of(request.POST)
    try:
        query = query_of(values)
        checked_for(project, query)
    except ApplicationError as error:
        shown = {"problem": str(error), "counts": None}
        return _builder(request, project, values, shown, status=422)
    job = jobs.submit(
        kind=api_snapshots.BUILD,
        project=project,
        arguments={"query": query, "name": values.get("name", "")[:120]},
        created_by=user,
        unique_key=f"snapshot:{project.pk}",
    )
    messages.success(request, _("The snapshot is being built; this page of its job says how far."))
    return redirect("job", slug, job.pk)


@require_safe
@login_required
def snapshot(request: HttpRequest, slug: str, snapshot_id: int) -> HttpResponse:
    """One snapshot: its card, where it comes from, what was made of it."""
    project = project_for(user_of(request), slug, Action.EXPORT)
    row = api_snapshots.snapshot_in(project, snapshot_id)
    described = row.manifest.get("described", {})
    imports = Job.objects.filter(project=project, pk__in=[*described.get("imports", {})])
    context = {
        "snapshot": row,
        "described": described,
        "biases": cards.biases_of(row.manifest),
        "limits": cards.limits_of(row.manifest),
        "imports": [(job, described["imports"][str(job.pk)]) for job in imports.order_by("pk")],
        "exports": exports_of(project).filter(snapshot=row),
        "runs": Run.objects.filter(snapshot=row).order_by("-pk")[:MOST_RUNS],
        "others": snapshots_of(project).exclude(pk=row.pk)[:MOST_COMPARED],
        "shapes": NAMES,
        "formats": list(FORMATS),
    }
    return project_page(request, "data/snapshot.html", project, "data", **context)


@require_safe
@login_required
def snapshot_card(request: HttpRequest, slug: str, snapshot_id: int) -> HttpResponse:
    """The card as README.md."""
    project = project_for(user_of(request), slug, Action.EXPORT)
    row = api_snapshots.snapshot_in(project, snapshot_id)
    text = cards.markdown(row.manifest, api_snapshots.name_of(row))
    response = HttpResponse(text, content_type="text/markdown; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="README.md"'
    return response


@require_safe
@login_required
def snapshot_diff(request: HttpRequest, slug: str, snapshot_id: int) -> HttpResponseBase:
    """What differs from this snapshot to the one named by `with`; `as` downloads all of it."""
    project = project_for(user_of(request), slug, Action.EXPORT)
    before = api_snapshots.snapshot_in(project, snapshot_id)
    other = request.GET.get("with", "")
    known = other.isascii() and other.isdecimal() and len(other) < 19
    after = api_snapshots.snapshot_in(project, int(other)) if known else before
    if (kind := request.GET.get("as", "")) in {"jsonl", "csv"}:
        return api_snapshots.download(before, after, kind)
    context: dict[str, Any] = {"before": before, "after": after}
    try:
        context["diff"] = api_snapshots.difference(before, after)
    except ApplicationError as error:
        context["problem"] = str(error)
    return project_page(request, "data/diff.html", project, "data", **context)


def _counts(project: Project, values: dict[str, Any], *, exact: bool = False) -> dict[str, Any]:
    try:
        return {"counts": count(project, query_of(values), exact=exact), "problem": ""}
    except ApplicationError as error:
        return {"counts": None, "problem": str(error)}


def _builder(
    request: HttpRequest,
    project: Project,
    values: dict[str, Any],
    counts: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    protocol, criteria = protocol_of(project), criteria_of(project)
    context = {
        "values": values,
        "boxes": BOXES,
        "bands": [(n, values.get(f"{n}_low", ""), values.get(f"{n}_high", "")) for n in SIGNALS],
        "rating_bands": [(name, values.get(f"band_{name}", "")) for name in BAND],
        "scopes": Scope.values,
        "criteria": criteria,
        "every": EVERY,
        "scored": any(row.asks(protocol) in SCORED for row in criteria),
        **counts,
    }
    response = project_page(request, "data/build.html", project, "data", **context)
    response.status_code = status
    return response
