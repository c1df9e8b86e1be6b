"""What every page of a project shares: its navigation by role and its rendering."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Project, Role, User
from accounts.policies import ALLOWED, Action, role_of


@dataclass(frozen=True)
class Place:
    """One entry of the navigation; `current` marks the page one is on."""

    name: str
    url: str
    current: bool


STAFF = (
    ("Overview", "project", Action.SEE_PROJECT),
    ("Dashboard", "dashboard", Action.SEE_PROJECT),
    ("Instances", "instances", Action.SEE_INSTANCES),
    ("Quality", "quality", Action.SEE_QUALITY),
    ("Review", "review", Action.REVIEW),
    ("Routing", "routing", Action.SEE_ROUTING),
    ("Training", "runs", Action.SEE_TRAINING),
    ("Data", "data", Action.EXPORT),
    ("Jobs", "jobs", Action.SEE_JOBS),
    ("People", "people", Action.SEE_PEOPLE),
    ("Settings", "project-settings", Action.MANAGE_PROJECT),
    ("Compare", "label", Action.LABEL),
    ("Arena", "arena", Action.LABEL),
)
LABELLING = (
    ("Overview", "project", Action.SEE_PROJECT),
    ("Compare", "label", Action.LABEL),
    ("History", "history", Action.LABEL),
    ("Guideline", "guideline", Action.LABEL),
    ("Earnings", "earnings", Action.LABEL),
)
LABELLING_PAGES = {"label", "history", "guideline", "earnings"}


def navigation(project: Project, role: Role | None, current: str) -> list[Place]:
    """The pages this role may see. Labelling pages have a short bar of their own."""
    places = LABELLING if current in LABELLING_PAGES else STAFF
    return [
        Place(name, reverse(route, args=[project.slug]), route == current)
        for name, route, action in places
        if role in ALLOWED[action]
    ]


def project_page(
    request: HttpRequest, template: str, project: Project, current: str, **context: Any
) -> HttpResponse:
    """Render a page of a project with its navigation. One query for the role."""
    role = role_of(user_of(request), project)
    nav = navigation(project, role, current)
    if request.session.get("participation"):
        # Somebody of a crowd: the way to the completion code, and out.
        nav.append(Place(_("Finish"), reverse("study-finish"), current=False))
    shared = {"project": project, "role": role, "nav": nav}
    may = {action.name.lower(): role in ALLOWED[action] for action in Action}
    return render(request, template, {**shared, "may": may, **context})


def user_of(request: HttpRequest) -> User:
    """The logged-in user; views behind `login_required` always have one."""
    assert isinstance(request.user, User)  # noqa: S101 - narrows the type
    return request.user
