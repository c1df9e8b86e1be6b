"""Quality: agreement, annotators and what is done about them."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.consensus.methods import how_of
from annotation.consensus.services import METHODS, Minority, choose_method, state_of
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from annotation.labels.selectors import annotator_in
from annotation.projects.selectors import criteria_of
from annotation.quality import services
from annotation.quality.em import MODELS
from annotation.quality.measuring import Settings, labels_since, newest_report
from annotation.quality.models import Report
from annotation.quality.pairs import differing
from annotation.quality.qualification import standing
from annotation.quality.reviewing import checked
from annotation.quality.tasks import KIND, compute
from frontend.pages import awaited, project_page, user_of
from frontend.qualifying import qualification_of
from frontend.quality_charts import seconds_chart, skill_chart, time_chart
from frontend.quality_rows import COLUMNS, PLAIN, Row, rows_of, sorted_rows, table_csv
from frontend.reads import has_simulated
from jobs.models import ENDED, Job

MOST_BEHIND = 100
MINORITIES = (
    (Minority.NOISE.value, gettext_lazy("noise: people err")),
    (Minority.SIGNAL.value, gettext_lazy("signal: people differ")),
)


@require_safe
@login_required
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    """Agreement and the table of annotators, as the newest report has them."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    if request.headers.get("HX-Request"):
        return awaited(_running(project))
    report = newest_report(project)
    rows = _rows(project, report)
    consensus = state_of(project)
    key = request.GET.get("sort", "labels")
    down = request.GET.get("up") != "1"
    return project_page(
        request,
        "quality/page.html",
        project,
        "quality",
        report=report,
        agreement=_agreement(report),
        rows=sorted_rows(rows, key, down=down),
        heads=_heads(key, down),
        chart=skill_chart(rows),
        matrix=_matrix(report, rows),
        since=labels_since(report) if report else 0,
        job=_running(project),
        simulated=has_simulated(project),
        criteria=criteria_of(project),
        models=MODELS,
        methods=METHODS,
        consensus=consensus,
        weighed=bool(consensus and how_of(consensus).parameters),
        minorities=MINORITIES,
    )


def _rows(project: Project, report: Report | None) -> list[Row]:
    if report is None:
        return []
    annotators = {row.pk: row for row in Annotator.objects.filter(project=project)}
    return rows_of(report.figures, annotators)


def _agreement(report: Report | None) -> list[dict[str, Any]]:
    figures = report.figures["agreement"] if report else []
    return [row | {"chart": time_chart(row)} for row in figures]


def _heads(key: str, down: bool) -> list[dict[str, Any]]:
    """The columns with the address that sorts by them."""
    names = {
        "name": _("Annotator"),
        "labels": _("Labels"),
        "seconds": _("Median time"),
        "flips": _("Flips"),
    }
    shares = [(column.key, column.name, column.help) for column in COLUMNS]
    plain = [(name, names[name], "") for name in PLAIN]
    return [
        {
            "key": name,
            "name": text,
            "help": hint,
            "sorted": ("descending" if down else "ascending") if name == key else "",
            "url": "?" + urlencode({"sort": name, "up": int(name == key and down)}),
        }
        for name, text, hint in [*plain[:2], *shares, *plain[2:]]
    ]


def _matrix(report: Report | None, rows: list[Row]) -> list[dict[str, Any]]:
    names = {row.annotator.pk: row.annotator for row in rows}
    found = report.figures["matrix"] if report else []
    return [
        row | {"first": names[row["first"]], "second": names[row["second"]]}
        for row in found
        if row["first"] in names and row["second"] in names
    ]


def _running(project: Project) -> Job | None:
    rows = Job.objects.filter(project=project, kind=KIND).exclude(state__in=ENDED)
    return rows.order_by("-pk").first()


@require_POST
@login_required
def quality_compute(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    names = ("model", "criterion", "since", "until")
    settings = Settings(**{name: request.POST[name] for name in names if request.POST.get(name)})
    compute(project=project, settings=settings, by=user)
    messages.info(request, _("The figures are being computed: reload this page in a moment."))
    return redirect("quality", slug)


@require_POST
@login_required
def quality_method(request: HttpRequest, slug: str) -> HttpResponse:
    """How labels are brought together from now on."""
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    choose_method(
        project=project,
        method=request.POST.get("method", ""),
        minority=request.POST.get("minority", Minority.NOISE),
    )
    messages.success(request, _("The next update of the consensus uses this method."))
    return redirect("quality", slug)


@require_safe
@login_required
def quality_csv(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    report = newest_report(project)
    number = report.pk if report else 0
    rows = sorted_rows(_rows(project, report), "labels", down=True)
    response = HttpResponse(table_csv(rows, number), content_type="text/csv; charset=utf-8")
    name = f"{project.slug}-annotators-{number}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_safe
@login_required
def quality_annotator(request: HttpRequest, slug: str, annotator_id: int) -> HttpResponse:
    """One annotator: every figure with its interval, and the instances behind it."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    annotator = annotator_in(project, annotator_id)
    report = newest_report(project)
    row = next((r for r in _rows(project, report) if r.annotator.pk == annotator_id), None)
    figures = row.figures if row else {}
    shares = list(zip(COLUMNS, row.cells, strict=True)) if row else []
    return project_page(
        request,
        "quality/annotator.html",
        project,
        "quality",
        annotator=annotator,
        report=report,
        row=row,
        shares=shares,
        figures=figures,
        patterns=_patterns(project, figures.get("patterns", [])),
        chart=seconds_chart(figures.get("seconds", [])),
        against=_instances(project, figures.get("against", [])),
        flips=_instances(project, (figures.get("influence") or {}).get("flips", [])),
        wrong=_gold(project, (figures.get("gold") or {}).get("wrong", [])),
        checked=checked(annotator),
        standing=standing(annotator) if annotator.kind == "person" else None,
    )


def _patterns(project: Project, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Patterns with the moment of a change, and the annotator somebody goes together with."""
    partners = [int(row["what"]) for row in found if row["kind"] == "together"]
    people = Annotator.objects.filter(project=project).in_bulk(partners)
    return [
        row
        | ({"partner": people.get(int(row["what"]))} if row["kind"] == "together" else {})
        | (
            {"at": datetime.fromtimestamp(float(row["what"]), UTC)}
            if row["kind"] == "change"
            else {}
        )
        for row in found
    ]


def _instances(project: Project, keys: list[int]) -> list[Instance]:
    rows = Instance.objects.filter(project=project, pk__in=keys[:MOST_BEHIND])
    return list(rows.order_by("-pk"))


def _gold(project: Project, keys: list[int]) -> list[Instance]:
    """Instances that are gold still: those can be doubted."""
    return [each for each in _instances(project, keys) if each.state == InstanceState.GOLD]


@require_safe
@login_required
def quality_pair(request: HttpRequest, slug: str, annotator_id: int, other_id: int) -> HttpResponse:
    """The instances on which two annotators differ."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    first, second = annotator_in(project, annotator_id), annotator_in(project, other_id)
    criteria = criteria_of(project)
    key = request.GET.get("criterion")
    criterion = next((each for each in criteria if each.key == key), criteria[0])
    apart, same = differing(project, criterion, first, second)
    context = {
        "first": first,
        "second": second,
        "criterion": criterion,
        "criteria": criteria,
        "instances": apart[:MOST_BEHIND],
        "total": len(apart),
        "same": same,
    }
    return project_page(request, "quality/pair.html", project, "quality", **context)


@require_POST
@login_required
def quality_exclude(request: HttpRequest, slug: str, annotator_id: int) -> HttpResponse:
    """Leave somebody's labels out, or take them in again."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PEOPLE)
    annotator = annotator_in(project, annotator_id)
    if request.POST.get("act") == "include":
        services.include(annotator=annotator, by=user)
        messages.success(request, _("Their labels count again."))
    else:
        because = request.POST.get("because", "")
        services.exclude(annotator=annotator, because=because, by=user)
        messages.success(request, _("Their labels are left out. Nothing is deleted."))
    return redirect("quality-annotator", slug, annotator_id)


@require_POST
@login_required
def quality_admit(request: HttpRequest, slug: str, annotator_id: int) -> HttpResponse:
    """Let somebody in whatever the qualification round said."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PEOPLE)
    services.admit(annotator=annotator_in(project, annotator_id), by=user)
    messages.success(request, _("They may label now."))
    return redirect("quality-annotator", slug, annotator_id)


@require_safe
@login_required
def qualification_feedback(request: HttpRequest, slug: str) -> HttpResponse:
    """What to say about the last answer of the qualification round; asks again until they pass."""
    user = user_of(request)
    project = project_for(user, slug, Action.LABEL)
    annotator = annotator_for(project=project, user=user)
    context = {"project": project, **qualification_of(annotator)}
    return render(request, "quality/_feedback.html", context)
