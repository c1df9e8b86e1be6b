"""A person's access tokens: what programs come in with. A token is shown once."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access_tokens import make_token, revoke_token, token_in, tokens_of
from accounts.models import Project, Scope, User
from accounts.selectors import memberships_of, project_of_member
from core.exceptions import ApplicationError, InvalidInput
from frontend.pages import user_of
from frontend.reading import whole

MOST_SHOWN = 100
DAYS = 90
SCOPES: tuple[tuple[Scope, str | Promise], ...] = (
    (Scope.READ, gettext_lazy("Look at everything that your role may see")),
    (Scope.LABEL, gettext_lazy("Label and review in your name")),
    (Scope.IMPORT, gettext_lazy("Bring instances in")),
    (Scope.EXPORT, gettext_lazy("Take snapshots, exports and models out")),
    (Scope.TRAIN, gettext_lazy("Train models, ask judges, evaluate and promote")),
    (Scope.ROUTE, gettext_lazy("Send instances to people and judges")),
    (Scope.MANAGE, gettext_lazy("Make projects, change settings, people, budgets and tokens")),
)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """The tokens there are; a new one is shown in the answer to its form and never again."""
    if request.method != "POST":
        return _page(request)
    try:
        _row, text = make_token(
            user=user_of(request),
            name=request.POST.get("name", "")[:80],
            scopes=request.POST.getlist("scopes"),
            days=whole(request.POST, "days", _("Days it is good"), default=DAYS),
            project=_project(user_of(request), request.POST.get("project", "")),
        )
    except ApplicationError as error:
        return _page(request, error=error, status=error.status)
    return _page(request, fresh=text)


@require_POST
@login_required
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    user = user_of(request)
    revoke_token(token=token_in(user, token_id), actor=user)
    messages.success(request, _("Revoked: it opens nothing any more."))
    return redirect("tokens")


def _project(user: User, slug: str) -> Project | None:
    found = project_of_member(user, slug) if slug else None
    if slug and found is None:
        raise InvalidInput(_("There is no such project, or you are not a member of it."))
    return found


def _page(
    request: HttpRequest,
    *,
    fresh: str = "",
    error: ApplicationError | None = None,
    status: int = 200,
) -> HttpResponse:
    user = user_of(request)
    # What was entered stays where it was refused, and goes where it was done.
    entered = request.POST if error else {}
    chosen = request.POST.getlist("scopes") if error else [Scope.READ]
    context = {
        "tokens": tokens_of(user)[:MOST_SHOWN],
        "may": user.has_usable_password(),
        "scopes": [(scope, text, scope in chosen) for scope, text in SCOPES],
        "projects": [row.project for row in memberships_of(user)[:MOST_SHOWN]],
        "entered": {"days": DAYS, **{name: entered[name] for name in entered}},
        "most_days": settings.ACCESS_TOKEN_MAX_DAYS,
        "soon": timezone.now() + timedelta(days=7),
        "address": request.build_absolute_uri("/").rstrip("/"),
        "fresh": fresh,
        "error": error,
    }
    return render(request, "tokens/page.html", context, status=status)
