"""Schedules: when models are trained again by themselves."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from core.exceptions import ApplicationError
from frontend.pages import project_page, user_of
from frontend.reading import whole
from training.objectives.presets import names
from training.runs import schedules as services
from training.runs.models import RunKind

CONTINUED = ("base", "production", "last")


@require_safe
@login_required
def schedules(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_TRAINING)
    return _page(request, project)


@require_POST
@login_required
def schedule_set(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    kind = request.POST.get("kind", "")
    try:
        wishes = _wishes(project, kind, request.POST)
        services.set_schedule(project=project, kind=kind, actor=user, **wishes)
    except ApplicationError as error:
        return _page(request, project, error)
    messages.success(request, _("The schedule is set; labels are counted as before."))
    return redirect("schedules", slug)


@require_POST
@login_required
def schedule_remove(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    try:
        services.remove_schedule(project=project, kind=request.POST.get("kind", ""), actor=user)
    except ApplicationError as error:
        return _page(request, project, error)
    messages.success(request, _("It is gone: nothing is trained by itself any more."))
    return redirect("schedules", slug)


def _wishes(project: Project, kind: str, form: QueryDict) -> dict[str, Any]:
    """What the form asks for; options and query that it does not show stay as they were."""
    before: dict[str, Any] = next(
        (s.schedule.config for s in services.standings(project) if s.schedule.kind == kind), {}
    )
    options = dict(before.get("options", {})) | {
        "continue_from": form.get("continue_from", "base"),
        "preset": form.get("preset", ""),
    }
    return {
        "every_labels": whole(form, "every_labels", _("New labels"), 0) or None,
        "every_hours": whole(form, "every_hours", _("Hours"), 0) or None,
        "on_drift": form.get("on_drift") == "on",
        "least_labels": whole(form, "least_labels", _("New labels at least"), 1),
        "promote": form.get("promote") == "on",
        "enabled": form.get("enabled") == "on",
        "query": before.get("query"),
        "options": options,
    }


def _page(
    request: HttpRequest, project: Project, error: ApplicationError | None = None
) -> HttpResponse:
    standings = {s.schedule.kind: s for s in services.standings(project)}
    rows = [
        {
            "kind": kind,
            "words": words,
            "standing": standings.get(kind),
            "values": _values(request, kind, standings.get(kind), error),
            "presets": names("reward" if kind == RunKind.REWARD else "policy"),
        }
        for kind, words in RunKind.choices
    ]
    continued = [
        ("base", _("the model it began with")),
        ("production", _("the version in production")),
        ("last", _("the newest version")),
    ]
    response = project_page(
        request,
        "schedules/page.html",
        project,
        "schedules",
        rows=rows,
        continued=continued,
        error=error,
    )
    response.status_code = error.status if error else 200
    return response


def _values(
    request: HttpRequest,
    kind: str,
    standing: services.Standing | None,
    error: ApplicationError | None,
) -> dict[str, Any]:
    """What the form of a kind shows: what was sent and refused, what is set, or what is usual."""
    if error and request.POST.get("kind") == kind:
        return request.POST.dict()
    if standing is None:
        preset = "bt" if kind == RunKind.REWARD else "dpo"
        return {
            "every_labels": 500,
            "least_labels": 1,
            "enabled": True,
            "continue_from": "production",
            "preset": preset,
        }
    schedule = standing.schedule
    options = schedule.config.get("options", {})
    return {
        "every_labels": schedule.every_labels,
        "every_hours": schedule.every_hours,
        "on_drift": schedule.on_drift,
        "least_labels": schedule.least_labels,
        "promote": schedule.promote,
        "enabled": schedule.enabled,
        "continue_from": options.get("continue_from", "base"),
        "preset": options.get("preset", ""),
    }
