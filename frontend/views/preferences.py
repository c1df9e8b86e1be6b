"""What a person sets for themselves."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.preferences import CHOICES, preferences_of, set_preferences
from core.exceptions import InvalidInput
from frontend.keys import ACTS, bindings, changed_keys, shown
from frontend.pages import user_of


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def preferences(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    if request.method != "POST":
        return _page(request, bindings(preferences_of(user).keys))
    given = {act.name: request.POST.get(f"key-{act.name}", act.key) for act in ACTS}
    try:
        set_preferences(user=user, changes=_changes(request.POST, given))
    except InvalidInput as error:
        return _page(request, given, problem=str(error), status=422)
    messages.success(request, _("Saved."))
    return redirect("preferences")


def _changes(data: QueryDict, keys: dict[str, str]) -> dict[str, Any]:
    choices = {name: data[name] for name in CHOICES if name in data}
    flags = {name: name in data for name in ("sync", "diff")}
    return {**choices, **flags, "keys": {} if "reset" in data else changed_keys(keys)}


def _page(
    request: HttpRequest, keys: dict[str, str], *, problem: str = "", status: int = 200
) -> HttpResponse:
    acts = [(act, keys[act.name], shown(keys[act.name])) for act in ACTS]
    context = {"chosen": preferences_of(user_of(request)), "acts": acts, "problem": problem}
    return render(request, "preferences/page.html", context, status=status)
