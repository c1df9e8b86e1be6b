"""Tags: how far a project is covered, asking a judge for them, and giving them by hand."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, project_for
from annotation.tagging.runs import ALL, UNTAGGED, start_tagging, taggers_of
from annotation.tagging.services import tag_by_person
from frontend.pages import project_page, user_of
from frontend.tagging import (
    cost_of,
    coverage_rows,
    instance_in,
    read_tags,
    wish_of,
)
from routing.budgets.selectors import payable


@require_safe
@login_required
def tags(request: HttpRequest, slug: str) -> HttpResponse:
    """Coverage by name and value, and the form that asks a judge; htmx gets what that will cost."""
    project = project_for(user_of(request), slug, Action.SEE_INSTANCES)
    if request.headers.get("HX-Request"):
        cost = cost_of(project, request.GET)
        return render(request, "tags/_cost.html", {"cost": cost, "project": project})
    budgets = list(payable(project))
    # As the form offers it first.
    offered = {"budget": str(budgets[0].pk)} if budgets else {}
    return project_page(
        request,
        "tags/page.html",
        project,
        "tags",
        rows=coverage_rows(project),
        judges=taggers_of(project),
        budgets=budgets,
        choices=((UNTAGGED, _("those no judge has tagged")), (ALL, _("all"))),
        cost=cost_of(project, offered),
    )


@require_POST
@login_required
def tags_ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Start asking a judge for tags."""
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    wish = wish_of(project, request.POST)
    run = start_tagging(judge=wish.judge, of=wish.of, budget=wish.budget, by=user)
    return redirect("judge-run", slug, run.pk)


@require_POST
@login_required
def instance_tags(request: HttpRequest, slug: str, instance_id: int) -> HttpResponse:
    """Tags by hand; what nobody changed stays the word of whoever said it."""
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    instance = instance_in(project, instance_id)
    changed = read_tags(request.POST, instance)
    if changed:
        tag_by_person(instance=instance, tags=changed, by=user)
        messages.success(request, _("The tags are kept."))
    else:
        messages.info(request, _("Nothing was changed."))
    return redirect("instance", slug, instance_id)
