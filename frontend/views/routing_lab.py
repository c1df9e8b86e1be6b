"""The lab: strategies tried on what carries both labels, and whether routing helps."""

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.projects.selectors import criteria_of
from core.exceptions import ApplicationError, NotFound
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.replays import (
    NAMES,
    TRUTHS,
    budgets_shown,
    levels,
    name_of,
    tables,
    wanted_of,
)
from routing.lab import printing, selectors
from routing.lab.models import Replay
from routing.lab.services import start_replay
from routing.lab.stored import replayed

TYPES = {
    "csv": ("text/csv; charset=utf-8", printing.table),
    "md": ("text/markdown; charset=utf-8", printing.markdown),
    "txt": ("text/plain; charset=utf-8", printing.text),
}


@require_safe
@login_required
def replays(request: HttpRequest, slug: str) -> HttpResponse:
    """The standing comparison, every replay, and the form for another."""
    return _list(request, _seen(request, slug))


@require_POST
@login_required
def replay_start(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    judges, criteria = selectors.judges_of(project), list(criteria_of(project))
    try:
        wanted = wanted_of(request.POST, judges, criteria)
        row = start_replay(project=project, wanted=wanted, by=user)
    except ApplicationError as error:
        return _list(request, project, error=error, status=error.status)
    return redirect("replay", slug, row.pk)


@require_safe
@login_required
def replay(request: HttpRequest, slug: str, replay_id: int) -> HttpResponse:
    """Curves, tables and sentences; htmx gets the progress until they are there."""
    project = _seen(request, slug)
    row = _replay(project, replay_id)
    if request.headers.get("HX-Request"):
        if row.figures is not None or (row.job and row.job.ended):
            return HttpResponse(headers={"HX-Refresh": "true"})
        return render(request, "routing/lab_progress.html", {"project": project, "replay": row})
    shown: dict[str, Any] = {}
    if row.figures:
        shown = {"levels": levels(row.figures), "tables": tables(row.figures)}
        shown["truth"] = TRUTHS[row.figures["truth"]]
    return project_page(request, "routing/lab_replay.html", project, "replays", replay=row, **shown)


@require_safe
@login_required
def replay_download(request: HttpRequest, slug: str, replay_id: int, suffix: str) -> HttpResponse:
    """The figures as CSV or JSON, or the report as text or Markdown."""
    row = _replay(_seen(request, slug), replay_id)
    if row.figures is None or (suffix != "json" and suffix not in TYPES):
        raise NotFound(_("There is no such replay."))
    if suffix == "json":
        body, content_type = json.dumps(row.figures, indent=1), "application/json"
    else:
        content_type, written = TYPES[suffix]
        body = written(replayed(row.figures))
    name = f'attachment; filename="replay-{row.pk}.{suffix}"'
    return HttpResponse(body, content_type=content_type, headers={"Content-Disposition": name})


def _seen(request: HttpRequest, slug: str) -> Project:
    return project_for(user_of(request), slug, Action.SEE_ROUTING)


def _replay(project: Project, pk: int) -> Replay:
    row = selectors.replay_of(project, pk)
    if row is None:
        raise NotFound(_("There is no such replay."))
    return row


def _list(
    request: HttpRequest,
    project: Project,
    *,
    error: ApplicationError | None = None,
    status: int = 200,
) -> HttpResponse:
    sent = request.POST
    asked = set(sent.getlist("strategy")) if error else None
    response = project_page(
        request,
        "routing/lab_page.html",
        project,
        "replays",
        page=page_of(selectors.replays_of(project), request),
        standing=selectors.standing_of(project),
        judges=selectors.judges_of(project),
        criteria=criteria_of(project),
        choices=[
            (each.key, name_of(each.key), each.chosen if asked is None else each.key in asked)
            for each in selectors.choices()
            if each.key in NAMES
        ],
        truths=TRUTHS.items(),
        budgets=sent.get("budgets") or budgets_shown(),
        sent=sent,
        error=error,
    )
    response.status_code = status
    return response
