"""The doors: logging in, and joining through an invitation link.

A link's token comes in the query, which no log of ours writes, goes into the session at once, and
the page that people see has an address without it: nothing leaks through history or Referer.
"""

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth import login as log_in
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.invitations import invitation_by
from accounts.models import Invitation, Membership, User
from accounts.policies import ALLOWED, Action
from accounts.throttling import attempt, forgive
from annotation.workforce import services
from core.addresses import address_of
from core.exceptions import Conflict, InvalidInput, NotFound

WINDOW = timedelta(minutes=15)
# Failures per window: of an address (a whole institute may share one), and for one name from it.
MOST_PER_ADDRESS, MOST_PER_NAME, MOST_JOINS = 100, 10, 60


class Login(LoginView):
    """Django's login with a limit on wrong passwords: 429 says how long to wait."""

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        for what, who, most in self._doors():
            attempt(what=what, who=who, most=most, within=WINDOW)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        for what, who, _most in self._doors():
            forgive(what=what, who=who)
        return super().form_valid(form)

    def _doors(self) -> list[tuple[str, str, int]]:
        address = address_of(self.request)
        name = self.request.POST.get("username", "").casefold()[:150]
        return [
            ("login", address, MOST_PER_ADDRESS),
            ("login as", f"{address} {name}", MOST_PER_NAME),
        ]


@never_cache
@require_safe
def join(request: HttpRequest) -> HttpResponse:
    """What one is invited to, and the ways in."""
    if token := request.GET.get("t"):
        attempt(what="join", who=address_of(request), most=MOST_JOINS, within=WINDOW)
        request.session["invitation"] = token[:100]
        return without_referrer(redirect("join"))
    return render(request, "join/page.html", _invited(invitation_by(_token(request))))


def without_referrer(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    return response


def _token(request: HttpRequest) -> str:
    token = request.session.get("invitation")
    if not token:
        raise NotFound(_("Open the invitation link that you were sent."))
    return str(token)


def _invited(invitation: Invitation) -> dict[str, object]:
    return {"invitation": invitation, "project_name": invitation.project.name}


@never_cache
@require_POST
def join_accept(request: HttpRequest) -> HttpResponse:
    """Join with the account one is logged in with, or with a new one."""
    token = _token(request)
    invitation = invitation_by(token)
    if isinstance(request.user, User):
        return _inside(request, services.join(token=token, user=request.user))
    attempt(what="sign up", who=address_of(request), most=MOST_JOINS, within=WINDOW)
    username = request.POST.get("username", "")
    try:
        membership = services.sign_up(
            token=token, username=username, password=request.POST.get("password", "")
        )
    except (InvalidInput, Conflict) as error:
        context = {**_invited(invitation), "error": error, "username": username}
        return render(request, "join/page.html", context, status=422)
    log_in(request, membership.user)
    return _inside(request, membership)


def _inside(request: HttpRequest, membership: Membership) -> HttpResponse:
    request.session.pop("invitation", None)
    messages.success(request, _("Welcome. You are a member of this project now."))
    staff = membership.role in ALLOWED[Action.SEE_PROJECT]
    return redirect("project" if staff else "label", membership.project.slug)
