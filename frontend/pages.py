"""What every page of a project shares: its navigation by role and its rendering."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Role, User
from accounts.policies import ALLOWED, Action, role_of
from annotation.arena.selectors import has_arena
from jobs.models import Job
from routing.budgets.alerts import open_alerts


@dataclass(frozen=True)
class Place:
    """One entry of the navigation; `current` marks the page one is on."""

    name: str
    url: str
    current: bool


Door = tuple[str | Promise, str, Action]

# The bar of the staff: a section leads to its first page that the role may see.
SECTIONS: tuple[tuple[Door, ...], ...] = (
    (
        (gettext_lazy("Overview"), "project", Action.SEE_PROJECT),
        (gettext_lazy("Dashboard"), "dashboard", Action.SEE_PROJECT),
        (gettext_lazy("Jobs"), "jobs", Action.SEE_JOBS),
    ),
    (
        (gettext_lazy("Instances"), "instances", Action.SEE_INSTANCES),
        (gettext_lazy("Tags"), "tags", Action.SEE_INSTANCES),
    ),
    (
        (gettext_lazy("Quality"), "quality", Action.SEE_QUALITY),
        (gettext_lazy("Leaderboard"), "generators", Action.SEE_QUALITY),
        (gettext_lazy("Explain"), "explain", Action.SEE_QUALITY),
        (gettext_lazy("Review"), "review", Action.REVIEW),
    ),
    (
        (gettext_lazy("Judges"), "judges", Action.SEE_QUALITY),
        (gettext_lazy("Matrix"), "judge-matrix", Action.SEE_QUALITY),
        (gettext_lazy("Panel"), "judge-panel", Action.SEE_QUALITY),
        (pgettext_lazy("judge", "Prompts"), "prompts", Action.SEE_QUALITY),
        (gettext_lazy("Criteria"), "mining", Action.SEE_QUALITY),
        (gettext_lazy("Connections"), "connections", Action.MANAGE_PROJECT),
    ),
    (
        (gettext_lazy("Routing"), "routing", Action.SEE_ROUTING),
        (gettext_lazy("Live"), "routing-live", Action.SEE_ROUTING),
        (gettext_lazy("Rules"), "routing-rules", Action.SEE_ROUTING),
        (gettext_lazy("Budgets"), "budgets", Action.SEE_ROUTING),
        (gettext_lazy("Frontier"), "frontier", Action.SEE_ROUTING),
        (gettext_lazy("Router"), "router", Action.SEE_ROUTING),
        (gettext_lazy("Features"), "features", Action.SEE_ROUTING),
        (gettext_lazy("Lab"), "replays", Action.SEE_ROUTING),
    ),
    (
        (gettext_lazy("Training"), "runs", Action.SEE_TRAINING),
        (gettext_lazy("Models"), "models", Action.SEE_TRAINING),
        (gettext_lazy("Schedules"), "schedules", Action.SEE_TRAINING),
        (gettext_lazy("Rounds"), "rounds", Action.SEE_ROUTING),
    ),
    ((gettext_lazy("Data"), "data", Action.EXPORT),),
    ((gettext_lazy("People"), "people", Action.SEE_PEOPLE),),
    (
        (gettext_lazy("Settings"), "project-settings", Action.MANAGE_PROJECT),
        (gettext_lazy("Webhooks"), "webhooks", Action.MANAGE_PROJECT),
    ),
    (
        (gettext_lazy("Compare"), "label", Action.LABEL),
        (gettext_lazy("Arena"), "arena", Action.LABEL),
    ),
)
LABELLING: tuple[Door, ...] = (
    (gettext_lazy("Overview"), "project", Action.SEE_PROJECT),
    (gettext_lazy("Compare"), "label", Action.LABEL),
    (gettext_lazy("Arena"), "arena", Action.LABEL),
    (gettext_lazy("History"), "history", Action.LABEL),
    (gettext_lazy("Guideline"), "guideline", Action.LABEL),
    (gettext_lazy("Earnings"), "earnings", Action.LABEL),
)
LABELLING_PAGES = {"label", "history", "guideline", "earnings", "arena"}


def navigation(
    project: Project, role: Role | None, current: str
) -> tuple[list[Place], list[Place]]:
    """The pages this role may see: the bar, and the pages of the section one is in.

    Labelling pages have a short bar of their own. At most one query.
    """
    if current in LABELLING_PAGES:
        return _places(LABELLING, project, role, current), []
    bar: list[Place] = []
    inside: list[Place] = []
    for section in SECTIONS:
        places = _places(section, project, role, current)
        if places:
            here = any(place.current for place in places)
            bar.append(Place(places[0].name, places[0].url, here))
            inside = places if here and len(places) > 1 else inside
    return bar, inside


def _places(
    doors: Iterable[Door], project: Project, role: Role | None, current: str
) -> list[Place]:
    return [
        Place(str(name), reverse(route, args=[project.slug]), route == current)
        for name, route, action in doors
        if role in ALLOWED[action] and (route != "arena" or _shows_arena(project, role))
    ]


def _shows_arena(project: Project, role: Role | None) -> bool:
    """An arena that nobody has made is seen by those only who could make it."""
    return role in ALLOWED[Action.MANAGE_PROJECT] or has_arena(project)


def project_page(
    request: HttpRequest, template: str, project: Project, current: str, **context: Any
) -> HttpResponse:
    """Render a page of a project with its navigation.

    Two queries: the role, and the arena. A third for those who manage budgets: their alerts.
    """
    role = role_of(user_of(request), project)
    nav, inside = navigation(project, role, current)
    if request.session.get("participation"):
        # Somebody of a crowd: the way to the completion code, and out.
        nav.append(Place(str(_("Finish")), reverse("study-finish"), current=False))
    shared: dict[str, Any] = {"project": project, "role": role, "nav": nav, "inside": inside}
    if role in ALLOWED[Action.MANAGE_BUDGETS] and current not in LABELLING_PAGES:
        shared["budget_alerts"] = open_alerts(project)
    may = {action.name.lower(): role in ALLOWED[action] for action in Action}
    return render(request, template, {**shared, "may": may, **context})


def awaited(job: Job | None) -> HttpResponse:
    """What a page gets that asks whether its figures are there: nothing, or to load again."""
    return HttpResponse(status=204) if job else HttpResponse(headers={"HX-Refresh": "true"})


def user_of(request: HttpRequest) -> User:
    """The logged-in user; views behind `login_required` always have one."""
    assert isinstance(request.user, User)  # noqa: S101 - narrows the type
    return request.user
