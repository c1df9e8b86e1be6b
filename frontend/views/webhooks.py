"""Webhooks: addresses that are told of events, and what became of what was sent."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from core.exceptions import ApplicationError
from frontend.pages import project_page, user_of
from webhooks import selectors, services
from webhooks.events import EVENTS
from webhooks.models import Webhook

SHOWN = 50


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def webhook_list(request: HttpRequest, slug: str) -> HttpResponse:
    """All of them, and a form for a new one; its secret is on the page that follows, once."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    if request.method != "POST":
        return _list(request, project)
    try:
        webhook, secret = services.create_webhook(
            project=project,
            url=request.POST.get("url", "").strip(),
            events=request.POST.getlist("events"),
            actor=user,
        )
    except ApplicationError as error:
        return _list(request, project, error=error, sent=request.POST)
    return _one(request, project, webhook, secret=secret)


@require_safe
@login_required
def webhook(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    return _one(request, project, selectors.webhook_in(project, webhook_id))


@require_POST
@login_required
def webhook_change(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    row = selectors.webhook_in(project, webhook_id)
    try:
        services.change_webhook(
            webhook=row,
            actor=user,
            url=request.POST.get("url", "").strip(),
            events=request.POST.getlist("events"),
            active=request.POST.get("active") == "on",
        )
    except ApplicationError as error:
        row.refresh_from_db()
        return _one(request, project, row, error=error)
    messages.success(request, _("Saved."))
    return redirect("webhook", slug, row.pk)


@require_POST
@login_required
def webhook_act(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """Test it, replace its secret, or delete it."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    row = selectors.webhook_in(project, webhook_id)
    act = request.POST.get("act")
    if act == "secret":
        return _one(request, project, row, secret=services.new_secret_of(webhook=row, actor=user))
    if act == "delete":
        services.delete_webhook(webhook=row, actor=user)
        messages.success(request, _("Deleted."))
        return redirect("webhooks", slug)
    if act == "test":
        services.send_test(webhook=row)
        messages.success(request, _("A test event is on its way."))
    return redirect("webhook", slug, row.pk)


@require_POST
@login_required
def webhook_replay(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """Send the chosen deliveries again."""
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    row = selectors.webhook_in(project, webhook_id)
    chosen = [int(pk) for pk in request.POST.getlist("delivery") if pk.isdecimal() and len(pk) < 18]
    count = services.replay(webhook=row, deliveries=chosen)
    messages.success(request, _("%(count)d are sent again.") % {"count": count})
    return redirect("webhook", slug, row.pk)


def _list(
    request: HttpRequest,
    project: Project,
    *,
    error: ApplicationError | None = None,
    sent: Any = None,
) -> HttpResponse:
    chosen = set(sent.getlist("events")) if sent else set(EVENTS)
    response = project_page(
        request,
        "webhooks/page.html",
        project,
        "webhooks",
        webhooks=selectors.webhooks_of(project),
        events=_choices(chosen),
        url=sent.get("url", "") if sent else "",
        error=error,
    )
    response.status_code = error.status if error else 200
    return response


def _one(
    request: HttpRequest,
    project: Project,
    row: Webhook,
    *,
    secret: str = "",
    error: ApplicationError | None = None,
) -> HttpResponse:
    response = project_page(
        request,
        "webhooks/detail.html",
        project,
        "webhooks",
        webhook=row,
        secret=secret,
        events=_choices(set(row.events)),
        deliveries=selectors.deliveries_of(row)[:SHOWN],
        error=error,
    )
    response.status_code = error.status if error else 200
    if secret:
        response["Cache-Control"] = "no-store"
    return response


def _choices(chosen: set[str]) -> list[tuple[str, str, bool]]:
    return [(name, str(meaning), name in chosen) for name, meaning in EVENTS.items()]
