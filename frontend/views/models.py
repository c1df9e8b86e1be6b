"""The registry: the list of model versions, one version with its figures, and the gate."""

from dataclasses import fields
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.datasets.selectors import snapshots_of
from core.exceptions import ApplicationError
from frontend.model_shown import GATE_WORDS, evaluations_shown, gate_entered, probe_shown
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.run_form import kind_of
from frontend.run_report import behind, figures_of
from jobs.models import Job
from training.fit.benchmarks.names import BENCHMARKS
from training.registry import evaluations, gating, selectors
from training.registry.gate import Thresholds
from training.registry.models import Evaluation, ModelVersion
from training.runs.models import RunKind
from training.writeback.models import RelabelBy
from training.writeback.selectors import KIND as WRITE_BACK

MOST_EVALUATIONS = 50


@require_safe
@login_required
def model_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Versions of both kinds, or of the one that `kind` names."""
    project = project_for(user_of(request), slug, Action.SEE_TRAINING)
    kind = request.GET.get("kind", "")
    rows = selectors.versions_of(project)
    if kind in RunKind.values:
        rows = rows.filter(kind=kind)
    context = {"page": page_of(rows, request), "kind": kind, "kinds": RunKind.choices}
    return project_page(request, "models/page.html", project, "models", **context)


@require_safe
@login_required
def model_detail(request: HttpRequest, slug: str, version_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_TRAINING)
    return version_page(request, project, selectors.version_in(project, version_id))


def version_page(
    request: HttpRequest,
    project: Project,
    version: ModelVersion,
    error: ApplicationError | None = None,
) -> HttpResponse:
    """One version; `error` says why what was asked of it was refused."""
    rows = Evaluation.objects.filter(version=version).select_related("job").order_by("-pk")
    response = project_page(
        request,
        "models/detail.html",
        project,
        "models",
        version=version,
        run=version.run,
        error=error,
        sent=request.POST,
        figures=figures_of(version.metrics),
        checks=version.gate.get("checks", []),
        probe=probe_shown(version),
        evaluations=evaluations_shown(rows[:MOST_EVALUATIONS]),
        names=_names(version),
        snapshots=snapshots_of(project)[:MOST_EVALUATIONS],
        card=selectors.card_of(version),
        behind=behind(version.run.snapshot.manifest),
        written=_last_write_back(version),
        relabel_by=RelabelBy.choices,
    )
    response.status_code = error.status if error else 200
    return response


def _last_write_back(version: ModelVersion) -> Job | None:
    rows = Job.objects.filter(kind=WRITE_BACK, project=version.project_id)
    return rows.filter(arguments__version=version.pk).order_by("-pk").first()


def _names(version: ModelVersion) -> list[tuple[str, str]]:
    """What a version of its kind can be evaluated on."""
    known = list(BENCHMARKS.items()) if version.kind == RunKind.REWARD else []
    more = [("best of n", _("Best of n"))] if version.kind == RunKind.POLICY else []
    return [
        (evaluations.PROBE, _("The probe, beside production")),
        *known,
        *more,
        (evaluations.SAFETY, _("Safety, on test rows of a snapshot")),
        ("test rows", _("Test rows of a snapshot")),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def gate(request: HttpRequest, slug: str) -> HttpResponse:
    """The thresholds of a kind: shown to those who train, set by those who manage."""
    kind = kind_of(request.GET.get("kind", ""))
    user = user_of(request)
    action = Action.MANAGE_PROJECT if request.method == "POST" else Action.SEE_TRAINING
    project = project_for(user, slug, action)
    error: ApplicationError | None = None
    if request.method == "POST":
        try:
            gating.set_gate(
                project=project, kind=kind, thresholds=gate_entered(request.POST), actor=user
            )
            messages.success(request, _("The gate is set. It judges from the next check on."))
            return redirect(f"{request.path}?kind={kind}")
        except ApplicationError as refused:
            error = refused
    rows = _gate_rows(project, kind, request.POST if error else None)
    context: dict[str, Any] = {"kind": kind, "rows": rows, "error": error}
    response = project_page(request, "models/gate.html", project, "models", **context)
    response.status_code = error.status if error else 200
    return response


def _gate_rows(project: Project, kind: str, sent: Any) -> list[dict[str, Any]]:
    """A field for every threshold, and for every benchmark of reward models."""
    now = gating.gate_of(project, kind)
    rows = [
        {"name": each.name, "words": GATE_WORDS[each.name], "value": getattr(now, each.name)}
        for each in fields(Thresholds)
        if each.name in GATE_WORDS
    ]
    if kind == RunKind.REWARD:
        rows += [
            {
                "name": f"benchmark.{name}",
                "words": (title, _("Least score of the newest evaluation, from 0 to 1.")),
                "value": now.benchmarks.get(name),
            }
            for name, title in BENCHMARKS.items()
        ]
    for row in rows:
        row["value"] = sent.get(row["name"], "") if sent else row["value"]
    return rows
