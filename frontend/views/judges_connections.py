"""Connections: accounts at providers. A key goes in, and never comes out again."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.judges import connections, selectors
from annotation.judges.hosts import HOSTS
from annotation.judges.models import Connection
from core.exceptions import ApplicationError
from frontend.judges.forms import connection_values, host_named
from frontend.pages import project_page, user_of


@require_safe
@login_required
def connection_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    rows = selectors.connections_of(project)
    return project_page(
        request, "judges/connections.html", project, "connections", connections=rows, hosts=HOSTS
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def connection_new(request: HttpRequest, slug: str) -> HttpResponse:
    """A new connection; then the judge that asks through it."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    host = host_named(request.GET.get("host", ""))
    if request.method != "POST":
        return _form(request, project, host=host, sent=_begin(host))
    try:
        made = connections.create_connection(
            project=project,
            actor=user,
            key=request.POST.get("key", ""),
            **connection_values(request.POST),
        )
    except ApplicationError as error:
        return _form(request, project, sent=request.POST, error=error)
    messages.success(request, _("Connected. Now say which model judges."))
    return redirect(f"{reverse('judge-new', args=[slug])}?connection={made.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def connection(request: HttpRequest, slug: str, connection_id: int) -> HttpResponse:
    """One connection: its settings; a key that is entered replaces the one that is set."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    row = selectors.connection_in(project, connection_id)
    if request.method != "POST":
        return _form(request, project, connection=row, sent=_settings(row))
    try:
        connections.change_connection(
            connection=row,
            actor=user,
            key=_key(request),
            **connection_values(request.POST),
        )
    except ApplicationError as error:
        return _form(request, project, connection=row, sent=request.POST, error=error)
    messages.success(request, _("Saved."))
    return redirect("connection", slug, row.pk)


@require_POST
@login_required
def connection_test(request: HttpRequest, slug: str, connection_id: int) -> HttpResponse:
    """Ask one small question; htmx gets the answer alone."""
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    row = selectors.connection_in(project, connection_id)
    model = request.POST.get("model", "").strip()
    found = _tested(row, model)
    if request.headers.get("HX-Request"):
        # Asked from the form of a judge, where the connection is a page away.
        mend = "" if found["works"] or not model else reverse("connection", args=[slug, row.pk])
        return render(request, "judges/_tested.html", {**found, "mend": mend})
    return _form(request, project, connection=row, sent=_settings(row), model=model, **found)


def _tested(row: Connection, model: str) -> dict[str, Any]:
    if not model:
        return {"works": False, "said": _("Name the model to ask.")}
    try:
        tested = connections.try_connection(connection=row, model=model)
    except ApplicationError as error:
        return {"works": False, "said": error.message}
    return {"works": tested.works, "said": tested.message}


@require_POST
@login_required
def connection_delete(request: HttpRequest, slug: str, connection_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    row = selectors.connection_in(project, connection_id)
    try:
        connections.delete_connection(connection=row, actor=user)
    except ApplicationError as error:
        return _form(request, project, connection=row, sent=_settings(row), error=error)
    messages.success(request, _("Deleted, and its key with it."))
    return redirect("connections", slug)


def _key(request: HttpRequest) -> str | None:
    """What replaces the key: nothing where the field was left empty and not marked to be."""
    if request.POST.get("forget") == "on":
        return ""
    return request.POST.get("key", "").strip() or None


def _begin(host: Any) -> dict[str, Any]:
    """A new connection's fields, filled for a known host."""
    if host is None:
        return {"provider": "openai-compatible"}
    known = {"name": host.name, "provider": host.provider, "base_url": host.base_url}
    return {**known, "batches": host.batches, "batch_price_percent": host.batch_price_percent}


def _settings(row: Connection) -> dict[str, Any]:
    """The fields of a form; never the key."""
    return {name: getattr(row, name) for name in connections.SETTABLE}


def _form(
    request: HttpRequest, project: Project, *, error: ApplicationError | None = None, **context: Any
) -> HttpResponse:
    """The form, filled with what was sent where that was refused; the key is never sent back."""
    context = {"connection": None, "hosts": HOSTS, "error": error, **context}
    response = project_page(request, "judges/connection.html", project, "connections", **context)
    response.status_code = error.status if error else 200
    return response
