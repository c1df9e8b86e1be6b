"""The list of rounds, and the form for an online round: the policy writes what is labelled."""

from typing import Any, get_args

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from core.exceptions import ApplicationError, InvalidInput
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reading import micros, whole
from frontend.run_form import number
from routing.online.options import PRESETS, Labels, OnlineOptions, Select
from routing.rounds import selectors, services
from routing.rounds.models import RoundKind
from training.registry.selectors import versions_of
from training.runs.models import RunKind

WHOLE = {"prompts", "candidates", "show", "max_new_tokens", "seed"}
NUMBERS = {"temperature", "test_share"}
TEXTS = {"preset", "policy", "endpoint", "base_url", "model", "select", "labels", "judge", "reward"}
MICROS = {"budget_micros", "price_per_1k_input_micros", "price_per_1k_output_micros"}
MOST_CHOICES = 50


@require_safe
@login_required
def rounds(request: HttpRequest, slug: str) -> HttpResponse:
    """Rounds of both kinds; `like` fills the form with the options of one."""
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    like = request.GET.get("like", "")
    values: dict[str, Any] = OnlineOptions().as_dict()
    if like.isascii() and like.isdigit() and len(like) < 9:
        row = selectors.round_in(project, int(like))
        values |= row.options if row.kind == RoundKind.ONLINE else {}
    return _page(request, project, values)


@require_POST
@login_required
def round_online(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.ROUTE)
    try:
        options = _options(request.POST)
        row = services.start_round(
            project=project, kind=RoundKind.ONLINE, options=options, created_by=user
        )
    except ApplicationError as error:
        return _page(request, project, OnlineOptions().as_dict() | request.POST.dict(), error)
    return redirect("round", slug, row.number)


def _options(form: QueryDict) -> dict[str, Any]:
    """What was entered; an empty field keeps its usual value."""
    found: dict[str, Any] = {name: form[name] for name in TEXTS if form.get(name)}
    found |= {name: whole(form, name, name) for name in WHOLE if form.get(name)}
    found |= {name: micros(form, name, name) for name in MICROS if form.get(name)}
    for name in NUMBERS:
        if form.get(name):
            found[name] = _number(name, form.get(name, ""))
    if "reward" in form:
        found["reward"] = form["reward"]
    found["retrain_reward"] = form.get("retrain_reward") == "on"
    return found


def _number(name: str, raw: str) -> float:
    try:
        return number(raw)
    except ValueError as error:
        raise InvalidInput(f"{name}: {error}") from None


def _page(
    request: HttpRequest,
    project: Project,
    values: dict[str, Any],
    error: ApplicationError | None = None,
) -> HttpResponse:
    response = project_page(
        request,
        "rounds/list.html",
        project,
        "rounds",
        page=page_of(selectors.rounds_of(project), request),
        values=values,
        error=error,
        presets=PRESETS.values(),
        policies=_versions(project, RunKind.POLICY),
        rewards=_versions(project, RunKind.REWARD),
        labels=get_args(Labels),
        rules=get_args(Select),
        endpoints=sorted(settings.ARENA_ENDPOINTS),
    )
    response.status_code = error.status if error else 200
    return response


def _versions(project: Project, kind: str) -> list[tuple[str, str]]:
    rows = versions_of(project).filter(kind=kind)[:MOST_CHOICES]
    usual = [("last", _("the newest version")), ("production", _("the version in production"))]
    return [*usual, *((str(row.pk), f"v{row.version} · {row.base_model}") for row in rows)]
