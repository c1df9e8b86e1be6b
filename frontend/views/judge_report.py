"""What judges are worth: the report of one judge, the matrix of all, and the instances behind."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.instances.models import Instance
from annotation.judges.models import Judge, JudgeReport
from annotation.judges.report.selectors import judge_labels_since, newest_judge_report
from annotation.judges.report.services import PANEL
from annotation.judges.report.tasks import KIND, compute_judge_report
from core.exceptions import NotFound
from frontend.judges.charts import drift_chart, gap_chart, reliability_chart
from frontend.judges.words import (
    behind,
    bias_rows,
    confusion_rows,
    why_not_routed,
    why_uncalibrated,
)
from frontend.pages import awaited, project_page, user_of
from frontend.reads import has_simulated
from jobs.models import ENDED, Job

Json = dict[str, Any]


@require_safe
@login_required
def judge_report(request: HttpRequest, slug: str, judge_id: int | None = None) -> HttpResponse:
    """One judge, or the panel of all of them, as the newest report has it."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    judge = _judge(project, judge_id)
    if request.headers.get("HX-Request"):
        return awaited(_running(project))
    report = newest_judge_report(project)
    criterion = _criterion(report, request.GET.get("criterion"))
    figures = _figures(criterion, judge)
    context = _context(figures, report, criterion, judge) if figures else {}
    return project_page(
        request,
        "judges/report.html",
        project,
        "judges" if judge else "judge-panel",
        judge=judge,
        criterion=criterion,
        **_about(project, report),
        **context,
    )


def _about(project: Project, report: JudgeReport | None) -> Json:
    """What every page of the report says of it."""
    return {
        "report": report,
        "criteria": report.figures["criteria"] if report else [],
        "since": judge_labels_since(report) if report else 0,
        "job": _running(project),
        "simulated": has_simulated(project),
    }


def _running(project: Project) -> Job | None:
    rows = Job.objects.filter(project=project, kind=KIND).exclude(state__in=ENDED)
    return rows.order_by("-pk").first()


def _judge(project: Project, judge_id: int | None) -> Judge | None:
    """The judge, or None for the panel."""
    if judge_id is None:
        return None
    found = Judge.objects.filter(project=project, pk=judge_id).select_related("annotator").first()
    if found is None:
        raise NotFound(_("There is no such judge in this project."))
    return found


def _criterion(report: JudgeReport | None, key: str | None) -> Json | None:
    found: list[Json] = report.figures["criteria"] if report else []
    return next((row for row in found if row["key"] == key), found[0] if found else None)


def _figures(criterion: Json | None, judge: Judge | None) -> Json | None:
    rows: Json = criterion["judges"] if criterion else {}
    return rows.get(str(judge.pk) if judge else PANEL)


def _context(
    figures: Json, report: JudgeReport | None, criterion: Json | None, judge: Judge | None
) -> Json:
    calibration, drift = figures["calibration"], figures["drift"]
    fitted = calibration["method"] != "identity"
    raw = (figures["reliability"] or {}).get("bins", [])
    names: Json = report.figures["judges"] if report else {}
    return {
        "figures": figures,
        "inferred": figures["report"],
        "everything": figures["all"],
        "calibration": calibration,
        "fitted": fitted,
        "why_uncalibrated": why_uncalibrated(calibration),
        "why_not_routed": why_not_routed(figures["report"]["why_not"]),
        "reliability": reliability_chart(
            calibration["before_bins"] if fitted else raw,
            calibration["after_bins"] if fitted else [],
        ),
        "drift": drift,
        "drift_chart": drift_chart(drift["periods"]),
        "gaps": gap_chart(figures["consistency"]["gaps"]),
        "biases": bias_rows(figures["biases"]),
        "confusion": confusion_rows(figures["all"]["verdicts"]["confusion"]),
        "versions": _versions(names, criterion, judge),
        "members": [names[str(pk)]["name"] for pk in figures.get("members", [])],
    }


def _versions(names: Json, criterion: Json | None, judge: Judge | None) -> list[Json]:
    """The judge under its other prompts and settings, the oldest first; none without others."""
    if judge is None or criterion is None:
        return []
    chain = {str(judge.pk)}
    for _step in names:
        chain |= {pk for pk, row in names.items() if str(row["replaces"]) in chain}
        chain |= {str(names[pk]["replaces"]) for pk in chain if pk in names} & set(names)
    rows = [
        names[pk] | {"pk": int(pk), "figures": criterion["judges"].get(pk)}
        for pk in sorted(chain, key=int)
        if pk in names
    ]
    return rows if len(rows) > 1 else []


@require_safe
@login_required
def judge_matrix(request: HttpRequest, slug: str) -> HttpResponse:
    """Every judge against every annotator, and what judges say where people say something."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    if request.headers.get("HX-Request"):
        return awaited(_running(project))
    report = newest_judge_report(project)
    criterion = _criterion(report, request.GET.get("criterion"))
    context = _matrix(report, criterion) if report and criterion else {}
    return project_page(
        request,
        "judges/report_matrix.html",
        project,
        "judge-matrix",
        criterion=criterion,
        **_about(project, report),
        **context,
    )


def _matrix(report: JudgeReport, criterion: Json) -> Json:
    names = {pk: row["name"] for pk, row in report.figures["judges"].items()}
    names[PANEL] = _("Panel of judges")
    columns = [
        {
            "key": key,
            "pk": int(key) if key != PANEL else None,
            "name": names[key],
            "figures": figures,
            "confusion": confusion_rows(figures["all"]["verdicts"]["confusion"]),
        }
        for key, figures in criterion["judges"].items()
    ]
    rows = [
        row
        | {
            "name": names.get(row["who"])
            if row["kind"] == "judge"
            else criterion["pseudonyms"].get(str(row["who"]), "–"),
            "cells": [row["cells"].get(column["key"]) for column in columns],
        }
        for row in criterion["matrix"]
    ]
    # Said once where it holds for every judge.
    told = [row["report"] for row in criterion["judges"].values() if row["report"]["powered"]]
    few = bool(told) and all(found["few_prompts"] for found in told)
    return {"columns": columns, "rows": rows, "few_prompts": few}


@require_safe
@login_required
def judge_behind(request: HttpRequest, slug: str, judge_id: int | None = None) -> HttpResponse:
    """The instances behind one figure of the report."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    judge = _judge(project, judge_id)
    criterion = _criterion(newest_judge_report(project), request.GET.get("criterion"))
    figures = _figures(criterion, judge)
    of, which = request.GET.get("of", ""), request.GET.get("which", "")
    title, keys = behind(figures, of, which) if figures else ("", [])
    found = {row.pk: row for row in Instance.objects.filter(project=project, pk__in=keys)}
    return project_page(
        request,
        "judges/report_behind.html",
        project,
        "judges" if judge else "judge-panel",
        judge=judge,
        criterion=criterion,
        heading=title or _("No such figure"),
        instances=[found[pk] for pk in keys if pk in found],
    )


@require_POST
@login_required
def judge_report_compute(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a new report, and go back to where the button was."""
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    compute_judge_report(project=project, by=user)
    judge = request.POST.get("judge", "")
    if judge == PANEL:
        return redirect("judge-panel", slug)
    if judge.isdecimal():
        return redirect("judge-report", slug, int(judge))
    return redirect("judge-matrix", slug)
