"""Training runs: the list, one with its live curves and report, downloads, stopping, resuming."""

import json

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, can, project_for
from core.exceptions import NotFound
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reads import is_stuck
from frontend.run_charts import curves_of
from frontend.run_report import behind, files, report_of, seconds_left
from jobs.selectors import log_of
from training.runs import selectors, services


@require_safe
@login_required
def run_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_TRAINING)
    page = page_of(selectors.runs_of(project), request)
    return project_page(request, "runs/page.html", project, "runs", page=page)


@require_safe
@login_required
def run_detail(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    """One run; htmx gets the live part, which stops asking when the job has ended."""
    user = user_of(request)
    project = project_for(user, slug, Action.SEE_TRAINING)
    run = selectors.run_in(project, run_id)
    context = {
        "run": run,
        "job": run.job,
        "left": seconds_left(run.job),
        "log": log_of(run.job, limit=30) if run.job else [],
        "stuck": is_stuck(run.job),
        "charts": curves_of(selectors.curve(run)),
        "report": report_of(run),
        "may_train": can(user, Action.TRAIN, project),
        "simulated": run.snapshot.manifest.get("simulated_share", 0),
    }
    if request.headers.get("HX-Request"):
        return render(request, "runs/_run.html", {**context, "project": project})
    settings = selectors.flat(selectors.settings_of(run))
    context |= {"settings": settings, "behind": behind(run.snapshot.manifest), "files": files()}
    return project_page(request, "runs/detail.html", project, "runs", **context)


@require_safe
@login_required
def run_download(request: HttpRequest, slug: str, run_id: int, what: str) -> HttpResponse:
    """The report, the configuration or the curves of a run as JSON."""
    project = project_for(user_of(request), slug, Action.SEE_TRAINING)
    run = selectors.run_in(project, run_id)
    if what == "report":
        found = run.report
    elif what == "config":
        found = selectors.settings_of(run)
    elif what == "curves":
        found = selectors.curve(run)
    else:
        raise NotFound(_("There is no such file of this run."))
    name = f'attachment; filename="run-{run.pk}-{what}.json"'
    return HttpResponse(
        json.dumps(found, indent=1),
        content_type="application/json",
        headers={"Content-Disposition": name},
    )


@require_POST
@login_required
def run_cancel(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.TRAIN)
    run = services.cancel_run(run=selectors.run_in(project, run_id), actor=user_of(request))
    messages.success(request, _("Asked to stop; it writes a checkpoint and can be resumed."))
    return redirect("run", slug, run.pk)


@require_POST
@login_required
def run_resume(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.TRAIN)
    run = services.resume_run(run=selectors.run_in(project, run_id), actor=user_of(request))
    messages.success(request, _("It goes on from its newest checkpoint."))
    return redirect("run", slug, run.pk)
