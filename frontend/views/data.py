"""Data: snapshots with their manifests, and exports to download."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, project_for
from annotation.consensus.models import Scope
from annotation.datasets.exporters import FORMATS, NAMES
from annotation.datasets.queries import BAND
from annotation.datasets.selectors import exports_of, snapshots_of
from annotation.labels.answers import SCORED
from annotation.projects.selectors import criteria_of, protocol_of
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reads import has_simulated
from frontend.wizard.fields import decimal
from jobs import services as jobs


@require_safe
@login_required
def data(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.EXPORT)
    protocol, criteria = protocol_of(project), criteria_of(project)
    context = {
        "page": page_of(snapshots_of(project), request, size=10),
        "exports": exports_of(project)[:30],
        "shapes": NAMES,
        "formats": list(FORMATS),
        "scopes": Scope.values,
        "criteria": criteria,
        "scored": any(row.asks(protocol) in SCORED for row in criteria),
        "simulated": has_simulated(project),
    }
    return project_page(request, "data/page.html", project, "data", **context)


@require_POST
@login_required
def snapshot_build(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze the labels as they are now: a job."""
    user = user_of(request)
    project = project_for(user, slug, Action.EXPORT)
    query: dict[str, Any] = {
        "scope": request.POST.get("scope", "mixed"),
        "splits": {"test": 0.2},
        "exclude_ties": request.POST.get("exclude_ties") == "on",
        "include_excluded": request.POST.get("include_excluded") == "on",
    }
    if criterion := request.POST.get("criterion", ""):
        query["criterion"] = criterion
    if gap := decimal(request.POST.get("pairs_from_ratings", ""), _("least difference")):
        query["pairs_from_ratings"] = gap
    if band := {
        name: value
        for name in BAND
        if (value := decimal(request.POST.get(f"band_{name}", ""), _("band"))) is not None
    }:
        query["band"] = band
    job = jobs.submit(
        kind="annotation.snapshot",
        project=project,
        arguments={"query": query, "name": request.POST.get("name", "").strip()[:120]},
        created_by=user,
        unique_key=f"snapshot:{project.pk}",
    )
    messages.success(request, _("The snapshot is being built; this page of its job says how far."))
    return redirect("job", slug, job.pk)
