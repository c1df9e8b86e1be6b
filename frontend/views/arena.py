"""The arena: a prompt, two unnamed answers, a vote. Members play as themselves; where it is public
anybody does, known by a signed cookie only."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project, User
from accounts.policies import Action, can, project_for
from annotation.arena import leaks, selectors, services, visitors, votes
from annotation.arena.answering import given_up
from annotation.arena.models import Arena, Battle
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from core.addresses import address_of
from core.exceptions import ApplicationError, InvalidInput, NotFound
from frontend.arena import board_of, waiting_of
from frontend.pages import project_page

COOKIE, SALT, YEAR = "arena", "arena-visitor", 365 * 24 * 3600


@dataclass(frozen=True)
class Guest:
    """Who plays: a member with their annotator, or a visitor with the key of their cookie."""

    project: Project
    arena: Arena | None
    user: User | None
    annotator: Annotator | None
    key: uuid.UUID

    def playing(self) -> Annotator:
        """Their annotator, made with the first prompt."""
        if self.annotator is not None:
            return self.annotator
        assert self.arena is not None  # noqa: S101 - a visitor exists in a public arena only
        return visitors.visitor(arena=self.arena, key=self.key)

    def address(self, request: HttpRequest) -> str:
        """What an anonymous visitor's limits are counted by; members have none."""
        if self.user is not None or self.arena is None:
            return ""
        return visitors.hashed(arena=self.arena, address=address_of(request))


View = Callable[..., HttpResponse]


def for_guests(view: View) -> View:
    """Call the view with a `Guest`; who is neither member nor visitor gets no further."""

    @wraps(view)
    def wrapped(request: HttpRequest, slug: str, **named: Any) -> HttpResponse:
        guest = _enter(request, slug)
        if guest is None:
            return redirect_to_login(request.get_full_path())
        response = view(request, guest, **named)
        if guest.user is None:
            response.set_signed_cookie(
                COOKIE,
                guest.key.hex,
                salt=SALT,
                max_age=YEAR,
                httponly=True,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )
        return response

    return wrapped


def _enter(request: HttpRequest, slug: str) -> Guest | None:
    """None asks for a login.

    Raises:
        NotFound: a user who is no member, and the arena is not public.
    """
    user = request.user
    try:
        project = project_for(user, slug, Action.LABEL)
    except NotFound:
        arena = selectors.public_arena(slug)
        if arena is None:
            if user.is_authenticated:
                raise
            return None
        key = _key(request)
        return Guest(arena.project, arena, None, visitors.known_visitor(arena=arena, key=key), key)
    assert isinstance(user, User)  # noqa: S101 - only a user is a member
    annotator = annotator_for(project=project, user=user)
    return Guest(project, selectors.arena_of(project), user, annotator, uuid.uuid4())


def _key(request: HttpRequest) -> uuid.UUID:
    """The visitor's key; a new one where the cookie is missing or forged."""
    try:
        return uuid.UUID(request.get_signed_cookie(COOKIE, salt=SALT, max_age=YEAR))
    except (KeyError, BadSignature, ValueError):
        return uuid.uuid4()


@require_safe
@for_guests
def arena(request: HttpRequest, guest: Guest) -> HttpResponse:
    """Where a round begins, with the leaderboard for those who may see it."""
    return _start_page(request, guest)


@require_POST
@for_guests
def arena_ask(request: HttpRequest, guest: Guest) -> HttpResponse:
    """Begin a round; what is wrong is said beside the prompt, which stays."""
    if guest.arena is None:
        raise NotFound(_("This project has no arena."))
    prompt = request.POST.get("prompt", "")
    try:
        battle = services.open_battle(
            arena=guest.arena,
            annotator=guest.playing(),
            prompt=prompt,
            address=guest.address(request),
        )
    except ApplicationError as error:
        return _start_page(request, guest, prompt=prompt, error=error)
    return redirect("arena-battle", guest.project.slug, battle.key)


@require_safe
@for_guests
def arena_battle(request: HttpRequest, guest: Guest, battle: uuid.UUID) -> HttpResponse:
    """One round; htmx gets the live part, which stops asking when both have answered."""
    row = selectors.battle_of(guest.arena, guest.annotator, battle)
    return _battle_page(request, guest, given_up(row))


@require_POST
@for_guests
def arena_continue(request: HttpRequest, guest: Guest, battle: uuid.UUID) -> HttpResponse:
    """A follow-up to both before the vote."""
    row = selectors.battle_of(guest.arena, guest.annotator, battle)
    prompt = request.POST.get("prompt", "")
    try:
        services.continue_battle(battle=row, prompt=prompt, address=guest.address(request))
    except ApplicationError as error:
        return _battle_page(request, guest, row, prompt=prompt, error=error)
    return redirect("arena-battle", guest.project.slug, battle)


@require_POST
@for_guests
def arena_vote(request: HttpRequest, guest: Guest, battle: uuid.UUID) -> HttpResponse:
    """The vote, after which the names are shown."""
    row = selectors.battle_of(guest.arena, guest.annotator, battle)
    try:
        services.vote(
            battle=row,
            choice=request.POST.get("choice", ""),
            client_id=_client_id(request.POST.get("client_id", "")),
            seconds=_seconds(request.POST.get("seconds", "")),
        )
    except ApplicationError as error:
        row.refresh_from_db()
        return _battle_page(request, guest, row, error=error)
    return redirect("arena-battle", guest.project.slug, battle)


def _client_id(raw: str) -> uuid.UUID:
    try:
        return uuid.UUID(raw)
    except ValueError as error:
        raise InvalidInput(_("The form has no id of its own: reload the page.")) from error


def _seconds(raw: str) -> float | None:
    try:
        return round(float(raw), 1)
    except ValueError:
        return None


def _start_page(
    request: HttpRequest, guest: Guest, *, prompt: str = "", error: ApplicationError | None = None
) -> HttpResponse:
    board = _board(guest)
    return _page(
        request,
        "arena/page.html",
        guest,
        status=error.status if error else 200,
        error=error,
        prompt=prompt or request.GET.get("prompt", ""),
        can_play=selectors.can_play(guest.arena),
        unfinished=selectors.unfinished(guest.annotator) if guest.annotator else None,
        board=board,
        named_tag=leaks.TAG,
    )


def _board(guest: Guest) -> Any:
    if guest.arena is None:
        return None
    if not selectors.sees_leaderboard(guest.arena, guest.user, guest.annotator):
        return None
    return board_of(guest.arena)


def _battle_page(
    request: HttpRequest,
    guest: Guest,
    row: Battle,
    *,
    prompt: str = "",
    error: ApplicationError | None = None,
) -> HttpResponse:
    context = {
        "battle": selectors.battle_view(row),
        "choices": votes.choices_of(row),
        "waiting": waiting_of(row),
        "client_id": uuid.uuid4(),
        "trouble": row.trouble if _manages(guest) else "",
        "prompt": prompt,
        "error": error,
    }
    if request.headers.get("HX-Request"):
        here = {"project": guest.project, "arena": guest.arena}
        return render(request, "arena/_battle.html", {**here, **context})
    status = error.status if error else 200
    return _page(request, "arena/battle.html", guest, status=status, **context)


def _manages(guest: Guest) -> bool:
    return guest.user is not None and can(guest.user, Action.MANAGE_PROJECT, guest.project)


def _page(
    request: HttpRequest, template: str, guest: Guest, *, status: int, **context: Any
) -> HttpResponse:
    """Members get the navigation of their project, visitors nothing but the arena."""
    if guest.user is None:
        values = {"project": guest.project, "arena": guest.arena, "may": {}, **context}
        return render(request, template, values, status=status)
    response = project_page(request, template, guest.project, "arena", arena=guest.arena, **context)
    response.status_code = status
    return response
