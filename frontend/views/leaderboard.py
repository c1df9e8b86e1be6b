"""Leaderboard of the generators of a project, and how far one order can say what labels say."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.consensus.generators import Settings, newest_of
from annotation.consensus.models import Scope
from annotation.consensus.tasks import GENERATORS, rank_generators
from annotation.labels.models import Annotation
from annotation.projects.selectors import criteria_of
from frontend.leaderboard_chart import rating_chart
from frontend.pages import awaited, project_page, user_of
from jobs.models import ENDED, Job

SOURCES = (
    (Scope.HUMAN.value, gettext_lazy("People")),
    (Scope.JUDGE.value, gettext_lazy("Judges")),
    (Scope.MIXED.value, gettext_lazy("People and judges")),
)


@require_safe
@login_required
def generators(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest leaderboard, with what it stands on."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    if request.headers.get("HX-Request"):
        return awaited(_running(project))
    report = newest_of(project)
    criteria = criteria_of(project)
    names = {criterion.key: criterion.name for criterion in criteria}
    figures = report.figures if report else {}
    newest = report.newest_annotation if report else 0
    since = Annotation.objects.filter(project=project, pk__gt=newest).count() if report else 0
    return project_page(
        request,
        "leaderboard/page.html",
        project,
        "generators",
        report=report,
        figures=figures,
        chart=rating_chart(figures.get("places", [])),
        criteria=criteria,
        criterion=names.get(report.settings["criterion"], "") if report else "",
        sources=SOURCES,
        source=dict(SOURCES).get(report.settings["source"], "") if report else "",
        since=since,
        job=_running(project),
    )


def _running(project: Project) -> Job | None:
    rows = Job.objects.filter(project=project, kind=GENERATORS).exclude(state__in=ENDED)
    return rows.order_by("-pk").first()


@require_POST
@login_required
def generators_compute(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    names = ("source", "criterion")
    wanted = {name: request.POST[name] for name in names if request.POST.get(name)}
    rank_generators(project=project, settings=Settings(**wanted), by=user)
    return redirect("generators", slug)
