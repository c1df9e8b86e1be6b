"""Sending what is new to people: the way to labels without a router."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.policies import Action, project_for
from annotation.queue.sending import start_sending
from frontend.pages import user_of


@require_POST
@login_required
def send(request: HttpRequest, slug: str) -> HttpResponse:
    """Send all new instances to people: a job."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    job = start_sending(project=project, created_by=user)
    messages.success(request, _("The instances are on their way to people."))
    return redirect("job", slug, job.pk)
