"""Jobs: what runs, how far it is, and its log."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, can, project_for
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reads import is_stuck
from jobs import selectors, services


@require_safe
@login_required
def job_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_JOBS)
    page = page_of(selectors.jobs_of(project), request)
    return project_page(request, "jobs/page.html", project, "jobs", page=page)


@require_safe
@login_required
def job_detail(request: HttpRequest, slug: str, job_id: int) -> HttpResponse:
    """One job; htmx gets the live part, which stops asking when the job has ended."""
    project = project_for(user_of(request), slug, Action.SEE_JOBS)
    job = selectors.job_in(project, job_id)
    context = {
        "job": job,
        "log": selectors.log_of(job),
        "stuck": is_stuck(job),
        "may_send": can(user_of(request), Action.MANAGE_PROJECT, project),
        "may_cancel": not job.ended and can(user_of(request), Action.CANCEL_JOBS, project),
    }
    if request.headers.get("HX-Request"):
        return render(request, "jobs/_job.html", {**context, "project": project})
    return project_page(request, "jobs/detail.html", project, "jobs", **context)


@require_POST
@login_required
def job_cancel(request: HttpRequest, slug: str, job_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.CANCEL_JOBS)
    job = services.cancel(job=selectors.job_in(project, job_id))
    text = _("Cancelled.") if job.ended else _("Asked to stop; it ends at its next check.")
    messages.success(request, text)
    return redirect("job", slug, job.pk)
