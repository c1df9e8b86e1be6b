"""Routers: what each version was fitted on, what it learned, and what changed."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from accounts.policies import Action, project_for
from frontend.frontier.effects import (
    MOST_EFFECTS,
    curve_chart,
    named_figures,
    named_models,
    strongest,
    titled,
    warnings_of,
    whiskers,
)
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from routing.decisions.models import Router
from routing.decisions.selectors import router_in
from routing.frontier import explanation
from routing.frontier.behind import MOST, behind, columns_of, decision_counts
from routing.frontier.selectors import router_in_use
from routing.proxies.selectors import finished_comparison, newest_comparison


@require_safe
@login_required
def router(request: HttpRequest, slug: str) -> HttpResponse:
    """All versions, the newest first."""
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    rows = Router.objects.filter(project=project).select_related("judge", "criterion")
    page = page_of(rows, request)
    counts = decision_counts(project)
    finished = finished_comparison(project)
    return project_page(
        request,
        "routing/router_page.html",
        project,
        "router",
        page=page,
        rows=[(row, titled(row), _decided(counts.get(row.pk, {}))) for row in page.rows],
        in_use=router_in_use(project),
        proxies=newest_comparison(project),
        compared=finished.result if finished else None,
    )


@require_safe
@login_required
def router_version(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    row = router_in(project, version)
    before = (
        Router.objects.filter(project=project, version__lt=version).order_by("-version").first()
    )
    effects = explanation.effects_of(row)
    return project_page(
        request,
        "routing/router_version.html",
        project,
        "router",
        router=row,
        title=titled(row),
        before=before,
        in_use=router_in_use(project),
        effects=whiskers(strongest(effects)),
        all_effects=whiskers(effects) if len(effects) > MOST_EFFECTS else [],
        linked=set(columns_of(row)),
        accuracy=explanation.unit_of(row) == explanation.ACCURACY,
        models=named_models(row),
        curve=curve_chart(row),
        warnings=warnings_of(row),
        changes=explanation.changes(row, before),
        figures=named_figures(row, before),
        decided=_decided(decision_counts(project).get(row.pk, {})),
    )


@require_safe
@login_required
def router_behind(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """The dual-labelled instances that have a column, with both labels."""
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    row = router_in(project, version)
    column = request.GET.get("column", "")
    if not column:
        return redirect("router-version", slug, version)
    found, count = behind(project, row, column)
    return project_page(
        request,
        "routing/router_behind.html",
        project,
        "router",
        router=row,
        column=column,
        found=found,
        count=count,
        most=MOST,
        agreeing=sum(each.agree for each in found),
    )


def _decided(counts: dict[str, int]) -> dict[str, Any]:
    """Decisions under a router: to people (alone or beside the judge), to judges, in all."""
    people = counts.get("human", 0) + counts.get("both", 0)
    every = sum(counts.values())
    share = 100 * people / every if every else 0.0
    return {"people": people, "others": every - people, "all": every, "percent": share}
