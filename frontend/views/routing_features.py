"""The feature explorer: what routers see of instances, and what goes with disagreement."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.judges.models import Judge
from frontend.features_shown import forest, shown, tag_title
from frontend.pages import awaited, project_page, user_of
from frontend.reads import has_simulated
from jobs.models import ENDED, Job
from routing.features.jobs import ENCODE_KIND
from routing.features.selectors import exploration, readers
from routing.features.services import compute_features, features_job, last_encoder
from training.runs.encoders import INCLUDED
from training.runs.folders import models_at_hand


@require_safe
@login_required
def features(request: HttpRequest, slug: str) -> HttpResponse:
    """Distribution, coverage and what it goes with, for every feature and tag."""
    project = project_for(user_of(request), slug, Action.SEE_ROUTING)
    job = features_job(project)
    if request.headers.get("HX-Request"):
        return _progress(request, project, job)
    judges = readers(project)
    judge = _judge(judges, request.GET.get("judge", ""))
    found = exploration(project, judge)
    rows, reach = forest(found.found)
    return project_page(
        request,
        "routing/features_page.html",
        project,
        "features",
        explored=found,
        groups=shown(found.found, found.extractors),
        forest=rows,
        reach=reach,
        tags=[(tag_title(tag.name), tag) for tag in found.found.tags],
        judges=judges,
        judge=judge,
        job=job,
        step=_step(job),
        encoders=[INCLUDED, *models_at_hand()],
        encoder=last_encoder(project),
        simulated=has_simulated(project),
    )


@require_POST
@login_required
def features_compute(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    compute_features(project=project, by=user, encoder=request.POST.get("encoder") or None)
    messages.success(request, _("Features are being computed; this page shows how far."))
    return redirect("features", slug)


def _progress(request: HttpRequest, project: Project, job: Job | None) -> HttpResponse:
    if job is None or job.ended:
        return awaited(None)
    context = {"project": project, "job": job, "step": _step(job)}
    return render(request, "routing/features_progress.html", context)


def _step(job: Job | None) -> Job | None:
    """What is at work: the encoder's job where the features wait for it, else the job itself."""
    if job is None or job.ended:
        return job
    children = job.children.filter(kind=ENCODE_KIND).exclude(state__in=ENDED)
    return children.order_by("-pk").first() or job


def _judge(judges: list[Judge], chosen: str) -> Judge | None:
    """The judge of that id, else the first of the project."""
    return next((each for each in judges if str(each.pk) == chosen), next(iter(judges), None))
