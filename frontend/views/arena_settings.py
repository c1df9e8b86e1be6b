"""Setting up the arena: its limits, and who answers in it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.arena import selectors, setup, sources
from annotation.arena.addresses import known_endpoints
from annotation.arena.models import Arena, Audience
from core.exceptions import ApplicationError, InvalidInput, NotFound
from frontend.pages import project_page, user_of

LIMITS = ("most_characters", "most_turns", "most_tokens", "hourly_visitor", "hourly_address")
MICROS = 1_000_000


@require_safe
@login_required
def arena_settings(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    return _page(request, project)


@require_POST
@login_required
def arena_save(request: HttpRequest, slug: str) -> HttpResponse:
    """Write the limits; the first time this makes the arena."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    form = request.POST
    try:
        setup.set_up(
            project=project,
            actor=user,
            limit_micros=_micros(form, "budget"),
            open=form.get("open") == "on",
            public=form.get("public") == "on",
            leaderboard=form.get("leaderboard", Audience.STAFF),
            **{name: _whole(form, name) for name in LIMITS},
        )
    except ApplicationError as error:
        return _page(request, project, error=error)
    messages.success(request, _("Saved."))
    return redirect("arena-settings", slug)


@require_POST
@login_required
def contestant_add(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    try:
        setup.add_contestant(
            arena=_arena(project),
            actor=user,
            name=request.POST.get("name", ""),
            **_contestant(request.POST),
        )
    except ApplicationError as error:
        return _page(request, project, error=error)
    messages.success(request, _("Added."))
    return redirect("arena-settings", slug)


@require_POST
@login_required
def contestant_act(request: HttpRequest, slug: str, contestant_id: int) -> HttpResponse:
    """Pause, resume or remove."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    contestant = selectors.contestant_in(selectors.arena_of(project), contestant_id)
    setup.act_on(contestant=contestant, act=request.POST.get("act", ""), actor=user)
    return redirect("arena-settings", slug)


def _arena(project: Project) -> Arena:
    arena = selectors.arena_of(project)
    if arena is None:
        raise NotFound(_("Save the settings of the arena first."))
    return arena


def _page(
    request: HttpRequest, project: Project, *, error: ApplicationError | None = None
) -> HttpResponse:
    """The page, filled with what was sent where that was refused."""
    arena = selectors.arena_of(project)
    models = [
        (f"{name}:{choice.reference}", choice.name)
        for name, source in sources.registered().items()
        for choice in source.choices(project)
    ]
    response = project_page(
        request,
        "arena/settings.html",
        project,
        "arena",
        arena=arena or Arena(project=project),
        made=arena is not None,
        contestants=list(selectors.contestants_of(arena)) if arena else [],
        battles=selectors.battles_by_state(arena) if arena else {},
        endpoints=known_endpoints(),
        models=models,
        sent=request.POST,
        error=error,
        playable=selectors.can_play(arena),
    )
    response.status_code = error.status if error else 200
    return response


def _contestant(form: QueryDict) -> dict[str, Any]:
    """The fields of a contestant from either form: a model of this project, or an endpoint."""
    shared = {
        "temperature": _number(form, "temperature", 0.7),
        "licence": form.get("licence", "").strip(),
    }
    if chosen := form.get("own", ""):
        source, _colon, reference = chosen.partition(":")
        if not (reference.isascii() and reference.isdigit() and len(reference) < 19):
            raise InvalidInput(_("Choose one of the models of this project."))
        return {"source": source, "reference": int(reference), **shared}
    return {
        "source": sources.ENDPOINT,
        "endpoint": form.get("endpoint", ""),
        "base_url": form.get("base_url", "").strip(),
        "model": form.get("model", "").strip(),
        "price_per_1k_input_micros": _price(form, "price_input"),
        "price_per_1k_output_micros": _price(form, "price_output"),
        **shared,
    }


def _price(form: QueryDict, name: str) -> int:
    """Micros per thousand tokens from units per million tokens, as providers write them."""
    return round(_number(form, name, 0) * MICROS / 1000)


def _micros(form: QueryDict, name: str) -> int | None:
    return round(_number(form, name, 0) * MICROS) if form.get(name, "").strip() else None


def _number(form: QueryDict, name: str, default: float) -> float:
    raw = form.get(name, "").strip()
    if not raw:
        return default
    try:
        value = float(raw)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1_000_000:
        raise InvalidInput(_("%(raw)s is no number that fits here.") % {"raw": raw[:20]})
    return value


def _whole(form: QueryDict, name: str) -> int:
    raw = form.get(name, "")
    if not (raw.isascii() and raw.isdigit() and len(raw) < 8):
        raise InvalidInput(_("Every limit is a whole number."))
    return int(raw)
