"""A person's projects, and the health of the system."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.policies import ALLOWED, Action, may_create_projects
from accounts.selectors import memberships_of
from annotation.projects.selectors import archived_of
from frontend.pages import user_of
from jobs.selectors import health


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The projects one is a member of, each with its door."""
    memberships = [
        (membership, membership.role in ALLOWED[Action.SEE_PROJECT])
        for membership in memberships_of(user_of(request))
    ]
    user = user_of(request)
    context = {
        "memberships": memberships,
        "archived": archived_of(user)[:20],
        "may_create": may_create_projects(user),
    }
    return render(request, "home/page.html", context)


@require_safe
@login_required
def system(request: HttpRequest) -> HttpResponse:
    """Is anybody there to run jobs, and how much waits?"""
    queues = health()
    template = "system/_queues.html" if request.headers.get("HX-Request") else "system/page.html"
    down = [queue for queue in queues if not queue.alive]
    return render(request, template, {"queues": queues, "down": down})
