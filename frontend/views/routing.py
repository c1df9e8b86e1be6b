"""Routing: who gets what, what it costs, why, and what other mixes would have given."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_safe

from accounts.policies import Action, project_for
from frontend.comparison import arm_in_use, comparison_chart, comparison_of
from frontend.frontier.doors import rooms
from frontend.frontier.showing import shown
from frontend.pages import project_page, user_of
from frontend.reads import has_simulated
from routing.budgets.selectors import payable
from routing.decisions.models import Router
from routing.decisions.selectors import split_by_domain
from routing.frontier.explanation import ACCURACY, Effect, effects_of, unit_of
from routing.frontier.selectors import router_in_use
from routing.lab.selectors import standing_of
from routing.live.models import LiveRouting
from routing.live.selectors import split
from routing.rounds.selectors import latest_round

MOST_REASONS = 8


@require_safe
@login_required
def routing(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    row, router = latest_round(project), router_in_use(project)
    live = LiveRouting.objects.filter(project=project).first()
    comparison = comparison_of(row)
    budgets = list(payable(project)[:3])[::-1]
    return project_page(
        request,
        "routing/page.html",
        project,
        "routing",
        round=row,
        router=router,
        rooms=rooms(project, router, live),
        shown=shown(project, router, QueryDict()),
        went={"split": split(project)},
        domains=_percent(split_by_domain(project)),
        budgets=budgets,
        why=_why(router) if router else [],
        accuracy=router is not None and unit_of(router) == ACCURACY,
        comparison=comparison,
        standing=standing_of(project),
        chart=comparison_chart(comparison, arm_in_use(row)),
        ours=arm_in_use(row),
        simulated=has_simulated(project),
    )


def _why(router: Router) -> list[Effect]:
    """The columns that weigh most in either direction, largest gain first."""
    heaviest = sorted(effects_of(router), key=lambda row: -abs(row.contrast))[:MOST_REASONS]
    return sorted(heaviest, key=lambda row: -row.contrast)


def _percent(domains: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"percent": round(100 * row["share"], 1)} for row in domains]
