"""The dashboard: how fast, how alike, how long, who; every figure leads to its instances."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.policies import ALLOWED, Action, project_for, role_of
from annotation.dashboards.periods import SPANS, period_of
from annotation.projects.selectors import criteria_of
from frontend.dashboard_panels import PANELS, TITLES, Asked, Panel, counted, kept, span_of
from frontend.pages import project_page, user_of


@require_safe
@login_required
def dashboard(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; htmx gets the panel it asks for.

    Where there are many labels the page does not wait for its panels: those that are not kept come
    after it, one by one. Without JavaScript a link counts one (`panel`), another all (`now`).
    """
    project = project_for(user_of(request), slug, Action.SEE_PROJECT)
    criteria = criteria_of(project)
    chosen = next((c for c in criteria if c.key == request.GET.get("criterion")), None)
    asked = Asked(
        project, criteria, chosen, period_of(request.GET.get("period", ""), timezone.now())
    )
    name = request.GET.get("panel", "")
    if name in PANELS and request.headers.get("HX-Request"):
        return _fragment(request, asked, counted(asked, name))
    everything = "now" in request.GET or asked.few
    panels = {
        each: counted(asked, each) if everything or each == name else kept(asked, each)
        for each in PANELS
    }
    ready = [panel for panel in panels.values() if panel]
    context = {key: value for panel in ready for key, value in panel.context.items()}
    return project_page(
        request,
        "dashboard/page.html",
        project,
        "dashboard",
        periods=list(SPANS),
        panels=[(name, TITLES[name], panel) for name, panel in panels.items()],
        waiting=len(ready) < len(panels),
        at=min((panel.at for panel in ready), default=None),
        **_shared(asked),
        **context,
    )


def _fragment(request: HttpRequest, asked: Asked, panel: Panel) -> HttpResponse:
    role = role_of(user_of(request), asked.project)
    may = {action.name.lower(): role in ALLOWED[action] for action in Action}
    context = {"project": asked.project, "may": may, **_shared(asked), **panel.context}
    return render(request, panel.template, context)


def _shared(asked: Asked) -> dict[str, Any]:
    return {
        "period": asked.period,
        "criteria": asked.criteria,
        "chosen": asked.chosen,
        "asked": asked.first,
        "span": span_of(asked.period),
        "quarter": span_of(asked.quarter),
    }
