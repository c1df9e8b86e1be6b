"""What explains the labels: factors of people and judges, conflicts, diversity, circles."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.datasets.selectors import snapshots_of
from annotation.explaining.api import as_file
from annotation.explaining.models import Explanation
from annotation.explaining.selectors import (
    explanation_in,
    explanations_of,
    labels_since,
    newest_explanation,
)
from annotation.explaining.tasks import KIND, compute_explanation
from annotation.explaining.units import PEOPLE
from annotation.explaining.words import source_title
from annotation.instances.models import Instance
from core.exceptions import NotFound
from frontend.explaining.charts import conflict_map, diversity_chart, forest
from frontend.explaining.rows import (
    behind,
    chosen,
    component_rows,
    contrast_rows,
    domain_rows,
    factor_rows,
    rare,
    source_rows,
)
from frontend.pages import awaited, project_page, user_of
from frontend.reads import has_simulated, snapshot_in
from jobs.models import ENDED, Job

Json = dict[str, Any]
MOST_LISTED = 20


@require_safe
@login_required
def explain(request: HttpRequest, slug: str) -> HttpResponse:
    """One explanation, the newest unless another is asked for."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    if request.headers.get("HX-Request"):
        return awaited(_running(project))
    explanation = _asked_for(project, request.GET.get("explanation"))
    context = _context(explanation, request) if explanation else {}
    return project_page(
        request,
        "explain/page.html",
        project,
        "explain",
        explanation=explanation,
        since=labels_since(explanation) if explanation else 0,
        others=explanations_of(project)[:MOST_LISTED],
        snapshots=snapshots_of(project)[:MOST_LISTED],
        job=_running(project),
        simulated=has_simulated(project),
        **context,
    )


def _running(project: Project) -> Job | None:
    rows = Job.objects.filter(project=project, kind=KIND).exclude(state__in=ENDED)
    return rows.order_by("-pk").first()


def _asked_for(project: Project, number: str | None) -> Explanation | None:
    if not number:
        return newest_explanation(project)
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise NotFound(_("There is no such explanation in this project."))
    return explanation_in(project, int(number))


def _context(explanation: Explanation, request: HttpRequest) -> Json:
    """What the page shows of an explanation; nothing where it found no label."""
    figures = explanation.figures
    criterion = chosen(figures["criteria"], request.GET.get("criterion"))
    if criterion is None:
        return {"figures": figures}
    sources = source_rows(figures, criterion)
    source = next((s for s in sources if s["key"] == request.GET.get("source")), sources[0])
    return {
        "figures": figures,
        "criterion": criterion,
        "sources": sources,
        "source": source,
        "forest": _forest(sources, source),
        "factors": factor_rows(source),
        "rare": rare(source),
        "contrasts": contrast_rows(figures, criterion),
        "domains": domain_rows(source),
        "components": component_rows(source),
        "diversity": diversity_chart(figures["diversity"]),
        **_conflicts(figures),
    }


def _forest(sources: list[Json], source: Json) -> Any:
    """The chosen source, then people and judges until there are four."""
    wide = [s for s in sources if s["key"] == PEOPLE or s["key"].startswith("judge:")]
    shown = wide[:4] if source in wide[:4] else [source, *wide[:3]]
    return forest(
        [(s["title"], s.get("coefficients", [])) for s in shown],
        label=_("What preferences go with, by label source"),
    )


def _conflicts(figures: Json) -> Json:
    names = {row["key"]: row["name"] for row in figures["criteria"]}
    rows = [
        row
        | {
            "who": source_title(figures["sources"], row["source"]),
            "names": [names[row["a"]], names[row["b"]]],
        }
        for row in figures["conflicts"]
        if row["a"] in names and row["b"] in names
    ]
    people = [row for row in rows if row["source"] == rows[0]["source"]] if rows else []
    return {"conflicts": rows, "conflict_map": conflict_map(people, names)}


@require_POST
@login_required
def explain_compute(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for an explanation of the labels as they stand, or of a snapshot."""
    user = user_of(request)
    project = project_for(user, slug, Action.REVIEW)
    number = request.POST.get("snapshot", "")
    snapshot = None
    if number:
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise NotFound(_("There is no such snapshot in this project."))
        snapshot = snapshot_in(project, int(number))
    compute_explanation(project=project, snapshot=snapshot, by=user)
    messages.success(request, _("Labels are being explained in the background."))
    return redirect("explain", slug)


@require_safe
@login_required
def explain_behind(request: HttpRequest, slug: str, explanation_id: int) -> HttpResponse:
    """The instances behind one figure, to be sent for relabelling."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    explanation = explanation_in(project, explanation_id)
    asked = {key: request.GET.get(key, "") for key in request.GET}
    heading, reason, keys = behind(explanation.figures, asked)
    found = Instance.objects.filter(project=project).in_bulk(keys)
    return project_page(
        request,
        "explain/behind.html",
        project,
        "explain",
        explanation=explanation,
        criterion=asked.get("criterion", ""),
        heading=heading or _("No such figure"),
        reason=reason[:200],
        instances=[found[pk] for pk in keys if pk in found],
    )


@require_safe
@login_required
def explain_download(
    request: HttpRequest, slug: str, explanation_id: int, suffix: str
) -> HttpResponse:
    """The explanation as JSON, CSV or Markdown."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    return as_file(explanation_in(project, explanation_id), suffix)
