"""Rounds: starting one, and one with its stages, lineage and findings."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, can, project_for
from core.exceptions import InvalidInput
from frontend.comparison import arm_in_use, comparison_chart, comparison_of
from frontend.pages import project_page, user_of
from frontend.reads import has_simulated, is_stuck
from jobs.selectors import log_of
from routing.rounds import selectors, services
from routing.rounds.options import LEARNED_ERROR


@require_POST
@login_required
def round_start(request: HttpRequest, slug: str) -> HttpResponse:
    """Start the main job."""
    user = user_of(request)
    project = project_for(user, slug, Action.ROUTE)
    options = {
        "replay": request.POST.get("replay") == "on",
        "budget_share": _share(request.POST.get("budget", "40")),
        "strategy": request.POST.get("strategy", LEARNED_ERROR),
    }
    row = services.start_round(project=project, options=options, created_by=user)
    return redirect("round", slug, row.number)


def _share(raw: str) -> float:
    try:
        share = float(raw) / 100
    except ValueError:
        share = 0
    if not 0.01 <= share <= 0.99:
        raise InvalidInput(_("The budget is a number of per cent between 1 and 99."))
    return share


@require_POST
@login_required
def round_continue(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Go on with a round that waited, failed or was cancelled."""
    project = project_for(user_of(request), slug, Action.ROUTE)
    row = selectors.round_in(project, number)
    services.continue_round(row=row, actor=user_of(request))
    messages.success(request, _("Round %(number)s goes on.") % {"number": number})
    return redirect("round", slug, number)


@require_safe
@login_required
def round_detail(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One round; htmx gets the live part, which stops asking when the job has ended."""
    user = user_of(request)
    project = project_for(user, slug, Action.SEE_ROUTING)
    row = selectors.round_in(project, number)
    comparison = comparison_of(row)
    context = {
        "round": row,
        "job": row.job,
        "log": log_of(row.job, limit=30) if row.job else [],
        "stages": selectors.stages_of(row),
        "owed": selectors.waiting_for(row),
        "stuck": is_stuck(row.job),
        "comparison": comparison,
        "chart": comparison_chart(comparison, arm_in_use(row)),
        "ours": arm_in_use(row),
        "simulated": has_simulated(project),
        "may_route": can(user, Action.ROUTE, project),
    }
    if request.headers.get("HX-Request"):
        return render(request, "rounds/_round.html", {**context, "project": project})
    return project_page(request, "rounds/page.html", project, "rounds", **context)
