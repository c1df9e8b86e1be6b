"""The frontier: what a budget buys, before it is saved."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, can, project_for
from core.exceptions import Conflict, InvalidInput
from frontend.frontier.showing import Shown, shown
from frontend.frontier.wishes import chosen, micros, said
from frontend.pages import awaited, project_page, user_of
from jobs.models import ENDED, Job
from routing.budgets.services import change_limit
from routing.frontier.selectors import arrived_since, payers_of, router_in_use
from routing.frontier.services import KIND, check_minimum, prepare_frontier


@require_safe
@login_required
def frontier(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; for the slider the part below it; for the job's line whether it has ended."""
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    if request.headers.get("HX-Target") == "preparing":
        return awaited(_running(project))
    if request.headers.get("HX-Request"):
        found = shown(project, router_in_use(project), request.GET)
        if found is None:
            # A router fitted meanwhile has nothing scored yet: the page says so.
            return awaited(None)
        may = {"manage_budgets": can(user_of(request), Action.MANAGE_BUDGETS, project)}
        context = {"project": project, "shown": found, "may": may}
        return render(request, "routing/frontier_plan.html", context)
    return _page(request, project, request.GET)


def _page(
    request: HttpRequest,
    project: Project,
    wish: QueryDict,
    *,
    refused: str = "",
    conflict: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    router = router_in_use(project)
    found: Shown | None = None
    try:
        found = shown(project, router, wish)
    except InvalidInput as error:
        refused, status = refused or error.message, 422
        found = shown(project, router, QueryDict())
    page = project_page(
        request,
        "routing/frontier_page.html",
        project,
        "frontier",
        router=router,
        shown=found,
        arrived=arrived_since(project, found.sheet) if found else 0,
        job=_running(project),
        failed=_failed(project),
        refused=refused,
        conflict=conflict,
    )
    page.status_code = status
    return page


def _running(project: Project) -> Job | None:
    rows = Job.objects.filter(project=project, kind=KIND).exclude(state__in=ENDED)
    return rows.order_by("-pk").first()


def _failed(project: Project) -> Job | None:
    """The newest scoring where it failed."""
    newest = Job.objects.filter(project=project, kind=KIND).order_by("-pk").first()
    return newest if newest and newest.state == "failed" else None


@require_POST
@login_required
def frontier_prepare(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    try:
        prepare_frontier(project=project, by=user_of(request))
    except (Conflict, InvalidInput) as error:
        messages.error(request, error.message)
    return redirect("frontier", slug)


@require_POST
@login_required
def frontier_save(request: HttpRequest, slug: str) -> HttpResponse:
    """Make the budget looked at the allowance's limit."""
    project = project_for(user_of(request), slug, Action.MANAGE_BUDGETS)
    payer = chosen(payers_of(project), request.POST.get("allowance"))
    if payer is None or "allowance" not in request.POST:
        return _page(request, project, QueryDict(), refused=_("Choose a budget."), status=422)
    allowance = payer.allowance
    try:
        limit = micros(request.POST.get("limit", ""))
        check_minimum(project, payer, limit)
        change_limit(
            allowance=allowance,
            limit=limit,
            version=_number(request.POST.get("version", "")),
            by=user_of(request),
        )
    except Conflict as error:
        wanted = said(limit, allowance)
        conflict = {"message": error.message, "wanted": wanted}
        return _page(request, project, request.POST, conflict=conflict, status=409)
    except InvalidInput as error:
        return _page(request, project, request.POST, refused=error.message, status=422)
    messages.success(
        request,
        _("Saved: %(name)s is %(limit)s.")
        % {"name": allowance.name, "limit": said(limit, allowance)},
    )
    return redirect(f"{reverse('frontier', args=[slug])}?allowance={allowance.pk}")


def _number(raw: str) -> int:
    """A version from a form; 0, which no version is, where it is none."""
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else 0
