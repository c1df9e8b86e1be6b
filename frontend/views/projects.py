"""Making a project: choose a template, adjust it beside a live preview, review, create."""

from itertools import groupby
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.policies import may_create_projects
from annotation.projects.services import create_project
from annotation.projects.templates import TEMPLATES
from core.exceptions import Forbidden, InvalidInput
from frontend.pages import user_of
from frontend.wizard import words
from frontend.wizard.fields import Plan, arguments_of, plan_of, read_plan, rearranged
from frontend.wizard.preview import preview_of

BLANK = "blank"


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def project_new(request: HttpRequest) -> HttpResponse:
    """The whole wizard is one form; the button that was pressed says what comes next."""
    if not may_create_projects(user_of(request)):
        raise Forbidden(_("This account takes part in a study; projects are made by others."))
    if request.method == "POST":
        return _go_on(request, read_plan(request.POST), request.POST.get("act", "review"))
    chosen = request.GET.get("template", "")
    if chosen == BLANK or chosen in TEMPLATES:
        return _adjust(request, plan_of(TEMPLATES.get(chosen)))
    groups = groupby(TEMPLATES.values(), key=lambda template: template.group)
    shown = [(name, list(templates)) for name, templates in groups]
    return render(request, "wizard/choose.html", {"groups": shown, "blank": BLANK})


def _go_on(request: HttpRequest, plan: Plan, act: str) -> HttpResponse:
    if rearranged(plan, act) or act == "change":
        return _adjust(request, plan)
    try:
        if not plan.name:
            raise InvalidInput(_("Give the project a name."))
        context = preview_of(plan)
        if act == "create":
            return _create(request, plan)
    except InvalidInput as error:
        return _adjust(request, plan, error.message)
    facts = words.facts_of(context["form"].view.protocol, context["form"].view.criteria)
    return render(
        request, "wizard/review.html", _fields(plan) | {"preview": context, "facts": facts}
    )


def _create(request: HttpRequest, plan: Plan) -> HttpResponse:
    project = create_project(
        name=plan.name[:200],
        owner=user_of(request),
        description=str(plan.values.get("description", "")).strip(),
        **arguments_of(plan),
    )
    messages.success(request, _("The project is made, and you are its owner. Now bring it data."))
    return redirect("project", project.slug)


def _adjust(request: HttpRequest, plan: Plan, problem: str = "") -> HttpResponse:
    context = _fields(plan) | {"problem": problem} | _preview(plan)
    return render(request, "wizard/adjust.html", context, status=422 if problem else 200)


@require_POST
@login_required
def project_preview(request: HttpRequest) -> HttpResponse:
    """The annotator's page as the form would make it; nothing is written."""
    return render(request, "wizard/_preview.html", _preview(read_plan(request.POST)))


def _preview(plan: Plan) -> dict[str, Any]:
    try:
        return {"preview": preview_of(plan)}
    except InvalidInput as error:
        return {"preview": None, "preview_problem": error.message}


def _fields(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan,
        "values": plan.values,
        "template": TEMPLATES.get(str(plan.values.get("template", ""))),
        **words.choices(),
    }
